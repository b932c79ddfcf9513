"""Each limit: what the client is told, the reason in the log, the counter, and that others go on."""
import ctypes
import os
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import raw
from raw import Raw, query
from relay import Relay
from servers import free_port, join, wait_for


def fatal(c):
    """The FATAL that ends a connection: its fields."""
    kind, body = c.rest_messages()[-1]
    fields = raw.error_fields(body)
    assert (kind, fields['S']) == ('E', 'FATAL')
    return fields


def refused(address, **params):
    with Raw(address) as c:
        try:
            c.startup(**params)
        except raw.ServerError as e:
            return e.fields
    return None


def closed(proxy, reason):
    """The counter of a close reason."""
    text = urllib.request.urlopen(f'http://127.0.0.1:{proxy.http_port}/metrics', timeout=10).read().decode()
    return int(re.search(rf'crossfade_sessions_closed_total{{reason="{reason}"}} (\d+)', text).group(1))


@pytest.fixture
def limited(make_proxy):
    def make(limits, **kw):
        port = free_port()
        proxy = make_proxy(config=f'http: {{listen: "127.0.0.1:{port}"}}\nlimits: {{{limits}}}\n', **kw)
        proxy.http_port = port
        return proxy
    return make


def check_reason(proxy, reason, mark=0, count=1):
    proxy.wait_log(f'session_end.*reason={reason} ', mark)
    wait_for(lambda: closed(proxy, reason) >= count, what=f'counter of {reason}')


# --- how many

def test_clients_in_all(limited):
    proxy = limited('clients: 2')
    with Raw(proxy.address).startup(), Raw(proxy.unix_address).startup():
        fields = refused(proxy.address)
        assert fields['C'] == '53300' and 'limits.clients' in fields['H']
    check_reason(proxy, 'too_many_clients')


def test_clients_of_one_address_but_not_of_unix_sockets(limited):
    proxy = limited('clients_per_address: 2')
    with Raw(proxy.address).startup() as a, Raw(proxy.address).startup():
        fields = refused(proxy.address)
        assert fields['C'] == '53300' and 'limits.clients_per_address' in fields['H']
        assert refused(proxy.unix_address) is None
        a.send(raw.terminate())
        a.rest()
        wait_for(lambda: refused(proxy.address) is None, what='room again')
    check_reason(proxy, 'too_many_of_address')


def test_clients_of_one_user_as_a_role_with_a_connection_limit(limited, pg):
    proxy = limited('clients_per_user: 2')
    with Raw(proxy.address).startup(user='app'), Raw(proxy.address).startup(user='app') as b:
        fields = refused(proxy.address, user='app')
        assert fields['C'] == '53300' and fields['M'] == 'too many connections for role "app"'
        assert refused(proxy.address, user='postgres') is None
        b.sock.close()
        wait_for(lambda: refused(proxy.address, user='app') is None, what='room again')
    check_reason(proxy, 'too_many_of_user')


def test_a_wrong_password_takes_nobodys_place(limited, pg):
    proxy = limited('clients_per_user: 1')
    for _ in range(5):
        with Raw(proxy.address) as c:
            c.send(raw.startup_packet({'user': 'pw_md5', 'database': 'postgres'}))
            c.message()
    done = proxy.psql('-Atc', 'select 1', PGUSER='pw_md5', PGPASSWORD='secret')
    assert done.stdout == '1\n', done.stderr


def test_unfinished_logins_push_out_the_oldest_not_the_newest(limited):
    proxy = limited('unfinished_logins: 8')
    silent = [Raw(proxy.address) for _ in range(40)]
    assert proxy.psql('-Atc', 'select 1').stdout == '1\n'
    check_reason(proxy, 'too_many_logins', count=10)
    fields = fatal(silent[0])
    assert fields['C'] == '53300' and 'limits.unfinished_logins' in fields['H']
    for c in silent:
        c.sock.close()


