#!/usr/bin/env bash
# Three proxies of one database: twenty cutovers under load through all of them;
# everything that can break, broken at every step; and a streaming standby.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top"
CROSSFADE_BUILD=${CROSSFADE_BUILD:-$top/build} CROSSFADE_STRICT=1 \
  exec /usr/bin/python3 -m pytest -q -rs --tb=short -p no:cacheprovider tests/system/test_fleet.py \
  tests/system/test_fleet_faults.py tests/system/test_fleet_standby.py tests/system/test_flips.py
