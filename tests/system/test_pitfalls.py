"""What has bitten the users of other proxies, one test for each; the names say where.

Prepared statements, rewriting and plan keys have files of their own; here are
protocol, TLS, security, cancel, memory and shutdown.
"""
import socket
import struct
import threading
import time

import pytest

import raw
from conversations import ALL
from raw import Raw, i32, msg, query
from servers import join, wait_for
from test_protocol import converse

PROTOCOL = {
    'pgcat 951: flush hangs postgres.js': 'flush at every step',
    'pgdog 1508: trailing describe and sync': 'trailing describe and sync',
    'pgdog 1330: flush before execute loses the portal': 'bind, describe and flush before execute',
    'multigres 1274: an error withheld until sync': 'error answered before sync',
    'multigres 1274: an error withheld until flush': 'error without flush comes at once',
    'multigres 1017: CloseComplete after an error': 'close skipped after an error',
    'FunctionCall must pass': 'function call',
    'pgbouncer 991: discard all forgets what is prepared': 'discard all drops what is prepared',
    'pgbouncer 1535: deallocate in a pipeline deletes a later parse': 'deallocate in a pipeline spares the later one',
}


@pytest.mark.parametrize('pitfall', PROTOCOL)
def test_protocol(ep, pg, pitfall):
    steps = ALL[PROTOCOL[pitfall]]
    assert converse(ep.address, steps) == converse(pg.address, steps)


def test_pgcat_drops_the_connection_at_a_gssenc_request(ep, pg):
    with Raw(ep.address) as c:
        c.send(raw.request_packet(raw.GSSENC_REQUEST))
        assert c.byte() in b'NG'
        if ep.kind != 'direct':
            c.startup()
            assert c.value('select 1') == '1'


def test_proxysql_4811_unknown_startup_parameters_of_dbeaver(ep, pg):
    def answer(address):
        with Raw(address) as c:
            try:
                c.startup(user='app', extra_float_digits='3', application_name='DBeaver 23.0.5 - Main',
                          client_encoding='UTF8', DateStyle='ISO', TimeZone='Europe/Berlin', odd_parameter='x')
                return 'in'
            except raw.ServerError as e:
                return e.fields['C'], e.fields['M']
    assert answer(ep.address) == answer(pg.address)


def test_a_search_path_in_the_startup_packet_is_not_sql(ep, pg):
    """pgbouncer CVE-2025-2291's neighbour: it was run as SQL before authentication."""
    attack = "public'; create table pwned(); --"
    with Raw(ep.address) as c:
        try:
            c.startup(user='pw_plain', search_path=attack)
        except (raw.ServerError, NotImplementedError):
            pass
    assert pg.psql('-Atc', "select count(*) from pg_class where relname = 'pwned'").stdout == '0\n'
    with Raw(ep.address) as c, Raw(pg.address) as d:
        def told(conn):
            try:
                return conn.startup(user='app', search_path=attack).value('show search_path')
            except raw.ServerError as e:
                return e.fields['C']
        assert told(c) == told(d)


# --- a server newer than those of Debian

class Newer:
    """Speaks protocol 3.2: cancel keys of any length, and negotiation of what it does not know.

    It refuses TLS after a pause, and may answer queries with an error of any shape."""

    def __init__(self, key, minor=2, notice=b'', pause=0, answer=msg('C', b'SELECT 0\0')):
        self.key, self.minor, self.notice, self.pause, self.answer = key, minor, notice, pause, answer
        self.cancels, self.startups = [], []
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        with s:
            packet = s.recv(65536)
            if packet == raw.request_packet(raw.SSL_REQUEST):
                time.sleep(self.pause)
                s.sendall(b'N')
                packet = s.recv(65536)
            version, = struct.unpack_from('!I', packet, 4)
            if version == raw.CANCEL_REQUEST:
                self.cancels.append(packet)
                return
            self.startups.append(packet)
            names = packet[8:].split(b'\0')[::2]
            unknown = [n for n in names if n.startswith(b'_pq_.')]
            answer = b''
            if (version & 0xffff) > self.minor or unknown:
                minor = min(version & 0xffff, self.minor)
                answer = msg('v', i32(3 << 16 | minor) + i32(len(unknown)) + b''.join(n + b'\0' for n in unknown))
            s.sendall(answer + self.notice + msg('R', i32(0)) + msg('K', i32(77) + self.key) + msg('Z', b'I'))
            while data := s.recv(65536):
                if data[:1] == b'Q':
                    s.sendall(self.answer + msg('Z', b'I'))


