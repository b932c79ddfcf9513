#!/usr/bin/env bash
# Installs the Debian packages that sections of packages.txt name and this
# machine lacks: tests/lib/install-packages.sh build demo. With --list as first
# argument it only says what it would install.
#
# Silent when nothing is missing. A line may give alternatives ("a | b": any
# installed one will do, else the first that apt knows) and may end in "?":
# wanted but not needed, so that a machine where it cannot be had (a nodejs
# from elsewhere, say) still builds and tests everything else.
set -euo pipefail
export LC_ALL=C
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
list=$top/packages.txt
# Optional packages that could not be installed are not tried again for a day.
unavailable=$top/.cache/packages-unavailable

say() { printf 'packages: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

usage() {
  echo "usage: ${0##*/} [--list] SECTION...   (sections of packages.txt: $(sed -n 's/^\[\(.*\)\]$/\1/p' "$list" | xargs))" >&2
  exit 2
}

known_section() { grep -qxF "[$1]" "$list"; }

# One line per package line of the wanted sections: "a|b" or "a|b?".
wanted() {
  awk -v want=" $* " '
    /^\[/ { gsub(/[][]/, ""); on = index(want, " " $0 " "); next }
    { sub(/#.*/, ""); gsub(/[ \t]/, "") }
    on && $0 != "" && !seen[$0]++' "$list"
}

# The wanted lines that no installed package satisfies, by name or Provides.
missing() {
  dpkg-query -W -f '${db:Status-Status}\t${Package}\t${Provides}\n' |
    awk -F '\t' '
      NR == FNR { if ($1 == "installed") { have[$2] = 1
                    n = split($3, p, ", *"); for (i = 1; i <= n; i++) { sub(/ .*/, "", p[i]); have[p[i]] = 1 } }
                  next }
      { line = $0; sub(/\?$/, ""); n = split($0, alt, "|")
        for (i = 1; i <= n; i++) if (alt[i] in have) next
        print line }' - <(wanted "$@")
}

without_recent_failures() {
  if [ -n "$(find "$unavailable" -mmin -1440 2>/dev/null)" ]; then
    grep -vxFf "$unavailable" || true
  else
    rm -f "$unavailable"
    cat
  fi
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif [ -t 0 ] || sudo -n true 2>/dev/null; then sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else return 1
  fi
}

apt() { as_root apt-get -q -y -o DPkg::Lock::Timeout=600 -o APT::Install-Recommends=false "$@" </dev/null; }

# (No grep -q: it would end apt-cache by SIGPIPE, which pipefail reports.)
has_candidate() { apt-cache policy "$1" 2>/dev/null | grep 'Candidate: [^(]' >/dev/null; }

# First alternative that apt could install.
choose() {
  local alt
  for alt in ${1//|/ }; do
    if has_candidate "$alt"; then echo "$alt"; return; fi
  done
  return 1
}

check_can_install() {
  command -v apt-get >/dev/null || die "missing: $* (this is not a Debian system: install them by hand)"
  [ "$(id -u)" = 0 ] && return
  command -v sudo >/dev/null || die "missing: $*
packages: neither root nor sudo here; as root run: apt-get install --no-install-recommends ${*//|*/}"
  [ -t 0 ] || sudo -n true 2>/dev/null || die "missing: $*
packages: sudo wants a password and there is no terminal; run: sudo apt-get install --no-install-recommends ${*//|*/}"
}

# All at once is the quick way; one by one tells which of them cannot be had.
install_needed() {
  local -a names=("$@")
  ((${#names[@]})) || return 0
  apt install "${names[@]}" >&2 || die "apt-get could not install: ${names[*]}"
}

install_optional() {
  local line name
  for line in "$@"; do
    if name=$(choose "${line%\?}") && apt install "$name" >/dev/null 2>&1; then continue; fi
    mkdir -p "${unavailable%/*}"
    printf '%s\n' "$line" >>"$unavailable"
    say "${line%\?} cannot be installed here; what needs it is skipped"
  done
}

main() {
  local section line list_only=no
  if [ "${1:-}" = --list ]; then list_only=yes; shift; fi
  (($#)) || usage
  for section; do known_section "$section" || usage; done
  local -a lines needed=() optional=() names=()
  mapfile -t lines < <(missing "$@" | without_recent_failures)
  ((${#lines[@]})) || return 0
  if [ $list_only = yes ]; then printf '%s\n' "${lines[@]}"; return 0; fi
  for line in "${lines[@]}"; do
    if [[ $line == *\? ]]; then optional+=("$line"); else needed+=("$line"); fi
  done
  if ((${#needed[@]} == 0)) && ! (check_can_install "${optional[@]}") 2>/dev/null; then
    return 0
  fi
  export DEBIAN_FRONTEND=noninteractive
  check_can_install "${lines[@]}"
  say "installing ${lines[*]}"
  for line in "${lines[@]}"; do
    choose "${line%\?}" >/dev/null || { apt update >&2 || say "apt-get update failed; going on with the old lists"; break; }
  done
  for line in "${needed[@]}"; do
    names+=("$(choose "$line")") || die "no Debian package named ${line//|/ or }"
  done
  install_needed "${names[@]}"
  install_optional "${optional[@]}"
}

main "$@"
