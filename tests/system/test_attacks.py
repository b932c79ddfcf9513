"""What somebody on the network, or with access to the files, might try: nobody else notices, and nothing hangs."""
import os
import random
import signal
import struct
import subprocess
import threading

import psycopg2
import pytest

import raw
from pki import client_tls, server_tls, tls_server
from raw import Raw, query
from secure import Secure
from servers import wait_for


@pytest.fixture(scope='module')
def guarded(pki):
    yield from tls_server(pki, 'host all postgres all trust\nhost all app all trust\nhost all all all scram-sha-256\n',
                          "create role app login; create role careful login password 'pencil';")


# --- files

def replace(path, kind):
    """As an attacker, or an accident, would: something else is suddenly there."""
    kept = path.with_suffix('.kept')
    path.rename(kept)
    if kind == 'pipe':
        os.mkfifo(path, 0o600)
    elif kind == 'folder':
        path.mkdir(0o700)
    elif kind == 'garbage':
        path.write_bytes(random.Random(1).randbytes(5000))
        path.chmod(0o600)
    return kept


def put_back(path, kept):
    if path.is_dir():
        path.rmdir()
    elif path.exists():
        path.unlink()
    kept.rename(path)


@pytest.mark.parametrize('kind', ['pipe', 'folder', pytest.param('garbage', marks=pytest.mark.full), 'nothing'])
def test_a_file_that_becomes_something_else_changes_nothing(make_proxy, pki, guarded, tmp_path, kind):
    cert = pki.server.install(tmp_path)
    users, authority = tmp_path / 'users.txt', tmp_path / 'authority.crt'
    authority.write_bytes(pki.authority.path.read_bytes())
    users.touch(0o600)
    users.write_text(guarded.psql('-Atc', r"""select format('"%s" "%s"', rolname, rolpassword) from pg_authid
        where rolname = 'careful'""", unix=True).stdout)
    proxy = make_proxy(guarded, config=f'auth: scram\nauth_users_file: {users}\n' + server_tls('verify-full', ca=authority) +
                       client_tls(pki, certificate=cert, ca=authority, verify='optional'),
                       server_address=f'localhost:{guarded.port}')

    def comes_in():
        psycopg2.connect(proxy.dsn(user='careful', password='pencil', sslmode='require')).close()
    for path in (cert.crt, cert.key, authority, users, proxy.map_file, proxy.flags_file, proxy.config_file):
        mark, kept = proxy.log_mark(), replace(path, kind)
        proxy.reload()
        proxy.wait_log(f'event=reload_failed .*{path.name}', mark)
        comes_in()
        put_back(path, kept)
    mark = proxy.log_mark()
    proxy.reload()
    proxy.wait_log('event=reload ', mark)
    comes_in()


def test_a_storm_of_signals(make_proxy, pki, guarded):
    proxy = make_proxy(guarded, config=client_tls(pki) + server_tls('verify-full', ca=pki.authority.path),
                       server_address=f'localhost:{guarded.port}')
    with Secure(proxy.address).startup(user='app') as c:
        def storm(count):
            for i in range(count):
                proxy.process.send_signal(signal.SIGHUP)
                assert c.value(f'select {i}') == str(i)
            mark = proxy.log_mark()
            proxy.reload()
            proxy.wait_log('event=reload ', mark)
        storm(100)
        before = proxy.rss_bytes()
        storm(400)
        assert proxy.rss_bytes() - before < 4 << 20
        with Secure(proxy.address).startup(user='app') as other:
            assert other.value('select 1') == '1'


# --- TLS

def s_client(proxy, *options, said='', seconds=20):
    command = ['openssl', 's_client', '-starttls', 'postgres', '-connect', f'{proxy.host}:{proxy.port}', *options]
    try:
        done = subprocess.run(command, input=said, text=True, capture_output=True, timeout=seconds, errors='replace')
        return done.stdout + done.stderr
    except subprocess.TimeoutExpired as e:
        return str(e.stdout) + str(e.stderr)


@pytest.fixture
def secured(make_proxy, pki, guarded):
    proxy = make_proxy(guarded, config=client_tls(pki) + 'limits: {startup_timeout: 3s}\n')
    yield proxy
    with Secure(proxy.address).startup(user='app') as c:
        assert c.value('select 1') == '1'


