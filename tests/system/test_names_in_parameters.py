"""Names of relations in parameters follow a move, in text and in binary format."""
import sqlite3

import pytest

import moves
from raw import Raw, bind, describe, execute, parse, query, sync
from servers import wait_for

psycopg = pytest.importorskip('psycopg')
asyncpg = pytest.importorskip('asyncpg')
TEXT, REGCLASS = 25, 2205


@pytest.fixture
def proxy(pg, make_proxy):
    moves.create(pg)
    done = pg.psql('-c', 'create table other (id serial)', '-c', 'alter table stocks add id serial', PGDATABASE='moves')
    assert done.returncode == 0, done.stderr
    for table in ('prices', 'stocks'):
        moves.move(pg, table)
    made = make_proxy(pg, map_text=moves.MAP, dbname='moves', config='limits: {usage_flush: 200ms}\n')
    wait_for(lambda: made.psql('-c', 'select 1 from prices', PGDATABASE='moves').returncode == 0, 10, 'facts', 0.1)
    return made


def value(c, sql, parameters, formats=(), types=()):
    c.send(parse(sql, types=types) + bind(parameters, formats=formats) + execute() + sync())
    rows = [body for kind, body in c.until() if kind == 'D']
    assert rows, (sql, parameters)
    return rows[0][6:].decode() if rows[0][2:6] != b'\xff' * 4 else None


def oid(pg, name):
    return pg.psql('-Atc', f"select '{name}'::regclass::oid", PGDATABASE='moves').stdout.strip()


@pytest.mark.parametrize('name', ['prices', 'public.prices', '"public" . PRICES', 'data.prices', 'moves.public.prices'])
def test_regclass_in_every_spelling(proxy, pg, name):
    wanted = oid(pg, 'data.prices')
    with Raw(proxy.address).startup(database='moves') as c:
        assert value(c, 'select $1::regclass::oid', [name]) == wanted
        assert value(c, 'select cast($1 as regclass)::oid', [name], types=[REGCLASS]) == wanted
        assert value(c, 'select $1::text::regclass::oid', [name], formats=[1]) == wanted
        assert value(c, 'select to_regclass($1)::oid', [name], formats=[1], types=[TEXT]) == wanted


def test_functions(proxy):
    with Raw(proxy.address).startup(database='moves') as c:
        assert value(c, 'select nextval($1)', ['public.stocks_id_seq']) == '3'
        assert value(c, 'select setval($1, 10)', ['stocks_id_seq']) == '10'
        assert value(c, 'select currval($1::regclass)', ['data.stocks_id_seq']) == '10'
        assert value(c, 'select pg_get_serial_sequence($1, $2)', ['stocks', 'id']) == 'data.stocks_id_seq'
        assert int(value(c, 'select pg_total_relation_size($1)', ['public.prices'])) > 0
        assert value(c, "select has_table_privilege($1, 'select')", ['prices'], types=[TEXT]) == 't'
        assert value(c, "select has_table_privilege('postgres', $1::text, $2)", ['public.prices', 'select']) == 't'


def test_what_is_no_name_stays_as_it_is(proxy, pg):
    number = int(oid(pg, 'data.prices'))
    with Raw(proxy.address).startup(database='moves') as c:
        assert value(c, 'select $1::regclass::oid', [number.to_bytes(4, 'big')], formats=[1]) == str(number)
        assert value(c, 'select $1::regclass::oid', [str(number)]) == str(number)
        assert value(c, 'select $1::regclass::oid', [None]) is None
        assert value(c, 'select to_regclass($1)', ['public.nowhere']) is None
        assert value(c, 'select $1::regclass::text', ['other']) == 'other'
        assert value(c, 'select $1::text', ['public.prices']) == 'public.prices'
        # the same value as a name and as a text: only parameters that are names change
        assert value(c, "select to_regclass($1)::oid::text || $2", ['prices', 'prices']) == f'{number}prices'


def test_results_formats_and_several_values_survive(proxy, pg):
    wanted = int(oid(pg, 'data.prices'))
    with Raw(proxy.address).startup(database='moves') as c:
        c.send(parse('select $1::text, $2::regclass::oid, $3::int, $4::text') +
               bind(['a' * 100000, 'prices', (7).to_bytes(4, 'big'), None], formats=[0, 0, 1, 0], result_formats=[1]) +
               describe('P') + execute() + sync())
        row = [body for kind, body in c.until() if kind == 'D'][0]
        assert row[6:100006] == b'a' * 100000 and row[100006:100014] == b'\0\0\0\4' + wanted.to_bytes(4, 'big')
        assert row[100014:] == b'\0\0\0\4\0\0\0\7\xff\xff\xff\xff'


