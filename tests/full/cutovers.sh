#!/usr/bin/env bash
# Fifty-two cutovers under load, with the stalls held to their limits, and more
# kills at more moments than ./test.sh has time for. Wants the machine to itself.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top"
CROSSFADE_BUILD=${CROSSFADE_BUILD:-$top/build} CROSSFADE_STRICT=1 CROSSFADE_CUTOVERS=52 CROSSFADE_LOAD_S=85 CROSSFADE_KILLS=12 \
  exec /usr/bin/python3 -m pytest -q -rs --tb=short -p no:cacheprovider tests/system/test_cutover.py
