"""The scripts that demo, tests and benchmarks stand on."""
import os
import shlex
import socket
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIB = ROOT / 'tests' / 'lib'


def run(*command, check=True, **kw):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=120, **kw)
    assert not check or done.returncode == 0, done.stderr
    return done


def throwaway(*args, **kw):
    return run(LIB / 'throwaway-pg', *args, **kw)


def about(place):
    return dict(shlex.split(line)[0].split('=', 1) for line in throwaway('env', place).stdout.splitlines())


def psql(env, sql, check=True, **over):
    where = {k: env[k] for k in ('PGHOST', 'PGPORT', 'PGUSER', 'PGDATABASE')} | over
    clean = {k: v for k, v in os.environ.items() if not k.startswith('PG')}
    return run(Path(env['PGBIN']) / 'psql', '-wXAtc', sql, check=check, env={**clean, **where})


@pytest.fixture
def place(tmp_path_factory):
    path = tmp_path_factory.mktemp('a server')
    yield path / 'pg'
    throwaway('remove', path / 'pg')


def test_server_listens_on_loopback_and_a_socket_and_leaves_nothing(place):
    throwaway('start', place, '--set', 'work_mem=5MB')
    env = about(place)
    assert psql(env, 'show work_mem').stdout == '5MB\n'
    assert psql(env, 'show fsync', PGHOST=env['PGSOCKET']).stdout == 'off\n'
    assert psql(env, 'show listen_addresses').stdout == '127.0.0.1\n'
    throwaway('status', place)
    throwaway('remove', place)
    assert throwaway('status', place, check=False).returncode != 0
    assert not place.exists() and not Path(env['PGDATA']).exists() and not Path(env['PGSOCKET']).exists()


def test_data_survives_stop_and_start_with_other_settings(place):
    throwaway('start', place)
    psql(about(place), 'create table t (x int)')
    throwaway('stop', place)
    assert throwaway('env', place, check=False).returncode == 1
    throwaway('start', place, '--set', 'max_connections=42')
    assert psql(about(place), "select count(*), current_setting('max_connections') from t").stdout == '0|42\n'


def test_one_initdb_serves_several_servers(place, tmp_path):
    other, env = tmp_path / 'pg', {**os.environ, 'THROWAWAY_PG_TEMPLATE': str(tmp_path / 'template')}
    for one in (place, other):
        throwaway('start', one, env=env)
    try:
        psql(about(place), 'create table t (x int)')
        assert psql(about(other), 'select count(*) from t', check=False).returncode != 0
        assert not (Path(about(other)['PGDATA']).parent / 'initdb.log').exists()
    finally:
        throwaway('remove', other)
        throwaway('remove', tmp_path / 'template')


def test_two_servers_take_two_ports_and_a_taken_port_is_an_error(place, tmp_path_factory):
    other = tmp_path_factory.mktemp('other') / 'pg'
    throwaway('start', place)
    try:
        throwaway('start', other)
        assert about(place)['PGPORT'] != about(other)['PGPORT']
    finally:
        throwaway('remove', other)
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        s.listen()
        failed = throwaway('start', other, '--port', s.getsockname()[1], check=False)
    assert failed.returncode == 1 and 'no free port' in failed.stderr
    throwaway('remove', other)


def test_passwords_are_asked_for_over_tcp_only(place):
    throwaway('start', place, '--auth', 'scram-sha-256')
    env = about(place)
    assert psql(env, 'select 1', check=False).returncode != 0
    psql(env, "alter role postgres password 'secret'", PGHOST=env['PGSOCKET'])
    assert psql(env, 'select 1', PGPASSWORD='secret').stdout == '1\n'


@pytest.mark.parametrize('args', ([], ['start'], ['start', 'x', '--nonsense'], ['start', 'x', '--set', 'novalue'],
                                  ['start', 'x', '--port', '12x'], ['burn', 'x']))
def test_bad_usage_of_throwaway_pg(args):
    assert throwaway(*args, check=False).returncode in (1, 2)
    assert not Path('x').exists()


def test_nothing_to_install_is_silent():
    done = run(LIB / 'install-packages.sh', 'build')
    assert done.stdout == done.stderr == ''
    assert run(LIB / 'install-packages.sh', '--list', 'build').stdout == ''


def test_unknown_section_is_bad_usage():
    done = run(LIB / 'install-packages.sh', 'nonsense', check=False)
    assert done.returncode == 2 and 'sections of packages.txt' in done.stderr


def test_missing_package_is_listed_and_alternatives_suffice(tmp_path):
    (tmp_path / 'tests' / 'lib').mkdir(parents=True)
    script = tmp_path / 'tests' / 'lib' / 'install-packages.sh'
    script.write_text((LIB / 'install-packages.sh').read_text())
    script.chmod(0o755)
    (tmp_path / 'packages.txt').write_text('[a]\nbash\nno-such-thing | dpkg # one will do\nno-such-thing\n[b]\nnor-this ?\n')
    assert run(script, '--list', 'a').stdout == 'no-such-thing\n'
    assert run(script, '--list', 'a', 'b').stdout == 'no-such-thing\nnor-this?\n'


RESULTS = '<testsuite><testcase name="good"/>{}</testsuite>'


@pytest.mark.parametrize('more, last, status', (
    ('', '1 passed, 0 failed', 0),
    ('<testcase name="bad"><failure message="why"/></testcase>', '1 passed, 1 failed', 1),
    ('<testcase name="bad"><error message="why"/></testcase>', '1 passed, 1 failed', 1),
    ('<testcase name="later"><skipped/></testcase>', '1 passed, 0 failed', 0),
    ('<testcase', '0 passed, 1 failed', 1)))
def test_summary_counts(tmp_path, more, last, status):
    (tmp_path / 'one.xml').write_text(RESULTS.format(more))
    done = run(LIB / 'summary.py', tmp_path, check=False)
    assert (done.stdout.splitlines()[-1], done.returncode) == (last, status)


def test_summary_without_any_test_is_a_failure(tmp_path):
    done = run(LIB / 'summary.py', tmp_path, check=False)
    assert done.stdout.endswith('no test ran\n0 passed, 0 failed\n') and done.returncode == 1


def test_step_that_broke_counts_as_failed(tmp_path):
    (tmp_path / 'one.xml').write_text(RESULTS.format(''))
    (tmp_path / 'build.failed').write_text('build-clang does not build\n')
    done = run(LIB / 'summary.py', tmp_path, check=False)
    assert done.stdout.endswith('1 passed, 1 failed\n') and done.returncode == 1