@pytest.fixture
def newer(make_proxy):
    made = []

    def make(key=bytes(range(1, 33)), proxy=None, **kw):
        made.append(Newer(key, **kw))
        return made[-1], make_proxy(server_address=f'127.0.0.1:{made[-1].port}', **(proxy or {}))
    yield make
    for server in made:
        server.listener.close()


@pytest.mark.parametrize('length', [4, 32, 255, 256])
def test_cancel_keys_of_3_2_have_up_to_256_bytes(newer, length):
    server, proxy = newer(bytes(i % 255 + 1 for i in range(length)))
    with Raw(proxy.address) as c:
        c.startup(version=raw.PROTOCOL_3_2)
        assert not [k for k, _ in c.opening if k == 'v'] and c.key == server.key
        raw.send_cancel(proxy.address, c.cancel_packet())
        wait_for(lambda: server.cancels == [c.cancel_packet()], what='the cancel request, byte for byte')


@pytest.mark.parametrize('version, options, echoed', [
    (raw.PROTOCOL_3_9999, {}, []), (raw.PROTOCOL_3_9999, {'_pq_.test_protocol_negotiation': ''},
                                    [b'_pq_.test_protocol_negotiation']),
    (raw.PROTOCOL_3_2, {'_pq_.a': '1', '_pq_.b': '2'}, [b'_pq_.a', b'_pq_.b'])])
def test_psql_wire_147_and_pgagroal_971_negotiation_echoes_what_was_not_understood(newer, version, options, echoed):
    server, proxy = newer()
    packet = raw.startup_packet({'user': 'app', 'database': 'postgres', **options}, version)
    with Raw(proxy.address) as c:
        c.startup(packet=packet)
        negotiations = [b for k, b in c.opening if k == 'v']
    assert negotiations == [i32(raw.PROTOCOL_3_2) + i32(len(echoed)) + b''.join(n + b'\0' for n in echoed)], \
        'once (pgbouncer 1459 sent it twice)'
    assert server.startups[-1] == packet


def test_pgbouncer_1519_negotiation_leaks_nothing(newer):
    _, proxy = newer()
    options = {f'_pq_.option_{i}': 'x' * 50 for i in range(80)}
    packet = raw.startup_packet({'user': 'app', 'database': 'postgres', **options}, raw.PROTOCOL_3_9999)

    def begin(count):
        for _ in range(count):
            with Raw(proxy.address) as c:
                c.startup(packet=packet)
    begin(50)
    before = proxy.rss_bytes()
    begin(400)
    assert proxy.rss_bytes() - before < 1 << 20, f'{400 * len(packet) >> 20} MB were said'


def test_a_notice_during_startup_passes(newer):
    notice = msg('N', b'SWARNING\0VWARNING\0C01000\0Mpassword expires soon\0\0')
    _, proxy = newer(notice=notice)
    with Raw(proxy.address) as c:
        c.startup()
        assert [b for k, b in c.opening if k == 'N'] == [notice[5:]]


# --- security

LENGTHS = [0, 1, 3, 4, 5, 0x7fffffff, 0x80000000, 0xffffffff]