def test_waiting_for_a_password_is_an_unfinished_login_a_session_is_none(limited):
    proxy = limited('unfinished_logins: 4')
    with Raw(proxy.address).startup() as good:
        waiting = []
        for _ in range(12):
            waiting.append(Raw(proxy.address))
            waiting[-1].send(raw.startup_packet({'user': 'pw_scram', 'database': 'postgres'}))
            waiting[-1].message()  # until then it is the server that is waited for
        check_reason(proxy, 'too_many_logins', count=4)
        assert good.value('select 1') == '1'
        for c in waiting:
            c.sock.close()


def test_a_flood_of_cancels_is_not_passed_on(limited, pg):
    """Keys that nobody here has are for sessions of other proxies; those of our own always pass."""
    relay = Relay(pg.address)
    proxy = limited('unknown_cancels: 4', server_address=f'{relay.host}:{relay.port}')
    with Raw(proxy.address).startup() as c:
        relay.hold.set()
        before = len(relay.open)
        flood = [Raw(proxy.address) for _ in range(40)]
        for i, other in enumerate(flood):
            other.send(raw.request_packet(raw.CANCEL_REQUEST, raw.i32(1000000 + i) + raw.i32(i)))
        check_reason(proxy, 'too_many_cancels', count=36)
        assert len(relay.open) - before <= 2 * 4
        relay.hold.clear()
        c.send(query('select pg_sleep(30)'))
        wait_for(lambda: pg.sessions("query like 'select pg_sleep(30)%' and state = 'active'"), what='it sleeps')
        raw.send_cancel(proxy.address, c.cancel_packet())
        assert raw.error_fields(dict(c.until())['E'])['C'] == '57014'
        for other in flood:
            other.sock.close()
    relay.close()


def test_memory_in_all(limited):
    proxy = limited('memory_bytes: 1MB')
    wait_for(lambda: 'memory_full' in proxy.log(), what='memory_full')
    fields = refused(proxy.address)
    assert fields['C'] == '53200' and 'limits.memory_bytes' in fields['H']
    check_reason(proxy, 'out_of_memory')


def test_memory_that_is_enough_refuses_nobody(limited):
    proxy = limited('memory_bytes: 4GB')
    time.sleep(0.5)
    assert refused(proxy.address) is None


# --- how long

def test_an_idle_session_ends_a_working_one_does_not(limited):
    proxy = limited('idle_timeout: 1s')
    with Raw(proxy.address).startup() as idle, Raw(proxy.address).startup() as busy:
        began = time.monotonic()
        busy.send(query('select pg_sleep(2.5)'))
        fields = fatal(idle)
        assert 0.9 < time.monotonic() - began < 2.4
        assert fields['C'] == '57P05' and 'limits.idle_timeout' in fields['D']
        assert 'E' not in [k for k, _ in busy.until()]
        assert fatal(busy)['C'] == '57P05'
    check_reason(proxy, 'idle_timeout', count=2)


def test_what_is_said_now_and_then_keeps_a_session(limited):
    proxy = limited('idle_timeout: 2s')
    with Raw(proxy.address).startup() as c:
        for _ in range(8):
            time.sleep(0.4)
            assert c.value('select 1') == '1'


@pytest.mark.parametrize('state', ['begin', 'begin; select 1/0'])
def test_idle_in_a_transaction_has_a_limit_of_its_own(limited, state):
    proxy = limited('idle_transaction_timeout: 1s')
    with Raw(proxy.address).startup() as idle, Raw(proxy.address).startup() as open_:
        open_.ask(state)
        fields = fatal(open_)
        assert fields['C'] == '25P03' and 'limits.idle_transaction_timeout' in fields['D']
        assert idle.value('select 1') == '1'
    check_reason(proxy, 'idle_transaction_timeout')


def test_a_transaction_is_not_an_idle_session(limited):
    proxy = limited('idle_timeout: 1s')
    with Raw(proxy.address).startup() as c:
        c.ask('begin')
        time.sleep(1.6)
        assert c.value('select 1') == '1'


