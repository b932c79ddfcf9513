# Shared by the scripts of tests/full; sourced.
set -euo pipefail
export LC_ALL=C.UTF-8
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
throwaway=$top/tests/lib/throwaway-pg
cache=$top/build/full-cache
mkdir -p "$cache"

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
die() { say "$*" >&2; exit 1; }
# meson and test.sh take 77 as "skipped".
skip() { say "skipped: $*" >&2; exit 77; }

# Root hands over to the user that throwaway-pg runs its servers as.
as_server() {
  if [ "$(id -u)" != 0 ]; then "$@"; return; fi
  setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
}

# apt with Debian's source packages, its state in a folder of ours: the
# machine's own configuration stays as it is.
source_apt() {
  local tool=$1 state=$cache/apt; shift
  mkdir -p "$state/lists/partial" "$state/archives/partial"
  if [ ! -f "$state/sources.sources" ]; then
    local codename keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    printf '%s\n' "Types: deb-src" "URIs: http://deb.debian.org/debian" \
      "Suites: $codename $codename-updates" "Components: main" "Signed-By: $keyring" "" \
      "Types: deb-src" "URIs: http://deb.debian.org/debian-security" \
      "Suites: $codename-security" "Components: main" "Signed-By: $keyring" >"$state/sources.sources"
  fi
  "$tool" -q -o Dir::Etc::SourceList="$state/sources.sources" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$state/lists" -o Dir::Cache::Archives="$state/archives" \
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root "$@"
}

# fetch_source PACKAGE PREFERRED-VERSION DIR: unpacked there. The pool may have
# dropped the preferred version already; then the newest it still holds serves.
fetch_source() {
  local package=$1 preferred=$2 dir=$3 version
  [ ! -f "$dir/.complete" ] || return 0
  source_apt apt-get update >"$cache/apt-update.log" 2>&1 || return 1
  rm -rf "$cache/download" "$dir"
  mkdir -p "$cache/download"
  for version in "$preferred" $(source_apt apt-cache showsrc "$package" 2>/dev/null | sed -n 's/^Version: //p' | sort -rVu); do
    (cd "$cache/download" && source_apt apt-get source --download-only "$package=$version") >>"$cache/apt-update.log" 2>&1 || continue
    dpkg-source --no-check -x "$cache/download"/*.dsc "$dir" >>"$cache/apt-update.log" 2>&1 || return 1
    rm -rf "$cache/download"
    echo "$version" >"$dir/.complete"
    return 0
  done
  return 1
}
