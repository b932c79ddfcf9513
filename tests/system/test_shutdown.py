"""SIGTERM lets transactions finish and holds on to nothing else; SIGINT holds on to nothing."""
import signal
import socket
import struct
import threading
import time

import pytest

import raw
from raw import Raw, query
from relay import Relay
from servers import wait_for

TIMEOUT_S = 3
LINGER_S = 2  # so long a client that does not react is waited for, so that it can read the reason


@pytest.fixture
def proxy(make_proxy):
    made = make_proxy(config=f'drain: {{timeout: {TIMEOUT_S}s}}\n')
    yield made
    if not made.alive():
        made.start()  # what finish() expects


def end(proxy, signal_number=signal.SIGTERM):
    """Seconds until it had ended, with 0."""
    began = time.monotonic()
    proxy.process.send_signal(signal_number)
    assert proxy.process.wait(TIMEOUT_S + 10) == 0
    return time.monotonic() - began


def farewell(messages):
    kind, body = messages[-1]
    fields = raw.error_fields(body)
    return (kind, fields['S'], fields['C']) == ('E', 'FATAL', '57P01')


class Leaving(threading.Thread):
    """A client that reads to the end and goes, as drivers do."""

    def __init__(self, c):
        super().__init__(daemon=True)
        self.c, self.messages = c, []
        self.start()

    def run(self):
        self.messages = self.c.rest_messages()
        self.c.sock.close()

    def heard(self):
        self.join(10)
        return self.messages


def under_way(pg, c, sql):
    """Until it is the server's turn."""
    wait_for(lambda: pg.sessions(f"pid = {c.pid} and query = '{sql}'") == 1, 10, f'{sql} is under way')


def idle(proxy, pg):
    return Raw(proxy.address).startup()


def half_a_message(proxy, pg):
    c = Raw(proxy.address).startup()
    c.send(query('select 1')[:7])
    return c


def login_waits_for_a_password(proxy, pg):
    c = Raw(proxy.address)
    c.send(raw.startup_packet({'user': 'pw_plain', 'database': 'postgres'}))
    assert c.message()[0] == 'R'
    return c


def nothing_sent_yet(proxy, pg):
    return Raw(proxy.address)


def only_an_encryption_request(proxy, pg):
    c = Raw(proxy.address)
    c.send(raw.request_packet(raw.SSL_REQUEST))
    assert c.byte() == b'N'
    return c


def half_a_startup_packet(proxy, pg):
    c = Raw(proxy.address)
    c.send(raw.startup_packet({'user': 'postgres'})[:9])
    return c


def pipelined_ahead(proxy, pg):
    """Always something under way: it must not go on like that."""
    c = Raw(proxy.address).startup()

    def ask():
        try:
            for _ in range(3000):
                c.send(query('select pg_sleep(0.01)') * 3)
                time.sleep(0.02)
        except OSError:
            pass
    threading.Thread(target=ask, daemon=True).start()
    time.sleep(0.2)
    return c


@pytest.mark.parametrize('state', [idle, half_a_message, login_waits_for_a_password, nothing_sent_yet,
                                   only_an_encryption_request, half_a_startup_packet, pipelined_ahead])
def test_ends_at_once(proxy, pg, state):
    before = proxy.sockets()
    client = Leaving(state(proxy, pg))
    wait_for(lambda: proxy.sockets() > before, 10, 'the proxy knows of it')
    assert end(proxy) < TIMEOUT_S
    assert farewell(client.heard())


def test_a_client_that_does_not_react_is_waited_for_a_while(proxy):
    with Raw(proxy.address).startup() as c:
        assert LINGER_S * 0.9 < end(proxy) < LINGER_S + 2
        assert farewell(c.rest_messages())


def test_a_slow_reader_gets_what_it_reads(proxy):
    with Raw(proxy.address, rcvbuf=4096).startup() as c:
        c.send(query("select repeat('x', 1000) from generate_series(1, 100000)"))
        time.sleep(0.3)
        assert end(proxy) < TIMEOUT_S + 3
        assert c.rest()[:1] == b'T'


def test_a_running_query_may_finish(proxy, pg):
    c = Raw(proxy.address).startup()
    c.send(query('select pg_sleep(1.5)'))
    under_way(pg, c, 'select pg_sleep(1.5)')
    client = Leaving(c)
    assert 0.5 < end(proxy) < 5
    messages = client.heard()
    assert [k for k, _ in messages] == ['T', 'D', 'C', 'Z', 'E'] and farewell(messages)


