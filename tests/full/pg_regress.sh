#!/usr/bin/env bash
# PostgreSQL's own tests through the proxy: pg_regress, the isolation tests and
# libpq_pipeline run once directly and once through crossfade with an empty map,
# on a fresh server each. Every result must be the same, byte for byte. What
# fails directly (the sources may be of another minor version than the server)
# may fail through the proxy, if it fails in the same way.
#
# With --tls the proxy has TLS on both legs, and the clients use it.
# --against direct compares two direct runs, which tells how steady the tests
# are; a second argument names one suite: regress, isolation, pipeline.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

against=crossfade tls=no sslmode=disable suites=(pipeline regress isolation)
while (($#)); do
  case $1 in
    --against) against=${2:?}; shift ;;
    --tls) tls=yes sslmode=prefer ;;
    regress | isolation | pipeline) suites=("$1") ;;
    *) echo "usage: ${0##*/} [--tls] [--against direct|crossfade] [regress|isolation|pipeline]" >&2; exit 2 ;;
  esac
  shift
done
crossfade=${CROSSFADE_BUILD:-$top/build}/crossfade
[ "$against" = direct ] || [ -x "$crossfade" ] || die "$crossfade is not built"

bin=$("$throwaway" bin)
major=$(basename "$(dirname "$bin")")
source=$cache/postgresql-$major
made=$cache/made-$major
work=$(mktemp -d /tmp/cf-regress.XXXXXX)
chmod 755 "$work"
proxy_pid=

clean_up() {
  stop_proxy || true
  "$throwaway" remove "$work/pg" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

stop_proxy() {
  [ -n "$proxy_pid" ] || return 0
  local pid=$proxy_pid status=0; proxy_pid=
  kill -TERM "$pid"
  wait "$pid" || status=$?
  [ "$status" = 0 ] || { tail -20 "$work/proxy/log"; die "crossfade ended with $status"; }
}

build_programs() {
  local include lib
  include=$("$bin/pg_config" --includedir-server)
  lib=$("$bin/pg_config" --pkglibdir)
  [ -f "$include/postgres.h" ] || skip "postgresql-server-dev-$major is not installed"
  fetch_source "postgresql-$major" "$(dpkg-query -Wf '${source:Version}' "postgresql-$major")" "$source" ||
    skip "the sources of PostgreSQL cannot be fetched, see ${cache#"$top"/}/apt-update.log"
  [ "$made" -nt "$source/.complete" ] && return
  say "sources $(cat "$source/.complete"), server $("$bin/postgres" --version)"
  mkdir -p "$made"
  gcc -O1 -w -fPIC -shared -I "$include" -o "$made/regress.so" "$source/src/test/regress/regress.c"
  gcc -O1 -w -I "$include" -I "$("$bin/pg_config" --includedir)" -I "$source/src/interfaces/libpq" \
    -o "$made/libpq_pipeline" "$source/src/test/modules/libpq_pipeline/libpq_pipeline.c" \
    -L "$lib/../lib" -L "$("$bin/pg_config" --libdir)" -lpgcommon -lpgport -lpq
  touch "$made"
}

start_server() {
  local -a more=()
  "$throwaway" remove "$work/pg" >/dev/null 2>&1 || true
  [ $tls = no ] || more=(--set ssl=on --set "ssl_cert_file=$work/server.crt" --set "ssl_key_file=$work/server.key")
  "$throwaway" start "$work/pg" --port auto --set wal_level=replica --set max_connections=100 "${more[@]}" >/dev/null
  eval "$("$throwaway" env "$work/pg" | sed 's/^/server_/')"
}

# One certificate for both legs; the server wants a key of its own or of root's.
make_certificate() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout "$work/server.key" -out "$work/server.crt" \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
  install -m 600 "$work/server.key" "$work/proxy.key"
  chmod 600 "$work/server.key"
  [ "$(id -u)" != 0 ] || chown postgres "$work/server.key"
}

# start_endpoint KIND: sets host and port.
start_endpoint() {
  start_server
  host=127.0.0.1 port=$server_PGPORT
  [ "$1" = crossfade ] || return 0
  rm -rf "$work/proxy"; mkdir -p "$work/proxy"
  port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  printf 'old: v10\nnew: v13\ntables: {}\n' >"$work/proxy/map.yaml"
  printf 'flags: {}\n' >"$work/proxy/flags.yaml"
  cat >"$work/proxy/crossfade.yaml" <<CONFIG
listen: ["127.0.0.1:$port"]
server: 127.0.0.1:$server_PGPORT
map: map.yaml
flags: flags.yaml
usage: off
admin: {dsn: "host=127.0.0.1 port=$server_PGPORT user=postgres dbname=postgres"}
CONFIG
  [ $tls = no ] || cat >>"$work/proxy/crossfade.yaml" <<CONFIG
client_tls: {mode: allow, cert: $work/server.crt, key: $work/proxy.key}
server_tls: {mode: verify-full, ca: $work/server.crt}
CONFIG
  "$crossfade" serve -c "$work/proxy/crossfade.yaml" >"$work/proxy/log" 2>&1 &
  proxy_pid=$!
  local i
  for ((i = 0; i < 100; i++)); do
    "$bin/psql" -h "$host" -p "$port" -U postgres -Atc 'select 1' postgres >/dev/null 2>&1 && return 0
    kill -0 "$proxy_pid" 2>/dev/null || break
    sleep 0.1
  done
  cat "$work/proxy/log"; die "crossfade does not serve"
}