@pytest.mark.parametrize('length', LENGTHS)
def test_pgbouncer_1_25_length_overflow_before_authentication(ep, length):
    for data in (struct.pack('!I', length) + b'x' * 20, struct.pack('!I', length)):
        with Raw(ep.address) as c:
            c.send(data)
            c.sock.shutdown(socket.SHUT_WR)
            c.rest()
    with Raw(ep.address) as c:
        c.send(raw.startup_packet({'user': 'pw_scram', 'database': 'postgres'}))
        c.message()
        c.send(b'p' + struct.pack('!I', length) + b'SCRAM-SHA-256\0')
        c.sock.shutdown(socket.SHUT_WR)
        c.rest()


def test_pgbouncer_1_25_scram_nonce_overflow(ep, pg):
    for size in (1000, 5000, 60000):
        def answer(address):
            with Raw(address) as c:
                c.send(raw.startup_packet({'user': 'pw_scram', 'database': 'postgres'}))
                c.message()
                first = b'n,,n=,r=' + b'x' * size
                c.send(msg('p', b'SCRAM-SHA-256\0' + i32(len(first)) + first))
                kind, body = c.message()
                return kind, raw.error_fields(body).get('C') if kind == 'E' else body[:4]
        assert answer(ep.address) == answer(pg.address)


FIELDS = b'SERROR\0VERROR\0'
ODD_ERRORS = {
    'without a code': FIELDS + b'Mrelation "public.items" does not exist\0P15\0\0', 'of one zero': b'\0',
    'without a message': FIELDS + b'C42P01\0P15\0\0', 'of a code alone': b'C42P01\0\0', 'with a short code': FIELDS + b'C4\0Mx\0\0',
    'at a position beyond the text': FIELDS + b'C42P01\0Mx\0P99999\0\0', 'at position 2^32': FIELDS + b'C42P01\0Mx\0P4294967296\0\0',
    'at position -1': FIELDS + b'C42P01\0Mx\0P-1\0\0', 'with unknown fields': FIELDS + b'C42P01\0Mx\0!y\0\xffz\0\0',
    'with every field twice': (FIELDS + b'C42P01\0Mx\0P15\0') * 2 + b'\0', 'of nothing': b'', 'without an end': FIELDS + b'C42P01',
}


@pytest.mark.parametrize('error', ODD_ERRORS)
def test_pgbouncer_1_25_an_error_without_sqlstate(newer, error):
    """In answer to a text that was rewritten, whose errors are read and changed."""
    mapped = {'map_text': 'old: public\nnew: data\ntables: {public.items: data.items}\n'}
    _, proxy = newer(proxy=mapped, answer=msg('E', ODD_ERRORS[error]))
    with Raw(proxy.address) as c:
        c.startup(search_path='public')
        for _ in range(2):
            c.send(query('select nothing from data.items'))
            kind, body = c.message()
            assert kind == 'E'
            if ODD_ERRORS[error].endswith(b'\0\0'):
                assert c.message() == ('Z', b'I') and len(body) >= len(ODD_ERRORS[error]) - 20
            else:
                break
    with Raw(proxy.address).startup():
        assert proxy.alive()


# --- cancel

@pytest.mark.parametrize('waits', [True, False])
def test_a_cancel_while_crossfade_connects_is_not_lost(newer, waits):
    """Some drivers close as soon as the request is sent."""
    server, proxy = newer(pause=0.3, proxy={'config': 'server_tls: {mode: prefer}\n'})
    with Raw(proxy.address) as c:
        c.startup(version=raw.PROTOCOL_3_2)
        with Raw(proxy.address) as other:
            other.send(c.cancel_packet())
            if waits:
                assert other.rest() == b''
        wait_for(lambda: server.cancels == [c.cancel_packet()], what='the cancel request')


def test_pgbouncer_38_a_cancel_reaches_no_later_client(ep, pg):
    with Raw(ep.address).startup() as c:
        packet = c.cancel_packet()
        c.send(raw.terminate())
        c.rest()
    with Raw(ep.address).startup() as next_:
        next_.send(query('select pg_sleep(0.5)'))
        for _ in range(3):
            raw.send_cancel(ep.address, packet)
        assert 'E' not in [k for k, _ in next_.until()]


