#!/usr/bin/env bash
# Fuzzes each target with libFuzzer, clang and sanitizers, from the corpus that
# is kept, and says what it came to. CROSSFADE_FUZZ_SECONDS is how long each
# runs (default 120), CROSSFADE_FUZZ_TARGETS which (default all). What it finds
# stays in build/fuzz-found; inputs that reach new code are added to
# tests/fuzz/found/TARGET.tar.gz with CROSSFADE_FUZZ_KEEP=1.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

seconds=${CROSSFADE_FUZZ_SECONDS:-120}
targets=${CROSSFADE_FUZZ_TARGETS:-$(cd "$top/tests/fuzz" && ls fuzz_*.c | sed 's/^fuzz_\(.*\)\.c$/\1/')}
dir=$top/build-fuzz
found=$top/build/fuzz-found
status=0
command -v clang >/dev/null || skip "clang is not installed"
[ -d "$dir" ] || CC=clang meson setup "$dir" "$top" -Dfuzz=enabled -Db_lundef=false -Dbuildtype=debugoptimized \
  -Db_sanitize=address,undefined >"$cache/fuzz-setup.log" || die "see $cache/fuzz-setup.log"

unpack() { # TARGET: the inputs that earlier runs have found, if any
  local into=$cache/corpus-$1
  rm -rf "$into" && mkdir -p "$into"
  [ ! -f "$top/tests/fuzz/found/$1.tar.gz" ] || tar -xzf "$top/tests/fuzz/found/$1.tar.gz" -C "$into"
}

keep() { # TARGET: the least set of inputs that reaches what all of them reach, without the seeds
  local least=$cache/least-$1 seeds=$top/tests/fuzz/corpus/$1
  rm -rf "$least" && mkdir -p "$least"
  "$dir/tests/fuzz/fuzz_$1" -set_cover_merge=1 "$least" "$seeds" "$cache/corpus-$1" >"$cache/fuzz-$1.merge.log" 2>&1
  (cd "$seeds" && sha1sum -- *) | cut -d' ' -f1 | (cd "$least" && xargs rm -f --)
  mkdir -p "$top/tests/fuzz/found"
  tar -C "$least" --sort=name --mtime=@0 --owner=0 --group=0 -czf "$top/tests/fuzz/found/$1.tar.gz" .
}

for target in $targets; do
  ninja -C "$dir" "tests/fuzz/fuzz_$target" >"$cache/fuzz-build.log" || die "see $cache/fuzz-build.log"
  unpack "$target"
  mkdir -p "$found/$target"
  log=$cache/fuzz-$target.log
  (ulimit -s 65536 && "$dir/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=25 -max_len=4096 \
    -print_final_stats=1 -artifact_prefix="$found/$target/" "$cache/corpus-$target" "$top/tests/fuzz/corpus/$target") \
    >"$log" 2>&1 || { status=1; say "$target: FOUND SOMETHING, see $log and $found/$target"; }
  say "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions, $(grep -o 'cov: [0-9]*' "$log" | tail -1)"
  [ -z "${CROSSFADE_FUZZ_KEEP:-}" ] || keep "$target"
done
exit $status
