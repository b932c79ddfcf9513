"""Clients that are broken, hostile or gone: a clear end, and everybody else goes on."""
import os
import random
import socket
import struct
import threading
import time

import pytest

import raw
from raw import Raw, bind, copy_data, execute, i16, i32, msg, parse, query, sync
from relay import Relay
from servers import free_port, join, wait_for

# --- instead of a startup packet

USER = b'user\0app\0database\0postgres\0\0'


def packet(body, length=None):
    return i32(len(body) + 4 if length is None else length) + body


V3 = i32(raw.PROTOCOL_3_0)
STARTUPS = {
    'length 0': i32(0), 'length 3': i32(3), 'length 4': i32(4), 'length 7': i32(7) + b'abc',
    'length 0 and more': i32(0) + bytes(100), 'length -1': i32(-1), 'length -2^31': struct.pack('!I', 1 << 31),
    'length 2^31-1': i32(0x7fffffff) + V3, 'length 10001': packet(V3 + b'x' * 9993),
    'length 100000': packet(V3 + b'user\0' + b'x' * 99985 + b'\0\0'), 'length 1 GB': i32(1 << 30) + V3 + USER,
    'only a version': packet(V3), 'a version and an end': packet(V3 + b'\0'),
    'no end of the list': packet(V3 + b'user\0app\0database\0postgres\0'),
    'no end of a value': packet(V3 + b'user\0app\0database\0postgres'),
    'no end of a name': packet(V3 + b'user\0app\0data'),
    'a name without a value': packet(V3 + b'user\0app\0database\0\0'),
    'odd number of texts': packet(V3 + b'user\0app\0database\0postgres\0odd\0\0'),
    'bytes behind the end': packet(V3 + USER + b'garbage'), 'an empty name first': packet(V3 + b'\0' + USER),
    'no user': packet(V3 + b'database\0postgres\0\0'), 'user without a value': packet(V3 + b'user\0\0'),
    'broken characters': packet(V3 + b'user\0\xff\xfe\0database\0\xc0\x80\0\0'),
    'a thousand empty names': packet(V3 + b'\0' * 2000), 'version 0': packet(i32(0) + USER),
    'cancel code with a user': packet(i32(raw.CANCEL_REQUEST) + USER),
    'tls hello': bytes.fromhex('16030100c8010000c40303') + bytes(190),
    'http': b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', 'ssh': b'SSH-2.0-OpenSSH_9.2p1 Debian\r\n',
    'zeros': bytes(5000), 'all ones': b'\xff' * 5000, 'one byte': b'\0', 'seven bytes': i32(50) + b'\0\3\0',
    'random': random.Random(1).randbytes(3000), 'nothing': b'',
}


@pytest.mark.parametrize('name', STARTUPS)
def test_broken_startup(ep, name):
    """Nothing or one FATAL, then the end; the same broken bytes cut short end as well."""
    for data in (STARTUPS[name], STARTUPS[name][:-1]):
        with Raw(ep.address) as c:
            try:
                c.send(data)
                c.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            answer = c.rest()
            if answer[:1] == b'E' and len(answer) > 5 and answer[1] == 0:
                fields = raw.error_fields(answer[5:])
                assert fields['S'] == 'FATAL' and len(fields['C']) == 5 and fields['M']
    assert ep.psql('-Atc', 'select 1').stdout == '1\n'


WELL_FORMED_ENOUGH = ['no user', 'user without a value', 'only a version', 'a version and an end',
                      'version 0', 'broken characters']


@pytest.mark.parametrize('name', WELL_FORMED_ENOUGH)
def test_broken_startup_that_the_server_answers(ep, pg, name):
    """Where PostgreSQL has an answer of its own, the code is the same."""
    def code(address):
        with Raw(address) as c:
            c.send(STARTUPS[name])
            answer = c.rest_messages()
            return answer and answer[0][0] == 'E' and raw.error_fields(answer[0][1]).get('C')
    assert code(ep.address) == code(pg.address)


@pytest.mark.parametrize('name', ['length 3', 'length 10001', 'no end of the list', 'odd number of texts'])
def test_broken_startup_is_told_what_is_wrong(make_proxy, name):
    proxy = make_proxy()
    with Raw(proxy.address) as c:
        mark = proxy.log_mark()
        c.send(STARTUPS[name])
        (kind, body), = c.rest_messages()
        fields = raw.error_fields(body)
        assert kind == 'E' and fields['S'] == 'FATAL' and fields['C'] == '08P01' and len(fields['M']) > 10
        proxy.wait_log('startup_invalid', mark)


