#!/usr/bin/env bash
# The page in a real browser, at phone and desktop width, served and as one file;
# the pictures stay in build-test-results.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top"
browser=$(command -v chromium || command -v chromium-browser) || { echo 'no chromium'; exit 77; }
mkdir -p build-test-results
CROSSFADE_BROWSER=$browser CROSSFADE_PICTURES=$top/build-test-results CROSSFADE_BUILD=$top/build \
  exec /usr/bin/python3 -m pytest -q -rs --tb=short -p no:cacheprovider tests/system/test_http.py -k in_a_browser