def test_clients_cannot_renegotiate(secured):
    said = s_client(secured, '-tls1_2', said='R\n' * 3)
    assert 'RENEGOTIATING' in said and 'Secure Renegotiation IS supported' in said
    assert 'no renegotiation' in said.lower() or 'errno' in said or 'closed' in said


def test_a_flood_of_key_updates(secured):
    before = secured.rss_bytes()
    s_client(secured, '-tls1_3', said='K\n' * 2000 + 'Q\n')
    assert secured.rss_bytes() - before < 2 << 20


def test_early_data_is_not_taken(secured, tmp_path):
    session, early = tmp_path / 'session', tmp_path / 'early'
    early.write_bytes(raw.startup_packet({'user': 'app', 'database': 'postgres'}))
    s_client(secured, '-tls1_3', '-sess_out', str(session), said='Q\n')
    if session.exists():
        said = s_client(secured, '-tls1_3', '-sess_in', str(session), '-early_data', str(early), said='Q\n')
        assert 'Early data was accepted' not in said


# --- messages of every type in every state

def waiting_for_a_password(proxy):
    c = Raw(proxy.address, timeout=20)
    c.send(raw.startup_packet({'user': 'careful', 'database': 'postgres'}))
    c.message()
    return c


def ready(proxy, *first):
    c = Raw(proxy.address, timeout=20).startup(user='app')
    for data in first:
        c.send(data)
    return c


STATES = {
    'password': waiting_for_a_password,
    'idle': ready,
    'transaction': lambda p: ready(p, query('begin')),
    'failed': lambda p: ready(p, query('begin; select 1/0')),
    'batch': lambda p: ready(p, raw.parse('select $1::int'), raw.bind(['1'])),
    'copy in': lambda p: ready(p, query('create temp table t(a text)'), query('copy t from stdin')),
    'copy out': lambda p: ready(p, query('copy (select generate_series(1, 10000)) to stdout')),
    'running': lambda p: ready(p, query('select pg_sleep(0.05)')),
    'tls': lambda p: Secure(p.address, timeout=20).startup(user='app'),
}


def bodies(dice):
    return [b'', b'\0', dice.randbytes(dice.randrange(1, 200)), struct.pack('!hh', -1, 32767), b'x' * 70000]


ALWAYS = ('password', 'copy in', 'tls')


@pytest.mark.parametrize('state', [s if s in ALWAYS else pytest.param(s, marks=pytest.mark.full) for s in STATES])
def test_messages_of_every_type(make_proxy, pki, guarded, state):
    """Each is taken as the server takes it, or ends the session; never the proxy, and never for long."""
    proxy = make_proxy(guarded, config=client_tls(pki), map_text='old: public\nnew: data\ntables: {public.a: data.a}\n')
    proxy.count_idle_sockets()
    dice = random.Random(state)
    for kind in dice.sample([chr(i) for i in range(256)], 10) + list('BCDEFHPQSXcdfp'):
        for body in dice.sample(bodies(dice), 2):
            with STATES[state](proxy) as c:
                try:
                    c.send(kind.encode('latin-1') + raw.i32(4 + len(body)) + body)
                    c.send(raw.copy_fail('x') + raw.sync() + raw.terminate())
                    c.rest()
                except OSError:
                    pass
    with ready(proxy) as c:
        assert c.value('select 1') == '1'
    wait_for(lambda: proxy.sockets() <= proxy.idle_sockets + 1, 20, 'no session is left')


# --- floods

def test_a_slow_loris_of_many_connections(make_proxy, guarded):
    """Each sends a byte now and then of a startup packet; they go when their time is over."""
    proxy = make_proxy(guarded, config='limits: {startup_timeout: 2s, unfinished_logins: 50}\n')
    packet, stop = raw.startup_packet({'user': 'app', 'database': 'postgres'}), threading.Event()

    def drip(c):
        for at in range(len(packet) - 1):
            try:
                c.sock.sendall(packet[at:at + 1])
            except OSError:
                return
            if stop.wait(0.2):
                return
    slow = [Raw(proxy.address) for _ in range(100)]
    threads = [threading.Thread(target=drip, args=(c,), daemon=True) for c in slow]
    for t in threads:
        t.start()
    try:
        for _ in range(20):
            with ready(proxy) as c:
                assert c.value('select 1') == '1'
        wait_for(lambda: proxy.log().count('too_many_logins') + proxy.log().count('reason=startup_timeout') >= 100, 20,
                 'all of them are gone')
    finally:
        stop.set()
        for c in slow:
            c.sock.close()
