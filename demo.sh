#!/usr/bin/env bash
# Shows in a few seconds what crossfade does: a v10 application keeps working,
# unchanged, after its tables have moved to v13. Everything it makes is below
# build/ and gone afterwards (--keep leaves it running). Needs Debian and, when
# packages are missing, root or sudo.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
here=$top/build/demo
throwaway_pg=$top/tests/lib/throwaway-pg
crossfade=$top/build/crossfade
load_seconds=1 load_total=0
steps=10 step=0 keep=no finished=no proxy_pid='' said=''

usage() {
  cat <<'USAGE'
usage: ./demo.sh [--keep]
       ./demo.sh --stop

  --keep   leave PostgreSQL and crossfade running and print how to reach them
  --stop   end what an earlier --keep left running
USAGE
}

# --- what the reader sees ----------------------------------------------------

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  tty=yes bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m' clear=$'\r\e[K'
else
  tty=no bold='' dim='' green='' red='' plain='' clear=''
fi

# begin LABEL: the step's line appears at once; progress TEXT rewrites its end.
begin() {
  step=$((step + 1)) said=$1
  [ $tty = no ] || printf ' %s%2d/%d%s  %-11s %s…%s' "$dim" $step $steps "$plain" "$said" "$dim" "$plain"
}
progress() { [ $tty = no ] || printf '%s %s%2d/%d%s  %-11s %s%s%s' "$clear" "$dim" $step $steps "$plain" "$said" "$dim" "$1" "$plain"; }
ok() { printf '%s %s%2d/%d%s  %-11s %s✓%s %s\n' "$clear" "$dim" $step $steps "$plain" "$said" "$green" "$plain" "$*"; said=''; }

fail() {
  [ -z "$said" ] || printf '%s %2d/%d  %-11s %s✗%s\n' "$clear" $step $steps "$said" "$red" "$plain"
  said=''
  printf '\n%sdemo.sh: %s%s\n' "$red" "$1" "$plain" >&2
  if [ -f "${2:-}" ]; then
    printf 'the end of %s:\n' "${2##*/}" >&2
    tail -n 20 "$2" >&2
  fi
  # The folder goes; what explains the failure stays.
  mkdir -p "$here-logs" && cp "$here"/*.log "$here"/*.yaml "$here-logs/" 2>/dev/null || true
  printf '%s\n' "demo.sh: the logs are kept in $here-logs" >&2
  exit 1
}

# --- cleaning up, however it ends --------------------------------------------

# A pid may have passed to somebody else: its command line tells.
is_ours() { tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -F -- "-c $here/crossfade.yaml" >/dev/null; } 2>/dev/null

stop_proxy() {
  local pid=${proxy_pid:-$(cat "$here/crossfade.pid" 2>/dev/null || true)} i
  if [ -n "$pid" ] && is_ours "$pid"; then
    kill -TERM "$pid" 2>/dev/null || true
    for ((i = 0; i < 50; i++)); do is_ours "$pid" || break; sleep 0.1; done
    ! is_ours "$pid" || kill -KILL "$pid" 2>/dev/null || true
  fi
  proxy_pid=''
}

remove_everything() {
  stop_proxy
  local run
  run=$(cat "$here/run.path" 2>/dev/null || true)
  case $run in */crossfade-demo.??????) rm -rf -- "$run" ;; esac
  if [ -d "$here/pg" ]; then "$throwaway_pg" remove "$here/pg" || true; fi
  rm -rf -- "$here"
}

on_exit() {
  local status=$?
  trap '' INT TERM HUP
  [ -z "$said" ] || printf '\n'
  if [ $keep = yes ] && [ $finished = yes ]; then exit "$status"; fi
  remove_everything
  exit "$status"
}

# --- the steps ---------------------------------------------------------------

install_packages() {
  begin packages
  if [ -n "$("$top/tests/lib/install-packages.sh" --list build demo)" ]; then
    [ $tty = no ] || printf '\n'
    "$top/tests/lib/install-packages.sh" build demo || fail 'packages are missing'
    ok 'installed'
  else
    ok 'all there'
  fi
}

