#!/usr/bin/env bash
# Builds crossfade and runs its tests, the way CI does. Installs what is missing
# (Debian, root or sudo); leaves the results in build-test-results.
set -uo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$top" || exit 1
results=$top/build-test-results
python=/usr/bin/python3
full=no filter=''

usage() {
  cat <<'USAGE'
usage: ./test.sh [--full] [FILTER]

Runs, with gcc, clang and the sanitizers: unit tests, system tests against a
throwaway PostgreSQL, the AEGIS equivalence run and the demo.

  --full   also what takes long or builds other people's programs (tests/full)
  FILTER   only tests whose name contains this text (the build runs anyway)

Ends with a line "N passed, N failed"; exits 1 on any failure or when no test ran.
USAGE
}

for arg; do
  case $arg in
    --full) full=yes ;;
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) [ -z "$filter" ] || { usage >&2; exit 2; }
       filter=$arg ;;
  esac
done

# Nobody's own settings of PostgreSQL may reach a test.
for variable in "${!PG@}"; do unset "$variable"; done
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1

say() { printf '\n== %s\n' "$*"; }
record_failure() { printf '%s\n' "$2" >"$results/$1.failed"; printf 'FAILED: %s\n' "$2"; }

# What pytest and meson say at their ends: "1480 passed, 3 skipped".
counts() { sed -nE 's/^=* ?([0-9]+ (passed|skipped|deselected).*) in [0-9.]+s.*/\1/p; s/^Ok: +([0-9]+).*/\1 passed/p' "$1" | tail -n 1; }

# run NAME SECONDS COMMAND...: its output goes to a log, and to the reader when it fails.
run() {
  local name=$1 limit=$2 log=$results/$1.log start=$SECONDS status; shift 2
  # (INT, so that pytest takes its servers down when it runs out of time.)
  timeout --signal=INT --kill-after=60 "$limit" "$@" </dev/null >"$log" 2>&1
  status=$?
  if [ $status = 0 ]; then
    printf '   %-28s %4d s  %s\n' "$name" $((SECONDS - start)) "$(counts "$log")"
  else
    tail -n "${tail_lines:-60}" "$log"
    printf '   %-28s %4d s  exit status %d, all of it in %s\n' "$name" $((SECONDS - start)) $status "${log#"$top"/}"
  fi
  return $status
}

# compile DIR COMPILER OPTION...: warnings are errors.
compile() {
  local dir=$1 compiler=$2; shift 2
  local -a options=(-Dwerror=true -Dtests=enabled "$@")
  CC=$compiler run "configure-$dir" 300 tests/lib/setup-build.sh "$dir" "${options[@]}" &&
    run "compile-$dir" 1200 ninja -C "$dir" || {
    record_failure "compile-$dir" "$dir does not build"
    return 1
  }
}

# Meson's tests by name; the sanitizers' findings are failures.
unit_tests() {
  local dir=$1 status names=(); shift
  if [ -n "$filter" ]; then
    mapfile -t names < <(meson test -C "$dir" --list 2>/dev/null | sed 's/.* \/ //' | grep -F -- "$filter")
    ((${#names[@]})) || return 0
  fi
  rm -f "$dir/meson-logs/testlog.junit.xml"
  run "unit-$dir" 900 meson test -C "$dir" --no-rebuild --print-errorlogs "$@" "${names[@]}"
  status=$?
  if ! cp "$dir/meson-logs/testlog.junit.xml" "$results/unit-$dir.xml" 2>/dev/null; then
    [ $status = 0 ] || record_failure "unit-$dir" "meson test of $dir"
  fi
}

# These wait more than they work: as many processes as that fills. A file runs in one process, from its first test to its last.
side_by_side=(-n 3 --dist loadfile)
# These work more: one process for a core, and to each what it needs only once (conftest.py).
by_group=(-n 2 --dist loadgroup)

# A test that hangs is ended with all its stacks printed, and its process with it: what waits in a library cannot be interrupted.
no_longer_than=(--timeout=300 --timeout-method=thread)

# python_tests NAME DIR SECONDS PYTEST-ARGUMENT...
python_tests() {
  local name=$1 dir=$2 limit=$3 status; shift 3
  local -a choose=()
  [ -z "$filter" ] || choose=(-k "$filter")
  CROSSFADE_BUILD=$top/$dir run "$name" "$limit" "$python" -m pytest -q -rs --tb=short -p no:cacheprovider "${no_longer_than[@]}" \
    --junitxml="$results/$name.xml" "$@" "${choose[@]}"
  status=$?
  # 5: no test matched the filter. A broken collection may leave no result.
  case $status in
    0 | 1) ;;
    5) rm -f "$results/$name.xml"; [ -n "$filter" ] || record_failure "$name" "$name: no tests found" ;;
    *) record_failure "$name" "$name: pytest ended with $status" ;;
  esac
}