# A folder that holds the suite's input, the same path in both runs: results name it.
prepare() {
  rm -rf "$work/run"
  cp -r "$1" "$work/run"
  mkdir -p "$work/run/results" "$work/run/testtablespace"
  cp "$made/regress.so" "$work/run/"
  [ "$(id -u)" != 0 ] || chown -R postgres "$work/run"
}

run_regress() {
  prepare "$source/src/test/regress"
  (cd "$work/run" && as_server "$regress/regress/pg_regress" --inputdir=. --outputdir=. --bindir="$bin" \
    --dlpath="$work/run" --schedule=parallel_schedule --max-concurrent-tests=20 --max-connections=10 \
    --host="$host" --port="$port" --user=postgres >log 2>&1) || true
  grep -q 'tests \(passed\|failed\)' "$work/run/log" || { tail -20 "$work/run/log"; die "pg_regress did not run"; }
  mv "$work/run/log" "$work/run/results/log"
}

run_isolation() {
  prepare "$source/src/test/isolation"
  (cd "$work/run" && PATH=$regress/isolation:$PATH as_server "$regress/isolation/pg_isolation_regress" \
    --inputdir=. --outputdir=. --bindir="$bin" --schedule=isolation_schedule --host="$host" --port="$port" \
    --user=postgres >log 2>&1) || true
  grep -q 'tests \(passed\|failed\)' "$work/run/log" || { tail -20 "$work/run/log"; die "the isolation tests did not run"; }
  mv "$work/run/log" "$work/run/results/log"
}

# The tests whose messages are the same every time have a trace among the
# sources; the others (they race on purpose) must only succeed.
run_pipeline() {
  rm -rf "$work/run"; mkdir -p "$work/run/results"
  local test out=$work/run/output
  for test in $("$made/libpq_pipeline" tests); do
    if "$made/libpq_pipeline" -r 700 -t "$work/run/trace" "$test" \
      "host=$host port=$port user=postgres dbname=postgres sslmode=$sslmode gssencmode=disable" >"$out" 2>&1
    then echo "$test ok"
    else echo "$test failed: $?"; cp "$out" "$work/run/results/$test.out"
    fi
    [ ! -f "$source/src/test/modules/libpq_pipeline/traces/$test.trace" ] ||
      cp "$work/run/trace" "$work/run/results/$test.trace"
  done >"$work/run/results/log"
}

# What differs between any two runs and says nothing: times, and ports where a connection is named.
steady() {
  local file
  find "$1" -type f -print0 | while IFS= read -r -d '' file; do
    sed -i -E -e 's/port [0-9]+/port N/g' "$file"
    [ "${file##*/}" != log ] || sed -i -E -e 's/ +[0-9]+ ms$//' -e '/^# |^ *$|parallel group/d' "$file"
  done
}

run_suite() {
  local suite=$1 kind=$2 place=$3
  start_endpoint "$kind"
  "run_$suite"
  stop_proxy
  rm -rf "$place"
  mv "$work/run/results" "$place"
  [ ! -f "$work/run/regression.diffs" ] || cp "$work/run/regression.diffs" "$place.diffs"
  steady "$place"
}

compare_suite() {
  local suite=$1 kept=$cache/results-$1 failed
  say "$suite: direct"
  run_suite "$suite" direct "$work/direct"
  say "$suite: $against"
  run_suite "$suite" "$against" "$work/other"
  failed=$(grep -c 'FAILED\|failed:' "$work/direct/log" || true)
  if diff -ru "$work/direct" "$work/other" >"$work/difference"; then
    say "$suite: $(find "$work/direct" -type f | wc -l) result files are identical ($failed of them fail directly, too)"
    rm -rf "$kept"
    return 0
  fi
  rm -rf "$kept"; mkdir -p "$kept"
  mv "$work/direct" "$work/other" "$work/difference" "$kept/"
  head -60 "$kept/difference" | cut -c1-200
  say "$suite: DIFFERENT: $(grep -c '^diff ' "$kept/difference" || true) files; all of it in ${kept#"$top"/}"
  return 1
}

main() {
  regress=$("$bin/pg_config" --pkglibdir)/pgxs/src/test
  build_programs
  [ -x "$regress/regress/pg_regress" ] || die "$regress/regress/pg_regress is missing"
  local suite status=0
  export PGSSLMODE=$sslmode
  [ $tls = no ] || make_certificate
  for suite in "${suites[@]}"; do
    compare_suite "$suite" || status=1
  done
  exit $status
}

main
