#!/bin/sh
# Runs each fuzz target for a few seconds, from the corpus in fuzz/corpus, which is not written to.
# Usage: ci/fuzz.sh FOLDER SECONDS, where FOLDER takes what is built and found.
set -eu
folder=$1
seconds=$2
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo 'skipped: cargo-fuzz is not installed (the tests run the corpus all the same)'
    exit 0
fi
# The crates forbid unsafe code, so no sanitizer is needed, and with it no nightly compiler.
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$folder"
cargo fuzz build -s none 2>"$folder.log" || { cat "$folder.log"; exit 1; }
for target in $(cargo fuzz list); do
    mkdir -p "$folder/corpus/$target"
    seeds=fuzz/corpus/$target
    [ -d "$seeds" ] || seeds=
    if cargo fuzz run -s none "$target" "$folder/corpus/$target" $seeds -- \
        -max_total_time="$seconds" >"$folder.log" 2>&1; then
        echo "$target: $(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$folder.log") runs"
    else
        tail -n 40 "$folder.log"
        exit 1
    fi
done