# script_test NAME SECONDS COMMAND...: one test that is a program; 77 is "skipped".
script_test() {
  local name=$1 status; shift
  [[ $name == *"$filter"* ]] || return 0
  run "$name" "$@"
  status=$?
  case $status in
    0) printf '<testsuite><testcase name="%s"/></testsuite>\n' "$name" ;;
    77) printf '<testsuite><testcase name="%s"><skipped/></testcase></testsuite>\n' "$name" ;;
    *) printf '<testsuite><testcase name="%s"><failure message="exit status %d"/></testcase></testsuite>\n' "$name" $status ;;
  esac >"$results/$name.xml"
}

# What the system tests do most is wait: the other builds are made meanwhile, on one core at most, and
# compile finds little left to do. What goes wrong here goes wrong there again, and is told there.
build_ahead() {
  local dir=$1 compiler=$2; shift 2
  CC=$compiler tests/lib/setup-build.sh "$dir" -Dwerror=true -Dtests=enabled "$@" && nice -n 19 ninja -C "$dir" -j 1
}
begin_ahead() {
  set -m # a process group of its own
  { build_ahead build-clang clang; build_ahead build-asan "${CC:-gcc}" "${asan[@]}"
    build_ahead build-tsan "${CC:-gcc}" "${tsan[@]}"; } \
    </dev/null >"$results/ahead.log" 2>&1 &
  ahead=$!
  set +m
}
# What is not done by then is done on all cores.
end_ahead() {
  [ -n "${ahead:-}" ] || return 0
  kill -- "-$ahead"
  wait "$ahead"
  ahead=''
} 2>/dev/null

install() {
  local -a sections=(build demo test)
  [ $full = no ] || sections+=(full)
  tests/lib/install-packages.sh "${sections[@]}" || { echo 'test.sh: packages are missing' >&2; exit 1; }
}

asan=(-Db_sanitize=address,undefined -Dbuildtype=debug)
tsan=(-Db_sanitize=thread -Dtests=disabled)

clean_up() {
  end_ahead
  rm -rf -- "$scratch"
}

main() {
  install
  scratch=$(mktemp -d /tmp/crossfade-test.XXXXXX) && chmod 755 "$scratch" || exit 1
  trap clean_up EXIT
  export THROWAWAY_PG_TEMPLATE=$scratch/pg
  mkdir -p "$results" || exit 1
  rm -f "$results"/*.xml "$results"/*.failed "$results"/*.log

  say 'gcc: build and unit tests'
  if compile build "${CC:-gcc}"; then
    unit_tests build
    python_tests tools build 300 tests/tools
    begin_ahead
    say 'system tests, through the proxy'
    python_tests system build 1300 "${side_by_side[@]}" tests/system
    say 'AEGIS: the same answers in both layouts'
    python_tests aegis build 1200 "${by_group[@]}" tests/aegis
    say 'random statements: the same answers in both layouts'
    python_tests equivalence build 400 "${by_group[@]}" tests/equivalence
    say 'instructions, which no busy machine changes'
    script_test instructions 300 bench/run.sh --micro
    say 'the demo'
    script_test demo 180 ./demo.sh
  fi

  end_ahead
  say 'clang: build and unit tests'
  compile build-clang clang && unit_tests build-clang

  say 'address and undefined-behaviour sanitizers'
  if compile build-asan "${CC:-gcc}" "${asan[@]}"; then
    unit_tests build-asan --timeout-multiplier 4
    # Not the many clients, whose own code is not ours, nor what measures memory.
    python_tests system-asan build-asan 900 "${side_by_side[@]}" tests/system/test_{bad_input,protocol,auth,config,reload,usage}.py
  fi

  say 'thread sanitizer'
  # (What has most to do with several threads; Criterion does not start under it.)
  compile build-tsan "${CC:-gcc}" "${tsan[@]}" &&
    python_tests system-tsan build-tsan 900 "${side_by_side[@]}" tests/system/test_{console,cutover,fleet,long_statements,pause,reload,shared_ledger}.py

  if [ $full = yes ]; then
    local script
    for script in tests/full/*.sh; do
      [ -x "$script" ] || continue
      say "full: $script"
      script_test "full-$(basename "$script" .sh)" 5400 "$script"
    done
  fi
  "$python" tests/lib/summary.py "$results"
}

main
