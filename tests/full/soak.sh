#!/usr/bin/env bash
# An hour of mixed load with everything going wrong; soak.py says what. Another
# time: tests/full/soak.sh --minutes 5
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
exec /usr/bin/python3 "$top/tests/full/soak.py" "$@"
