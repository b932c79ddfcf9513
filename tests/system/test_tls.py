"""TLS on both legs: every mode as libpq means it, direct TLS, certificates, reloads, and who is kept out."""
import ctypes
import os
import socket
import ssl
import subprocess
import threading
import time

import psycopg2
import pytest

import raw
from conftest import SETUP
from conversations import ALL
from pki import client_tls, server_tls, tls_server, use_certificate
from raw import Raw, query
from relay import Relay
from secure import Secure, context
from servers import wait_for
from test_protocol import converse

pytestmark = pytest.mark.skipif(not hasattr(ssl, 'HAS_ALPN'), reason='no ALPN')


@pytest.fixture(scope='module')
def tls_pg(pki):
    """A server with TLS; `plain_only` and `tls_only` are let in one way only."""
    yield from tls_server(
        pki, 'hostnossl all plain_only all trust\nhost all plain_only all reject\nhostssl all with_cert all cert\n'
        'hostssl all tls_only all trust\nhost all tls_only all reject\nhost all all all trust\n',
        SETUP + ''.join(f'create role {name} login;' for name in ('plain_only', 'tls_only', 'with_cert')))


@pytest.fixture
def both(make_proxy, pki, tls_pg):
    """TLS on both legs."""
    return make_proxy(tls_pg, config=client_tls(pki) + server_tls('verify-full', ca=pki.authority.path),
                      server_address=f'localhost:{tls_pg.port}')


SSLMODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']


def connect(endpoint, **params):
    """(encrypted, error) of a libpq connection."""
    try:
        c = psycopg2.connect(endpoint.dsn(**params))
    except psycopg2.OperationalError as e:
        return None, str(e)
    used = bool(c.info.ssl_in_use)
    c.close()
    return used, ''


# --- the client's leg

@pytest.mark.parametrize('mode', ['disable', 'allow', 'require'])
def test_client_modes_against_each_sslmode(make_proxy, pki, pg, mode):
    proxy = make_proxy(config=client_tls(pki, mode))
    got = {sslmode: connect(proxy, sslmode=sslmode, sslrootcert=pki.authority.path)[0] for sslmode in SSLMODES}
    demanding = dict.fromkeys(SSLMODES[3:], None if mode == 'disable' else True)
    assert got == {**{'disable': [False, False, None][['disable', 'allow', 'require'].index(mode)],
                      'allow': {'disable': False, 'allow': False, 'require': True}[mode],
                      'prefer': mode != 'disable'}, **demanding}


def test_a_plain_client_is_told_that_tls_is_required(make_proxy, pki):
    proxy = make_proxy(config=client_tls(pki, 'require'))
    with Raw(proxy.address) as c:
        mark = proxy.log_mark()
        c.send(raw.startup_packet({'user': 'app', 'database': 'postgres'}))
        (kind, body), = c.rest_messages()
        fields = raw.error_fields(body)
        assert (kind, fields['S'], fields['C']) == ('E', 'FATAL', '28000') and 'sslmode' in fields['H']
        proxy.wait_log('session_end.*tls_required', mark)
    assert proxy.psql('-Atc', 'select 1', unix=True).stdout == '1\n', 'unix sockets need none'


def test_unix_sockets_have_no_tls(make_proxy, pki):
    proxy = make_proxy(config=client_tls(pki))
    with Raw(proxy.unix_address) as c:
        c.send(raw.request_packet(raw.SSL_REQUEST))
        assert c.byte() == b'N'
        c.startup()


def test_a_client_that_trusts_another_authority_leaves(make_proxy, pki):
    proxy = make_proxy(config=client_tls(pki))
    for _ in range(50):  # whose end may overtake its alert, and is all that is seen then
        mark = proxy.log_mark()
        used, error = connect(proxy, sslmode='verify-ca', sslrootcert=pki.stranger.path)
        assert used is None and 'certificate verify failed' in error
        proxy.wait_log('session_end.*reason=client_(tls|lost)', mark)
        if 'reason=client_tls' in proxy.log_since(mark):
            break
    proxy.wait_log('client_tls_failed.*(unknown ca|alert)', mark)


