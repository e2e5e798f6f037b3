#!/bin/sh
# Times `why504 handshakes` beside tcpdump, tcptrace, tshark and pigz on made-up captures, and prints
# a Markdown table for each. Before that every attempt, SYN, SYN+ACK and verdict is held against what
# the generator wrote, and one thread against eight; a difference ends the run.
#
#   PACKETS=5000000        packets in the capture with whole frames, 3.7 GB
#   CUT_PACKETS=8000000    in the one whose frames are cut to 96 octets, 0.8 GB
#   NG_PACKETS=3000000     in the pcapng file with whole frames, 2.3 GB
#   GZ_PACKETS=1400000     in each of four compressed captures, 1 GB before
#   SMALL_PACKETS=2700000  in a series of 2000 files of 1 MB
#   TSHARK_PACKETS=300000  tshark gets only so many packets, and its time is scaled up; 0: all
#   BENCH_BIG=1            also measures memory and processor time at 12 GB
#
# More variables are described in measure.sh.
set -eu
. "$(dirname "$0")/measure.sh"

packets=${PACKETS:-5000000}
cut_packets=${CUT_PACKETS:-8000000}
ng_packets=${NG_PACKETS:-3000000}
gz_packets=${GZ_PACKETS:-1400000}
small_packets=${SMALL_PACKETS:-2700000}
tshark_packets=${TSHARK_PACKETS:-300000}

# capture NAME PACKETS OPTIONS: makes a capture unless one of the same make is there.
capture() {
    stamp="$folder/$1.made"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$2 $3" ]; then
        say "making $folder/$1, $2 packets"
        # shellcheck disable=SC2086 # the options are several words
        "$lab" traffic --out "$folder/$1" --packets "$2" $3 >/dev/null
        echo "$2 $3" >"$stamp"
    fi
}

# truth NAME COUNT: what the generator wrote beside the capture.
truth() { sed -n "s/^ *\"$2\": \([0-9]*\),*$/\1/p" "$folder/$1.truth.json"; }

# tally FILE: lines "COUNT NUMBER" of the attempts in NDJSON.
tally() {
    awk '/^{"type":"attempt"/ {
            n["attempts"]++
            if (match($0, /"syn_count":[0-9]+/)) n["syns"] += substr($0, RSTART + 12, RLENGTH - 12)
            if (match($0, /"synack_count":[0-9]+/)) n["synacks"] += substr($0, RSTART + 15, RLENGTH - 15)
            if (match($0, /"verdict":"[a-z_]+"/)) n[substr($0, RSTART + 11, RLENGTH - 12)]++
            if (/"near_miss":true/) n["near_misses"]++
        }
        /^{"type":"attempt"/ && match($0, /"client":"[^,]*,"client_port":[0-9]*,"server":"[^,]*,"server_port":[0-9]*,"isn":[0-9]*/) {
            if (!seen[substr($0, RSTART, RLENGTH)]++) n["distinct"]++
        }
        END { for (name in n) print name, n[name] }' "$1"
}

