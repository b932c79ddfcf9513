"""auth: scram and auth: password: who comes in, who does not, and what is left of a password afterwards."""
import base64
import hashlib
import hmac
import os
import re
import struct
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

import raw
from pki import client_tls, server_tls, tls_server
from raw import Raw
from secure import Secure
from servers import wait_for

pytestmark = pytest.mark.skipif(not hasattr(hashlib, 'pbkdf2_hmac'), reason='no PBKDF2')


def verifier(password, salt=b'0123456789abcdef', iterations=4096):
    salted = hashlib.pbkdf2_hmac('sha256', password.encode(), salt, iterations)

    def mac(key, text):
        return hmac.new(key, text, 'sha256').digest()
    stored = hashlib.sha256(mac(salted, b'Client Key')).digest()

    def b64(data):
        return base64.b64encode(data).decode()
    return f'SCRAM-SHA-256${iterations}:{b64(salt)}${b64(stored)}:{b64(mac(salted, b"Server Key"))}'


ROLES = {  # name: (password, salt, iterations)
    'sixteen': ('pencil', b'0123456789abcdef', 4096), 'tiny': ('pencil', b'x', 1),
    'long': ('pencil', bytes(range(100)), 5000), 'odd_chars': ("p ä%\"'\\ ;", b'abcdefgh', 4096),
    'prepared': ('Ⅸ\u00a0ª', b'abcdefgh', 4096),
}


@pytest.fixture(scope='module')
def guarded(pki):
    """A server with TLS on which everybody logs in with SCRAM, but for three."""
    sql = [f"create role {name} login password '{verifier(SASLPREPPED.get(name, p), s, i)}'"
           for name, (p, s, i) in ROLES.items()]
    sql += ["set password_encryption = 'md5'", "create role by_md5 login password 'secret'", 'reset password_encryption',
            "create role in_clear login password 'secret'", "create role trusted login password 'secret'",
            "create role changing login password 'first'", 'create role without login']
    yield from tls_server(
        pki, 'host all postgres all trust\nhost all by_md5 all md5\nhost all in_clear all password\n'
        'host all trusted all trust\nhost all all all scram-sha-256\n', ';\n'.join(sql) + ';')


SASLPREPPED = {'prepared': 'IX a'}


def write_users(path, server, *names):
    found = server.psql('-Atc', r"""select format('"%s" "%s"', rolname, rolpassword) from pg_authid
        where rolpassword like 'SCRAM%'""", unix=True).stdout
    path.touch(0o600)
    path.write_text(found)
    return path


@pytest.fixture
def users(tmp_path, guarded):
    return write_users(tmp_path / 'users.txt', guarded)


def scram(users_file):
    return f'auth: scram\nauth_users_file: {users_file}\n'


def enter(endpoint, user, password, **params):
    """'' or libpq's error."""
    try:
        c = psycopg2.connect(endpoint.dsn(user=user, password=password, **params))
    except psycopg2.OperationalError as e:
        return str(e)
    cursor = c.cursor()
    cursor.execute('select current_user')
    assert cursor.fetchone() == (user,)
    c.close()
    return ''


# --- scram against a file

@pytest.mark.parametrize('name', ROLES)
def test_scram_with_any_salt_and_iteration_count(make_proxy, guarded, users, name):
    proxy = make_proxy(guarded, config=scram(users))
    assert enter(proxy, name, ROLES[name][0]) == ''
    assert 'password authentication failed' in enter(proxy, name, 'wrong')


LEGS = {'plain': '', 'client': 'client', 'server': 'server', 'both': 'client server'}


@pytest.mark.parametrize('legs', LEGS)
def test_scram_with_tls_on_any_leg_and_channel_binding(make_proxy, pki, guarded, users, legs):
    """With TLS to the client it binds to crossfade's certificate, and crossfade to the server's."""
    config = scram(users)
    if 'client' in LEGS[legs]:
        config += client_tls(pki, 'require')
    if 'server' in LEGS[legs]:
        config += server_tls('verify-full', ca=pki.authority.path)
    proxy = make_proxy(guarded, config=config, server_address=f'localhost:{guarded.port}')
    if 'client' not in LEGS[legs]:
        assert enter(proxy, 'sixteen', 'pencil') == ''
        return
    for binding in ('disable', 'prefer', 'require'):
        assert enter(proxy, 'sixteen', 'pencil', sslmode='require', channel_binding=binding) == ''
        assert 'failed' in enter(proxy, 'sixteen', 'pencils', sslmode='require', channel_binding=binding)


