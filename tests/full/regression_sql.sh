#!/usr/bin/env bash
# What must hold for every statement (tests/properties), tried on all SQL of
# PostgreSQL's own regression tests: about 40,000 statements.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

properties=${CROSSFADE_BUILD:-$top/build}/tests/properties/properties
[ -x "$properties" ] || die "$properties is not built"
major=$(basename "$(dirname "$("$throwaway" bin)")")
source=$cache/postgresql-$major
fetch_source "postgresql-$major" "$(dpkg-query -Wf '${source:Version}' "postgresql-$major")" "$source" ||
  skip "the sources of PostgreSQL cannot be fetched, see ${cache#"$top"/}/apt-update.log"
"$properties" "$source/src/test/regress/sql"