# checked NAME [INPUT]: every count of the generator, and the same bytes from one thread and from eight.
# The input is the capture itself, or what was made of it.
checked() {
    input=${2:-$folder/$1}
    "$why504" handshakes -j1 --at "gateway=$input" --format ndjson >"$folder/one.ndjson"
    "$why504" handshakes -j8 --at "gateway=$input" --format ndjson | cmp - "$folder/one.ndjson" || {
        say "$1: -j1 and -j8 differ"
        exit 1
    }
    tally "$folder/one.ndjson" >"$folder/tally"
    rm -f "$folder/one.ndjson"
    for pair in attempts:attempts distinct:attempts syns:syns synacks:synacks connected:completed \
        refused:resets no_reply:unanswered near_misses:near_misses; do
        found=$(sed -n "s/^${pair%:*} //p" "$folder/tally")
        same "$1: ${pair%:*}" "${found:-0}" "$(truth "$1" "${pair#*:}")"
    done
}

# Filters and fields as one would type them to look for handshakes.
filter='tcp[tcpflags] & (tcp-syn|tcp-rst) != 0'
fields="-T fields -e frame.time_epoch -e ip.src -e ip.dst -e tcp.srcport -e tcp.dstport -e tcp.seq_raw"
display="'tcp.flags.syn==1 or tcp.flags.reset==1'"

# rows NAME TITLE PACKETS OPTIONS: checks a capture and times all that read it.
rows() {
    capture "$1" "$3" "$4"
    checked "$1"
    file="$folder/$1"
    size=$(bytes_of "$file")
    command="$why504 handshakes $file --format ndjson"
    heading "$2" "$3 packets" "$size"
    ours=$(measure "$command >/dev/null")
    row '`why504 handshakes F --format ndjson`' "$ours" "$ours" "$size"
    one=$(measure "$command -j1 >/dev/null")
    row 'the same with `-j1`' "$one" "$ours" "$size"
    if has tcpdump; then
        t=$(measure "tcpdump -r $file -w /dev/null '$filter'")
        row "\`tcpdump -r F -w /dev/null '$(echo "$filter" | sed 's/|/\\|/')'\`" "$t" "$ours" "$size"
    fi
    # It reads no pcapng.
    if has tcptrace && [ "${1%.pcap}" != "$1" ]; then
        row '`tcptrace -n -l F`' "$(measure "tcptrace -n -l $file >/dev/null")" "$ours" "$size"
    fi
    if has tshark; then
        tshark_row "$1" "$3" "$4"
    fi
    row '`cat F`, for comparison' "$(measure "cat $file >/dev/null")" "$ours" "$size"
    printf '\nPeak memory of why504: %s; attempts found: %s.\n' "$(peak "$command")" \
        "$(truth "$1" attempts)"
}

# tshark keeps state for each packet and takes minutes: it gets a slice, and the row says so.
tshark_row() {
    slice="$folder/$1" scale=1 note=
    if [ "$tshark_packets" -gt 0 ] && [ "$tshark_packets" -lt "$2" ]; then
        slice="$folder/slice-$1"
        capture "slice-$1" "$tshark_packets" "$3"
        scale=$(awk -v a="$2" -v b="$tshark_packets" 'BEGIN { print a / b }')
        note=" (on $tshark_packets packets, times $scale)"
    fi
    all=$runs runs=2
    t=$(measure "tshark -n -r $slice -Y $display $fields >/dev/null")
    runs=$all
    row "\`tshark -n -r F -Y 'SYN or RST' -T fields ...\`$note" "$t" "$ours" "$size" "$scale"
}

# One compressed capture, then four, each of a point of its own.
compressed() {
    has pigz || return 0
    files=
    for n in 1 2 3 4; do
        if [ "$(cat "$folder/gz$n.pcap.gz.made" 2>/dev/null)" != "$gz_packets" ]; then
            capture "gz$n.pcap" "$gz_packets" "--frames full --seed $n"
            pigz -f -6 "$folder/gz$n.pcap"
            rm -f "$folder/gz$n.pcap.made"
            echo "$gz_packets" >"$folder/gz$n.pcap.gz.made"
        fi
        files="$files $folder/gz$n.pcap.gz"
    done
    for some in "$folder/gz1.pcap.gz" "$files"; do
        # shellcheck disable=SC2086 # several files
        set -- $some
        size=$(cat "$@" | wc -c | tr -d ' ')
        heading "Compressed (gzip -6), files: $#" "$gz_packets packets each" "$size"
        ours=$(measure "$why504 handshakes $* --format ndjson >/dev/null")
        row '`why504 handshakes F... --format ndjson`' "$ours" "$ours" "$size"
        row '`pigz -dc F... > /dev/null`' "$(measure "pigz -dc $* >/dev/null")" "$ours" "$size"
    done
}

# The first of them as a series of files of one point, as `tcpdump -C -z gzip` leaves them.
series() {
    has pigz && has editcap || return 0
    parts="$folder/series"
    if [ "$(cat "$parts.made" 2>/dev/null)" != "$gz_packets" ]; then
        rm -rf "$parts"
        mkdir "$parts"
        pigz -dc "$folder/gz1.pcap.gz" >"$folder/whole.pcap"
        editcap -F nsecpcap -c $((gz_packets / 16 + 1)) "$folder/whole.pcap" "$parts/part.pcap"
        rm "$folder/whole.pcap"
        pigz -6 "$parts"/*
        echo "$gz_packets" >"$parts.made"
    fi
    size=$(cat "$parts"/* | wc -c | tr -d ' ')
    heading 'Compressed (gzip -6), one point in 16 files' "$gz_packets packets" "$size"
    command="$why504 handshakes --at gateway=$parts --format ndjson"
    ours=$(measure "$command >/dev/null")
    row '`why504 handshakes --at gateway=FOLDER --format ndjson`' "$ours" "$ours" "$size"
    row '`pigz -dc F... > /dev/null`' "$(measure "pigz -dc $parts/* >/dev/null")" "$ours" "$size"
    printf '\nPeak memory of why504: %s.\n' "$(peak "$command")"
}

# One point in files of 1 MB, as `tcpdump -C 1` leaves them, beside the same packets in one file.
small() {
    has editcap || return 0
    whole="$folder/small.pcap" parts="$folder/small"
    capture small.pcap "$small_packets" '--frames full'
    if [ "$(cat "$parts.made" 2>/dev/null)" != "$small_packets" ]; then
        say "cutting $whole into $parts"
        rm -rf "$parts"
        mkdir "$parts"
        editcap -F nsecpcap -c 1335 "$whole" "$parts/part.pcap"
        echo "$small_packets" >"$parts.made"
    fi
    checked small.pcap "$parts"
    size=$(bytes_of "$whole")
    heading "Whole frames, one point in $(find "$parts" -type f | wc -l | tr -d ' ') files" \
        "$small_packets packets" "$size"
    command="$why504 handshakes --at gateway=$parts --format ndjson"
    ours=$(measure "$command >/dev/null")
    row '`why504 handshakes --at gateway=FOLDER --format ndjson`' "$ours" "$ours" "$size"
    row 'the same with `-j1`' "$(measure "$command -j1 >/dev/null")" "$ours" "$size"
    one="$why504 handshakes --at gateway=$whole --format ndjson"
    row 'the same packets in one file' "$(measure "$one >/dev/null")" "$ours" "$size"
    row 'that with `-j1`' "$(measure "$one -j1 >/dev/null")" "$ours" "$size"
    printf '\nPeak memory of why504: %s.\n' "$(peak "$command")"
}

# Neither memory nor processor time for each GB may grow with the file.
growth() {
    printf '\nMemory and processor time by size, whole frames:\n\n'
    echo '| file | processor time | for each GB | peak memory |'
    echo '|---|---|---|---|'
    sizes="1800000 $packets"
    if [ "${BENCH_BIG:-0}" = 1 ]; then sizes="$sizes 16000000"; fi
    for count in $sizes; do
        name=full.pcap
        if [ "$count" != "$packets" ]; then name=full-$count.pcap; fi
        capture "$name" "$count" '--frames full'
        command="$why504 handshakes $folder/$name --format ndjson"
        t=$(measure "$command >/dev/null")
        echo "$t" | awk -v bytes="$(bytes_of "$folder/$name")" -v peak="$(peak "$command")" '{
            printf "| %.2f GB | %.3f s | %.3f s | %s |\n", bytes / 1e9, $2, $2 / bytes * 1e9, peak }'
        # The largest is not kept: it takes more room than all others.
        if [ "$count" = 16000000 ]; then rm -f "$folder/$name" "$folder/$name.made"; fi
    done
}

rows full.pcap 'Whole frames' "$packets" '--frames full'
rows cut96.pcap 'Frames cut to 96 bytes' "$cut_packets" '--frames 96'
rows full.pcapng 'Whole frames, pcapng' "$ng_packets" '--frames full --pcapng'
compressed
series
small
growth
printf '\nVersions:\n\n'
version tcpdump --version || true
version tshark --version || true
version tcptrace -version || true
version pigz --version || true