build() {
  local log=$here/build.log line said_by_meson
  begin build
  progress 'setting up'
  # (May make the whole folder anew, this log's place included.)
  said_by_meson=$(CC=${CC:-gcc} "$top/tests/lib/setup-build.sh" build 2>&1) || { mkdir -p "$here"; printf '%s\n' "$said_by_meson" >"$log"; fail 'meson setup failed' "$log"; }
  mkdir -p "$here"
  ninja -C "$top/build" 2>&1 | while IFS= read -r line; do
    printf '%s\n' "$line" >>"$log"
    [[ ! $line =~ ^\[[0-9]+/[0-9]+\] ]] || progress "${BASH_REMATCH[0]}"
  done || fail 'the build failed' "$log"
  [ -x "$crossfade" ] || fail 'the build made no build/crossfade' "$log"
  ok "build/crossfade $("$crossfade" --version | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1)"
}

start_postgres() {
  begin PostgreSQL
  "$throwaway_pg" start "$here/pg" 2>"$here/pg.err" || fail 'PostgreSQL did not start' "$here/pg.err"
  local line
  while IFS= read -r line; do eval "pg_${line%%=*}=${line#*=}"; done < <("$throwaway_pg" env "$here/pg")
  ok "$(direct postgres postgres -c 'SHOW server_version' | cut -d ' ' -f 1) on 127.0.0.1:$pg_PGPORT, for the length of this demo"
}

# psql without anybody's settings: direct|through USER DATABASE ARGS...
run_psql() {
  env PGHOST=127.0.0.1 PGPORT="$1" PGUSER="$2" PGDATABASE="$3" \
    PGAPPNAME="${app:-demo}" PGSSLMODE=prefer PGCONNECT_TIMEOUT=10 PGCLIENTENCODING=UTF8 \
    "$pg_PGBIN/psql" -qXAt -F '  ' -v ON_ERROR_STOP=1 "${@:4}" </dev/null
}
direct() { run_psql "$pg_PGPORT" "$@"; }
through() { run_psql "$proxy_port" "$@"; }

load_v10() {
  local log=$here/load.log file
  begin 'AEGIS v10'
  direct postgres postgres -c 'CREATE ROLE aegis LOGIN' -c 'CREATE ROLE crossfade LOGIN' \
    -c 'GRANT pg_read_all_stats, aegis TO crossfade' -c 'CREATE DATABASE aegis OWNER aegis' >"$log" 2>&1 || fail 'no database' "$log"
  for file in v10 data; do
    progress "loading config/aegis/$file.sql"
    direct aegis aegis -f "$top/config/aegis/$file.sql" >>"$log" 2>&1 || fail "config/aegis/$file.sql failed" "$log"
  done
  direct aegis aegis -c 'CREATE SCHEMA data' >>"$log" 2>&1 || fail 'no schema for the tables to move to' "$log"
  ok "$(direct aegis aegis -c "SELECT (SELECT count(*) FROM stocks) || ' stocks, '
    || to_char((SELECT count(*) FROM prices), 'FM999,999') || ' prices in public.prices'")"
}

port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

write_flags() {
  {
    echo "# demo.sh wrote this; a cutover keeps it up to date"
    echo "flags:"
    printf '  public.%s: old\n' stocks prices fundamentals
  } >"$here/flags.yaml"
}

