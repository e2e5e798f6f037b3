# Sourced by run.sh, captures.sh and logs.sh: where things are, how a command is timed, how a row of
# the Markdown tables is written.
#
#   RUNS=5            measured runs of each command; one more, not counted, warms the cache
#   BENCH_DIR         folder for the files that are made once and kept
#
# WHY504 and LAB name the binaries; `make bench` sets them.
set -eu

why504=${WHY504:-target/release/why504}
lab=${LAB:-target/release/why504-lab}
folder=${BENCH_DIR:-${CARGO_TARGET_DIR:-target}/bench}
runs=${RUNS:-5}
mkdir -p "$folder"

has() { command -v "$1" >/dev/null 2>&1; }
say() { echo "bench: $*" >&2; }

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

# same WHAT FOUND EXPECTED
same() {
    if [ "$2" != "$3" ]; then
        say "$1: found $2, the generator wrote $3"
        exit 1
    fi
    say "$1: $2, as written"
}

# peak COMMAND: the most memory that it had, in MB.
peak() {
    if [ -x /usr/bin/time ]; then
        /usr/bin/time -f %M -o "$folder/peak" sh -c "exec $1" >/dev/null 2>&1
        awk '{ printf "%.0f MB", $1 / 1000 }' "$folder/peak"
    else
        echo 'not measured'
    fi
}

bytes_of() { wc -c <"$1" | tr -d ' '; }

version() { has "$1" && "$@" 2>&1 | grep -m1 -i -E '[0-9]+\.[0-9]' | sed 's/^/- /'; }

