"""psql and pgbench do through the proxy what they do directly."""
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

import raw
from raw import Raw
from servers import PGBIN, wait_for

SCRIPT = r"""
\set VERBOSITY verbose
select * from items where id < 4 order by id;
select id, name, price from items where id between 10 and 12 \gdesc
select 1/0;
select id,
       nome
  from items;
select 'ä€😀' || nix from items;
\set VERBOSITY default
\d items
\dt
\x on
select * from items where id = 5;
\x off
begin;
delete from bulk;
\copy bulk from pstdin csv
\copy (select * from bulk order by n) to pstdout csv
copy bulk (n, t) from stdin;
7	seven
8	\N
\.
select * from bulk order by n;
savepoint a;
select nix;
rollback to a;
\echo :ERROR :LAST_ERROR_SQLSTATE :ROW_COUNT
\set FETCH_COUNT 7
select id from items where id <= 20 order by id;
\unset FETCH_COUNT
rollback;
select 'select ' || i from generate_series(1, 3) i \gexec
select 10 as ten, 'x' as ex \gset
\echo :ten :ex
do $$ begin raise notice 'a notice'; raise warning 'a warning'; end $$;
listen "Kanal";
notify "Kanal", 'payload';
select 1;
prepare p(int) as select name from items where id = $1;
execute p(3);
deallocate p;
execute p(3);
set client_encoding = latin1;
show client_encoding;
\encoding
reset all;
set role app;
select current_user;
\c - app
select current_user, current_database();
\c other postgres
select current_user, current_database();
select 'the end';
\c no_such_database
"""


def same(ep, pg, *args, unix=False, **kw):
    """Output and errors are those of a direct run, but for notification pids and where psql connected."""
    def clean(done, e):
        text = done.stdout + '\n--\n' + done.stderr
        text = re.sub(r'with PID \d+', 'with PID n', text)
        text = re.sub(r'at "127.0.0.1", port \d+', 'at host', text)
        text = re.sub(r'on socket "[^"]*"', 'at host', text)
        return done.returncode, text
    got, direct = (clean(e.psql(*args, unix=unix, **kw), e) for e in (ep, pg))
    assert got == direct
    return got[1]


@pytest.mark.parametrize('unix', [False, True], ids=['tcp', 'unix'])
def test_a_long_script(ep, pg, unix, tmp_path):
    script = tmp_path / 'script.sql'
    script.write_text(SCRIPT)
    out = same(ep, pg, '-a', '-f', str(script), stdin='1,one\n2,two\n\\.\n', unix=unix)
    assert 'the end' in out and 'database "no_such_database" does not exist' in out and 'LINE 2:        nome' in out
    assert 'Asynchronous notification "Kanal" with payload "payload"' in out


def test_one_command_per_line_from_stdin(ep, pg):
    same(ep, pg, stdin='select 1; select 2;\nbegin;\nselect nix;\nselect 3;\nrollback;\nselect 4\\;select 5;\n')


def test_one_transaction_and_stop_on_error(ep, pg):
    out = same(ep, pg, '-1', '-v', 'ON_ERROR_STOP=1', '-c', "insert into bulk values (1000, 'x')", '-c',
               'select nix', '-c', 'select 1')
    assert 'column "nix" does not exist' in out
    assert pg.psql('-Atc', 'select count(*) from bulk where n = 1000').stdout == '0\n'


def test_long_copy_in_and_out(ep, pg, tmp_path):
    rows = ''.join(f'{i}\t{"v" * (i % 200)}\n' for i in range(50000))
    (tmp_path / 'in').write_text(rows)
    done = ep.psql('-v', 'ON_ERROR_STOP=1', stdin=rf"""begin; delete from bulk;
\copy bulk from '{tmp_path}/in'
\copy (select * from bulk order by n) to '{tmp_path}/out'
rollback;""")
    assert done.returncode == 0, done.stderr
    assert 'COPY 50000' in done.stdout
    assert (tmp_path / 'out').read_text() == rows


def read_terminal(master, until, seconds=15):
    """What a terminal shows, until a pattern or the end."""
    out, end = b'', time.monotonic() + seconds
    while time.monotonic() < end and not re.search(until, out):
        if select.select([master], [], [], 0.1)[0]:
            try:
                out += os.read(master, 65536)
            except OSError:
                break
    return out.decode(errors='replace')


@pytest.mark.parametrize('statement', [
    'select pg_sleep(30);',
    "select repeat('x', 100), pg_sleep(0.01) from generate_series(1, 100000);",
    'copy (select i, pg_sleep(0.01) from generate_series(1, 100000) i) to stdout;'])
def test_ctrl_c_cancels(ep, pg, statement):
    """psql in a terminal: Ctrl-C ends the statement, not the session."""
    master, slave = pty.openpty()
    process = subprocess.Popen([str(PGBIN / 'psql'), '-X', '-n', '-P', 'pager=off'], stdin=slave,
                               stdout=slave, stderr=slave, start_new_session=True,
                               env=ep.env(PGAPPNAME='ctrl_c', TERM='dumb'))
    os.close(slave)
    try:
        os.write(master, statement.encode() + b'\n')
        wait_for(lambda: pg.sessions("application_name = 'ctrl_c' and state = 'active'"), 10, 'it runs')
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert 'canceling statement' in read_terminal(master, b'canceling statement due to user request')
        os.write(master, b"select 'after' || 'wards';\n")
        assert 'afterwards' in read_terminal(master, b'afterwards')
        os.write(master, b'\\q\n')
        read_terminal(master, b'never')
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait(60)
        os.close(master)


