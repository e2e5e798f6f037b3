#!/bin/sh
# Times why504 beside the tools that one would otherwise use, on generated files, and prints
# Markdown tables: captures.sh for the captures, logs.sh for the logs, join.sh for joining the two, each
# of which also runs by itself. Sizes and runs are variables, described at their heads and in measure.sh.
set -eu
. "$(dirname "$0")/measure.sh"

echo "Machine: $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n1), $(uname -sr)."
echo "Wall time, median of $runs runs (tshark: 2) after one that is not counted, files in cache."
echo "Load average before: $(cut -d' ' -f1 /proc/loadavg)."
"$(dirname "$0")/captures.sh"
"$(dirname "$0")/logs.sh"
"$(dirname "$0")/join.sh"
printf '\n'
"$why504" --version | sed 's/^/- /'
version hyperfine --version || true
