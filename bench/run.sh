#!/usr/bin/env bash
# Measures crossfade beside PgBouncer, HAProxy and a blind relay; bench/run.sh --help.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export BUILD=${BUILD:-$top/build} PYTHONPATH=$top/bench

harness() { exec /usr/bin/python3 -B -m harness "$@"; }

for arg; do
  case $arg in -h | --help | --list) harness "$@" ;; esac
done
[ -x /usr/bin/python3 ] || { echo "bench: needs /usr/bin/python3 (Debian: apt-get install python3)" >&2; exit 1; }
sections=(build demo bench)
# To count instructions no other proxy is needed.
[ "$*" != --micro ] || sections=(build test)
"$top/tests/lib/install-packages.sh" "${sections[@]}"
"$top/tests/lib/setup-build.sh" "$BUILD" >&2
ninja -C "$BUILD" >&2
harness "$@"