def mechanisms(client, user='sixteen'):
    client.send(raw.startup_packet({'user': user, 'database': 'postgres'}))
    kind, body = client.message()
    assert kind == 'R' and body[:4] == raw.i32(10)
    return [m for m in body[4:].split(b'\0') if m]


def test_scram_plus_is_offered_inside_tls_only(make_proxy, pki, guarded, users):
    proxy = make_proxy(guarded, config=scram(users) + client_tls(pki))
    with Raw(proxy.address) as plain, Secure(proxy.address) as secure, Raw(proxy.unix_address) as unix:
        assert mechanisms(plain) == mechanisms(unix) == [b'SCRAM-SHA-256']
        assert mechanisms(secure) == [b'SCRAM-SHA-256-PLUS', b'SCRAM-SHA-256']


def test_a_server_that_trusts_still_lets_in_only_who_proves_it(make_proxy, guarded, users):
    proxy = make_proxy(guarded, config=scram(users))
    assert enter(proxy, 'trusted', 'secret') == ''
    assert 'password authentication failed' in enter(proxy, 'trusted', 'wrong')
    with Raw(proxy.address) as c:
        c.send(raw.startup_packet({'user': 'trusted', 'database': 'postgres'}) + raw.query('select 4711'))
        assert c.message()[1][:4] == raw.i32(10)
        assert b'server_version' not in c.rest() and b'4711' not in c.rest()


@pytest.mark.parametrize('user, asks', [('by_md5', 'md5'), ('in_clear', 'clear text')])
def test_scram_where_the_server_asks_for_something_else_says_what_to_change(make_proxy, guarded, users, user, asks):
    with open(users, 'a') as f:
        f.write(f'"by_md5" "{verifier("secret")}"\n')
    proxy = make_proxy(guarded, config=scram(users))
    error = enter(proxy, user, 'secret')
    assert asks in error and 'pg_hba.conf' in error
    proxy.wait_log('session_end.*auth_failed')


def test_an_outdated_verifier_says_what_to_change(make_proxy, guarded, tmp_path):
    users = tmp_path / 'users.txt'
    users.touch(0o600)
    users.write_text(f'"sixteen" "{verifier("pencil", b"another salt")}"\n')
    proxy = make_proxy(guarded, config=scram(users))
    error = enter(proxy, 'sixteen', 'pencil')
    assert 'auth_users_file' in error and 'salt' in error
    write_users(users, guarded)
    wait_for(lambda: enter(proxy, 'sixteen', 'pencil') == '', what='the new file')


CLIENT_FIRST = b'n=,r=abcdefgh'


def first_half(c, user):
    """Up to the server's first message of SCRAM, which is returned."""
    mechanisms(c, user)
    c.send(raw.msg('p', b'SCRAM-SHA-256\0' + raw.i32(len(CLIENT_FIRST) + 3) + b'n,,' + CLIENT_FIRST))
    kind, body = c.message()
    assert kind == 'R' and body[:4] == raw.i32(11)
    return body[4:]


def second_half(c, password, asked):
    """The proof."""
    parts = dict(p.split(b'=', 1) for p in asked.split(b','))
    bare = b'c=biws,r=' + parts[b'r']
    salted = hashlib.pbkdf2_hmac('sha256', password.encode(), base64.b64decode(parts[b's']), int(parts[b'i']))
    key = hmac.new(salted, b'Client Key', 'sha256').digest()
    signature = hmac.new(hashlib.sha256(key).digest(), CLIENT_FIRST + b',' + asked + b',' + bare, 'sha256').digest()
    c.send(raw.msg('p', bare + b',p=' + base64.b64encode(bytes(a ^ b for a, b in zip(key, signature)))))


def challenge(proxy, user):
    with Raw(proxy.address) as c:
        parts = dict(p.split(b'=', 1) for p in first_half(c, user).split(b','))
        nonce = parts[b'r']
        last = b'c=biws,r=' + nonce + b',p=' + base64.b64encode(bytes(32))
        c.send(raw.msg('p', last))
        (kind, body), = c.rest_messages()
        return parts[b's'], parts[b'i'], {k: v for k, v in raw.error_fields(body).items() if k in 'SCM'}