def test_pgdog_1505_a_cancel_while_others_connect_reaches_only_its_own(ep, pg):
    stop = threading.Event()

    def connect():
        while not stop.is_set():
            with Raw(ep.address).startup() as c:
                assert c.value('select 1') == '1'
    threads = [threading.Thread(target=connect) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        for _ in range(5):
            with Raw(ep.address).startup() as c:
                c.send(query('select pg_sleep(30)'))
                pg.wait_active(c.pid)
                raw.send_cancel(ep.address, c.cancel_packet())
                codes = [raw.error_fields(b)['C'] for k, b in c.until() if k == 'E']
                assert codes == ['57014']
    finally:
        stop.set()
        join(*threads)


# --- memory

def grown(proxy, before):
    return (proxy.rss_bytes() - before) >> 10


def heavy(n):
    return 'select ' + ', '.join(f'i.id + {n} as v{n}_{k}' for k in range(400)) + ' from data.items i'


def tuples(n):
    return 'select * from data.items where (id, name) in (' + ', '.join(f"({n}, v{n}.c{k})" for k in range(600)) + ')'


@pytest.mark.full
def test_pgdog_1261_and_854_memory_of_distinct_statements_is_bounded(newer):
    """Lists of 600 tuples, and what else is long: what is remembered of them has its limits in bytes."""
    mapped = {'map_text': 'old: public\nnew: data\ntables: {public.items: data.items}\n',
              'config': 'workers: 1\nlimits: {cache_bytes: 1MB, usage_bytes: 64kB, usage_statements: 50}\n'}
    _, proxy = newer(proxy=mapped)
    with Raw(proxy.address) as c:
        c.startup(search_path='public')
        c.ask('select 1 from items')
        first = proxy.rss_bytes()
        for n in range(500):
            c.ask(heavy(n))
            c.ask(tuples(n))
        before = proxy.rss_bytes()
        for n in range(500, 900):
            c.ask(heavy(n))
            c.ask(tuples(n))
    assert grown(proxy, before) < 3072, f'of {400 * (len(heavy(999)) + len(tuples(999))) >> 10} kB'
    assert grown(proxy, first) < 12 << 10, 'what docs/operations.md says of memory'


def test_a_slow_reader_of_a_large_result_costs_less_than_a_megabyte(make_proxy, pg):
    proxy = make_proxy()
    with Raw(proxy.address).startup() as c:
        c.ask("select repeat('x', 100000) from generate_series(1, 100)")  # buffers that any session needs
    with Raw(proxy.address, rcvbuf=8192, timeout=120).startup() as c:
        before = proxy.rss_bytes()
        c.send(query("select repeat('x', 100000) from generate_series(1, 2000)"))
        most = 0
        for _ in range(20):
            time.sleep(0.02)
            most = max(most, grown(proxy, before))
        for i in range(2001):
            c.message()
            most = max(most, grown(proxy, before)) if i % 50 == 0 else most
    assert most < 1024, f'{most} kB'


# --- shutdown

def test_pgbouncer_639_a_shutdown_says_why(make_proxy):
    proxy = make_proxy()
    with Raw(proxy.address).startup() as c:
        proxy.stop()
        (kind, body), = c.rest_messages()
        fields = raw.error_fields(body)
        assert (kind, fields['S'], fields['C']) == ('E', 'FATAL', '57P01')
    proxy.start()


def test_pgbouncer_1473_clients_leave_a_draining_instance(make_proxy):
    """One that always has a transaction open at the wrong moment leaves with the timeout."""
    proxy = make_proxy(config='drain: {timeout: 2s}\n')
    with Raw(proxy.address).startup() as busy, Raw(proxy.address).startup() as idle:
        busy.ask('begin')
        proxy.process.terminate()
        assert idle.rest_messages()[-1][0] == 'E'
        assert busy.value('select 1') == '1', 'its transaction may go on'
        assert raw.error_fields(busy.rest_messages()[-1][1])['C'] == '57P01'
    assert proxy.process.wait(20) == 0
    proxy.start()
