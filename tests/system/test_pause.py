"""Pauses: statements on a paused table wait, may be cancelled, and go on."""
import signal
import time

import pytest

import bank
import raw
from raw import Raw
from servers import Console, wait_for

CONSOLE = 'console: {listen: [run], admins: [root]}\n'


@pytest.fixture(scope='module')
def db(pg):
    bank.create(pg)
    return pg


@pytest.fixture
def proxy(db, make_proxy):
    return make_proxy(db, map_text=bank.MAP, dbname='bank', config=CONSOLE + 'workers: 2\n')


@pytest.fixture
def console(proxy):
    return Console(proxy)


def connect(proxy):
    return Raw(proxy.address).startup(user='app', database='bank')


def parked(proxy):
    console = Console(proxy)
    done = console.psql('-Atc', 'show stats')
    values = dict(line.split('|', 1) for line in done.stdout.splitlines())
    return int(values['parked'])


def wait_until_parked(proxy, count=1):
    wait_for(lambda: parked(proxy) == count, 10, f'{count} statements wait')


def codes(messages):
    return [raw.error_fields(body)['C'] for kind, body in messages if kind == 'E']


def test_a_statement_waits_and_goes_on(proxy, console):
    console.order('PAUSE public.accounts')
    with connect(proxy) as c, connect(proxy) as other:
        c.send(raw.query('select count(*) from accounts'))
        wait_until_parked(proxy)
        assert other.value('select name from branches') == 'main', 'another table goes on'
        assert c.quiet(0.2)
        console.order('RESUME public.accounts')
        assert not codes(c.until())
    assert parked(proxy) == 0


def test_a_pause_of_everything(proxy, console):
    console.order('PAUSE')
    with connect(proxy) as c:
        assert c.value('select 1') == '1', 'what is not of the map goes on'
        c.send(raw.query('select name from branches'))
        wait_until_parked(proxy)
        console.order('RESUME')
        assert not codes(c.until())


def test_transactions_that_hold_the_table_go_on(proxy, console):
    with connect(proxy) as holder, connect(proxy) as fresh:
        holder.ask('begin')
        holder.ask('select 1 from accounts where id = 1')
        fresh.ask('begin')
        console.order('PAUSE public.accounts')
        assert holder.value('select id from accounts where id = 2') == '2'
        assert not codes(holder.ask('commit'))
        fresh.send(raw.query('select count(*) from accounts'))
        wait_until_parked(proxy)
        console.order('RESUME public.accounts')
        assert not codes(fresh.until())
        assert not codes(fresh.ask('commit')), 'COMMIT never waits'


def test_a_prepared_transaction_is_ended_during_a_pause(proxy, console):
    with connect(proxy) as c:
        for end in ('commit', 'rollback'):
            c.ask('begin; update accounts set changes = changes where id = 1')
            c.ask("prepare transaction 'of the pause'")
            console.order('PAUSE public.accounts')
            assert not codes(c.ask(f"{end} prepared 'of the pause'"))
            console.order('RESUME public.accounts')


@pytest.mark.parametrize('inside', ['', 'begin'])
def test_a_parked_statement_can_be_cancelled(proxy, console, inside):
    with connect(proxy) as c:
        if inside:
            c.ask(inside)
        console.order('PAUSE public.accounts')
        c.send(raw.query('update accounts set balance = 0'))
        wait_until_parked(proxy)
        raw.send_cancel(proxy.address, c.cancel_packet())
        messages = c.until()
        assert codes(messages) == ['57014'] and messages[-1] == ('Z', b'E' if inside else b'I')
        assert parked(proxy) == 0
        console.order('RESUME public.accounts')
        assert not codes(c.ask('rollback'))
        assert c.value('select sum(balance) from accounts') == str(1000 * bank.ACCOUNTS)


