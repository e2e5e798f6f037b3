#!/bin/sh
# What joining lines with attempts costs against their number, on made-up incidents (`why504-lab
# simulate scale`): wall and processor time and the most memory held, as a Markdown table. All cores
# are used; RAYON_NUM_THREADS=1 shows what one takes. LINES is the number
# of lines of the largest incident; the last rows, of times without packets, go up to it.
set -eu
. "$(dirname "$0")/measure.sh"

printf '\nJoin of lines and attempts: up to %s lines\n\n' "${LINES:=1000000}"
"$lab" simulate scale --lines "$LINES" | sed -n '/^|/p'