def test_bytes_behind_an_ssl_request_in_clear_are_refused(make_proxy, pki):
    """CVE-2021-23214: what was sent in clear must never count as sent inside TLS."""
    proxy = make_proxy(config=client_tls(pki))
    for behind in (raw.startup_packet({'user': 'app', 'database': 'postgres'}), b'\x16\x03\x01', b'x'):
        with Raw(proxy.address) as c:
            c.send(raw.request_packet(raw.SSL_REQUEST) + behind)
            answer = c.rest()
            assert not answer.startswith(b'S') and b'server_version' not in answer
            assert raw.error_fields(answer[5:])['C'] == '08P01'


def test_encryption_is_not_asked_for_twice(make_proxy, pki):
    proxy = make_proxy(config=client_tls(pki))
    for code in (raw.SSL_REQUEST, raw.GSSENC_REQUEST):
        with Secure(proxy.address) as c:
            c.send(raw.request_packet(code))
            (kind, body), = c.rest_messages()
            assert kind == 'E' and raw.error_fields(body)['C'] == '08P01'
    with Raw(proxy.address) as c:
        c.send(raw.request_packet(raw.GSSENC_REQUEST))
        assert c.byte() == b'N'
        c.send(raw.request_packet(raw.SSL_REQUEST))
        assert c.byte() == b'S'


# --- direct TLS

def test_direct_tls_with_alpn_starts_a_session(make_proxy, pki):
    proxy = make_proxy(config=client_tls(pki, 'require'))
    with Secure(proxy.address, context(pki.authority.path), direct=True) as c:
        assert c.sock.selected_alpn_protocol() == 'postgresql'
        c.startup()
        assert c.value('select 1') == '1'


@pytest.mark.parametrize('alpn', [(), ('http/1.1',), ('postgresq', 'postgresqll')])
def test_direct_tls_without_our_alpn_is_refused(make_proxy, pki, alpn):
    proxy = make_proxy(config=client_tls(pki))
    mark = proxy.log_mark()
    try:
        with Secure(proxy.address, context(alpn=alpn), direct=True) as c:
            c.send(raw.startup_packet({'user': 'app', 'database': 'postgres'}))
            assert c.rest() == b''
    except OSError:
        pass
    proxy.wait_log('client_tls_failed', mark)
    assert proxy.psql('-Atc', 'select 1').stdout == '1\n'


def test_ssl_request_needs_no_alpn_but_a_wrong_one_is_refused(make_proxy, pki):
    proxy = make_proxy(config=client_tls(pki))
    with Secure(proxy.address, context(alpn=())) as c:
        c.startup()
    with pytest.raises(OSError):
        Secure(proxy.address, context(alpn=('http/1.1',)))


def test_direct_tls_where_it_is_off_is_no_startup_packet(make_proxy):
    proxy = make_proxy()
    with pytest.raises(OSError):
        Secure(proxy.address, direct=True)
    proxy.wait_log('session_end.*startup_invalid')


def test_direct_tls_hello_in_single_bytes(make_proxy, pki):
    """Through a relay that cuts what the client says into bytes."""
    proxy = make_proxy(config=client_tls(pki))
    relay = Relay(proxy.address, size_to_client=1)
    try:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context().wrap_bio(incoming, outgoing, server_hostname='localhost')
        with Raw(relay.address) as c:
            def hear():
                data = c.sock.recv(65536)
                assert data, f'closed:\n{proxy.log()[-2000:]}'
                incoming.write(data)
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    c.send_slowly(outgoing.read(), 1)
                    hear()
            tls.write(raw.startup_packet({'user': 'app', 'database': 'postgres'}))
            c.send_slowly(outgoing.read(), 1)
            hear()
            answer = b''
            while b'server_version' not in answer:
                try:
                    answer += tls.read(65536)
                except ssl.SSLWantReadError:
                    hear()
    finally:
        relay.close()


def test_openssl_s_client_with_alpn(make_proxy, pki):
    proxy = make_proxy(config=client_tls(pki))
    done = subprocess.run(['openssl', 's_client', '-connect', f'127.0.0.1:{proxy.port}', '-alpn', 'postgresql', '-CAfile',
                           str(pki.authority.path)], input=b'', capture_output=True, timeout=30)
    assert b'ALPN protocol: postgresql' in done.stdout and b'Verify return code: 0' in done.stdout
    done = subprocess.run(['openssl', 's_client', '-starttls', 'postgres', '-connect', f'127.0.0.1:{proxy.port}'],
                          input=b'', capture_output=True, timeout=30)
    assert b'BEGIN CERTIFICATE' in done.stdout


