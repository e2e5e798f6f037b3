#!/bin/sh
# Times `why504 handshakes` beside tcpdump, tcptrace and tshark on made-up captures, and prints a
# Markdown table for each.
#
#   PACKETS=1500000   packets in the capture with whole frames, about 1 GB
#   TSHARK_PACKETS=300000  tshark gets only so many packets, and its time is scaled up; 0: all
#
# More variables are described in measure.sh.
set -eu
. "$(dirname "$0")/measure.sh"

packets=${PACKETS:-1500000}
tshark_packets=${TSHARK_PACKETS:-300000}

# capture NAME FRAMES PACKETS: makes a capture unless one of the same make is there.
capture() {
    stamp="$folder/$1.made"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$2 $3" ]; then
        say "making $folder/$1, $3 packets"
        "$lab" traffic --out "$folder/$1" --frames "$2" --packets "$3" >/dev/null
        echo "$2 $3" >"$stamp"
    fi
}

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

captures full.pcap 'Whole frames' full
captures cut96.pcap 'Frames cut to 96 bytes' 96
printf '\nVersions:\n\n'
version tcpdump --version || true
version tshark --version || true
version tcptrace -version || true