@pytest.mark.parametrize('sent', ['begin', 'select pg_sleep(60)', 'copy bulk from stdin'])
def test_the_rest_ends_with_the_timeout(proxy, pg, sent):
    c = Raw(proxy.address).startup()
    c.send(query(sent))
    under_way(pg, c, sent)
    client = Leaving(c)
    assert TIMEOUT_S - 1 < end(proxy) < TIMEOUT_S + 3
    assert farewell(client.heard())


def test_a_text_held_for_the_search_path_and_a_server_that_says_nothing(make_proxy, pg):
    """The hidden question gets no answer; the client's text waits behind it."""
    relay = Relay(pg.address)
    proxy = make_proxy(server_address=f'127.0.0.1:{relay.port}', config=f'drain: {{timeout: {TIMEOUT_S}s}}\n',
                       map_text='old: public\nnew: data\ntables: {public.items: data.items}\n')
    try:
        with Raw(proxy.address).startup() as c:
            c.ask("select set_config('search_path', $$public$$, false)")
            relay.hold.set()
            c.send(query('select count(*) from items'))
            time.sleep(0.3)
            assert end(proxy) < TIMEOUT_S + 3
            assert farewell(c.rest_messages())
    finally:
        relay.close()
    proxy.start()


def test_a_server_that_never_answers_the_login(make_proxy):
    with socket.create_server(('127.0.0.1', 0)) as mute:
        proxy = make_proxy(server_address='127.0.0.1:%d' % mute.getsockname()[1])
        c = Raw(proxy.address)
        c.send(raw.startup_packet({'user': 'postgres'}))
        server = mute.accept()[0]
        client = Leaving(c)
        assert end(proxy) < TIMEOUT_S
        assert farewell(client.heard())
        server.close()
    proxy.start()


def test_a_cancel_request_that_the_server_keeps_open(make_proxy):
    with socket.create_server(('127.0.0.1', 0)) as mute:
        proxy = make_proxy(server_address='127.0.0.1:%d' % mute.getsockname()[1])
        with Raw(proxy.address) as c:
            c.send(raw.request_packet(raw.CANCEL_REQUEST, raw.i32(1) + raw.i32(2)))
            server = mute.accept()[0]
            assert end(proxy) < 4
            assert c.rest() == b''
            server.close()
    proxy.start()


@pytest.mark.parametrize('sent', ['', 'begin', 'select pg_sleep(60)', 'copy bulk from stdin'])
def test_sigint_ends_at_once(proxy, pg, sent):
    with Raw(proxy.address).startup() as c:
        if sent:
            c.send(query(sent))
            under_way(pg, c, sent)
        assert end(proxy, signal.SIGINT) < 2
        assert farewell(c.rest_messages())


def test_a_second_sigterm_does_not_wait(proxy):
    with Raw(proxy.address).startup() as c:
        c.ask('begin')
        mark = proxy.log_mark()
        proxy.process.send_signal(signal.SIGTERM)
        proxy.wait_log('draining', mark)
        assert end(proxy) < 2
        assert farewell(c.rest_messages())


def reset(c):
    """Gone without a word, at once: RST."""
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    c.sock.close()


def close(c):
    c.sock.close()


@pytest.mark.parametrize('way, vanish', [('address', reset), ('unix_address', close)])
def test_a_client_that_vanishes_while_it_is_not_read_is_noticed(make_proxy, pg, way, vanish):
    """The server takes nothing, so the proxy reads nothing of the client; its end ends the session all the same."""
    relay = Relay(pg.address)
    proxy = make_proxy(server_address=f'127.0.0.1:{relay.port}')
    try:
        c = Raw(getattr(proxy, way)).startup()
        relay.hold.set()
        c.send(query('copy bulk from stdin'))
        c.sock.settimeout(0.5)
        with pytest.raises(OSError):
            while True:
                c.send(raw.copy_data(b'1\tx\n' * 10000))
        mark = proxy.log_mark()
        vanish(c)
        proxy.wait_log('session_end.*client_lost', mark)
    finally:
        relay.close()


def test_a_half_closed_client_gets_all_its_answers(ep):
    with Raw(ep.address).startup() as c:
        c.send(query('select pg_sleep(0.3)') + query('select 2') + query('select 3'))
        c.sock.shutdown(socket.SHUT_WR)
        assert [k for k, _ in c.rest_messages()] == ['T', 'D', 'C', 'Z'] * 3


def test_a_half_closed_client_does_not_keep_its_session(ep):
    with Raw(ep.address).startup() as c:
        c.send(query('select pg_sleep(0.2)'))
        c.sock.shutdown(socket.SHUT_WR)
        began = time.monotonic()
        assert [k for k, _ in c.rest_messages()] == ['T', 'D', 'C', 'Z']
        assert time.monotonic() - began < 2
