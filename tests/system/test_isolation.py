"""A transform changes its side while transactions are open: those that keep a snapshot keep their side."""
import psycopg
import pytest

import moves
from servers import Console, wait_for
from test_start import CONSOLE, TRANSFORM

OLD, NEW = 2, 1  # rows on each side


@pytest.fixture
def flip(pg, make_proxy):
    """A function that puts the transform at a stage; its proxy hangs on it."""
    moves.create(pg)
    pg.psql('-c', 'create table data.companies (code varchar(10) primary key, title text)',
            '-c', "insert into data.companies values ('1', 'one')", PGDATABASE='moves')
    proxy = make_proxy(pg, map_text=TRANSFORM, dbname='moves', config=CONSOLE)
    console = Console(proxy)

    def change(stage):
        console.order(f"set flag public.stocks to {stage} force reason 'test'")
        with psycopg.connect(proxy.dsn(dbname='moves'), autocommit=True) as c:
            wait_for(lambda: count(c) == (NEW if stage == 'live' else OLD), 10, 'it has flipped')
    change.proxy = proxy
    return change


def count(c, **kw):
    return c.execute('select count(*) from public.stocks', **kw).fetchone()[0]


def connect(flip, **kw):
    return psycopg.connect(flip.proxy.dsn(dbname='moves', **kw), autocommit=True)


@pytest.mark.parametrize('begin, options, seen', [
    ('begin isolation level repeatable read', '', OLD),
    ('begin; set transaction isolation level serializable', '', OLD),
    ('begin', '-c default_transaction_isolation=serializable', OLD),
    ('begin', '', NEW),
    ('begin isolation level read committed', '-c default_transaction_isolation=serializable', NEW),
])
def test_the_level_decides_about_what_was_not_touched(flip, begin, options, seen):
    with connect(flip, options=options) as c:
        c.execute(begin)
        c.execute('select 1')
        flip('live')
        assert [count(c), count(c)] == [seen, seen]
        c.execute('commit')
        assert count(c) == NEW
        c.execute('begin isolation level repeatable read')
        c.execute('select 1')
        flip('old')
        assert count(c) == NEW
        c.execute('rollback')
        assert count(c) == OLD


def test_before_the_first_statement_there_is_no_snapshot(flip):
    with connect(flip) as c:
        c.execute('begin isolation level repeatable read')
        flip('live')
        assert count(c) == NEW
        c.execute('commit')


@pytest.mark.parametrize('level, seen', [('repeatable read', OLD), ('read committed', NEW)])
def test_prepared_statements_too(flip, level, seen):
    with connect(flip) as c:
        assert [count(c, prepare=True) for _ in range(3)] == [OLD] * 3
        c.execute(f'begin isolation level {level}')
        c.execute('select 1')
        flip('live')
        assert count(c, prepare=True) == seen
        c.execute('commit')
        assert count(c, prepare=True) == NEW
