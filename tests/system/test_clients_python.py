"""psycopg2, psycopg 3 and asyncpg through the proxy."""
import asyncio
import io
import select
import threading
import time
import warnings

import pytest

warnings.filterwarnings('ignore', category=UserWarning)
asyncpg = pytest.importorskip('asyncpg')
psycopg = pytest.importorskip('psycopg')
psycopg2 = pytest.importorskip('psycopg2')


@pytest.fixture(params=['tcp', 'unix'])
def unix(request):
    return request.param == 'unix'


# --- psycopg2: simple protocol

@pytest.fixture
def old(ep, unix):
    connection = psycopg2.connect(ep.dsn(unix=unix))
    yield connection
    connection.close()


def test_psycopg2_queries(old):
    cursor = old.cursor()
    cursor.execute('select id, name, price, at from items where id = any(%s) order by id', ([3, 1],))
    assert [row[1] for row in cursor.fetchall()] == ['item 1', 'item 3']
    assert [d.name for d in cursor.description] == ['id', 'name', 'price', 'at']
    cursor.executemany('insert into bulk values (%s, %s)', [(i, f"it's {i}") for i in range(50)])
    cursor.execute('select count(*) from bulk where n < 50')
    old.rollback()
    with pytest.raises(psycopg2.errors.UndefinedTable) as e:
        cursor.execute('select *\nfrom nowhere')
    assert e.value.diag.statement_position == '15'
    old.rollback()
    cursor.execute('select 5')
    assert cursor.fetchone() == (5,)


def test_psycopg2_named_cursor(old):
    cursor = old.cursor('named')
    cursor.itersize = 7
    cursor.execute('select id from items order by id')
    assert [row[0] for row in cursor] == list(range(1, 501))


def test_psycopg2_copy(old):
    cursor = old.cursor()
    cursor.execute('delete from bulk')
    text = ''.join(f'{i}\trow {i}\n' for i in range(20000))
    cursor.copy_expert('copy bulk from stdin', io.StringIO(text))
    assert cursor.rowcount == 20000
    out = io.StringIO()
    cursor.copy_expert('copy (select * from bulk order by n) to stdout', out)
    assert out.getvalue() == text
    with pytest.raises(psycopg2.errors.InvalidTextRepresentation):
        cursor.copy_expert('copy bulk from stdin', io.StringIO('bad\trow\n' * 1000))
    old.rollback()


def test_psycopg2_cancel(old):
    cursor = old.cursor()
    threading.Timer(0.3, old.cancel).start()
    began = time.monotonic()
    with pytest.raises(psycopg2.errors.QueryCanceled):
        cursor.execute('select pg_sleep(20)')
    assert time.monotonic() - began < 5
    old.rollback()
    cursor.execute('select 1')


def test_psycopg2_notifications(old, pg):
    old.set_session(autocommit=True)
    cursor = old.cursor()
    cursor.execute('listen c')
    pg.psql('-c', "notify c, 'hello'")
    assert select.select([old], [], [], 10)[0]
    old.poll()
    assert [(n.channel, n.payload) for n in old.notifies] == [('c', 'hello')]
    cursor.execute("notify c, 'self'")
    assert old.notifies[-1].pid == old.info.backend_pid


def test_psycopg2_two_phase(old):
    xid = old.xid(1, 'crossfade', 'b')
    old.tpc_begin(xid)
    old.cursor().execute("insert into bulk values (-9, 'two phase')")
    old.tpc_prepare()
    old.tpc_rollback()


def test_psycopg2_large_objects(old):
    """libpq works on them by FunctionCall."""
    large = old.lobject(0, 'wb')
    large.write(b'0123456789' * 10000)
    number = large.oid
    large.close()
    again = old.lobject(number, 'rb')
    assert again.read() == b'0123456789' * 10000
    again.unlink()
    old.rollback()


