#!/bin/sh
# Runs the named targets of the Makefile one after the other, times each, and goes on after a
# failure so that one run shows everything that is wrong. Ends with status 1 if any failed.
set -u
make=${MAKE:-make}
failed=
times=
for step in "$@"; do
    printf '\n=== %s\n' "$step"
    began=$(date +%s)
    if "$make" --no-print-directory -k "$step"; then result=ok; else
        result=FAILED
        failed="$failed $step"
    fi
    line=$(printf '%-12s %-7s %4d s' "$step" "$result" "$(($(date +%s) - began))")
    echo "=== $line"
    times="$times$line
"
done
printf '\n%s' "$times"
if [ -n "$failed" ]; then
    echo "failed:$failed"
    exit 1
fi
