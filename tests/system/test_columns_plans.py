"""Tables whose columns differ, on a large table: the planner dissolves what stands in for them, so that indexes,
LIMIT and joins work as for a table; and drivers that send values in binary get the types of the columns they know."""
import asyncio
import json
from datetime import date
from decimal import Decimal

import psycopg
import pytest

import servers

asyncpg = pytest.importorskip('asyncpg')

ROWS = 60000
MAP = """
old: v10
new: v13
tables:
  public.flows: {to: data.investor_flow, columns: {code: stock_code, net: foreign_net}}
  public.quotes:
    to: data.prices
    shape: {id: integer, code: varchar(10), date: date, close: "numeric(12,2)", note: jsonb}
    new_shape: {stock_code: varchar(10), date: date, cents: bigint, id: integer, note: text}
    columns: {code: stock_code}
    read: {close: "cents / 100.0"}
    write: {cents: "(close * 100)::bigint"}
"""
FLAGS = 'flags:\n  public.flows: live\n  public.quotes: live\n'
OLD = """
create table public.flows (id integer primary key, code varchar(10) not null, date date, net bigint);
create table public.quotes (id integer primary key, code varchar(10) not null, date date, close numeric(12,2), note jsonb);
"""
NEW = f"""
create schema data;
create table data.prices (stock_code varchar(10) not null, date date, cents bigint, id integer primary key, note text);
insert into data.prices select 'c' || i % 600, date '2020-01-01' + i / 600, i, i, '{{}}' from generate_series(1, {ROWS}) i;
create index prices_code on data.prices (stock_code, date);
create index prices_close on data.prices ((cast((cents / 100.0) as numeric(12,2))));
alter table public.flows set schema data;
alter table data.flows rename to investor_flow;
alter table data.investor_flow rename code to stock_code;
alter table data.investor_flow rename net to foreign_net;
insert into data.investor_flow select i, 'c' || i % 600, date '2020-01-01' + i / 600, i from generate_series(1, {ROWS}) i;
create index flow_code on data.investor_flow (stock_code, date);
analyze;
"""


@pytest.fixture(scope='module')
def layouts(pg):
    """dsn of the old layout, the proxy in front of the new one, and its database."""
    for name, sql in (('plans_old', OLD), ('plans_new', OLD + NEW)):
        with psycopg.connect(pg.dsn(), autocommit=True) as admin:
            admin.execute(f'create database {name}')
        with psycopg.connect(pg.dsn(dbname=name), autocommit=True) as conn:
            conn.execute(sql)
    proxy = servers.Crossfade(pg, map_text=MAP, flags=FLAGS, dbname='plans_new')
    yield pg, proxy
    proxy.finish()
    with psycopg.connect(pg.dsn(), autocommit=True) as admin:
        for name in ('plans_old', 'plans_new'):
            admin.execute(f'drop database {name} with (force)')


@pytest.fixture
def conn(layouts):
    with psycopg.connect(layouts[1].dsn(dbname='plans_new')) as made:
        made.execute('set local max_parallel_workers_per_gather = 0')
        yield made
        made.rollback()


def nodes(plan):
    yield plan
    for child in plan.get('Plans', ()):
        yield from nodes(child)


def explained(conn, sql):
    """All nodes of the plan, having run it."""
    text = conn.execute('explain (analyze, format json, timing off) ' + sql).fetchone()[0]
    return list(nodes((text if isinstance(text, list) else json.loads(text))[0]['Plan']))


def kinds(plan):
    return [node['Node Type'] for node in plan]


def read_rows(plan):
    """Rows that the scans gave, and those that their conditions threw away."""
    return sum((node['Actual Rows'] + node.get('Rows Removed by Filter', 0)) * node['Actual Loops']
               for node in plan if 'Scan' in node['Node Type'])


BOTH = pytest.mark.parametrize('table', ('flows', 'quotes'))


@BOTH
@pytest.mark.parametrize('sql', (
    "select * from {t} where code = 'c7' and date = '2020-02-01'",
    "select x.* from (select * from {t}) x where x.id = 77",
    "select * from {t} where id = (select 5)",
    "with w as (select * from {t}) select * from w where code = 'c9' and date < '2020-01-10'",
    "select max(id) from {t} t where t.code = 'c1' group by t.date order by t.date limit 3",
    "select s.n, t.id from generate_series(1, 5) s(n) join {t} t on t.id = s.n",
    "select n, (select code from {t} t where t.id = n) from generate_series(1, 5) n",
    "select * from {t} where code = 'c7' and date = '2020-02-01' for update",
    "update {t} set date = '2020-01-01' where id = 8 returning *",
    "delete from {t} where code = 'c3' and date < '2020-01-09' returning code",
))
def test_conditions_on_columns_that_are_only_renamed_use_their_indexes(conn, table, sql):
    plan = explained(conn, sql.format(t=table))
    assert 'Seq Scan' not in kinds(plan), kinds(plan)
    assert 'Subquery Scan' not in kinds(plan), kinds(plan)
    assert read_rows(plan) < ROWS / 50, plan