def test_psycopg2_errors_are_those_of_the_server(ep, pg):
    def error(e, **kw):
        with pytest.raises(psycopg2.OperationalError) as caught:
            psycopg2.connect(e.dsn(**kw))
        return str(caught.value).split('failed: ')[-1]
    for kw in ({'dbname': 'nope'}, {'user': 'nope'}, {'user': 'pw_scram', 'password': 'bad'},
               {'options': '-c nope=1'}):
        assert error(ep, **kw) == error(pg, **kw)


# --- psycopg 3: extended protocol

@pytest.fixture
def new(ep, unix):
    with psycopg.connect(ep.dsn(unix=unix)) as connection:
        yield connection


def test_psycopg3_prepares_after_a_while(new):
    new.prepare_threshold = 2
    for i in range(1, 12):
        assert new.execute('select name from items where id = %s', (i,)).fetchone() == (f'item {i}',)
    prepared = new.execute('select count(*) from pg_prepared_statements').fetchone()[0]
    assert prepared >= 1
    new.execute('deallocate all')


def test_psycopg3_evicts_prepared_statements(new):
    new.prepare_threshold = 0
    new.prepared_max = 5
    for i in range(1, 60):
        assert new.execute(f'select {i} + %s', (1,)).fetchone() == (i + 1,)
    assert new.execute('select count(*) from pg_prepared_statements').fetchone()[0] <= 6


def test_psycopg3_types_in_text_and_binary(new):
    values = [1, 2**40, 1.5, 'grün €', b'\x00\xff', True, None, [1, 2, 3], ['a', None, 'b"']]
    for binary in (False, True):
        row = new.execute('select %s::int, %s::int8, %s::float8, %s::text, %s::bytea, %s::bool, %s::text,'
                          ' %s::int[], %s::text[]', values, binary=binary).fetchone()
        assert list(row) == values


def test_psycopg3_pipeline(new):
    with new.pipeline() as pipeline:
        cursors = [new.execute('select %s::int * 2', (i,)) for i in range(300)]
        pipeline.sync()
        assert [c.fetchone()[0] for c in cursors] == [2 * i for i in range(300)]
        new.cursor().executemany('insert into bulk values (%s, %s)', [(i, 'p') for i in range(200)])
    new.rollback()


def test_psycopg3_error_in_a_pipeline(new):
    with pytest.raises(psycopg.errors.DivisionByZero):
        with new.pipeline():
            new.execute('select 1')
            new.execute('select %s / 0', (1,))
            new.execute('select 3')
    new.rollback()
    assert new.execute('select 4').fetchone() == (4,)


def test_psycopg3_server_cursor(new):
    with new.cursor('serverside', scrollable=True) as cursor:
        cursor.execute('select id from items where id > %s order by id', (0,))
        assert [r[0] for r in cursor.fetchmany(5)] == [1, 2, 3, 4, 5]
        cursor.scroll(-3)
        assert cursor.fetchone() == (3,)
        cursor.itersize = 13
        assert len(list(cursor)) == 497


def test_psycopg3_stream(new):
    with new.cursor() as cursor:
        assert sum(r[0] for r in cursor.stream('select i from generate_series(1, %s) i', (3000,))) == 4501500


def test_psycopg3_copy(new):
    with new.cursor() as cursor:
        cursor.execute('delete from bulk')
        with cursor.copy('copy bulk from stdin') as copy:
            for i in range(10000):
                copy.write_row((i, f'row {i}'))
        with cursor.copy('copy bulk (n, t) from stdin (format binary)') as copy:
            copy.set_types(['int4', 'text'])
            for i in range(10000, 11000):
                copy.write_row((i, None))
        with cursor.copy('copy (select n, t from bulk order by n) to stdout') as copy:
            rows = list(copy.rows())
        assert len(rows) == 11000 and rows[-1] == ('10999', None)
        with pytest.raises(psycopg.errors.QueryCanceled):
            with cursor.copy('copy bulk from stdin') as copy:
                copy.write_row((1, 'x'))
                1 / 0
    new.rollback()


