"""Tables that somebody else moves, past the proxy, while clients use them: nobody sees an error."""
import subprocess

import pytest

import moves
import servers
from raw import Raw, bind, execute, parse, query, sync
from servers import wait_for
from test_prepared import answer

SCHEMA = """
create schema data;
create table public.prices (code text primary key, n int8);
insert into public.prices select i::text, i from generate_series(1, 100) i;
create table public.stocks (code text primary key);
"""
FORTH, BACK = 'alter table public.prices set schema data', 'alter table data.prices set schema public'


@pytest.fixture(scope='module')
def db(pg, endpoint_kind):
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')
    for sql in ('drop database if exists foreign_ddl with (force)', 'create database foreign_ddl'):
        pg.psql('-c', sql)
    done = pg.psql('-v', 'ON_ERROR_STOP=1', stdin=SCHEMA, PGDATABASE='foreign_ddl')
    assert done.returncode == 0, done.stderr
    return pg


@pytest.fixture(scope='module')
def shared(db):
    """The catalog is read when somebody doubts it, and not on a clock."""
    proxy = servers.Crossfade(db, map_text=moves.MAP, dbname='foreign_ddl', start=False)
    text = proxy.config_file.read_text()
    proxy.config_file.write_text(text.replace('admin: {', 'admin: {poll: 1min, '))
    proxy.start()
    yield proxy
    proxy.finish()


@pytest.fixture
def move(db, shared):
    where = ['public']

    def go(sql=None):
        sql = sql or (FORTH if where[0] == 'public' else BACK)
        done = db.psql('-c', sql, PGDATABASE='foreign_ddl')
        assert done.returncode == 0, done.stderr
        where[0] = 'data' if sql == FORTH else 'public'
    yield go
    if where[0] == 'data':
        go(BACK)
    assert shared.alive()


@pytest.fixture
def c(shared):
    with Raw(shared.address).startup(database='foreign_ddl') as c:
        yield c


SUM = 'select sum(n) from prices'


@pytest.mark.parametrize('sql', [SUM, 'select sum(n) from public.prices', 'select sum(n) from data.prices',
                                 'select 1 where false; ' + SUM])
def test_a_query_finds_the_table_again(c, move, sql):
    for _ in range(3):
        assert answer(c, query(sql)) == ['5050']
        move()
    assert answer(c, query(sql)) == ['5050']


def test_extended_and_prepared(c, move):
    answer(c, parse(SUM + ' where n > $1', 's', [20]) + sync())
    for _ in range(3):
        assert answer(c, bind(['0'], name='s') + execute() + sync()) == ['5050']
        move()
        assert answer(c, bind(['0'], name='s') + execute() + sync()) == ['5050']
        assert answer(c, parse(SUM) + bind() + execute() + sync()) == ['5050']
        move()
        assert answer(c, parse(SUM) + bind() + execute() + sync()) == ['5050']


def test_sql_level_statements(c, move):
    answer(c, query('prepare p as ' + SUM))
    for _ in range(3):
        assert answer(c, query('execute p')) == ['5050']
        move()
    assert answer(c, query('execute p')) == ['5050']


def test_inside_a_transaction_the_error_says_what_to_do(c, move):
    assert answer(c, query(SUM)) == ['5050']  # it knows where the table is
    assert answer(c, query('begin')) == []
    move()
    c.send(query(SUM))
    error = next(body for kind, body in c.until('Z') if kind == 'E')
    assert b'C42P01' in error and b'HThe table may have been moved' in error
    assert answer(c, query('rollback')) == []
    assert answer(c, query(SUM)) == ['5050']


def test_what_is_really_not_there_is_an_error_at_once(c):
    c.send(query('select * from prices, nowhere'))
    error = next(body for kind, body in c.until('Z') if kind == 'E')
    assert b'C42P01' in error and b'"nowhere"' in error and b'\0H' not in error
    assert answer(c, query(SUM)) == ['5050']


def test_what_code_names_is_no_matter_of_repeating(c, db):
    """Bodies are not rewritten, so the statement would fail again: no hint."""
    for sql in ("do $$ begin perform n from data.prices; end $$", "do $$ begin execute 'select 1 from data.prices'; end $$",
                'select gone() from prices'):
        if 'gone' in sql:
            db.psql('-c', "create or replace function gone() returns int language plpgsql as $$ begin "
                    "return (select n from data.prices limit 1); end $$", PGDATABASE='foreign_ddl')
        c.send(query(sql))
        error = next(body for kind, body in c.until('Z') if kind == 'E')
        assert b'C42P01' in error and b'moved a moment ago' not in error, (sql, error)


def test_a_write_happens_once(c, move):
    for i in range(3):
        move()
        assert answer(c, query("insert into stocks values ('x'); update prices set n = n + 1 where code = '1'")) == []
        assert answer(c, query('select n from prices where code = \'1\'')) == [str(2 + i)]
        assert answer(c, query('delete from stocks returning code')) == ['x']
    answer(c, query("update prices set n = 1 where code = '1'"))


def served(proxy, pg):
    """A statement is sent again once, so the next move waits until the clients have found the table."""
    sql = "select sum(xact_commit) from pg_stat_database where datname = 'foreign_ddl'"
    assert proxy.psql('-Atc', SUM, PGDATABASE='foreign_ddl').returncode == 0
    before = int(pg.psql('-Atc', sql).stdout)
    wait_for(lambda: int(pg.psql('-Atc', sql).stdout) > before + 200, 60, 'transactions go on', 0.05)


@pytest.mark.parametrize('mode', ['simple', 'extended', 'prepared', 'pipeline'])
def test_pgbench_while_the_table_moves(shared, db, move, tmp_path, mode):
    script = tmp_path / 'mixed.sql'
    body = "select n from prices where code = '7' and n >= :n;\nupdate prices set n = n + :n where code = '8';\n"
    if mode == 'pipeline':
        body = f'\\startpipeline\n{body}\\endpipeline\n'
    script.write_text('\\set n 0\n' + body)
    with subprocess.Popen(['pgbench', '-n', '-f', str(script), '-c', '4', '-T', '60', '-M',
                           'prepared' if mode == 'pipeline' else mode, 'foreign_ddl'], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env=shared.env()) as bench:
        for _ in range(3):
            move()
            served(shared, db)
        assert bench.poll() is None, bench.stdout.read()
        bench.terminate()
        out = bench.communicate(timeout=30)[0]
    assert 'ERROR' not in out and 'aborted' not in out, out
