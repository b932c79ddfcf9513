"""Authentication passes through: what the server asks and answers is what the client sees."""
import struct

import pytest

import raw
from raw import Raw

USERS = ['pw_plain', 'pw_md5', 'pw_scram']
EXPECTED = {'pw_plain': 3, 'pw_md5': 5, 'pw_scram': 10, 'app': 0}


def error_lines(done):
    """psql's error without the address it was told to use."""
    return [line.split('failed: ', 1)[-1] for line in done.stderr.splitlines()]


@pytest.mark.parametrize('user', EXPECTED)
def test_server_chooses_the_method(ep, user):
    with Raw(ep.address) as c:
        c.send(raw.startup_packet({'user': user, 'database': 'postgres'}))
        kind, body = c.message()
        assert kind == 'R' and struct.unpack_from('!i', body)[0] == EXPECTED[user]


@pytest.mark.parametrize('unix', [False, True], ids=['tcp', 'unix'])
@pytest.mark.parametrize('user', [*USERS, 'app'])
def test_right_password(ep, user, unix):
    done = ep.psql('-Atc', 'select current_user', unix=unix, PGUSER=user, PGPASSWORD='secret')
    assert (done.stdout, done.stderr) == (user + '\n', '')


@pytest.mark.parametrize('password', ['wrong', 'x' * 900, 'secre', 'secret '])
@pytest.mark.parametrize('user', USERS)
def test_wrong_password_fails_as_directly(ep, pg, user, password):
    got, direct = (e.psql('-c', 'select 1', PGUSER=user, PGPASSWORD=password) for e in (ep, pg))
    assert got.returncode == direct.returncode == 2
    assert error_lines(got) == error_lines(direct)
    assert 'password authentication failed' in got.stderr


def test_no_password_given(ep, pg):
    got, direct = (e.psql('-w', '-c', 'select 1', PGUSER='pw_scram') for e in (ep, pg))
    assert error_lines(got) == error_lines(direct) and got.returncode == 2


def test_unknown_role_with_scram_is_not_told_apart(ep, pg):
    def run(address):
        with Raw(address) as c:
            c.send(raw.startup_packet({'user': 'no_such_role', 'database': 'postgres'}))
            return c.rest_messages()
    assert run(ep.address) == run(pg.address)


def test_client_that_gives_up_at_the_password(ep, pg):
    """psql without a password does this, then connects again."""
    for user in USERS:
        for end in (b'', raw.terminate()):
            with Raw(ep.address) as c:
                c.send(raw.startup_packet({'user': user, 'database': 'postgres'}))
                assert c.message()[0] == 'R'
                c.send(end)


NONSENSE = {
    'no end': raw.msg('p', b'secret'), 'no body': raw.msg('p', b''), 'empty': raw.msg('p', b'\0'),
    'long': raw.msg('p', b'x' * 5000 + b'\0'), 'bytes behind it': raw.msg('p', b'secret\0secret'),
    'a response of 2 GB': raw.msg('p', b'SCRAM-SHA-256\0' + raw.i32(0x7fffffff)),
    'a negative response': raw.msg('p', b'SCRAM-SHA-256\0' + raw.i32(-1)),
    'a mechanism not offered': raw.msg('p', b'SCRAM-SHA-256-PLUS\0' + raw.i32(3) + b'abc'),
}


def after_nonsense(address, user, answer):
    with Raw(address) as c:
        c.send(raw.startup_packet({'user': user, 'database': 'postgres'}))
        c.message()
        c.send(answer)
        c.sock.settimeout(5)
        kind, body = c.message()
        return kind, raw.error_fields(body) if kind == 'E' else body[:4]


@pytest.mark.parametrize('name', NONSENSE)
@pytest.mark.parametrize('user', USERS)
def test_nonsense_in_place_of_a_password_is_answered_as_directly(ep, pg, user, name):
    answer = NONSENSE[name]
    assert after_nonsense(ep.address, user, answer) == after_nonsense(pg.address, user, answer)


@pytest.mark.parametrize('user', USERS)
def test_a_query_in_place_of_a_password(ep, user):
    kind, fields = after_nonsense(ep.address, user, raw.query('select 1'))
    assert (kind, fields['S'], fields['C']) == ('E', 'FATAL', '08P01')


def mechanisms(address):
    with Raw(address) as c:
        c.send(raw.startup_packet({'user': 'pw_scram', 'database': 'postgres'}))
        kind, body = c.message()
        assert kind == 'R' and body[:4] == raw.i32(10)
        return [m for m in body[4:].split(b'\0') if m]


def test_scram_without_channel_binding_is_all_that_is_offered(ep):
    assert mechanisms(ep.address) == [b'SCRAM-SHA-256']
    assert mechanisms(ep.unix_address) == [b'SCRAM-SHA-256']


def test_scram_plus_is_not_offered_when_the_server_has_tls(make_endpoint, victim):
    victim.enable_ssl()
    victim.psql('-c', "create role pw_scram login password 'secret'")
    ep = make_endpoint(victim)
    assert mechanisms(ep.address) == [b'SCRAM-SHA-256']
    done = ep.psql('-Atc', 'select current_user', PGUSER='pw_scram', PGPASSWORD='secret')
    assert done.stdout == 'pw_scram\n', done.stderr


@pytest.mark.parametrize('user', [*USERS, 'app'])
def test_unix_socket_on_both_sides(make_proxy, pg, user):
    proxy = make_proxy(server_address=f'"{pg.socket_dir}:{pg.port}"')
    for unix in (False, True):
        done = proxy.psql('-Atc', "select current_user, inet_server_addr() is null", unix=unix,
                          PGUSER=user, PGPASSWORD='secret')
        assert done.stdout == f'{user}|t\n', done.stderr
        wrong = proxy.psql('-c', 'select 1', unix=unix, PGUSER='pw_scram', PGPASSWORD='wrong')
        assert 'password authentication failed' in wrong.stderr


def test_passwords_never_appear_in_the_log(ep):
    for user in USERS:
        ep.psql('-c', "select 'a literal'", PGUSER=user, PGPASSWORD='secret')
        ep.psql('-c', 'select 1', PGUSER=user, PGPASSWORD='wrongwrong')
    if ep.kind == 'crossfade':
        log = ep.log()
        assert 'secret' not in log and 'wrongwrong' not in log and 'a literal' not in log