def test_unknown_users_are_not_told_apart(make_proxy, guarded, tmp_path):
    users = tmp_path / 'users.txt'
    users.touch(0o600)
    users.write_text(f'"sixteen" "{verifier("pencil")}"\n')
    proxy = make_proxy(guarded, config=scram(users))
    known, unknown = challenge(proxy, 'sixteen'), challenge(proxy, 'no_such')
    assert len(known[0]) == len(unknown[0]) and known[1] == unknown[1] and known[0] != unknown[0]
    assert known[2] == {k: v.replace('no_such', 'sixteen') for k, v in unknown[2].items()}
    assert known[2]['C'] == '28P01'
    proxy.stop()
    proxy.start()
    assert challenge(proxy, 'no_such')[:2] == unknown[:2], 'the same salt after a restart'


NONSENSE = {
    'a query': raw.query('select 1'), 'no body': raw.msg('p'), 'too long': raw.msg('p', bytes(2000)),
    'length -1': b'p' + struct.pack('!i', -1), 'a password': raw.msg('p', b'secret\0'),
    'another mechanism': raw.msg('p', b'PLAIN\0' + raw.i32(3) + b'abc'),
    'a length that lies': raw.msg('p', b'SCRAM-SHA-256\0' + raw.i32(0x7fffffff) + b'n,,n=,r=abc'),
    'plus without tls': raw.msg('p', b'SCRAM-SHA-256-PLUS\0' + raw.i32(11) + b'n,,n=,r=abc'),
}


@pytest.mark.parametrize('name', NONSENSE)
def test_nonsense_in_place_of_scram(make_proxy, guarded, users, name):
    proxy = make_proxy(guarded, config=scram(users))
    with Raw(proxy.address) as c:
        mechanisms(c)
        c.send(NONSENSE[name])
        (kind, body), = c.rest_messages()
        fields = raw.error_fields(body)
        assert (kind, fields['S'], fields['C']) == ('E', 'FATAL', '08P01')


def test_a_proof_with_a_stale_nonce_is_refused(make_proxy, guarded, users):
    proxy = make_proxy(guarded, config=scram(users))
    with Raw(proxy.address) as c:
        mechanisms(c)
        first = b'n,,n=,r=abcdefgh'
        c.send(raw.msg('p', b'SCRAM-SHA-256\0' + raw.i32(len(first)) + first))
        c.message()
        c.send(raw.msg('p', b'c=biws,r=abcdefgh,p=' + base64.b64encode(bytes(32))))
        (kind, body), = c.rest_messages()
        assert raw.error_fields(body)['C'] == '08P01'


def test_other_protocol_versions_do_not_slip_past(make_proxy, guarded, users):
    proxy = make_proxy(guarded, config=scram(users))
    with Raw(proxy.address) as c:
        c.send(raw.startup_packet({'user': 'trusted', 'database': 'postgres'}, 2 << 16))
        (kind, body), = c.rest_messages()
        assert raw.error_fields(body)['C'] == '0A000'
    for version in (raw.PROTOCOL_3_2, raw.PROTOCOL_3_9999):
        with Raw(proxy.address) as c:
            c.send(raw.startup_packet({'user': 'sixteen', 'database': 'postgres', '_pq_.x': '1'}, version))
            assert [c.message()[0] for _ in range(2)] == ['v', 'R'], 'the server answers before the login'


def test_a_users_file_that_others_may_read_is_refused(make_proxy, guarded, users):
    users.chmod(0o644)
    proxy = make_proxy(guarded, config=scram(users), start=False)
    done = proxy.command('serve', '--check', '-c', proxy.config_file)
    assert done.returncode == 2 and 'chmod 600' in done.stderr and str(users) in done.stderr


@pytest.mark.parametrize('config, named', [
    ('auth: scram\n', 'auth_users_file'), ('auth: password\n', 'client_tls.mode'),
    ('auth: scram\nauth_users_file: missing.txt\n', 'missing.txt')])
def test_settings_that_do_not_fit_together(make_proxy, guarded, config, named):
    proxy = make_proxy(guarded, config=config, start=False)
    done = proxy.command('serve', '--check', '-c', proxy.config_file)
    assert done.returncode == 2 and named in done.stderr


# --- scram against the server's own catalog

QUERY = 'auth: scram\nauth_query: "select rolname, rolpassword from pg_authid where rolname = $1"\n'