start_proxy() {
  local i run
  begin crossfade
  cp "$top/config/v10-to-v13.yaml" "$here/"
  write_flags
  # A socket's path must be short, and a checkout's may not be.
  run=$(mktemp -d "${TMPDIR:-/tmp}/crossfade-demo.XXXXXX") || fail 'no folder for the console'
  echo "$run" >"$here/run.path"
  for ((proxy_port = 16432; ; proxy_port++)); do
    ((proxy_port < 17432)) || fail 'no free port between 16432 and 17431'
    port_free "$proxy_port" || continue
    cat >"$here/crossfade.yaml" <<YAML
listen: [127.0.0.1:$proxy_port]
server: 127.0.0.1:$pg_PGPORT
map: v10-to-v13.yaml
flags: flags.yaml
usage: usage.db
admin: {dsn: "host=127.0.0.1 port=$pg_PGPORT user=crossfade dbname=aegis"}
console: {listen: [$run]}
limits: {usage_flush: 200ms}
YAML
    # Of a session of its own: Ctrl-C and the terminal's end are for this script.
    setsid "$crossfade" serve -c "$here/crossfade.yaml" </dev/null >"$here/crossfade.log" 2>&1 &
    proxy_pid=$!
    echo $proxy_pid >"$here/crossfade.pid"
    for ((i = 0; i < 100; i++)); do
      if ! kill -0 $proxy_pid 2>/dev/null; then break; fi
      if through aegis aegis -c 'SELECT 1' >/dev/null 2>&1; then
        ok "127.0.0.1:$proxy_port → PostgreSQL, all flags at old"
        return
      fi
      sleep 0.1
    done
    # Somebody was quicker on this port: try the next one; all else is an error.
    grep -qi 'in use' "$here/crossfade.log" || fail 'crossfade does not answer' "$here/crossfade.log"
    stop_proxy
  done
}

# answers NAMES FILE: the application in v10 or v13 names, through crossfade.
answers() {
  app=aegis-$1 through aegis aegis -f "$top/config/aegis/app-$1.sql" >"$2" 2>"$here/app.err" ||
    fail "the $1 application failed" "$here/app.err"
}

# A program under load, for so many seconds.
load() {
  env PGHOST=127.0.0.1 PGPORT="$proxy_port" PGUSER=aegis PGDATABASE=aegis PGAPPNAME=aegis-batch \
    "$pg_PGBIN/pgbench" -n -M prepared -c 4 -T "$1" -f "$top/config/aegis/load-v10.pgbench" >"$here/pgbench.log" 2>&1 </dev/null
}

# The traded shares that it counted must all be there.
count_load() {
  local before=$1 after log=$here/pgbench.log
  after=$(direct aegis aegis -c "SELECT sum(volume) FROM $2.prices")
  transactions=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$log")
  failed=$(sed -n 's/^number of failed transactions: \([0-9]*\).*/\1/p' "$log")
  [ "${failed:-0}" = 0 ] && [ "$transactions" -gt 0 ] || fail "$failed of the load's transactions failed" "$log"
  load_total=$((load_total + transactions))
  [ $((after - before)) = "$transactions" ] || fail "$transactions updates were sent, $((after - before)) are there"
}

run_load() {
  local before
  before=$(direct aegis aegis -c "SELECT sum(volume) FROM $1.prices")
  progress 'under load'
  load "$load_seconds" || fail 'the load failed' "$here/pgbench.log"
  count_load "$before" "$1"
}

first_run() {
  begin 'v10 app'
  answers v10 "$here/v10-before"
  run_load public
  ok "answers kept; $(grouped "$transactions") transactions, 0 failed, every update there"
}

new_code_before() {
  begin 'v13 app'
  answers v13 "$here/v13-before"
  cmp -s "$here/v10-before" "$here/v13-before" || fail 'new names give other answers than old ones' "$here/v13-before"
  ok 'new names work already, before any table has moved'
}

# While the load runs: the tables move, and nothing fails.
move() {
  local before loading stall i
  begin 'the move'
  before=$(direct aegis aegis -c 'SELECT sum(volume) FROM public.prices')
  progress 'under load'
  load $((load_seconds + 1)) &
  loading=$!
  for ((i = 0; i < 100; i++)); do
    [ "$(direct aegis aegis -c 'SELECT sum(volume) FROM public.prices')" = "$before" ] || break
    sleep 0.05
  done
  "$crossfade" cutover -c "$here/crossfade.yaml" --group core --no-view --reason 'the demo' >"$here/cutover.log" 2>&1 ||
    fail 'the cutover failed' "$here/cutover.log"
  wait $loading || fail 'the load failed during the move' "$here/pgbench.log"
  count_load "$before" data
  stall=$(sed -n 's/.*Longest stall \([0-9.]* ms\).*/\1/p' "$here/cutover.log")
  [ -n "$stall" ] || fail 'the cutover did not say how long statements waited' "$here/cutover.log"
  ! app=demo direct aegis aegis -c 'SELECT 1 FROM public.prices' >"$here/old-name" 2>&1 || fail 'public.prices is still there'
  ok "public → data under load: longest stall $stall; $(grouped "$transactions") transactions, 0 failed, every update there"
}