@pytest.mark.parametrize('name', STARTUPS)
def test_broken_startup_behind_an_ssl_request(ep, name):
    with Raw(ep.address) as c:
        c.send(raw.request_packet(raw.SSL_REQUEST))
        assert c.byte() == b'N'
        try:
            c.send(STARTUPS[name])
            c.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        assert b'server_version' not in c.rest()


def test_ssl_requests_without_end(ep):
    """A client may ask once for each; it cannot keep a session in negotiation for ever."""
    with Raw(ep.address) as c:
        try:
            for _ in range(1000):
                c.send(raw.request_packet(raw.SSL_REQUEST))
                if c.byte() not in (b'N', b'S'):
                    break
            else:
                pytest.fail('a thousand requests were answered')
        except (raw.Closed, OSError):
            pass


# --- garbage in a session: over and over, with a session beside it that must not notice

def start(ep, **kw):
    return Raw(ep.address, **kw).startup()


GARBAGE = {
    'length 0': b'Q' + i32(0), 'length 3': b'Q' + i32(3), 'length -1': b'Q' + i32(-1) + b'select 1\0',
    'length -2^31': b'P' + struct.pack('!I', 1 << 31), 'sync of length 3': b'S' + i32(3),
    'unknown type 0': msg('\0', b'x'), 'unknown type 255': b'\xff' + i32(4), 'server type T': msg('T', b'x'),
    'zeros': bytes(1000), 'ones': b'\xff' * 1000, 'text': b'hello, is this the telephone exchange?' * 10,
    'query of 2 GB': b'Q' + i32(0x7fffffff) + b'select 1', 'bind of 2 GB': b'B' + i32(0x7fffffff) + b'x' * 100,
    'sync of 1 MB': b'S' + i32(1 << 20) + bytes(1 << 20), 'flush of 1 GB': b'H' + i32(1 << 30) + bytes(1000),
    'terminate of 1 MB': b'X' + i32(1 << 20) + bytes(100), 'copy data of 2 GB': b'd' + i32(0x7fffffff) + b'x',
    'close of 1 GB': b'C' + i32(1 << 30) + b'Sx', 'describe of 1 GB': b'D' + i32(1 << 30) + b'Sx',
    'random': random.Random(2).randbytes(3000), 'startup again': packet(V3 + USER),
    'ssl request': raw.request_packet(raw.SSL_REQUEST),
    'parse without ends': msg('P', b'abc'), 'execute without a name': msg('E', b'abc'),
    'bind of counts': parse('select 1') + msg('B', b'\0\0' + i16(0x7fff) * 3) + sync(),
    'password': msg('p', b'x' * 100000),
}


@pytest.mark.parametrize('behind', ['', 'begin', 'copy bulk from stdin'], ids=['idle', 'begin', 'copy'])
@pytest.mark.parametrize('name', GARBAGE)
def test_garbage_in_a_session(ep, name, behind):
    with start(ep) as innocent, start(ep) as c:
        if behind:
            c.send(query(behind))
            c.until('G' if behind.startswith('copy') else 'Z')
        try:
            c.send(GARBAGE[name])
            c.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        c.rest()
        assert innocent.value('select 12') == '12'


def test_random_messages(ep):
    """Types that exist with bodies that make no sense, whole and cut anywhere."""
    dice = random.Random(20240521)
    kinds = 'QPBDECSHFdcfpX'
    for round_ in range(60):
        with start(ep) as c:
            out = b''
            for _ in range(dice.randrange(1, 12)):
                body = dice.choice([b'', b'\0', b'S\0', b'select 1\0', dice.randbytes(dice.randrange(60))])
                out += msg(dice.choice(kinds), body)
            try:
                c.send(out[:dice.randrange(len(out) + 1)] if round_ % 2 else out)
                c.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            c.rest()
    assert ep.psql('-Atc', 'select 1').stdout == '1\n'


@pytest.mark.parametrize('cut', range(1, 60, 4))
def test_truncated_message(ep, pg, cut):
    data = parse('select $1::text', 'st') + bind(['value'], '', 'st') + execute() + sync()
    c = start(ep)
    pid = c.pid
    c.send(data[:cut])
    c.sock.close()
    wait_for(lambda: pg.sessions(f'pid = {pid}') == 0, 10, 'server session ended')