def test_verifiers_asked_of_the_server(make_proxy, guarded):
    proxy = make_proxy(guarded, config=QUERY)
    for name, (password, _, _) in ROLES.items():
        assert enter(proxy, name, password) == ''
    for name in ('without', 'by_md5', 'no_such', "o'hara"):
        assert 'password authentication failed' in enter(proxy, name, 'secret')
    proxy.wait_log('auth_query_no_verifier user=by_md5')


def test_a_changed_password_is_asked_for_again(make_proxy, guarded):
    proxy = make_proxy(guarded, config=QUERY)
    before = None
    for password in ('first', 'second', 'third', 'second'):
        guarded.psql('-c', f"alter role changing password '{password}'", unix=True)
        if before:
            assert 'password authentication failed' in enter(proxy, 'changing', before)
        assert enter(proxy, 'changing', password) == '', 'at the first attempt'
        before = password
    guarded.psql('-c', 'alter role changing nologin', unix=True)
    assert 'not permitted to log in' in enter(proxy, 'changing', before)
    guarded.psql('-c', 'alter role changing login', unix=True)


def test_a_password_that_changes_during_a_login_is_the_next_ones(make_proxy, guarded):
    """The server, too, looks once, at the beginning."""
    proxy = make_proxy(guarded, config=QUERY)
    guarded.psql('-c', "alter role changing password 'first'", unix=True)
    with Raw(proxy.address) as c:
        asked = first_half(c, 'changing')
        guarded.psql('-c', "alter role changing password 'second'", unix=True)
        second_half(c, 'first', asked)
        assert c.until()[-1] == ('Z', b'I')
    assert enter(proxy, 'changing', 'second') == ''


def test_a_storm_of_logins_of_one_user_is_few_queries(make_proxy, guarded):
    guarded.psql('-c', "alter role changing password 'first'; create table if not exists asked(n int); grant all on asked to "
                 'public; create or replace function ask(name text) returns text language plpgsql as $$ begin '
                 'perform pg_sleep(0.4); insert into asked values (1); return (select rolpassword from pg_authid '
                 'where rolname = name); end $$', unix=True)
    proxy = make_proxy(guarded, config='auth: scram\nauth_query: "select ask($1)"\n')
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(lambda _: enter(proxy, 'changing', 'first'), range(20))) == {''}
    assert int(guarded.psql('-Atc', 'select count(*) from asked', unix=True).stdout) < 15


def test_a_query_that_fails_says_so(make_proxy, guarded):
    proxy = make_proxy(guarded, config='auth: scram\nauth_query: "select no_such_function($1)"\n')
    assert 'auth_query' in enter(proxy, 'sixteen', 'pencil')
    proxy.wait_log('auth_query_failed')


def test_the_file_comes_before_the_query(make_proxy, guarded, tmp_path):
    users = tmp_path / 'users.txt'
    users.touch(0o600)
    users.write_text(f'"trusted" "{verifier("of the file")}"\n')
    proxy = make_proxy(guarded, config=QUERY + f'auth_users_file: {users}\n')
    assert enter(proxy, 'trusted', 'of the file') == ''
    assert enter(proxy, 'sixteen', 'pencil') == ''


# --- passwords

@pytest.fixture
def password_proxy(make_proxy, pki, guarded):
    return make_proxy(guarded, config='auth: password\n' + client_tls(pki) + server_tls('verify-full', ca=pki.authority.path),
                      server_address=f'localhost:{guarded.port}')


@pytest.mark.parametrize('user, password', [
    ('by_md5', 'secret'), ('in_clear', 'secret'), ('trusted', 'anything'),
    *((name, ROLES[name][0]) for name in ROLES)], ids=['md5', 'clear', 'trust', *ROLES])
def test_a_password_opens_whatever_the_server_asks_for(password_proxy, user, password):
    assert enter(password_proxy, user, password, sslmode='require') == ''
    if user != 'trusted':
        error = enter(password_proxy, user, 'wrong', sslmode='require')
        assert f'password authentication failed for user "{user}"' in error


def test_passwords_are_taken_inside_tls_only(password_proxy):
    error = enter(password_proxy, 'sixteen', 'pencil', sslmode='disable')
    assert 'sslmode=require' in error
    assert enter(password_proxy, 'sixteen', 'pencil', unix=True) == '', 'nobody listens in on a unix socket'
    with Raw(password_proxy.address) as c:
        c.send(raw.startup_packet({'user': 'sixteen', 'database': 'postgres'}))
        (kind, body), = c.rest_messages()
        assert kind == 'E' and raw.error_fields(body)['C'] == '28000'


