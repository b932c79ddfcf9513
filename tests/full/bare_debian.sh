#!/usr/bin/env bash
# From a fresh clone on a bare Debian 12, as an ordinary user with sudo,
# ./demo.sh and ./test.sh succeed. The Debian is a folder below build/ that
# lives in mount and process namespaces of its own: whatever happens in there
# ends with it. Needs root. What is cloned is the last commit.
#
#   --command 'CMD'  run this in the clone instead
#   --keep           leave the folder for a look inside
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

suite=bookworm
commands=(./demo.sh ./demo.sh ./test.sh) keep=no
while (($#)); do
  case $1 in
    --command) commands=("${2:?}"); shift ;;
    --keep) keep=yes ;;
    *) echo "usage: ${0##*/} [--keep] [--command CMD]" >&2; exit 2 ;;
  esac
  shift
done

needed_mb=6000
base=$cache/debian-$suite.tar
root=$top/build/bare-debian
home=/home/tester

check_machine() {
  [ "$(id -u)" = 0 ] || skip "needs root"
  [ -z "${CROSSFADE_INSIDE_BARE_DEBIAN:-}" ] || skip "this is the bare Debian already"
  command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed"
  unshare --mount --pid --fork true 2>/dev/null || skip "namespaces cannot be made here"
  [ "$(df --output=avail -m "$top" | tail -1)" -gt $needed_mb ] || skip "less than $needed_mb MB are free"
}

# The base is made once; later runs unpack it.
make_root() {
  if [ ! -f "$base" ]; then
    say "making a bare Debian ($suite)"
    mmdebstrap --quiet --mode=root --format=tar --variant=minbase --include=ca-certificates,sudo,debian-archive-keyring \
      "$suite" "$cache/part.tar" http://deb.debian.org/debian >"$cache/mmdebstrap.log" 2>&1 ||
      { tail -20 "$cache/mmdebstrap.log"; rm -f "$cache/part.tar"; skip "mmdebstrap failed"; }
    mv "$cache/part.tar" "$base"
  fi
  rm -rf --one-file-system "$root"
  mkdir -p "$root" "$cache/debs/partial"
  tar -C "$root" -xf "$base"
}

furnish_root() {
  local name
  printf 'deb http://deb.debian.org/debian %s main\ndeb http://deb.debian.org/debian %s-updates main\ndeb http://deb.debian.org/debian-security %s-security main\n' \
    $suite $suite $suite >"$root/etc/apt/sources.list"
  cp -L /etc/resolv.conf "$root/etc/resolv.conf"
  name=$(hostname)
  printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" >"$root/etc/hosts"
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # there is no init here to start services
  chmod 755 "$root/usr/sbin/policy-rc.d"
  chroot "$root" useradd --create-home --shell /bin/bash tester
  echo 'tester ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/tester"
  chmod 440 "$root/etc/sudoers.d/tester"
}

clone() {
  git -c safe.directory="*" clone --quiet --depth 1 "file://$top" "$root$home/crossfade"
  chown -R "$(stat -c %u:%g "$root$home")" "$root$home/crossfade"
}

# In the namespaces: mounts vanish and processes end with this.
inside() {
  unshare --mount --propagation private --pid --fork --kill-child --mount-proc bash -c '
    set -e
    root=$1 home=$2 command=$3 debs=$4
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$root/dev/pts"
    mount -t tmpfs -o size=1g,mode=1777 tmpfs "$root/dev/shm"
    mount -t tmpfs -o size=4g,mode=1777 tmpfs "$root/tmp"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount --bind "$debs" "$root/var/cache/apt/archives"
    exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin CROSSFADE_INSIDE_BARE_DEBIAN=1 \
      chroot "$root" su --whitelist-environment=CROSSFADE_INSIDE_BARE_DEBIAN - tester -c "cd $home/crossfade && $command"
  ' inside "$root" "$home" "$1" "$cache/debs" </dev/null
}

clean_up() {
  if mount | grep -F " $root/" >/dev/null; then
    say "something is still mounted below $root: left as it is" >&2
    return
  fi
  [ $keep = yes ] || rm -rf --one-file-system "$root"
}

main() {
  check_machine
  trap clean_up EXIT
  trap 'exit 130' INT TERM
  make_root
  furnish_root
  clone
  local command start status=0
  for command in "${commands[@]}"; do
    say "as tester: $command"
    start=$SECONDS
    inside "$command" || { status=$?; say "$command failed: exit status $status"; break; }
    say "$command: $((SECONDS - start)) s"
  done
  say "$(du -sm --one-file-system "$root" | cut -f1) MB of disk were used"
  return $status
}

main