# --- clients that vanish

def vanish(c, how):
    if how == 'reset':
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    elif how == 'half':
        c.sock.shutdown(socket.SHUT_WR)
        return
    c.sock.close()


SITUATIONS = {
    'idle': b'', 'in a transaction': query('begin'), 'in a big result': query(
        "select repeat('x', 10000) from generate_series(1, 2000)"),
    'in copy out': query("copy (select repeat('x', 10000) from generate_series(1, 2000)) to stdout"),
    'in copy in': query('copy bulk from stdin') + copy_data(b'1\tx\n') * 1000,
    'in the middle of a message': b'Q' + i32(1000) + b'select',
    'in the middle of copy data': query('copy bulk from stdin') + b'd' + i32(1 << 20) + b'1\tx\n',
    'before sync': parse('select 1') + bind() + execute(),
    'with a pipeline': query("select repeat('x', 1000)") * 500,
}


@pytest.mark.parametrize('how', ['close', 'reset', 'half'])
@pytest.mark.parametrize('situation', SITUATIONS)
def test_client_vanishes(ep, pg, situation, how):
    c = Raw(ep.address, rcvbuf=32768).startup()
    pid = c.pid
    c.send(SITUATIONS[situation])
    time.sleep(0.05)
    vanish(c, how)
    if how == 'half':
        c.rest()
    wait_for(lambda: pg.sessions(f'pid = {pid}') == 0, 10, 'server session ended', 0.05)
    c.sock.close()


@pytest.mark.parametrize('user', ['app', 'pw_scram'])
def test_client_vanishes_while_starting(ep, pg, user):
    data = raw.startup_packet({'user': user, 'database': 'postgres'})
    for cut in (1, 4, 8, 20, len(data) - 1, len(data)):
        for how in ('close', 'reset', 'half'):
            c = Raw(ep.address)
            c.send(data[:cut])
            vanish(c, how)
            c.sock.close()
    wait_for(lambda: pg.sessions(f"usename = '{user}'") == 0, 10, 'no session is left')


def test_client_closes_while_its_statement_runs(ep, pg):
    """PostgreSQL notices when it next looks at its socket; the proxy must have closed that by then."""
    with Raw(ep.address).startup(client_connection_check_interval='100') as c:
        pid = c.pid
        c.send(query('select pg_sleep(60)'))
        pg.wait_active(c.pid)
    wait_for(lambda: pg.sessions(f'pid = {pid}') == 0, 20, 'server session ended')


def test_half_open_clients_are_closed_in_time(make_proxy, pg):
    proxy = make_proxy(config='limits: {startup_timeout: 1s}\n')
    pieces = {'nothing': b'', 'half a length': b'\0\0', 'half a packet': packet(V3 + USER)[:20],
              'ssl only': raw.request_packet(raw.SSL_REQUEST),
              'password pending': raw.startup_packet({'user': 'pw_scram', 'database': 'postgres'})}
    clients = {name: Raw(proxy.address) for name in pieces}
    began = time.monotonic()
    for name, c in clients.items():
        c.send(pieces[name])
    with Raw(proxy.address).startup() as good:
        for name, c in clients.items():
            c.rest()
            assert 0.5 < time.monotonic() - began < 4, name
            c.sock.close()
        time.sleep(0.5)
        assert good.value('select 1') == '1'
    proxy.wait_log('startup_timeout')
    assert pg.sessions("usename = 'pw_scram'") == 0


def test_slow_drip_does_not_extend_the_startup_time(make_proxy):
    proxy = make_proxy(config='limits: {startup_timeout: 1s}\n')
    with Raw(proxy.address) as c:
        began = time.monotonic()
        try:
            for byte in packet(V3 + b'user\0' + b'x' * 200 + b'\0\0'):
                c.send(bytes([byte]))
                time.sleep(0.1)
                assert time.monotonic() - began < 5
        except OSError:
            pass


def test_more_clients_than_allowed(make_proxy):
    proxy = make_proxy(config='limits: {clients: 3}\n')
    held = [Raw(proxy.address).startup() for _ in range(3)]
    with Raw(proxy.address) as c:
        c.send(raw.startup_packet({'user': 'app', 'database': 'postgres'}))
        (kind, body), = c.rest_messages()
        assert kind == 'E' and raw.error_fields(body)['C'] == '53300'
    held.pop().sock.close()

    def fits():
        try:
            with Raw(proxy.address).startup():
                return True
        except (raw.ServerError, raw.Closed, OSError):
            return False
    wait_for(fits, 20, 'room for another')
    for c in held:
        c.sock.close()


