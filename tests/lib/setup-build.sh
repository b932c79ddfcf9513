#!/usr/bin/env bash
# Makes a meson build folder, or brings an old one up to these options:
# tests/lib/setup-build.sh build -Dtests=enabled   (CC chooses the compiler)
# One that was copied along with the project from elsewhere is made anew.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dir=$1; shift
cd "$top"
if [ ! -f "$dir/build.ninja" ]; then
  exec meson setup "$dir" . "$@"
fi
if ! grep -qF "\"source\": \"$top\"" "$dir/meson-info/meson-info.json" 2>/dev/null; then
  exec meson setup --wipe "$dir" . "$@"
fi
(($# == 0)) || exec meson configure "$dir" "$@"