@pytest.mark.parametrize('version', ['tls1', 'tls1_1'])
def test_versions_before_1_2_are_refused(make_proxy, pki, version):
    proxy = make_proxy(config=client_tls(pki))
    done = subprocess.run(['openssl', 's_client', f'-{version}', '-cipher', 'ALL:@SECLEVEL=0', '-starttls', 'postgres',
                           '-connect', f'127.0.0.1:{proxy.port}'], input=b'', capture_output=True, timeout=30)
    assert b'BEGIN CERTIFICATE' not in done.stdout and done.returncode != 0


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed(make_proxy, pki, version):
    proxy = make_proxy(config=client_tls(pki))
    tls = context(newest=version)
    with Secure(proxy.address, tls) as c:
        c.startup()
        assert c.sock.version() == version.name.replace('_', '.') and not c.sock.session_reused
        kept = c.sock.session
    with Secure(proxy.address, tls, session=kept) as c:
        c.startup()
        assert c.sock.session_reused and c.value('select 1') == '1'


# --- client certificates

@pytest.mark.parametrize('verify', ['none', 'optional', 'require'])
def test_client_certificates(make_proxy, pki, verify):
    proxy = make_proxy(config=client_tls(pki, 'allow', verify=verify, ca=pki.authority.path))

    def enters(certificate):
        try:
            with Secure(proxy.address, context(cert=certificate)) as c:
                c.startup()
                return True
        except (OSError, raw.Closed):
            return False
    got = [enters(c) for c in (None, pki.client, pki.strange_client)]
    assert got == {'none': [True, True, True], 'optional': [True, True, False], 'require': [False, True, False]}[verify]


# --- the server's leg

def outcome(endpoint, **params):
    """As libpq sees it: encrypted to the server or not, or not connected."""
    try:
        c = psycopg2.connect(endpoint.dsn(**params))
    except psycopg2.OperationalError as e:
        return 'certificate' if 'certificate' in str(e) else 'refused' if 'support' in str(e) else str(e)
    cursor = c.cursor()
    cursor.execute('select ssl from pg_stat_ssl where pid = pg_backend_pid()')
    used, = cursor.fetchone()
    c.close()
    return 'encrypted' if used else 'plain'


CASES = {  # host, authority; each compared with libpq for every mode
    'trusted': ('localhost', 'authority'), 'trusted by address': ('127.0.0.1', 'authority'),
    'of a stranger': ('localhost', 'stranger'), 'no authority': ('localhost', None),
}
MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full']


def through(make_proxy, server, mode, host, ca):
    more = {'ca': ca} if ca else {}
    proxy = make_proxy(server, config=server_tls(mode, **more), server_address=f'{host}:{server.port}')
    return outcome(proxy)


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('case', CASES)
def test_server_modes_are_libpqs(make_proxy, pki, tls_pg, case, mode):
    host, authority = CASES[case]
    ca = authority and getattr(pki, authority).path
    if mode.startswith('verify') and not ca:
        pytest.skip('a mistake in the configuration: see below')
    direct = outcome(tls_pg, host=host, sslmode=mode, sslrootcert=ca or '/nonexistent')
    assert through(make_proxy, tls_pg, mode, host, ca) == direct


@pytest.mark.parametrize('mode', MODES)
def test_a_server_without_tls(make_proxy, pki, pg, mode):
    direct = outcome(pg, host='localhost', sslmode=mode, sslrootcert=pki.authority.path)
    assert through(make_proxy, pg, mode, 'localhost', pki.authority.path) == direct


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('user', ['plain_only', 'tls_only'])
def test_a_server_that_lets_in_one_way_only(make_proxy, pki, tls_pg, user, mode):
    """prefer tries again without TLS when the server refuses, as libpq does."""
    proxy = make_proxy(tls_pg, config=server_tls(mode, ca=pki.authority.path), server_address=f'localhost:{tls_pg.port}')

    def enters(endpoint, **more):
        used, error = connect(endpoint, user=user, **more)
        return used is not None
    direct = enters(tls_pg, host='localhost', sslmode=mode, sslrootcert=pki.authority.path)
    assert enters(proxy) == direct