@BOTH
def test_limit_stops_early(conn, table):
    plan = explained(conn, f'select * from {table} limit 10')
    assert read_rows(plan) <= 10, plan
    plan = explained(conn, f'select * from {table} order by code, date limit 10')
    assert 'Sort' not in kinds(plan) and read_rows(plan) <= 10 + 600, plan


@BOTH
def test_a_join_of_two_reads_only_what_the_index_gives(conn, table):
    plan = explained(conn, f"select count(*) from {table} a join {table} b using (id) where a.code = 'c5'")
    assert read_rows(plan) < ROWS, plan


def test_for_update_locks_the_rows_of_the_answer_alone(layouts, conn):
    """Inside of a derived table it would lock every row."""
    conn.execute("select * from quotes where id = 11 for update").fetchall()
    with psycopg.connect(layouts[1].dsn(dbname='plans_new')) as other:
        other.execute('set local lock_timeout = 5000')
        assert len(other.execute("select id from quotes where id in (10, 11, 12) order by id for update skip locked").fetchall()) == 2
        assert other.execute("update quotes set close = 3 where id = 12 returning close").fetchone() == (Decimal('3.00'),)


def test_a_computed_column_is_found_by_an_index_on_its_expression(conn):
    plan = explained(conn, 'select id, close from quotes where close between 100.05 and 100.20')
    assert 'Seq Scan' not in kinds(plan) and read_rows(plan) <= 20, plan


def test_a_computed_column_that_nobody_asks_for_is_not_computed(layouts, conn):
    """note is text where the rows are: one that is no JSON harms only who reads it."""
    with psycopg.connect(layouts[0].dsn(dbname='plans_new'), autocommit=True) as direct:
        direct.execute("update data.prices set note = 'no json' where id = 5")
    assert conn.execute('select id, close from quotes where id = 5').fetchall() == [(5, Decimal('0.05'))]
    assert conn.execute('select count(*) from quotes where id < 10').fetchone() == (9,)
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        conn.execute('select note from quotes where id = 5')


# ---- types ----

STATEMENTS = (
    'select * from quotes where close = $1 and code = $2 and note @> $3',
    'select close + $1, note -> $2 from quotes where date > $3 limit 1',
    'insert into quotes (id, code, date, close, note) values ($1, $2, $3, $4, $5) returning *',
    'insert into quotes values ($1, $2, $3, $4), (2000001, $5, $3, default)',
    'insert into quotes (id, code, close) select $1, $2, $3 returning close, code',
    'insert into quotes (id, code, close) values ($1, $2, $3) on conflict (id) do update set close = excluded.close + $4, note = $5',
    'update quotes set close = $1, note = $2, code = $3 where id = $4 returning close, note',
    'update quotes set (close, code) = ($1, $2) where id = $3',
    'delete from quotes where close < $1 and date = $2',
    'merge into quotes q using (select 5 as n) s on q.id = s.n when matched then update set close = $1 when not matched then insert (id, code, close) values (n, $2, $3)',
    'update flows set net = $1, code = $2 where date = $3',
    'insert into flows values ($1, $2, $3, $4) on conflict (id) do update set net = flows.net + $5 returning *',
    'select row_to_json(f) from flows f where (code, date) = ($1, $2)',
)


async def described(dsn, sql):
    connection = await asyncpg.connect(host=dsn[0], port=dsn[1], user='postgres', database=dsn[2], ssl=False)
    try:
        statement = await connection.prepare(sql)
        return ([t.name for t in statement.get_parameters()],
                [(a.name, a.type.name) for a in statement.get_attributes()])
    finally:
        await connection.close(timeout=10)


@pytest.mark.parametrize('sql', STATEMENTS)
def test_parameters_and_columns_have_the_types_that_the_code_knows(layouts, sql):
    pg, proxy = layouts
    direct = asyncio.run(described((pg.host, pg.port, 'plans_old'), sql))
    assert asyncio.run(described((proxy.host, proxy.port, 'plans_new'), sql)) == direct


def test_values_go_in_and_out_in_binary(layouts):
    proxy = layouts[1]

    async def body():
        c = await asyncpg.connect(host=proxy.host, port=proxy.port, user='postgres', database='plans_new', ssl=False)
        transaction = c.transaction()
        await transaction.start()
        try:
            row = await c.fetchrow('insert into quotes (id, code, date, close, note) values ($1, $2, $3, $4, $5) returning *',
                                   3000000, 'new', date(2024, 1, 2), Decimal('12.34'), '{"a": 1}')
            assert tuple(row) == (3000000, 'new', date(2024, 1, 2), Decimal('12.34'), '{"a": 1}')
            await c.executemany('update quotes set close = close + $2 where id = $1', [(3000000, Decimal('0.01')), (1, Decimal(1))])
            assert await c.fetchval('select close from quotes where close = $1 and id = 3000000', Decimal('12.35')) == Decimal('12.35')
            copied = await c.copy_records_to_table('flows', records=[(4000000, 'x', date(2024, 1, 1), 5)],
                                                   columns=['id', 'code', 'date', 'net'])
            assert copied == 'COPY 1'
            assert await c.fetchval('select net from flows where id = 4000000') == 5
        finally:
            await transaction.rollback()
            await c.close(timeout=10)
    asyncio.run(asyncio.wait_for(body(), 60))
