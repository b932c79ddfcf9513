"""Long statements are parsed on a thread of their own: the same answers, in the same order, and nobody else waits."""
import threading

import psycopg
import pytest

import moves
import raw
from raw import bind, execute, parse, query, sync
from servers import join

CONFIG = 'workers: 1\nlimits: {inline_bytes: 1kB, parse_bytes: 4MB, usage_flush: 200ms}\n'


@pytest.fixture
def proxy(pg, endpoint_kind, make_proxy):
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')
    moves.create(pg, 'long')
    moves.move(pg, 'prices', 'long')
    return make_proxy(pg, map_text=moves.MAP, flags=moves.flags(prices='live'), dbname='long', config=CONFIG)


def long_select(number, terms=400):
    """Nothing that the tokens alone could tell, and no list of like values."""
    return f'select {number} + count(*) from prices where ' + ' or '.join(
        f"(close = {70000 + i} and length(code) > {i % 5} and code||'{i}' <> name_{i % 7}(code))" for i in range(terms))


@pytest.fixture
def functions(pg):
    def make():
        sql = ''.join(f"create function name_{i}(text) returns text language sql as $$ select 'x' $$;" for i in range(7))
        assert pg.psql('-c', sql, PGDATABASE='long').returncode == 0
    return make


def test_answers_come_in_order(proxy, functions):
    functions()
    with psycopg.connect(proxy.dsn(dbname='long'), autocommit=True) as connection:
        for number in range(3):
            assert connection.execute(long_select(number)).fetchone() == (number + 100,)
        with connection.pipeline():
            cursors = [connection.execute(sql) for sql in
                       ('select 1', long_select(10), 'select 2', 'select count(*) from prices', long_select(20))]
        assert [cursor.fetchone()[0] for cursor in cursors] == [1, 110, 2, 100, 120]


def test_in_a_transaction_and_prepared(proxy, functions):
    functions()
    with raw.Raw(proxy.address).startup(database='long') as client:
        client.send(query('begin') + parse(long_select(5), 's') + bind((), '', 's') + execute() + sync() +
                    query("insert into prices values ('y', '2030-01-01', 1)") + query(long_select(6)) + query('commit'))
        answers = client.until(count=5)
        assert [raw.data_row(body)[0] for kind, body in answers if kind == 'D'] == [b'105', b'106']
        assert not [body for kind, body in answers if kind == 'E']


def test_an_error_has_its_place(proxy):
    with psycopg.connect(proxy.dsn(dbname='long'), autocommit=True) as connection:
        sql = long_select(1)
        with pytest.raises(psycopg.errors.UndefinedFunction) as caught:
            connection.execute(sql)
        assert caught.value.diag.statement_position == str(sql.index('name_0') + 1)


def test_clients_that_leave_meanwhile(proxy, functions):
    functions()
    for _ in range(20):
        client = raw.Raw(proxy.address).startup(database='long')
        client.send(query(long_select(1, 1000)))
        client.sock.close()
    with psycopg.connect(proxy.dsn(dbname='long'), autocommit=True) as connection:
        assert connection.execute(long_select(2)).fetchone() == (102,)


def test_others_do_not_wait(proxy, functions):
    functions()
    done, sent = threading.Event(), []
    sql = long_select(1, 3000)

    def send_long():
        try:
            with psycopg.connect(proxy.dsn(dbname='long'), autocommit=True) as connection:
                for number in range(2):
                    connection.execute(f'explain {sql.replace("select 1", f"select {number}", 1)}')
            sent.append(number)
        finally:
            done.set()

    thread = threading.Thread(target=send_long)
    with psycopg.connect(proxy.dsn(dbname='long'), autocommit=True) as connection:
        thread.start()
        answers = 0
        while not done.is_set():
            assert connection.execute('select count(*) from prices').fetchone() == (100,)
            answers += 1
        join(thread)
    assert sent
    # One worker: had it parsed, there would have been one answer for each long statement or so.
    assert answers > 10, answers