def test_a_certificate_for_another_host_is_refused_by_verify_full_only(make_proxy, pki, victim):
    use_certificate(victim, pki.elsewhere, pki)
    got = {mode: through(make_proxy, victim, mode, 'localhost', pki.authority.path) for mode in MODES[2:]}
    direct = {mode: outcome(victim, host='localhost', sslmode=mode, sslrootcert=pki.authority.path) for mode in MODES[2:]}
    assert got == direct or (got['verify-full'] == 'certificate' and 'does not match' in direct['verify-full'])
    assert got['verify-ca'] == 'encrypted' and got['verify-full'] == 'certificate'


def test_the_error_says_which_setting_to_change(make_proxy, pki, pg, tls_pg):
    for server, config in ((pg, server_tls('require')), (tls_pg, server_tls('verify-ca', ca=pki.stranger.path))):
        proxy = make_proxy(server, config=config)
        with Raw(proxy.address) as c:
            c.send(raw.startup_packet({'user': 'app', 'database': 'postgres'}))
            (kind, body), = c.rest_messages()
            fields = raw.error_fields(body)
            assert (kind, fields['S'], fields['C']) == ('E', 'FATAL', '08006') and 'server_tls.' in fields['H']
        proxy.wait_log('server_tls_failed')
        proxy.wait_log('session_end.*reason=server_tls')


def test_the_server_sees_the_clients_certificate_of_crossfade(make_proxy, pki, tls_pg):
    config = server_tls('verify-ca', ca=pki.authority.path, cert=pki.client.crt, key=pki.client.key)
    proxy = make_proxy(tls_pg, config=config)
    assert 'with_cert' in connect(proxy, user='with_cert')[1], 'the certificate is for another user'
    shown = 'select client_dn from pg_stat_ssl where pid = pg_backend_pid()'
    assert proxy.psql('-Atc', shown, PGUSER='tls_only').stdout == '/CN=app\n'


class Answers:
    """A server that answers each connection's first bytes with these."""

    def __init__(self, answer):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.heard = []
        threading.Thread(target=self._serve, args=(answer,), daemon=True).start()

    def _serve(self, answer):
        while True:
            try:
                s, _ = self.listener.accept()
                self.heard.append(s.recv(65536))
                s.sendall(answer)
                s.settimeout(2)
                self.heard.append(s.recv(65536))
                s.close()
            except OSError:
                if self.listener.fileno() < 0:
                    return


@pytest.mark.parametrize('answer', [b'S' + raw.msg('R', raw.i32(0)), b'N' + raw.msg('R', raw.i32(0)) + raw.msg('Z', b'I'),
                                    b'E', raw.msg('E', b'SFATAL\0C28000\0Mpwned\0\0'), b'G', b'\0', b'HTTP/1.1 400\r\n'])
@pytest.mark.parametrize('mode', ['prefer', 'require'])
def test_a_server_that_answers_an_ssl_request_wrongly(make_proxy, mode, answer):
    """CVE-2021-23222 and CVE-2024-10977: nothing of what came in clear reaches the client."""
    stub = Answers(answer)
    proxy = make_proxy(server_address=f'127.0.0.1:{stub.port}', config=server_tls(mode))
    with Raw(proxy.address) as c:
        c.send(raw.startup_packet({'user': 'app', 'database': 'postgres'}))
        (kind, body), = c.rest_messages()
        assert kind == 'E' and raw.error_fields(body)['C'] == '08006' and b'pwned' not in body
    assert not any(b'app' in heard for heard in stub.heard), 'nothing was said to it'
    stub.listener.close()


def test_no_tls_on_a_unix_socket_to_the_server(make_proxy, pki, tls_pg):
    proxy = make_proxy(tls_pg, server_address=f'"{tls_pg.socket_dir}:{tls_pg.port}"',
                       config=server_tls('verify-full', ca=pki.authority.path))
    assert outcome(proxy) == 'plain'


# --- sessions over TLS on both legs

# A third of them; all with CROSSFADE_FULL, as tests/full/tls.sh sets it.
SOME = list(ALL) if os.environ.get('CROSSFADE_FULL') else list(ALL)[::3]


@pytest.mark.parametrize('name', SOME)
def test_conversations_over_tls_on_both_legs(conversations_proxy, tls_pg, name, monkeypatch):
    expected = converse(tls_pg.address, ALL[name])
    monkeypatch.setattr('test_protocol.Raw', Secure)
    assert converse(conversations_proxy.address, ALL[name]) == expected


