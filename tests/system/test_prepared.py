"""Prepared statements follow what their tables' names mean: flips, search_path, temporary tables.

public.prices and data.prices both exist and say which one they are, so that an answer from
the wrong one shows.
"""
import asyncio
import os
import shutil
import subprocess

import pytest

import moves
import servers
from raw import Raw, bind, close, describe, execute, parse, query, sync
from servers import wait_for
from test_clients_node_jdbc import JDBC, node_path  # noqa: F401  (a fixture)

SCHEMA = """
create schema data; create schema elsewhere;
create table public.prices (code text primary key, side text, n int8);
create table data.prices (like public.prices including all);
create table elsewhere.prices (like public.prices including all);
create table public.stocks (code text primary key);
insert into public.prices select c, 'old', i from (values ('x', 1), ('y', 2)) v (c, i);
insert into data.prices select c, 'new', i from (values ('x', 1), ('y', 2)) v (c, i);
insert into elsewhere.prices values ('x', 'elsewhere', 1);
"""


@pytest.fixture(scope='module')
def db(pg, endpoint_kind):
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')
    for sql in ('drop database if exists prep with (force)', 'create database prep'):
        pg.psql('-c', sql)
    done = pg.psql('-v', 'ON_ERROR_STOP=1', stdin=SCHEMA, PGDATABASE='prep')
    assert done.returncode == 0, done.stderr
    return pg


class Flips:
    def __init__(self, proxy):
        self.proxy = proxy

    def side(self):
        return self.proxy.psql('-Atc', "select side from prices where code = 'x'", PGDATABASE='prep').stdout.strip()

    def to(self, stage):
        self.proxy.flags_file.write_text(moves.flags(prices=stage))
        self.proxy.reload()
        want = 'new' if stage == 'live' else 'old'
        wait_for(lambda: self.side() == want, 20, f'sessions see {want}', 0.05)


@pytest.fixture(scope='module')
def shared(db):
    proxy = servers.Crossfade(db, map_text=moves.MAP, dbname='prep', config='workers: 1\n')
    yield proxy
    proxy.finish()


@pytest.fixture
def flips(shared):
    flips = Flips(shared)
    flips.to('old')
    yield flips
    assert shared.alive()


@pytest.fixture
def c(shared):
    with Raw(shared.address).startup(database='prep') as c:
        yield c


SIDE = 'select side from prices where code = $1'


def answer(c, data):
    """First columns of all rows up to ReadyForQuery, or the error's SQLSTATE."""
    c.send(data)
    rows = []
    for kind, body in c.until('Z'):
        if kind == 'D':
            rows.append(body[6:].decode())
        if kind == 'E':
            rows.append(error_state(body))
    return rows


def error_state(body):
    return next(f[1:].decode() for f in body.split(b'\0') if f[:1] == b'C')


def run(name='', code='x', **kw):
    return bind([code], name=name, **kw) + execute() + sync()


@pytest.mark.parametrize('name', ['', 'st'])
def test_a_statement_prepared_before_a_flip_reads_the_other_table_after_it(flips, c, name):
    assert answer(c, parse(SIDE, name) + sync()) == []
    for stage, side in (('old', 'old'), ('live', 'new'), ('old', 'old'), ('live', 'new')):
        flips.to(stage)
        assert answer(c, run(name)) == [side]
        assert answer(c, run(name)) == [side]


def test_described_statements_with_unspecified_types(flips, c):
    answer(c, parse('select n, $2 as two from prices where n = $1', 'd') + describe('S', 'd') + sync())
    flips.to('live')
    before = answer(c, describe('S', 'd') + sync())
    assert before == []
    one = (1).to_bytes(8, 'big')
    c.send(bind([one, b'text'], name='d', formats=[1, 0]) + execute() + sync())
    rows = [body for kind, body in c.until('Z') if kind == 'D']
    assert rows and rows[0].endswith(b'text')


def test_binary_parameters_keep_the_types_the_server_gave_them(flips, c):
    """Nobody described it: the types are asked for before the server forgets them."""
    answer(c, parse('select side from prices where n = $1', 'b') + sync())
    flips.to('live')
    two = (2).to_bytes(8, 'big')
    c.send(bind([two], name='b', formats=[1]) + execute() + sync())
    assert [body[6:] for kind, body in c.until('Z') if kind == 'D'] == [b'new']


def test_a_flip_in_the_middle_of_a_pipeline(flips, c):
    answer(c, parse(SIDE, 'p') + sync())
    c.send(run('p') + run('p'))
    first = [answer_until_ready(c), answer_until_ready(c)]
    flips.to('live')
    c.send(run('p') + query("select 'simple'") + run('p') + run('p', 'y'))
    rest = [answer_until_ready(c) for _ in range(4)]
    assert first == [['old'], ['old']]
    assert rest == [['new'], ['simple'], ['new'], ['new']]