second_run() {
  begin 'v10 app'
  answers v10 "$here/v10-after"
  cmp -s "$here/v10-before" "$here/v10-after" || fail 'the application sees a difference' "$here/v10-after"
  run_load data
  answers v13 "$here/v13-after"
  cmp -s "$here/v10-before" "$here/v13-after" || fail 'new names give other answers than old ones' "$here/v13-after"
  ok "unchanged, same answers; $(grouped "$transactions") transactions, 0 failed, every update there"
}

side_by_side() {
  printf '\n%s   %-36s %s%s\n' "$bold" 'v10 app, tables in public' 'v10 app, tables in data' "$plain"
  paste -d '\t' "$here/v10-before" "$here/v10-after" | while IFS=$'\t' read -r left right; do
    printf '   %-36s %s\n' "$left" "$right"
  done
  printf '\n   %swithout crossfade:%s %s\n' "$dim" "$plain" "$(head -n 1 "$here/old-name")"
}

# 1234567 as the report writes it: 1,234,567
grouped() { sed -E ':a; s/^([0-9]+)([0-9]{3})/\1,\2/; ta' <<<"$1"; }

show_report() {
  local i total
  begin report
  # Every transaction of the load is one SELECT and one UPDATE.
  total=$(grouped $((2 * load_total)))
  # The ledger is written in batches; the last one is there within some seconds.
  for ((i = 0; i < 100; i++)); do
    "$crossfade" report -c "$here/crossfade.yaml" --table public.prices >"$here/report" 2>"$here/report.err" ||
      fail 'the report failed' "$here/report.err"
    ! grep -E " $total " "$here/report" >/dev/null || break
    sleep 0.1
  done
  ((i < 100)) || fail "the report should know of $total statements of the load" "$here/report"
  ok "all $total statements of the load are in it"
  side_by_side
  printf '\n%s   crossfade report --table public.prices%s\n\n' "$bold" "$plain"
  sed 's/^/   /' "$here/report"
}

say_goodbye() {
  printf '\n'
  if [ $keep = yes ]; then
    cat <<KEPT
   ${bold}Left running:${plain}
     through crossfade  psql 'host=127.0.0.1 port=$proxy_port user=aegis dbname=aegis'
     PostgreSQL         psql 'host=127.0.0.1 port=$pg_PGPORT user=aegis dbname=aegis'
     flags              ${here#"$PWD"/}/flags.yaml
     report             ${crossfade#"$PWD"/} report -c ${here#"$PWD"/}/crossfade.yaml
     stop it            ./demo.sh --stop
KEPT
  else
    printf '   Everything is cleaned up; ./demo.sh --keep leaves it running to try yourself.\n'
  fi
}

main() {
  local variable
  for variable in "${!PG@}"; do unset "$variable"; done # nobody's own settings
  case "${1:-}" in
    '') ;;
    --keep) keep=yes ;;
    --stop) remove_everything; return ;;
    -h | --help) usage; return ;;
    *) usage >&2; exit 2 ;;
  esac
  (($# <= 1)) || { usage >&2; exit 2; }
  trap on_exit EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  remove_everything
  mkdir -p "$here" 2>/dev/null && [ -w "$here" ] || fail "$here is not writable: did root build here? (sudo chown -R $(id -un) build)"
  printf '%scrossfade: AEGIS v10 moves to v13, and its application does not notice%s\n\n' "$bold" "$plain"
  install_packages
  build
  start_postgres
  load_v10
  start_proxy
  first_run
  new_code_before
  move
  second_run
  show_report
  finished=yes
  say_goodbye
}

main "$@"