@pytest.fixture(scope='module')
def conversations_proxy(endpoint_kind, pki, tls_pg):
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')
    from servers import Crossfade
    proxy = Crossfade(tls_pg, config=client_tls(pki) + server_tls('verify-full', ca=pki.authority.path),
                      server_address=f'localhost:{tls_pg.port}',
                      map_text='old: public\nnew: data\ntables: {public.named_by_no_test: data.named_by_no_test}\n')
    yield proxy
    proxy.finish()


def test_large_results_and_copies_over_tls(both):
    with Secure(both.address, timeout=60).startup() as c:
        rows = [b for k, b in c.ask("select repeat(md5(i::text), 300) from generate_series(1, 2000) i") if k == 'D']
        assert len(rows) == 2000 and all(len(r) == 6 + 9600 for r in rows)
        c.ask('begin; create temp table sink(t text)')
        c.send(query('copy sink from stdin'))
        c.until('G')
        threading.Thread(target=c.send, args=(raw.copy_data(b'x' * 999 + b'\n') * 20000 + raw.copy_done(),)).start()
        c.until()
        assert c.value('select count(*), sum(length(t)) from sink') == '20000'


def test_a_slow_reader_over_tls_holds_up_the_server_not_the_memory(both):
    with Secure(both.address, rcvbuf=8192, timeout=60).startup() as c:
        before = both.rss_bytes()
        c.send(query("select repeat('x', 100000) from generate_series(1, 800)"))
        time.sleep(0.5)
        assert both.rss_bytes() - before < 8 << 20
        assert sum(k == 'D' for k, _ in c.until()) == 800


def test_cancel_over_tls_on_both_legs(both, tls_pg):
    """A cancel request finds its session inside TLS and in clear, as libpq before 17 sends it."""
    for kind in (Secure, Raw):
        with Secure(both.address).startup() as c:
            c.send(query('select pg_sleep(30)'))
            tls_pg.wait_active(c.pid)
            with kind(both.address) as other:
                other.send(c.cancel_packet())
                other.rest()
            assert raw.error_fields(dict(c.until())['E'])['C'] == '57014'


def test_cancel_in_clear_is_taken_where_tls_is_required(make_proxy, pki, tls_pg):
    proxy = make_proxy(tls_pg, config=client_tls(pki, 'require'))
    with Secure(proxy.address).startup() as c:
        c.send(query('select pg_sleep(30)'))
        tls_pg.wait_active(c.pid)
        raw.send_cancel(proxy.address, c.cancel_packet())
        assert raw.error_fields(dict(c.until())['E'])['C'] == '57014'


def test_a_client_says_goodbye_over_tls(both):
    mark = both.log_mark()
    with Secure(both.address).startup() as c:
        c.send(raw.terminate())
        assert c.rest() == b''
    both.wait_log('session_end.*client_terminated', mark)
    with Secure(both.address).startup() as c:
        mark = both.log_mark()
        c.sock.goodbye()
    both.wait_log('session_end.*client_closed', mark)


def test_a_server_that_is_stopped_tells_its_clients_through_tls(make_proxy, pki, victim):
    use_certificate(victim, pki.server, pki)
    proxy = make_proxy(victim, config=client_tls(pki) + server_tls('require'))
    with Secure(proxy.address).startup() as c:
        victim.stop()
        (kind, body), = c.rest_messages()
        assert raw.error_fields(body)['C'] == '57P01'


def test_shutdown_tells_clients_inside_tls(make_proxy, pki, tls_pg):
    proxy = make_proxy(tls_pg, config=client_tls(pki))
    with Secure(proxy.address).startup() as c, Raw(proxy.address) as half:
        half.send(raw.request_packet(raw.SSL_REQUEST))
        assert half.byte() == b'S'
        proxy.stop()
        (kind, body), = c.rest_messages()
        assert raw.error_fields(body)['C'] == '57P01'
    proxy.start()


def test_an_unfinished_handshake_ends_with_the_startup_time(make_proxy, pki):
    proxy = make_proxy(config='limits: {startup_timeout: 1s}\n' + client_tls(pki))
    with Raw(proxy.address) as asked, Raw(proxy.address) as direct:
        asked.send(raw.request_packet(raw.SSL_REQUEST))
        assert asked.byte() == b'S'
        direct.send(b'\x16\x03\x01\x02\x00')
        began = time.monotonic()
        asked.rest()
        direct.rest()
        assert time.monotonic() - began < 8
    proxy.wait_log('startup_timeout')