def answer_until_ready(c):
    return [body[6:].decode() for kind, body in c.until('Z') if kind == 'D']


def test_a_transaction_stays_with_what_it_has_touched(flips, c):
    answer(c, parse(SIDE, 't') + parse('select side from prices order by code', 'all') + sync())
    answer(c, query('begin'))
    assert answer(c, bind(['x'], name='t') + execute() + bind(portal='open', name='all') +
                  execute('open', 1) + sync()) == ['old', 'old']
    flips.to('live')
    assert answer(c, run('t')) == ['old']
    assert answer(c, query("select side from prices where code = 'y'")) == ['old']
    assert answer(c, execute('open', 0) + sync()) == ['old']
    answer(c, query('commit'))
    assert answer(c, run('t')) == ['new']


def test_an_open_portal_survives_its_statement(flips, c):
    """search_path changes the statement inside a transaction; its open portal goes on."""
    answer(c, parse('select side from prices order by code', 's') + sync())
    flips.to('live')
    answer(c, query('begin'))
    assert answer(c, bind(portal='open', name='s') + execute('open', 1) + sync()) == ['new']
    answer(c, query('set local search_path = elsewhere'))
    assert answer(c, bind(name='s') + execute() + sync()) == ['elsewhere']
    assert answer(c, execute('open', 0) + sync()) == ['new']
    answer(c, query('rollback'))
    assert answer(c, bind(name='s') + execute() + sync()) == ['new', 'new']


@pytest.mark.parametrize('name', ['', 'st'])
def test_search_path(flips, c, name):
    flips.to('live')
    answer(c, parse(SIDE, name) + sync())
    for path, side in (('elsewhere', 'elsewhere'), ('public', 'new'), ('elsewhere, public', 'elsewhere'),
                       ('data', 'new')):
        c.send(parse(f'set search_path = {path}', 'set') + bind(name='set') + execute() + close('S', 'set') + sync())
        c.until('Z')
        assert answer(c, run(name)) == [side], path


def test_temporary_tables(flips, c):
    flips.to('live')
    answer(c, parse(SIDE, 's') + sync())
    assert answer(c, run('s')) == ['new']
    answer(c, query("create temp table prices as select 'x'::text as code, 'temp'::text as side, 1::int8 as n"))
    assert answer(c, run('s')) == ['temp']
    answer(c, query('drop table prices'))
    assert answer(c, run('s')) == ['new']
    answer(c, query("begin; create temp table prices (code text, side text) on commit drop; "
                    "insert into prices values ('x', 'short')"))
    assert answer(c, run('s')) == ['short']
    answer(c, query('commit'))
    assert answer(c, run('s')) == ['new']


def test_other_columns_are_an_error(flips, c):
    """What the client was told of the columns must stay true, as it must without the proxy."""
    flips.to('live')
    answer(c, query('create table if not exists elsewhere.stocks (code int)'))
    answer(c, parse('select code from stocks', 's') + describe('S', 's') + sync())
    answer(c, query('create temp table stocks as select 1 as other'))
    answer(c, parse('select * from prices', 'p') + describe('S', 'p') + sync())
    answer(c, query('create temp table prices as select 1 as one'))
    assert answer(c, bind(name='p') + execute() + sync()) == ['0A000']
    answer(c, query('drop table pg_temp.prices, pg_temp.stocks'))
    assert len(answer(c, bind(name='p') + execute() + sync())) == 2


def test_prepare_and_execute_in_sql(flips, c):
    answer(c, query("prepare one (text) as select side from prices where code = $1; select 1"))
    answer(c, query('prepare two as select side from prices'))
    flips.to('live')
    assert answer(c, query("execute one ('x')")) == ['new']
    assert answer(c, query("begin; execute one ('y'); commit")) == ['new']
    assert answer(c, parse('execute two') + bind() + execute() + sync()) == ['new', 'new']
    assert answer(c, bind(['x'], name='one') + execute() + sync()) == ['new']
    flips.to('old')
    assert answer(c, query("execute one ('x')")) == ['old']
    assert answer(c, query('deallocate one')) == []
    assert answer(c, query("execute one ('x')")) == ['26000']
    assert answer(c, query('select name from pg_prepared_statements')) == ['two']
    answer(c, query('discard all'))
    assert answer(c, query('select count(*) from pg_prepared_statements')) == ['0']


