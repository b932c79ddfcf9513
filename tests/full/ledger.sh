#!/usr/bin/env bash
# The ledger under long load, and under a million distinct statements.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top"
CROSSFADE_FULL=1 CROSSFADE_BUILD=$top/build \
  exec /usr/bin/python3 -m pytest -q -rs --tb=short -p no:cacheprovider tests/system/test_usage_load.py
