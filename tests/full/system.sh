#!/usr/bin/env bash
# The system tests that ./test.sh leaves out: longer kin of those it runs.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$top"
CROSSFADE_FULL=1 CROSSFADE_BUILD=${CROSSFADE_BUILD:-$top/build} \
  exec /usr/bin/python3 -m pytest -q -rs --tb=short -p no:cacheprovider -n 2 --dist loadfile -m full tests/system