def test_a_text_that_changes_the_path_and_executes(flips, c):
    """It is served where the statement stays what it is; nothing can be prepared in the middle of a text."""
    flips.to('live')
    answer(c, query('prepare p as select side from prices'))
    answer(c, query('prepare q as select side from public.prices'))
    assert answer(c, query('execute p')) == ['new', 'new']
    assert answer(c, query("set search_path = public, elsewhere; execute p; execute q")) == ['new'] * 4
    assert answer(c, query('set search_path = elsewhere; execute q; set search_path = public; execute p')) == ['new'] * 4
    c.send(query('set search_path = elsewhere; execute p'))
    error = next(body for kind, body in c.until('Z') if kind == 'E')
    assert b'C0A000' in error and b'would use other tables' in error and b'one by one' in error
    assert answer(c, query('show search_path')) == ['public'], 'none of it has happened'
    answer(c, query('set search_path = elsewhere'))
    assert answer(c, query('execute p')) == ['elsewhere']
    assert answer(c, query("create temp table prices as select 'temp'::text as side; execute p")) == ['temp'], 'unchanged'
    answer(c, query('drop table prices'))
    answer(c, query('reset search_path'))
    assert answer(c, query('execute p')) == ['new', 'new']
    c.send(query("create temp table prices as select 'temp'::text as side; execute p"))
    assert any(kind == 'E' and b'would use other tables' in body for kind, body in c.until('Z'))
    assert answer(c, query('execute p')) == ['new', 'new']


def place_of_error(c, sql):
    """(SQLSTATE, position or None)"""
    c.send(query(sql))
    fields = next(body for kind, body in c.until('Z') if kind == 'E').split(b'\0')
    said = {f[:1]: f[1:].decode() for f in fields if f}
    return said[b'C'], said.get(b'P')


def test_where_a_statement_fails_that_the_server_plans_anew(flips, c, db):
    """Positions are those of the text of the PREPARE; with other values than its own it cannot be told whose they are."""
    flips.to('live')
    told = 'prepare told as select side from prices where extra > 0'
    assert db.psql('-c', 'alter table data.prices add column extra int', PGDATABASE='prep').returncode == 0
    try:
        answer(c, query(told))
        answer(c, query(' ' + told.replace('told', 'untold')))
        answer(c, query(told.replace('told', 'given (int)').replace('0', '$1')))
    finally:
        assert db.psql('-c', 'alter table data.prices drop column extra', PGDATABASE='prep').returncode == 0
    assert place_of_error(c, '/* some text before */ execute told') == ('42703', str(told.index('extra') + 1))
    assert place_of_error(c, 'execute untold') == ('42703', None)
    assert place_of_error(c, 'execute given (1)') == ('42703', None)
    assert place_of_error(c, "execute given ('x')") == ('22P02', '16')


def test_writes_go_to_one_table_once(flips, c):
    answer(c, parse("insert into prices values ($1, 'w', 3)", 'w') + sync())
    flips.to('live')
    assert answer(c, bind(['w1'], name='w') + execute() + sync()) == []
    flips.to('old')
    assert answer(c, bind(['w2'], name='w') + execute() + sync()) == []
    assert answer(c, query("select 'old ' || string_agg(code, ',') from public.prices where side = 'w'")) == ['old w2']
    flips.to('live')
    assert answer(c, query("select 'new ' || string_agg(code, ',') from data.prices where side = 'w'")) == ['new w1']
    answer(c, query("delete from prices where side = 'w'"))
    flips.to('old')
    answer(c, query("delete from prices where side = 'w'"))


def test_a_text_that_was_not_kept_says_what_to_do(db, make_proxy):
    proxy = make_proxy(db, map_text=moves.MAP, dbname='prep', config='workers: 1\nlimits: {prepared_bytes: off}\n')
    flips = Flips(proxy)
    with Raw(proxy.address).startup(database='prep') as c:
        answer(c, parse(SIDE, 's') + sync())
        assert answer(c, run('s')) == ['old']
        flips.to('live')
        c.send(run('s'))
        error = next(body for kind, body in c.until('Z') if kind == 'E')
        assert b'C26000' in error and b'limits.prepared_bytes' in error
        answer(c, close('S', 's') + parse(SIDE, 's') + sync())
        assert answer(c, run('s')) == ['new']


# ---- drivers

def test_psycopg3(flips, shared):
    psycopg = pytest.importorskip('psycopg')
    with psycopg.connect(shared.dsn(dbname='prep'), autocommit=True) as connection:
        for stage, side in (('old', 'old'), ('live', 'new'), ('old', 'old')):
            flips.to(stage)
            for binary in (False, True):
                for _ in range(2):
                    got = connection.execute('select side, n from prices where code = %s and n > %s', ('x', 0),
                                             prepare=True, binary=binary).fetchone()
                    assert got == (side, 1)


def test_psycopg2(flips, shared):
    psycopg2 = pytest.importorskip('psycopg2')
    connection = psycopg2.connect(shared.dsn(dbname='prep'))
    cursor = connection.cursor()
    cursor.execute('prepare q as select side from prices where code = $1')
    connection.commit()
    for stage, side in (('live', 'new'), ('old', 'old')):
        flips.to(stage)
        cursor.execute('execute q (%s)', ('x',))
        assert cursor.fetchone() == (side,)
        connection.commit()
    connection.close()


