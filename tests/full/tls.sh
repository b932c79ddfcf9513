#!/usr/bin/env bash
# TLS at length: every login of the matrix, every conversation over TLS on both
# legs, PostgreSQL's own tests through TLS, and crowds of clients, half of which
# misbehave.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

status=0
say 'logins and conversations'
CROSSFADE_FULL=1 /usr/bin/python3 -m pytest -q -rs --tb=short -p no:cacheprovider "$top/tests/system/test_login_matrix.py" \
  "$top/tests/system/test_tls.py" || status=1
say 'crowds'
/usr/bin/python3 "$top/tests/full/crowd.py" || status=1
say "PostgreSQL's own tests"
"$top/tests/full/pg_regress.sh" --tls || { code=$?; [ $code = 77 ] || status=1; }
exit $status