def test_a_password_does_not_go_on_in_clear(make_proxy, pki, guarded):
    proxy = make_proxy(guarded, config='auth: password\n' + client_tls(pki))
    assert 'server_tls.mode' in enter(proxy, 'in_clear', 'secret', sslmode='require')
    assert enter(proxy, 'sixteen', 'pencil', sslmode='require') == '', 'SCRAM gives nothing away'


@pytest.mark.parametrize('answer, code', [
    (raw.msg('p', b'\0'), '28P01'), (raw.msg('p', b'a\0b\0'), '08P01'), (raw.msg('p', b'a'), '08P01'),
    (raw.msg('p', b'x' * 70000 + b'\0'), '08P01'), (raw.query('select 1'), '08P01')],
    ids=['empty', 'a zero byte', 'no end', 'too long', 'a query'])
def test_passwords_that_are_none(password_proxy, answer, code):
    with Secure(password_proxy.address) as c:
        c.send(raw.startup_packet({'user': 'sixteen', 'database': 'postgres'}))
        assert c.message() == ('R', raw.i32(3))
        c.send(answer)
        (kind, body), = c.rest_messages()
        assert raw.error_fields(body)['C'] == code


def test_a_long_token_passes(password_proxy, guarded):
    token = 'tok' * 5000
    guarded.psql('-v', 'ON_ERROR_STOP=1', unix=True, stdin=f"create role by_token login password '{token}';")
    assert enter(password_proxy, 'by_token', token, sslmode='require') == ''


def memory_of(pid):
    with open(f'/proc/{pid}/maps') as maps, open(f'/proc/{pid}/mem', 'rb') as memory:
        for line in maps:
            span, modes = line.split()[:2]
            if 'rw' not in modes or '[v' in line:
                continue
            start, end = (int(x, 16) for x in span.split('-'))
            try:
                memory.seek(start)
                yield memory.read(end - start)
            except (OSError, ValueError):
                pass


@pytest.mark.slow
@pytest.mark.parametrize('user', ['by_md5', 'in_clear', 'changing'])
def test_nothing_of_a_password_is_left_in_memory(password_proxy, guarded, user):
    if os.geteuid() != 0:
        pytest.skip('nobody else may look into the memory of a process with secrets')
    if 'asan' in os.environ.get('CROSSFADE_BUILD', ''):
        pytest.skip('the sanitizer keeps what was freed')
    password = 'swordfish-%s-of-one-login' % user
    guarded.psql('-v', 'ON_ERROR_STOP=1', unix=True, stdin=(
        "set password_encryption = 'md5';" if user == 'by_md5' else '') + f"alter role {user} password '{password}';")
    with Secure(password_proxy.address) as c:
        c.send(raw.startup_packet({'user': user, 'database': 'postgres'}))
        c.message()
        c.send(raw.msg('p', password.encode() + b'\0'))
        c.until('Z')
        found = [m for part in memory_of(password_proxy.pid) for m in re.findall(password.encode()[4:-4] + b'.{0,4}', part)]
        assert not found
        assert c.value('select current_user') == user
    assert password not in password_proxy.log()


# --- pass-through with TLS on both legs

def test_pass_through_with_tls_on_both_legs_names_the_way_out(make_proxy, pki, guarded):
    proxy = make_proxy(guarded, config=client_tls(pki) + server_tls('verify-full', ca=pki.authority.path),
                       server_address=f'localhost:{guarded.port}')
    error = enter(proxy, 'sixteen', 'pencil', sslmode='require')
    assert 'channel binding' in error and 'channel_binding=disable' in error
    assert enter(proxy, 'sixteen', 'pencil', sslmode='require', channel_binding='disable') == ''
    assert enter(proxy, 'sixteen', 'pencil', sslmode='disable') == ''
    proxy.wait_log('session_end.*auth_failed')


def test_a_process_with_secrets_leaves_no_core_dump(make_proxy, pki, guarded, users):
    plain, secret = make_proxy(guarded), make_proxy(guarded, config=scram(users))
    limits = open(f'/proc/{secret.pid}/limits').read() if os.geteuid() == 0 else 'Max core file size  0  0'
    assert re.search(r'Max core file size +0 +0', limits)
    assert os.stat(f'/proc/{secret.pid}/maps').st_uid == 0, 'not dumpable: /proc belongs to root'
    if os.geteuid() != 0:
        assert os.stat(f'/proc/{plain.pid}/maps').st_uid == os.geteuid()