def test_startup_time(limited):
    proxy = limited('startup_timeout: 1s')
    with Raw(proxy.address) as c:
        assert 'limits.startup_timeout' in fatal(c)['D']
    check_reason(proxy, 'startup_timeout')


def test_an_unreachable_server_is_tried_ever_less_often(limited):
    port = free_port()
    proxy = limited('connect_backoff: 400ms', server_address=f'127.0.0.1:{port}')

    def attempt():
        began = time.monotonic()
        assert refused(proxy.address)['C'] == '08006'
        return time.monotonic() - began
    times = [attempt() for _ in range(16)]  # each of two workers has its own pauses
    assert times[0] < max(times) and max(times) > 0.35, times  # (a slow client finds pauses that are over)
    check_reason(proxy, 'server_unreachable', count=16)


def test_a_server_that_never_accepts(limited):
    """The kernel has no room for another connection: its packets go unanswered."""
    with socket.create_server(('127.0.0.1', 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for s in waiting:
            s.setblocking(False)
            s.connect_ex(address)
        proxy = limited('connect_timeout: 500ms', server_address=f'127.0.0.1:{address[1]}')
        fields = refused(proxy.address)
        assert fields['C'] == '08006' and 'no answer in time' in fields['D'], fields
        check_reason(proxy, 'server_unreachable')
        for s in waiting:
            s.close()


def test_the_server_is_used_as_soon_as_it_is_back(make_proxy, victim):
    proxy = make_proxy(victim)
    victim.stop()
    for _ in range(4):
        assert refused(proxy.address)['C'] in ('08006', '57P03')
    victim.start()
    wait_for(lambda: refused(proxy.address) is None, 10, 'sessions again', 0.1)
    began = time.monotonic()
    for _ in range(5):
        assert refused(proxy.address) is None
    assert time.monotonic() - began < 3


def test_keepalive_and_user_timeout_are_set_on_both_sides(limited, pg):
    proxy = limited('tcp_keepalive: 33s, tcp_user_timeout: 44s')
    with Raw(proxy.address).startup() as c:
        seen = [(s.getpeername()[1], options_of(s)) for s in tcp_sockets(proxy)]
        client = c.sock.getsockname()[1]
    assert (client, (1, 33, 44000)) in seen and (pg.port, (1, 33, 44000)) in seen


def options_of(s):
    return (s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
            s.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))


PIDFD_GETFD = 438


def tcp_sockets(proxy):
    """Copies of the proxy's connected TCP sockets."""
    libc, process, found = ctypes.CDLL(None), os.pidfd_open(proxy.pid), []
    for fd in Path(f'/proc/{proxy.pid}/fd').iterdir():
        if not os.readlink(fd).startswith('socket:'):
            continue
        s = socket.socket(fileno=libc.syscall(PIDFD_GETFD, process, int(fd.name), 0))
        try:
            s.getpeername()
            found += [s] if s.family == socket.AF_INET else []
        except OSError:
            s.close()
    os.close(process)
    return found


# --- how long a statement may be

def counter(proxy, name):
    text = urllib.request.urlopen(f'http://127.0.0.1:{proxy.http_port}/metrics', timeout=10).read().decode()
    return int(re.search(rf'^{re.escape(name)} (\d+)$', text, re.M).group(1))


@pytest.mark.parametrize('limits, sql, named, metric', [
    ('message_bytes: 16kB', f"select count(*) from data.items where name <> '{'x' * 20000}'", 'limits.message_bytes', 'too_large'),
    ('parse_bytes: 16kB', f"select count(*) from data.items where name <> '{'x' * 20000}'", 'limits.parse_bytes', 'refused'),
    ('parse_nesting: 16', f"select {'(' * 40}id{')' * 40} from data.items", 'limits.parse_nesting', 'refused')], ids=['message', 'parse', 'nesting'])
def test_statements_too_long_or_too_deep(limited, pg, limits, sql, named, metric):
    proxy = limited(limits, map_text='old: public\nnew: data\ntables: {public.items: data.items}\n')
    with Raw(proxy.address).startup() as c:
        wait_for(lambda: 'E' not in [k for k, _ in c.ask('select count(*) from data.items')], what='the catalog')
        fields = raw.error_fields(dict(c.ask(sql))['E'])
        assert fields['C'] == '54000' and any(named in fields.get(k, '') for k in 'MDH'), fields
        assert c.value('select count(*) from data.items') == '500', 'the session goes on'
    proxy.wait_log('event=refused ')
    assert counter(proxy, f'crossfade_errors_total{{reason="{metric}"}}') == 1


# --- every limit has its row

def ends(reason):
    return f'session_end.*reason={reason} ', f'crossfade_sessions_closed_total{{reason="{reason}"}}'


REFUSED = 'refused', 'crossfade_errors_total{reason="refused"}'
TOO_LARGE = 'refused', 'crossfade_errors_total{reason="too_large"}'
PAUSED = 'pause_over_limit', 'crossfade_pauses_over_limit_total'
# setting: (event and reason in the log, counter), and the test that goes beyond it
LIMITS = {
    'clients': (ends('too_many_clients'), 'test_clients_in_all'),
    'clients_per_address': (ends('too_many_of_address'), 'test_clients_of_one_address_but_not_of_unix_sockets'),
    'clients_per_user': (ends('too_many_of_user'), 'test_clients_of_one_user_as_a_role_with_a_connection_limit'),
    'unfinished_logins': (ends('too_many_logins'), 'test_unfinished_logins_push_out_the_oldest_not_the_newest'),
    'unknown_cancels': (ends('too_many_cancels'), 'test_a_flood_of_cancels_is_not_passed_on'),
    'startup_timeout': (ends('startup_timeout'), 'test_startup_time'),
    'memory_bytes': (ends('out_of_memory'), 'test_memory_in_all'),
    'message_bytes': (TOO_LARGE, 'test_statements_too_long_or_too_deep'),
    'parse_bytes': (REFUSED, 'test_statements_too_long_or_too_deep'),
    'parse_nesting': (REFUSED, 'test_statements_too_long_or_too_deep'),
    'prepared_bytes': (REFUSED, 'test_prepared.py::test_a_text_that_was_not_kept_says_what_to_do'),
    'parked_clients': (PAUSED, 'test_pause.py::test_too_many_that_wait_end_the_pause'),
    'parked_bytes': (PAUSED, 'test_pause.py::test_too_many_that_wait_end_the_pause'),
    'idle_timeout': (ends('idle_timeout'), 'test_an_idle_session_ends_a_working_one_does_not'),
    'idle_transaction_timeout': (ends('idle_transaction_timeout'), 'test_idle_in_a_transaction_has_a_limit_of_its_own'),
    'connect_timeout': (ends('server_unreachable'), 'test_a_server_that_never_accepts'),
    'connect_backoff': (ends('server_unreachable'), 'test_an_unreachable_server_is_tried_ever_less_often'),
    'tcp_keepalive': (ends('client_lost'), 'test_keepalive_and_user_timeout_are_set_on_both_sides'),
    'tcp_user_timeout': (ends('client_lost'), 'test_keepalive_and_user_timeout_are_set_on_both_sides'),
}
# Beyond these nobody is refused: somebody waits, something is forgotten or summed up.
SIZES = {'inline_bytes', 'cache_bytes', 'statement_bytes', 'retry_bytes', 'pipeline', 'facts_timeout', 'read_buffer_bytes',
         'queue_high_bytes', 'queue_low_bytes', 'listen_backlog', 'stack_bytes', 'usage_flush', 'usage_bytes',
         'usage_statements', 'usage_identities', 'usage_rows', 'usage_series', 'usage_hours_days', 'usage_keep_days',
         'idle_days'}
HERE = Path(__file__)


def test_every_limit_has_a_setting_a_default_a_reason_a_counter_and_a_test(limited):
    proxy = limited('clients: 100')
    shown = proxy.command('config', '--markdown').stdout
    settings = dict(re.findall(r'^\| `limits\.(\w+)` \| (?:[^|\\]|\\.)* \| ([^|]*) \|', shown, re.M))
    assert set(settings) == set(LIMITS) | SIZES and all(default.strip() for default in settings.values())
    metrics = urllib.request.urlopen(f'http://127.0.0.1:{proxy.http_port}/metrics', timeout=10).read().decode()
    events = (HERE.parents[2] / 'docs/operations.md').read_text()
    for setting, ((event, metric), test) in LIMITS.items():
        assert f'\n{metric} ' in metrics, (setting, metric)
        assert f'| `{event.split(".*")[0]}` |' in events, (setting, event)
        file, _, name = test.rpartition('::')
        assert f'def {name}(' in (HERE.parent / (file or HERE.name)).read_text(), (setting, test)


# --- before the end

def test_drain_delay_takes_new_sessions_until_it_is_over(make_proxy):
    port = free_port()
    proxy = make_proxy(config=f'http: {{listen: "127.0.0.1:{port}"}}\ndrain: {{delay: 2s, timeout: 10s}}\n')

    def ready():
        try:
            return urllib.request.urlopen(f'http://127.0.0.1:{port}/readyz', timeout=5).status
        except urllib.error.HTTPError as e:
            return e.code
    assert ready() == 200
    with Raw(proxy.address).startup() as old:
        began = time.monotonic()
        proxy.process.terminate()
        wait_for(lambda: ready() == 503, what='not ready')
        assert refused(proxy.address) is None, 'still open'
        assert old.value('select 1') == '1'
        assert fatal(old)['C'] == '57P01'
        assert time.monotonic() - began > 1.8
    assert proxy.process.wait(20) == 0
    proxy.start()


def test_a_second_sigterm_cuts_the_delay_short(make_proxy):
    proxy = make_proxy(config='drain: {delay: 60s}\n')
    with Raw(proxy.address).startup() as c:
        mark = proxy.log_mark()
        proxy.process.terminate()
        proxy.wait_log('draining', mark)
        proxy.process.terminate()
        assert fatal(c)['C'] == '57P01'
    assert proxy.process.wait(10) == 0
    proxy.config_file.write_text(proxy.config_file.read_text().replace('delay: 60s', 'delay: 0s'))
    proxy.start()


# --- half of them misbehave

def misbehave(proxy, stop, kind):
    while not stop.is_set():
        try:
            with Raw(proxy.address, timeout=2, rcvbuf=4096) as c:
                if kind == 'silent':
                    stop.wait(1)
                elif kind == 'garbage':
                    c.send(b'\xff' * 3000)
                    c.rest()
                else:
                    c.startup()
                    c.send(query("select repeat('x', 1000) from generate_series(1, 100000)"))
                    stop.wait(1)
        except (OSError, raw.Closed, raw.ServerError):
            pass


def test_clients_that_misbehave_disturb_nobody(limited, pg):
    proxy = limited('unfinished_logins: 40')
    proxy.count_idle_sockets()
    stop = threading.Event()
    threads = [threading.Thread(target=misbehave, args=(proxy, stop, kind), daemon=True)
               for kind in ('silent', 'garbage', 'slow') * 4]
    for t in threads:
        t.start()
    try:
        for _ in range(15):
            with Raw(proxy.address).startup() as c:
                assert all(c.value(f'select {i}') == str(i) for i in range(5))
    finally:
        stop.set()
        join(*threads)
    wait_for(lambda: proxy.sockets() <= proxy.idle_sockets, 10, 'all sockets closed')