def test_psycopg3_cancel(new):
    threading.Timer(0.3, new.cancel).start()
    with pytest.raises(psycopg.errors.QueryCanceled):
        new.execute('select pg_sleep(20)')
    new.rollback()
    new.execute('select 1')


def test_psycopg3_notifications(ep, pg, unix):
    with psycopg.connect(ep.dsn(unix=unix), autocommit=True) as connection:
        connection.execute('listen three')
        for i in range(3):
            pg.psql('-c', f"notify three, '{i}'")
        got = []
        for n in connection.notifies():
            got.append(n.payload)
            if len(got) == 3:
                break
        assert got == ['0', '1', '2']


def test_psycopg3_async(ep, unix):
    async def one(n):
        async with await psycopg.AsyncConnection.connect(ep.dsn(unix=unix)) as connection:
            cursor = await connection.execute('select %s::int, pg_sleep(0.05)', (n,))
            return (await cursor.fetchone())[0]

    async def all_of_them():
        return await asyncio.gather(*(one(n) for n in range(20)))
    assert asyncio.run(all_of_them()) == list(range(20))


def test_psycopg3_pid_and_parameters(ep, pg, unix):
    with psycopg.connect(ep.dsn(unix=unix)) as one, psycopg.connect(pg.dsn(unix=unix)) as two:
        assert one.execute('select pg_backend_pid()').fetchone()[0] == one.info.backend_pid
        for name in ('server_version', 'TimeZone', 'integer_datetimes', 'is_superuser',
                     'session_authorization', 'standard_conforming_strings'):
            assert one.info.parameter_status(name) == two.info.parameter_status(name)


def test_psycopg3_ssl_prefer_falls_back(ep):
    with psycopg.connect(ep.dsn(sslmode='prefer', gssencmode='disable')) as connection:
        assert connection.execute('select 1').fetchone() == (1,)
    if ep.kind != 'direct':
        with psycopg.connect(ep.dsn(sslmode='prefer', gssencmode='prefer')) as connection:
            assert connection.execute('select 1').fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match='does not support SSL'):
            psycopg.connect(ep.dsn(sslmode='require'))


# --- asyncpg: binary, prepared, no libpq

def with_asyncpg(ep, unix, body, **kw):
    async def run():
        connection = await asyncpg.connect(host=ep.socket_dir if unix else ep.host, ssl=False,
                                           port=ep.socket_port if unix else ep.port, user='postgres',
                                           database='postgres', **kw)
        try:
            return await asyncio.wait_for(body(connection), 30)
        finally:
            await connection.close(timeout=10)
    return asyncio.run(run())


def test_asyncpg_queries_and_statement_cache(ep, unix):
    async def body(c):
        for round_ in range(3):
            for i in range(1, 150):
                assert await c.fetchval(f'select name || {i % 120} from items where id = $1', i) \
                    == f'item {i}{i % 120}'
        rows = await c.fetch('select * from items where id = any($1) order by id', [4, 2])
        assert [dict(r)['name'] for r in rows] == ['item 2', 'item 4']
        with pytest.raises(asyncpg.exceptions.UndefinedColumnError) as e:
            await c.fetch('select nix from items')
        assert e.value.position == '8'
        assert await c.execute("select 1; select 2") == 'SELECT 1'
        return await c.fetchval('select 1')
    assert with_asyncpg(ep, unix, body, statement_cache_size=50) == 1


def test_asyncpg_transactions_and_cursors(ep, unix):
    async def body(c):
        async with c.transaction():
            got = [r['id'] async for r in c.cursor('select id from items order by id', prefetch=17)]
            assert got == list(range(1, 501))
            cursor = await c.cursor('select id from items where id > $1 order by id', 5)
            assert [r['id'] for r in await cursor.fetch(3)] == [6, 7, 8]
            await cursor.forward(10)
            assert (await cursor.fetchrow())['id'] == 19
            try:
                async with c.transaction():
                    await c.execute('select 1/0')
            except asyncpg.DivisionByZeroError:
                pass
            return await c.fetchval('select 8')
    assert with_asyncpg(ep, unix, body) == 8


