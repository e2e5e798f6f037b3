#!/bin/sh
# Times `why504 timeouts` beside ripgrep and grep on a made-up log, and prints a Markdown table.
#
#   LINES=5000000     lines in the error log
#
# More variables are described in measure.sh.
set -eu
. "$(dirname "$0")/measure.sh"

lines=${LINES:-5000000}

# An error log as a busy gateway writes it: one line in a hundred is a timeout.
error_log() {
    stamp="$folder/error.log.made"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$lines" ]; then
        say "making $folder/error.log, $lines lines"
        awk -v lines="$lines" 'BEGIN {
            for (i = 0; i < lines; i++) {
                s = int(i / 200)
                head = sprintf("2026/11/%02d %02d:%02d:%02d [%s] %d#%d: *%d ", 1 + s / 86400 % 28,
                    s / 3600 % 24, s / 60 % 60, s % 60, i % 100 ? "warn" : "error", 100 + i % 4,
                    100 + i % 4, i)
                tail = sprintf(", client: 203.0.113.%d, server: shop.example.com, request: \"GET " \
                    "/api/cart?item=%d HTTP/1.1\", ", i % 250, i)
                if (i % 100)
                    print head "an upstream response is buffered to a temporary file " \
                        "/var/cache/nginx/proxy_temp/" i % 10 "/00/" i " while reading upstream" \
                        tail "upstream: \"http://10.0.0." i % 9 ":8080/api/cart\", host: \"shop\""
                else
                    print head "upstream timed out (110: Connection timed out) while connecting to " \
                        "upstream" tail "upstream: \"http://10.0.0." i % 9 ":8080/api/cart\", host: \"shop\""
            }
        }' >"$folder/error.log"
        echo "$lines" >"$stamp"
    fi
}

logs() {
    error_log
    file="$folder/error.log"
    size=$(bytes_of "$file")
    heading 'Error log' "$lines lines" "$size"
    ours=$(measure "$why504 timeouts --tz UTC $file --format ndjson >/dev/null")
    row '`why504 timeouts F --format ndjson`' "$ours" "$ours" "$size"
    if has rg; then
        row "\`rg -c 'timed out' F\`" "$(measure "rg -c 'timed out' $file | cat")" "$ours" "$size"
    fi
    # Through a pipe: grep stops at the first match when its output is /dev/null.
    row "\`grep -c 'timed out' F\`" "$(measure "LC_ALL=C grep -c 'timed out' $file | cat")" "$ours" "$size"
    row '`cat F`, for comparison' "$(measure "cat $file >/dev/null")" "$ours" "$size"
}

logs
printf '\nVersions:\n\n'
version rg --version || true
version grep --version || true
