#!/bin/sh
# Times `why504 timeouts` beside ripgrep, grep and GoAccess on made-up logs, and prints a Markdown
# table for each. What was found is held against what the generator wrote; a difference ends the
# run.
#
#   LINES=2600000         lines in the error log, 0.9 GB; one in fifty is a timeout
#   ACCESS_LINES=3900000  lines in the access log, 1 GB, in a format of its own
#
# More variables are described in measure.sh.
set -eu
. "$(dirname "$0")/measure.sh"

lines=${LINES:-2600000}
access_lines=${ACCESS_LINES:-3900000}

# As ACCESS_FORMAT of the generator (crates/lab/src/logs.rs), and for GoAccess.
format='$remote_addr [$time_local] $msec $connection $pid "$request" $status $body_bytes_sent $request_time "$upstream_addr" "$upstream_status" "$upstream_connect_time" "$upstream_response_time" "$host" "$http_user_agent"'
goaccess_format="--log-format='%h [%d:%t %^] %^ %^ %^ \"%r\" %s %b %T \"%^\" \"%^\" \"%^\" \"%^\" \"%v\" \"%u\"' --date-format=%d/%b/%Y --time-format=%T"

# log KIND LINES: makes a log unless one of the same make is there.
log() {
    stamp="$folder/$1.log.made"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$2 lines" ]; then
        say "making $folder/$1.log, $2 lines"
        "$lab" log "$1" --out "$folder/$1.log" --lines "$2" >/dev/null
        echo "$2 lines" >"$stamp"
    fi
}

# truth KIND NAME: a count that the generator wrote beside its log.
truth() { sed -n "s/^ *\"$2\": \([0-9]*\),*$/\1/p" "$folder/$1.log.truth.json"; }

error_log() {
    log error "$lines"
    file="$folder/error.log"
    size=$(bytes_of "$file")
    found=$("$why504" timeouts --tz UTC "$file" --format ndjson | grep -c '^{"type":"timeout"')
    same 'timeouts in the error log' "$found" "$(truth error timeouts)"
    heading 'Error log, one line in fifty a timeout' "$lines lines" "$size"
    command="$why504 timeouts --tz UTC $file --format ndjson"
    ours=$(measure "$command >/dev/null")
    row '`why504 timeouts F --format ndjson`' "$ours" "$ours" "$size"
    if has rg; then
        same "lines that rg counts" "$(rg -c 'timed out' "$file")" "$(truth error timed_out)"
        row "\`rg -c 'timed out' F\`" "$(measure "rg -c 'timed out' $file | cat")" "$ours" "$size"
    fi
    # Through a pipe: grep stops at the first match when its output is /dev/null.
    row "\`grep -c 'timed out' F\`" "$(measure "LC_ALL=C grep -c 'timed out' $file | cat")" "$ours" "$size"
    row '`cat F`, for comparison' "$(measure "cat $file >/dev/null")" "$ours" "$size"
    printf '\nPeak memory of why504: %s; timeouts found: %s.\n' "$(peak "$command")" "$found"
}

access_log() {
    log access "$access_lines"
    file="$folder/access.log"
    size=$(bytes_of "$file")
    command="$why504 timeouts --tz UTC --log-format '$format' $file --format ndjson"
    found=$(sh -c "$command" | sed -n 's/.*"http_504":{"total":\([0-9]*\),.*/\1/p')
    same '504s in the access log' "$found" "$(truth access timeouts)"
    heading 'Access log, a format of its own' "$access_lines lines" "$size"
    ours=$(measure "$command >/dev/null")
    row '`why504 timeouts F --log-format ... --format ndjson`' "$ours" "$ours" "$size"
    if has goaccess; then
        # It takes more than a minute for the whole: a tenth, and its time is scaled up. What it keeps
        # grows with the log, so that is in its favour.
        part="$folder/access-part.log"
        tenth=$((access_lines / 10))
        head -n "$tenth" "$file" >"$part"
        theirs="goaccess $part $goaccess_format --no-progress --no-global-config -o $folder/goaccess.json"
        all=$runs runs=2
        theirs=$(measure "$theirs")
        runs=$all
        row '`goaccess F --log-format=... -o F.json` (on a tenth, times 10)' "$theirs" "$ours" "$size" 10
        read=$(sed -n 's/.*"valid_requests": *\([0-9]*\).*/\1/p' "$folder/goaccess.json" | head -n1)
        same 'lines that GoAccess reads' "$read" "$tenth"
    fi
    row '`cat F`, for comparison' "$(measure "cat $file >/dev/null")" "$ours" "$size"
    printf '\nPeak memory of why504: %s; 504s found: %s.\n' "$(peak "$command")" "$found"
}

error_log
access_log
printf '\nVersions:\n\n'
version rg --version || true
version grep --version || true
version goaccess --version || true