# --- files and reloads

def shown(proxy):
    """The certificate that crossfade shows."""
    with Secure(proxy.address) as c:
        return c.sock.getpeercert(binary_form=True)


@pytest.mark.parametrize('how', ['signal', 'file'])
def test_new_certificates_are_taken_up_and_sessions_stay(make_proxy, pki, tmp_path, how):
    cert = pki.server.install(tmp_path)
    proxy = make_proxy(config=client_tls(pki, certificate=cert))
    with Secure(proxy.address).startup() as c:
        before, mark = shown(proxy), proxy.log_mark()
        pki.renewed.install(tmp_path)
        if how == 'signal':
            proxy.reload()
        proxy.wait_log('event=reload ', mark)
        wait_for(lambda: shown(proxy) != before, what='the new certificate')
        assert c.value('select 1') == '1'


class Opened:
    """How often a file is opened, as inotify tells."""
    IN_OPEN, EVENT_BYTES = 0x20, 16

    def __init__(self, path):
        libc = ctypes.CDLL(None)
        self.fd = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self.fd, os.fsencode(path), self.IN_OPEN) >= 0

    def count(self):
        try:
            return len(os.read(self.fd, 65536)) // self.EVENT_BYTES
        except BlockingIOError:
            return 0


def test_pgbouncer_1299_authorities_are_loaded_once_not_for_each_database(make_proxy, pki, tls_pg):
    proxy = make_proxy(tls_pg, config=client_tls(pki, verify='optional', ca=pki.authority.path) +
                       server_tls('verify-full', ca=pki.authority.path), server_address=f'localhost:{tls_pg.port}')
    opened = Opened(pki.authority.path)
    for database in ('postgres', 'other', 'template1') * 3:
        with Secure(proxy.address).startup(database=database) as c:
            assert c.value('select current_database()') == database
    assert opened.count() == 0
    proxy.reload()
    proxy.wait_log('event=reload ')
    assert 0 < opened.count() <= 4
    os.close(opened.fd)


def test_a_bad_certificate_changes_nothing(make_proxy, pki, tmp_path):
    cert = pki.server.install(tmp_path)
    proxy = make_proxy(config=client_tls(pki, certificate=cert))
    before, mark = shown(proxy), proxy.log_mark()
    cert.crt.write_text('no certificate')
    proxy.reload()
    proxy.wait_log('reload_failed.*certificate', mark)
    assert shown(proxy) == before


BAD = {
    'no key': ('client_tls: {mode: allow, cert: CRT}', 'client_tls.key'),
    'no cert': ('client_tls: {mode: require}', 'client_tls.cert'),
    'no file': ('client_tls: {mode: allow, cert: /nonexistent.crt, key: KEY}', '/nonexistent.crt'),
    'wrong key': ('client_tls: {mode: allow, cert: CRT, key: OTHER}', 'does not belong'),
    'open key': ('client_tls: {mode: allow, cert: CRT, key: OPEN}', 'may be read'),
    'verify without ca': ('client_tls: {mode: allow, cert: CRT, key: KEY, verify: require}', 'client_tls.ca'),
    'full without ca': ('server_tls: {mode: verify-full}', 'server_tls.ca'),
    'half a pair': ('server_tls: {mode: require, cert: CRT}', 'server_tls.key'),
    'ca is no ca': ('server_tls: {mode: verify-ca, ca: KEY}', 'authorities'),
    'mode': ('server_tls: {mode: maybe}', 'disable, prefer'),
}


@pytest.mark.parametrize('name', BAD)
def test_mistakes_are_found_by_check_and_at_the_start(make_proxy, pki, tmp_path, name):
    text, named = BAD[name]
    open_key = tmp_path / 'open.key'
    open_key.write_bytes(pki.server.key.read_bytes())
    open_key.chmod(0o644)
    for word, path in (('CRT', pki.server.crt), ('KEY', pki.server.key), ('OTHER', pki.client.key), ('OPEN', open_key)):
        text = text.replace(word, str(path))
    proxy = make_proxy(config=text + '\n', start=False)
    for command in (['serve', '--check'], ['serve']):
        done = proxy.command(*command, '-c', proxy.config_file)
        assert done.returncode == 2 and named in done.stderr, done.stderr