def test_a_parked_bind_can_be_cancelled(proxy, console):
    with connect(proxy) as c:
        c.send(raw.parse('select count(*) from accounts', 's') + raw.sync())
        c.until()
        console.order('PAUSE public.accounts')
        c.send(raw.bind(name='s') + raw.execute() + raw.sync())
        wait_until_parked(proxy)
        raw.send_cancel(proxy.address, c.cancel_packet())
        assert codes(c.until()) == ['57014']
        console.order('RESUME public.accounts')
        c.send(raw.bind(name='s') + raw.execute() + raw.sync())
        assert not codes(c.until())


def test_a_cancel_of_a_running_statement_reaches_the_server_during_a_pause(proxy, console):
    with connect(proxy) as c, connect(proxy) as other:
        console.order('PAUSE public.accounts')
        other.send(raw.query('select count(*) from accounts'))
        wait_until_parked(proxy)
        c.send(raw.query('select pg_sleep(60)'))
        wait_for(lambda: proxy_sees(proxy, 'active', c.pid), 10, 'the statement runs')
        raw.send_cancel(proxy.address, c.cancel_packet())
        assert codes(c.until()) == ['57014']
        console.order('RESUME public.accounts')
        other.until()


def proxy_sees(proxy, state, pid):
    done = proxy.psql('-Atc', f'select state from pg_stat_activity where pid = {pid}')
    return done.stdout.strip() == state


def reset(c):
    c.sock.setsockopt(raw.socket.SOL_SOCKET, raw.socket.SO_LINGER, raw.struct.pack('ii', 1, 0))


def say_goodbye(c):
    c.send(raw.terminate())


@pytest.mark.parametrize('leave', [reset, say_goodbye])
def test_a_client_that_goes_away_leaves_nothing_behind(proxy, console, leave):
    console.order('PAUSE public.accounts')
    c = connect(proxy)
    c.send(raw.query('update accounts set balance = 0'))
    wait_until_parked(proxy)
    leave(c)
    c.sock.close()
    wait_until_parked(proxy, 0)
    console.order('RESUME public.accounts')
    with connect(proxy) as again:
        assert again.value('select sum(balance) from accounts') == str(1000 * bank.ACCOUNTS)


def test_a_parked_transaction_still_has_its_idle_timeout(proxy, console):
    with connect(proxy) as c:
        c.ask("set idle_in_transaction_session_timeout = '300ms'")
        c.ask('begin')
        console.order('PAUSE public.accounts')
        c.send(raw.query('select 1 from accounts'))
        assert codes(c.rest_messages()) == ['25P03']
        assert parked(proxy) == 0
        console.order('RESUME public.accounts')


@pytest.mark.parametrize('limit, text', [('parked_clients: 2', ''), ('parked_bytes: 64kB', 'x' * 40000)])
def test_too_many_that_wait_end_the_pause(db, make_proxy, limit, text):
    proxy = make_proxy(db, map_text=bank.MAP, dbname='bank', config=CONSOLE + f'limits: {{{limit}}}\n')
    Console(proxy).order('PAUSE public.accounts')
    clients = [connect(proxy) for _ in range(3)]
    for c in clients:
        c.send(raw.query(f"select '{text}' from accounts where id = 1"))
    for c in clients:
        assert not codes(c.until())
        c.sock.close()
    proxy.wait_log('event=pause_over_limit')
    done = Console(proxy).psql('-c', 'RESUME public.accounts')
    assert done.returncode and 'nothing is paused' in done.stderr


def test_a_parked_client_does_not_keep_the_proxy_from_stopping(proxy, console):
    console.order('PAUSE public.accounts')
    with connect(proxy) as c:
        c.send(raw.query('update accounts set balance = 0'))
        wait_until_parked(proxy)
        before = time.monotonic()
        proxy.process.send_signal(signal.SIGTERM)
        assert proxy.process.wait(20) == 0
        assert codes(c.rest_messages()) == ['57P01'] and time.monotonic() - before < 15
    proxy.process = None