def test_watch(ep):
    process = subprocess.Popen([str(PGBIN / 'psql'), '-X', '-At'], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ep.env())
    process.stdin.write(b"select 'tick' \\watch 0.1\n")
    process.stdin.flush()
    time.sleep(1.2)
    process.send_signal(signal.SIGINT)
    out = process.communicate(timeout=10)[0].decode()
    assert out.count('tick\n') >= 4


def test_notification_while_psql_idles(ep, pg):
    process = subprocess.Popen([str(PGBIN / 'psql'), '-X', '-At'], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env=ep.env(PGAPPNAME='idler'))
    process.stdin.write(b'listen l;\n')
    process.stdin.flush()
    wait_for(lambda: pg.sessions("application_name = 'idler' and query ~ 'listen' and state = 'idle'"), 10,
             'listening')
    pg.psql('-c', "notify l, 'from afar'")
    out = process.communicate(b'select 1;\n', timeout=60)[0].decode()
    assert 'Asynchronous notification "l" with payload "from afar"' in out


def test_psql_that_is_killed_leaves_nothing(ep, pg):
    process = subprocess.Popen([str(PGBIN / 'psql'), '-X', '-c', 'begin', '-c', 'select pg_sleep(30)'],
                               env=ep.env(PGAPPNAME='killed', PGOPTIONS='-c client_connection_check_interval=200'),
                               stdout=subprocess.DEVNULL)
    wait_for(lambda: pg.sessions("application_name = 'killed' and state = 'active'"), 10, 'it runs')
    process.kill()
    process.wait(60)
    wait_for(lambda: pg.sessions("application_name = 'killed'") == 0, 10, 'session ended', 0.2)


# --- pgbench

@pytest.fixture(scope='module')
def bench_tables(pg):
    done = subprocess.run([str(PGBIN / 'pgbench'), '-i', '-s', '1', '-q', 'other'], env=pg.env(),
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def pgbench(ep, *args, unix=False):
    done = subprocess.run([str(PGBIN / 'pgbench'), '-n', *args, 'other'], env=ep.env(unix=unix), text=True,
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert re.search(r'failed transactions: 0 ', done.stdout), done.stdout
    return done.stdout


@pytest.mark.parametrize('mode', ['simple', 'extended', 'prepared'])
def test_pgbench(ep, bench_tables, mode):
    out = pgbench(ep, '-M', mode, '-c', '8', '-j', '2', '-t', '150')
    assert 'processed: 1200/1200' in out


@pytest.mark.parametrize('mode', ['simple', 'extended', 'prepared'])
def test_pgbench_connects_for_every_transaction(ep, bench_tables, mode):
    assert 'processed: 200/200' in pgbench(ep, '-M', mode, '-C', '-S', '-c', '4', '-t', '50')


def test_pgbench_over_unix_sockets(ep, bench_tables):
    pgbench(ep, '-M', 'prepared', '-S', '-c', '8', '-j', '2', '-t', '500', unix=True)


def test_pgbench_pipelines(ep, bench_tables, tmp_path):
    script = tmp_path / 'pipeline.sql'
    script.write_text(r"""\set aid random(1, 100000)
\startpipeline
select abalance from pgbench_accounts where aid = :aid;
update pgbench_accounts set abalance = abalance + 1 where aid = :aid;
select abalance from pgbench_accounts where aid = :aid;
\endpipeline
""")
    for mode in ('extended', 'prepared'):
        pgbench(ep, '-M', mode, '-f', str(script), '-c', '4', '-t', '100')


def test_pgbench_initialises_through_it(ep, pg):
    pg.psql('-c', 'create database bench_init')
    done = subprocess.run([str(PGBIN / 'pgbench'), '-i', '-s', '1', '-I', 'dtGvpf', 'bench_init'],
                          env=ep.env(), text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert pg.psql('-Atc', 'select count(*) from pgbench_accounts', PGDATABASE='bench_init').stdout == '100000\n'
    pg.psql('-c', 'drop database bench_init with (force)')


def test_pg_dump_and_restore(ep, pg, bench_tables, tmp_path):
    def dump(e):
        return subprocess.run([str(PGBIN / 'pg_dump'), '-d', 'other', '-T', 'pgbench_history'], env=e.env(),
                              capture_output=True, check=True, timeout=60).stdout
    plain = re.compile(rb'^\\(un)?restrict .*$', re.M)
    assert plain.sub(b'', dump(ep)) == plain.sub(b'', dump(pg))
    archive = tmp_path / 'd'
    subprocess.run([str(PGBIN / 'pg_dump'), '-Fd', '-j2', '-d', 'other', '-f', str(archive)], env=ep.env(),
                   check=True, timeout=60)
    pg.psql('-c', 'create database restored')
    done = subprocess.run([str(PGBIN / 'pg_restore'), '-j2', '-d', 'restored', str(archive)], env=ep.env(),
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert pg.psql('-Atc', 'select count(*) from pgbench_accounts', PGDATABASE='restored').stdout == '100000\n'
    pg.psql('-c', 'drop database restored with (force)')


def test_psql_sees_its_true_pid(ep):
    with Raw(ep.address) as c:
        c.startup()
        assert c.pid > 1 and c.opening[-1][0] == 'Z'
        assert raw.data_row(dict(c.ask('select pg_backend_pid()'))['D'])[0] == str(c.pid).encode()