def test_many_connections_that_say_nothing(ep):
    if ep.kind == 'direct':
        pytest.skip('each one takes a place of a server')
    silent = []
    for _ in range(200):
        s = socket.create_connection(ep.address)
        silent.append(s)
    assert ep.psql('-Atc', 'select 1').stdout == '1\n'
    for s in silent:
        s.close()


# --- servers that are not there, or no servers

class Stub:
    """A 'server' that answers each connection with fixed bytes."""

    def __init__(self, answer, close=True, read_first=True):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.host, self.port = self.listener.getsockname()
        self.answer, self.close_after, self.read_first = answer, close, read_first
        self.held = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            try:
                if self.read_first:
                    s.recv(65536)
                s.sendall(self.answer)
            except OSError:
                pass
            if self.close_after:
                s.close()
            else:
                self.held.append(s)

    def stop(self):
        self.listener.close()
        for s in self.held:
            s.close()


OK = msg('R', i32(0))
READY = OK + msg('K', i32(1) + i32(2)) + msg('Z', b'I')
NONSENSE = {
    'closes at once': b'', 'http': b'HTTP/1.1 400 Bad Request\r\n\r\n', 'zeros': bytes(100),
    'ones': b'\xff' * 100, 'random': random.Random(3).randbytes(1000), 'half a message': b'R\0\0',
    'negative length': b'R' + i32(-5), 'length 3': b'R' + i32(3), 'an S as to an SSLRequest': b'S',
    'huge length': b'R' + i32(0x7fffffff), 'empty authentication': msg('R'), 'error without fields': msg('E'),
    'error of one zero': msg('E', b'\0'), 'error without an end': msg('E', b'SFATAL\0C28000'),
    'error without a code': msg('E', b'SFATAL\0Mhello\0\0'), 'unknown authentication': msg('R', i32(77)),
    'sasl without end': msg('R', i32(10) + b'SCRAM-SHA-256'), 'sasl of nothing': msg('R', i32(10)),
    'sasl plus only': msg('R', i32(10) + b'SCRAM-SHA-256-PLUS\0\0'),
    'key of no bytes': OK + msg('K'), 'key of 300 bytes': OK + msg('K', bytes(300)) + msg('Z', b'I'),
    'ready without a state': OK + msg('Z'), 'parameter without end': OK + msg('S', b'x'),
    'rows before ready': OK + msg('T', b'\0\0') + msg('D', b'\0\0'),
    'unknown type': OK + msg('\x01', b'abc'), 'answers nobody asked for': READY + msg('C', b'SELECT 1\0') * 3,
    'ready three times': READY + msg('Z', b'I') * 3, 'copy both unasked': READY + msg('W', b'\0\0\0'),
}


@pytest.mark.parametrize('name', NONSENSE)
def test_server_that_talks_nonsense(make_proxy, name):
    stub = Stub(NONSENSE[name])
    proxy = make_proxy(server_address=f'127.0.0.1:{stub.port}')
    proxy.count_idle_sockets()
    try:
        for _ in range(3):
            with Raw(proxy.address) as c:
                c.send(raw.startup_packet({'user': 'app', 'database': 'postgres'}) + query('select 1'))
                for kind, body in c.rest_messages():
                    if kind == 'E' and name not in ('error without fields', 'error of one zero',
                                                    'error without an end', 'error without a code'):
                        fields = raw.error_fields(body)
                        assert fields['S'] == 'FATAL' and fields['C'] in ('08006', '08P01', '57P01', '08001')
        wait_for(lambda: proxy.sockets() <= proxy.idle_sockets, 20, 'sockets closed')
    finally:
        stub.stop()


def test_server_that_says_nothing(make_proxy):
    stub = Stub(b'', close=False)
    proxy = make_proxy(server_address=f'127.0.0.1:{stub.port}', config='limits: {startup_timeout: 1s}\n')
    try:
        with Raw(proxy.address) as c:
            c.send(raw.startup_packet({'user': 'app', 'database': 'postgres'}))
            began = time.monotonic()
            c.rest()
            assert time.monotonic() - began < 5
    finally:
        stub.stop()