def test_asyncpg_copy(ep, unix):
    async def body(c):
        t = c.transaction()
        await t.start()
        await c.execute('delete from bulk')
        status = await c.copy_records_to_table('bulk', records=[(i, f'r{i}') for i in range(20000)])
        assert status == 'COPY 20000'
        out = io.BytesIO()
        await c.copy_from_query('select * from bulk where n < $1 order by n', 3, output=out)
        assert out.getvalue() == b'0\tr0\n1\tr1\n2\tr2\n'
        with pytest.raises(asyncpg.exceptions.BadCopyFileFormatError):
            await c.copy_to_table('bulk', source=io.BytesIO(b'1\t2\t3\n'))
        await t.rollback()
        return await c.fetchval('select 1')
    assert with_asyncpg(ep, unix, body) == 1


def test_asyncpg_executemany(ep, unix):
    async def body(c):
        t = c.transaction()
        await t.start()
        await c.executemany('insert into bulk values ($1, $2)', [(i, 'm' * 100) for i in range(5000)])
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with c.transaction():
                await c.executemany('insert into bulk values (1 / $1::int, $2)',
                                    [(i % 300, 'x') for i in range(1, 1000)])
        n = await c.fetchval("select count(*) from bulk where t like 'mmm%'")
        await t.rollback()
        return n
    assert with_asyncpg(ep, unix, body) == 5000


def test_asyncpg_listeners(ep, pg, unix):
    async def body(c):
        got = asyncio.Queue()
        await c.add_listener('news', lambda *args: got.put_nowait(args[1:]))
        pg.psql('-c', "notify news, 'extra extra'")
        pid, channel, payload = await asyncio.wait_for(got.get(), 10)
        assert (channel, payload) == ('news', 'extra extra') and pid != c.get_server_pid()
        assert c.get_server_pid() == await c.fetchval('select pg_backend_pid()')
    with_asyncpg(ep, unix, body)


def test_asyncpg_timeout_cancels(ep, unix):
    async def body(c):
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await c.fetchval('select pg_sleep(20)', timeout=0.2)
            assert await c.fetchval('select 6') == 6
        task = asyncio.ensure_future(c.fetchval('select pg_sleep(20)'))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await c.fetchval('select 7')
    assert with_asyncpg(ep, unix, body) == 7


def test_asyncpg_pool(ep, unix):
    async def run():
        async with asyncpg.create_pool(host=ep.socket_dir if unix else ep.host, user='postgres', ssl=False,
                                       port=ep.socket_port if unix else ep.port, database='postgres',
                                       min_size=2, max_size=8) as pool:
            async def one(n):
                async with pool.acquire() as c:
                    return await c.fetchval('select $1::int * 3', n)
            return await asyncio.gather(*(one(n) for n in range(200)))
    assert asyncio.run(run()) == [3 * n for n in range(200)]


def test_asyncpg_reset_and_settings(ep, unix):
    async def body(c):
        assert await c.fetchval('show application_name') == 'apg'
        await c.execute('set work_mem = 12345')
        await c.fetchval('select 1')
        await c.reset()
        assert await c.fetchval('show work_mem') != '12345kB'
        assert await c.fetchval('show jit') == 'off'
    with_asyncpg(ep, unix, body, server_settings={'application_name': 'apg', 'jit': 'off'})


@pytest.mark.parametrize('user', ['pw_plain', 'pw_md5', 'pw_scram'])
def test_asyncpg_and_psycopg3_passwords(ep, user):
    async def run(password):
        c = await asyncpg.connect(host=ep.host, port=ep.port, user=user, database='postgres', ssl=False,
                                  password=password)
        try:
            return await c.fetchval('select current_user')
        finally:
            await c.close()
    assert asyncio.run(run('secret')) == user
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(run('wrong'))
    with psycopg.connect(ep.dsn(user=user, password='secret')) as c:
        assert c.execute('select current_user').fetchone() == (user,)
