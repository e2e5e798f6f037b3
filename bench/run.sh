#!/bin/sh
# Times why504 beside the tools that one would otherwise use, on generated files, and prints a
# Markdown table. The files are made once and kept in BENCH_DIR.
#
#   PACKETS=1500000   packets in the capture with whole frames, about 1 GB
#   LINES=5000000     lines in the error log
#   RUNS=5            measured runs of each command; one more, not counted, warms the cache
#   TSHARK_PACKETS=300000  tshark gets only so many packets, and its time is scaled up; 0: all
#
# WHY504 and LAB name the binaries; `make bench` sets them.
set -eu

why504=${WHY504:-target/release/why504}
lab=${LAB:-target/release/why504-lab}
folder=${BENCH_DIR:-${CARGO_TARGET_DIR:-target}/bench}
packets=${PACKETS:-1500000}
lines=${LINES:-5000000}
runs=${RUNS:-5}
tshark_packets=${TSHARK_PACKETS:-300000}
mkdir -p "$folder"

has() { command -v "$1" >/dev/null 2>&1; }
say() { echo "bench: $*" >&2; }

# capture NAME FRAMES PACKETS: makes a capture unless one of the same make is there.
capture() {
    stamp="$folder/$1.made"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$2 $3" ]; then
        say "making $folder/$1, $3 packets"
        "$lab" traffic --out "$folder/$1" --frames "$2" --packets "$3" >/dev/null
        echo "$2 $3" >"$stamp"
    fi
}

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

now() { date +%s%N; }

# measure COMMAND: "WALL CPU", seconds of wall time (the median of RUNS after one that is not
# counted) and of processor time (their mean; 0 where hyperfine is not there to tell).
measure() {
    if has hyperfine; then
        hyperfine --warmup 1 --runs "$runs" --style none --export-json "$folder/times.json" \
            "$1" >/dev/null 2>&1
        awk -F'[:,]' '/"median":/ { wall = $2 } /"user":/ { cpu += $2 } /"system":/ { cpu += $2 }
            END { print wall + 0, cpu + 0 }' "$folder/times.json"
    else
        sh -c "$1" >/dev/null 2>&1
        run=0
        while [ "$run" -lt "$runs" ]; do
            began=$(now)
            sh -c "$1" >/dev/null 2>&1
            echo $(($(now) - began))
            run=$((run + 1))
        done | sort -n | awk '{ t[NR] = $1 } END { print t[int((NR + 1) / 2)] / 1e9, 0 }'
    fi
}

# row LABEL "WALL CPU" "OURS" BYTES [SCALE]
row() {
    echo "$2 ${5:-1} $3" | awk -v label="$1" -v bytes="$4" '{
        wall = $1 * $3; cpu = $2 * $3
        processor = "-"
        if (cpu > 0) processor = sprintf("%.3f s", cpu)
        printf "| %s | %.3f s | %s | %.2f GB/s | %.2f |\n", label, wall, processor,
            bytes / wall / 1e9, wall / $4 }'
}

heading() {
    printf '\n%s: %s, %s bytes\n\n' "$1" "$2" "$3"
    echo '| command | wall, median | processor | throughput | wall, why504 = 1 |'
    echo '|---|---|---|---|---|'
}

bytes_of() { wc -c <"$1" | tr -d ' '; }

# Filters and fields as one would type them to look for handshakes.
filter='tcp[tcpflags] & (tcp-syn|tcp-rst) != 0'
fields="-T fields -e frame.time_epoch -e ip.src -e ip.dst -e tcp.srcport -e tcp.dstport -e tcp.seq_raw"
display="'tcp.flags.syn==1 or tcp.flags.reset==1'"

captures() { # captures NAME TITLE FRAMES
    file="$folder/$1"
    capture "$1" "$3" "$packets"
    size=$(bytes_of "$file")
    heading "$2" "$packets packets" "$size"
    ours=$(measure "$why504 handshakes $file --format ndjson >/dev/null")
    row '`why504 handshakes F --format ndjson`' "$ours" "$ours" "$size"
    one=$(measure "$why504 handshakes -j1 $file --format ndjson >/dev/null")
    row 'the same with `-j1`' "$one" "$ours" "$size"
    if has tcpdump; then
        t=$(measure "tcpdump -r $file -w /dev/null '$filter'")
        row "\`tcpdump -r F -w /dev/null '$(echo "$filter" | sed 's/|/\\|/')'\`" "$t" "$ours" "$size"
    fi
    if has tcptrace; then
        row '`tcptrace -n -l F`' "$(measure "tcptrace -n -l $file >/dev/null")" "$ours" "$size"
    fi
    if has tshark; then
        tshark_row "$1" "$3"
    fi
    row '`cat F`, for comparison' "$(measure "cat $file >/dev/null")" "$ours" "$size"
}

# tshark keeps state for each packet and takes minutes: it gets a slice, and the row says so.
tshark_row() {
    slice="$folder/$1" scale=1 note=
    if [ "$tshark_packets" -gt 0 ] && [ "$tshark_packets" -lt "$packets" ]; then
        slice="$folder/slice-$1"
        capture "slice-$1" "$2" "$tshark_packets"
        scale=$(awk -v a="$packets" -v b="$tshark_packets" 'BEGIN { print a / b }')
        note=" (on $tshark_packets packets, times $scale)"
    fi
    all=$runs runs=2
    t=$(measure "tshark -n -r $slice -Y $display $fields >/dev/null")
    runs=$all
    row "\`tshark -n -r F -Y 'SYN or RST' -T fields ...\`$note" "$t" "$ours" "$size" "$scale"
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

version() { has "$1" && "$@" 2>&1 | grep -m1 -i -E '[0-9]+\.[0-9]' | sed 's/^/- /'; }

echo "Machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n1), $(uname -sr)."
echo "Wall time, median of $runs runs (tshark: 2) after one that is not counted, files in cache."
echo "Load average before: $(cut -d' ' -f1 /proc/loadavg)."
captures full.pcap 'Whole frames' full
captures cut96.pcap 'Frames cut to 96 bytes' 96
logs
printf '\nVersions:\n\n'
"$why504" --version | sed 's/^/- /'
version tcpdump --version || true
version tshark --version || true
version tcptrace -version || true
version rg --version || true
version hyperfine --version || true