def fatal(address):
    with Raw(address) as c:
        c.send(raw.startup_packet({'user': 'app', 'database': 'postgres'}))
        (kind, body), = c.rest_messages()
        assert kind == 'E'
        return raw.error_fields(body)


@pytest.mark.parametrize('where', ['port', 'socket', 'name'])
def test_server_unreachable(make_proxy, where, tmp_path):
    address = {'port': f'127.0.0.1:{free_port()}', 'socket': f'"{tmp_path}:5432"',
               'name': 'no-such-host.invalid:5432'}[where]
    proxy = make_proxy(server_address=address)
    fields = fatal(proxy.address)
    assert fields['S'] == 'FATAL' and fields['C'] in ('08001', '08006')
    named = {'port': '127.0.0.1', 'socket': str(tmp_path), 'name': 'no-such-host.invalid'}[where]
    assert named in ' '.join(fields.values()), fields
    proxy.wait_log('server_unreachable')
    done = proxy.psql('-c', 'select 1')
    assert done.returncode == 2 and 'FATAL' in done.stderr


def test_server_comes_back(make_proxy, victim):
    proxy = make_proxy(victim)
    assert proxy.psql('-Atc', 'select 1').stdout == '1\n'
    victim.stop()
    assert fatal(proxy.address)['C'] in ('08001', '08006', '57P01')
    victim.start()
    assert wait_for(lambda: proxy.psql('-Atc', 'select 1').stdout == '1\n', 10, 'sessions again', 0.2)


@pytest.mark.parametrize('sent', ['', 'begin', 'select pg_sleep(30)', 'copy bulk from stdin',
                                  "copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout"])
def test_connection_to_the_server_is_cut(make_proxy, pg, sent):
    """Without a word from the server: the proxy says it instead."""
    relay = Relay(pg.address)
    proxy = make_proxy(server_address=f'127.0.0.1:{relay.port}')
    try:
        with Raw(proxy.address).startup() as c:
            if sent:
                c.send(query(sent))
                time.sleep(0.2)
            relay.cut()
            kinds = c.rest_messages()
            last = kinds[-1] if kinds else None
            if sent.startswith('copy ('):
                assert last is None or last[0] in 'Ed?'
            else:
                fields = raw.error_fields(last[1])
                assert fields['S'] == 'FATAL' and fields['C'] in ('08006', '57P01')
        proxy.wait_log('server_(lost|closed)')
    finally:
        relay.close()


def test_sigterm_tells_the_clients(make_proxy):
    proxy = make_proxy(config='drain: {timeout: 1s}\n')
    idle, busy = Raw(proxy.address).startup(), Raw(proxy.address).startup()
    busy.ask('begin')
    proxy.stop()
    for c in (idle, busy):
        (kind, body), = c.rest_messages()
        assert kind == 'E' and raw.error_fields(body)['C'] == '57P01'
        assert raw.error_fields(body)['S'] == 'FATAL'
        c.sock.close()
    proxy.start()


def test_transactions_may_finish_before_it_ends(make_proxy):
    proxy = make_proxy(config='drain: {timeout: 20s}\n')
    with Raw(proxy.address).startup() as c:
        c.ask('begin')
        stopper = threading.Thread(target=proxy.stop)
        stopper.start()
        time.sleep(0.3)
        with pytest.raises(OSError):
            socket.create_connection(proxy.address, 1)
        assert c.value('select 3') == '3'
        c.send(query('commit'))
        answer = c.rest_messages()
        assert [k for k, _ in answer[:2]] == ['C', 'Z']
        assert answer[-1][0] == 'E' and raw.error_fields(answer[-1][1])['C'] == '57P01'
        join(stopper)
    proxy.start()


def test_two_proxies_on_one_port(make_proxy):
    proxy = make_proxy()
    done = proxy.command('serve', '-c', proxy.config_file)
    assert done.returncode in (1, 2)
    assert str(proxy.port) in done.stderr and 'in use' in done.stderr
    assert proxy.psql('-Atc', 'select 1').stdout == '1\n'


def test_socket_file_left_by_a_killed_proxy_is_replaced(make_proxy):
    proxy = make_proxy()
    proxy.kill()
    assert os.path.exists(proxy.unix_address)
    proxy.start()
    assert proxy.psql('-Atc', 'select 1', unix=True).stdout == '1\n'