def test_asyncpg(flips, shared):
    asyncpg = pytest.importorskip('asyncpg')

    async def go():
        c = await asyncpg.connect(host=shared.host, port=shared.port, user='postgres', database='prep')
        try:
            statement = await c.prepare('select side, n from prices where n = $1')
            for stage, side in (('old', 'old'), ('live', 'new'), ('old', 'old')):
                await asyncio.get_running_loop().run_in_executor(None, flips.to, stage)
                assert tuple(await statement.fetchrow(1)) == (side, 1)
                assert tuple(await c.fetchrow('select side, n from prices where code = $1', 'x')) == (side, 1)
                async with c.transaction():
                    assert [r[0] async for r in statement.cursor(1)] == [side]
        finally:
            await c.close()
    asyncio.run(go())


def converse(command, flips, **kw):
    """The program answers each line on its stdin with one line."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          **kw) as program:
        try:
            for stage, side in (('old', 'old'), ('live', 'new'), ('old', 'old'), ('live', 'new')):
                flips.to(stage)
                program.stdin.write('go\n')
                program.stdin.flush()
                line = program.stdout.readline().strip()
                assert line == ' '.join([side] * 8), line or program.communicate(timeout=20)[1]
            program.stdin.close()
            assert program.wait(20) == 0, program.stderr.read()
        finally:
            program.kill()


NODE = """
const { Client } = require('pg');
const c = new Client({ host: process.argv[2], port: Number(process.argv[3]), user: 'postgres', database: 'prep' });
const q = (name, code) => c.query({ name, text: 'select side from prices where code = $1', values: [code] });
(async () => {
  await c.connect();
  for await (const line of require('readline').createInterface({ input: process.stdin })) {
    const all = await Promise.all(['a', 'b', 'a', 'b', 'a', 'b', 'a', ''].map((n) => q(n, 'x')));
    console.log(all.map((r) => r.rows[0].side).join(' '));
  }
  await c.end();
})().catch((e) => { console.error(e); process.exit(1); });
"""


def test_node_postgres(flips, shared, node_path, tmp_path):  # noqa: F811
    (tmp_path / 'flip.js').write_text(NODE)
    converse(['node', str(tmp_path / 'flip.js'), shared.host, str(shared.port)], flips,
             env={**os.environ, 'NODE_PATH': node_path})


JAVA = """
import java.io.*;
import java.sql.*;
public class Flip {
    public static void main(String[] a) throws Exception {
        try (Connection c = DriverManager.getConnection("jdbc:postgresql://" + a[0] + ":" + a[1] + "/prep?user=postgres");
             PreparedStatement p = c.prepareStatement("select side from prices where code = ? and n > ?")) {
            BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
            while (in.readLine() != null) {
                StringBuilder out = new StringBuilder();
                for (int i = 0; i < 8; i++) {  // prepared on the server from the fifth run on
                    p.setString(1, "x");
                    p.setLong(2, 0);
                    try (ResultSet r = p.executeQuery()) { r.next(); out.append(i == 0 ? "" : " ").append(r.getString(1)); }
                }
                System.out.println(out);
            }
        }
    }
}
"""


def test_jdbc(flips, shared, tmp_path):
    if not (shutil.which('java') and shutil.which('javac') and JDBC.exists()):
        pytest.skip('a JDK or the JDBC driver is not installed')
    (tmp_path / 'Flip.java').write_text(JAVA)
    done = subprocess.run(['javac', '-cp', JDBC, '-d', tmp_path, tmp_path / 'Flip.java'], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    converse(['java', '-Xshare:auto', '-XX:TieredStopAtLevel=1', '-cp', f'{JDBC}:{tmp_path}', 'Flip', shared.host,
              str(shared.port)], flips)


@pytest.mark.parametrize('mode', ['simple', 'extended', 'prepared', 'pipeline'])
def test_pgbench_under_flips(flips, shared, tmp_path, mode):
    script = tmp_path / 'flip.sql'
    select = "select side from prices where code = 'x' and n > :n;\n"
    pipeline = '\\startpipeline\n' + select * 3 + '\\endpipeline\n'
    script.write_text('\\set n 0\n' + (pipeline if mode == 'pipeline' else select))
    with subprocess.Popen(['pgbench', '-n', '-f', str(script), '-c', '4', '-T', '60', '-M',
                           'prepared' if mode == 'pipeline' else mode, 'prep'], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env=shared.env()) as bench:
        for i in range(6):
            flips.to('live' if i % 2 == 0 else 'old')
        assert bench.poll() is None, bench.stdout.read()
        bench.terminate()
        out = bench.communicate(timeout=30)[0]
    assert 'ERROR' not in out and 'error' not in out.replace('errors', ''), out