def test_a_bind_that_arrives_in_pieces(proxy, pg):
    wanted = oid(pg, 'data.prices')
    with Raw(proxy.address).startup(database='moves') as c:
        c.send(parse('select to_regclass($1)::oid, $2::text', 's') + sync())
        c.until()
        message = bind(['prices', 'b' * 30000], name='s') + execute() + sync()
        for i in (0, 1, 4, 7, 11, 30, 5000, 20000):
            c.send(message[:i])
            message = message[i:]
        c.send(message)
        assert [body for kind, body in c.until() if kind == 'D'][0][6:6 + len(wanted)] == wanted.encode()


def test_a_prepared_statement_follows_the_table_back(proxy, pg):
    with psycopg.connect(proxy.dsn(dbname='moves'), autocommit=True) as c:
        for _ in range(10):
            assert c.execute("select relname from pg_class where oid = %s::regclass", ('prices',)).fetchone() == ('prices',)
        moves.move(pg, 'prices', back=True)
        wait_for(lambda: proxy.psql('-Atc', "select 'prices'::regclass", PGDATABASE='moves').stdout == 'prices\n', 10,
                 'noticed', 0.1)
        assert c.execute("select relname from pg_class where oid = %s::regclass", ('public.prices',)).fetchone() \
            == ('prices',)
        assert c.execute("select to_regclass(%s)::oid = 'data.prices'::regclass", ('data.prices',)).fetchone() == (True,)


def test_search_path_and_temporary_tables_decide_as_always(proxy, pg):
    with psycopg.connect(proxy.dsn(dbname='moves')) as c:
        moved = c.execute('select to_regclass(%s)::oid', ('prices',)).fetchone()
        c.execute('create temp table prices (a int)')
        own = c.execute('select to_regclass(%s)::oid', ('prices',)).fetchone()
        assert own != moved and c.execute('select to_regclass(%s)::oid', ('public.prices',)).fetchone() == moved
        c.rollback()
        c.execute('set search_path = pg_catalog')
        assert c.execute('select to_regclass(%s)', ('prices',)).fetchone() == (None,)


def test_names_in_parameters_are_counted(proxy):
    with Raw(proxy.address).startup(database='moves') as c:
        for name in ('prices', 'public.prices', 'data.prices', 'public.nowhere'):
            value(c, 'select to_regclass($1)::oid', [name])
        value(c, 'select count(*) from prices where $1::regclass is not null', ['stocks'])

    def counted():
        with sqlite3.connect(proxy.dir / 'usage.db') as db:
            return set(db.execute('select table_name, side, rewritten, statement, sum(count) from usage'
                                  " where kind = 'select' group by 1, 2, 3, 4"))
    join = 'select count(*) from prices where $1::regclass is not null'
    wanted = {('public.prices', 'old', 1, 'select to_regclass($1)::oid', 2),
              ('public.prices', 'new', 0, 'select to_regclass($1)::oid', 1),
              ('public.prices', 'old', 1, join, 1), ('public.stocks', 'old', 1, join, 1)}
    wait_for(lambda: counted() >= wanted, 10, 'counts', 0.2)


def test_asyncpg(proxy, pg):
    import asyncio

    async def run():
        c = await asyncpg.connect(host=proxy.host, port=proxy.port, user='postgres', database='moves', ssl=False)
        try:
            return [await c.fetchval('select to_regclass($1)::oid', 'prices'),
                    await c.fetchval('select nextval($1::text::regclass) > 0', 'public.stocks_id_seq')]
        finally:
            await c.close()
    assert asyncio.run(run()) == [int(oid(pg, 'data.prices')), True]


def test_arrays_of_names(proxy, pg):
    wanted = f"{{{oid(pg, 'data.prices')},{oid(pg, 'data.stocks')},{oid(pg, 'public.other')}}}"
    names = '{public.prices, "stocks",other}'
    with Raw(proxy.address).startup(database='moves') as c:
        assert value(c, 'select $1::regclass[]::oid[]', [names]) == wanted
        assert value(c, "select '{public.prices, \"stocks\",other}'::regclass[]::oid[]", []) == wanted
        assert value(c, "select array['public.prices', 'stocks', $1]::regclass[]::oid[]", ['other'], types=[TEXT]) == wanted
        assert value(c, "select coalesce($1::regclass[], '{}')", [None]) == '{}'


def test_values_of_execute(proxy, pg):
    wanted = oid(pg, 'data.prices')
    with Raw(proxy.address).startup(database='moves') as c:
        for prepare in ('prepare p as select $1::regclass::oid', 'prepare p(regclass) as select $1::oid'):
            c.send(query(prepare))
            c.until()
            c.send(query("execute p('public.prices')"))
            rows = [body[6:].decode() for kind, body in c.until() if kind == 'D']
            assert rows == [wanted]
            c.send(query('deallocate p'))
            c.until()
