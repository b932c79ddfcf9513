"""TLS on either leg × who checks passwords × clients: as a direct connection, or as docs/security.md says.

Some cells always; all of them with CROSSFADE_FULL, as tests/full/tls.sh sets it.
"""
import itertools
import os
import re
from pathlib import Path

import pytest

from login_clients import (BINDS, Login, by_asyncpg, by_psql, by_psycopg2, by_psycopg3, java_service,
                           node_service)
from pki import client_tls, server_tls, tls_server
from servers import Crossfade
from test_clients_node_jdbc import node_path  # noqa: F401 (a fixture)

FULL = bool(os.environ.get('CROSSFADE_FULL'))
DOCS = re.sub(r'\s+', ' ', (Path(__file__).parents[2] / 'docs/security.md').read_text())
PASSWORD = 'pencil'
CLIENT_MODES = ['disable', 'allow', 'require']
SERVER_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full']
METHODS = {  # name: (auth, user, channel_binding of libpq's clients)
    'trust': ('passthrough', 'trusted', None), 'md5': ('passthrough', 'by_md5', None),
    'scram': ('passthrough', 'by_scram', None), 'scram without binding': ('passthrough', 'by_scram', 'disable'),
    'cert': ('passthrough', 'by_cert', None),
    'password to scram': ('password', 'by_scram', None), 'password to md5': ('password', 'by_md5', None),
    'password in clear': ('password', 'in_clear', None),
    'own scram': ('scram', 'by_scram', 'disable'), 'own scram-plus': ('scram', 'by_scram', 'require'),
}
CLIENTS = ['psql', 'psycopg2', 'psycopg3', 'asyncpg', 'node', 'jdbc']


@pytest.fixture(scope='module')
def guarded(pki):
    yield from tls_server(
        pki, 'host all postgres all trust\nhost all by_md5 all md5\nhost all trusted all trust\n'
        'hostssl all by_cert all cert\nhost all by_cert all reject\nhost all in_clear all password\n'
        'host all all all scram-sha-256\n', f"""
        create role by_scram login password '{PASSWORD}'; create role trusted login; create role by_cert login;
        create role in_clear login password '{PASSWORD}';
        set password_encryption = 'md5'; create role by_md5 login password '{PASSWORD}';""")


@pytest.fixture(scope='module')
def clients(tmp_path_factory, request):
    services = [java_service(tmp_path_factory.mktemp('java')), node_service(request.getfixturevalue('node_path'))]
    yield {'psql': by_psql, 'psycopg2': by_psycopg2, 'psycopg3': by_psycopg3, 'asyncpg': by_asyncpg,
           'jdbc': services[0], 'node': services[1]}
    for service in services:
        service.end()


@pytest.fixture(scope='module')
def proxy_of(endpoint_kind, pki, guarded, tmp_path_factory):
    """One at a time: the last that was asked for."""
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')
    users = tmp_path_factory.mktemp('users') / 'users.txt'
    users.touch(0o600)
    users.write_text(guarded.psql('-Atc', r"""select format('"%s" "%s"', rolname, rolpassword) from pg_authid
        where rolpassword like 'SCRAM%'""", unix=True).stdout)
    mine, made = pki.authority.issue('by_cert', '/CN=by_cert'), {}

    def get(client_mode, server_mode, auth):
        if (client_mode, server_mode, auth) in made:
            return made[client_mode, server_mode, auth]
        for proxy in made.values():
            proxy.finish()
        made.clear()
        verify = {'ca': pki.authority.path} if server_mode.startswith('verify') else {}
        config = f'auth: {auth}\n' + (f'auth_users_file: {users}\n' if auth == 'scram' else '')
        config += client_tls(pki, client_mode)
        config += server_tls(server_mode, **(verify | {'cert': mine.crt, 'key': mine.key}))
        made[client_mode, server_mode, auth] = Crossfade(guarded, config=config, server_address=f'localhost:{guarded.port}')
        return made[client_mode, server_mode, auth]
    yield get
    for proxy in made.values():
        proxy.finish()


# Words of the error → where docs/security.md says that it is not as directly; '': a direct connection fails, too.
NO_TLS = ('SSL', 'is told that there is none')
TLS_ONLY = ('encrypted connections only', 'gets `FATAL 28000`')
PASSWORD_IN_CLEAR = ('encrypted connections only', 'It must come inside TLS or through a unix socket')
SERVER_IN_CLEAR = ('clear text', 'the last only over TLS or a unix socket')
BINDING_FAILS = ('channel_binding=disable', 'a client that knows channel binding cannot log in by SCRAM')
BINDING_NEEDS_TLS = ('hannel binding', '')
CERTIFICATE = ('pg_hba.conf', "A server that authenticates by certificate sees crossfade's own")


def expected(client_mode, server_mode, method, client, encrypted):
    """None: comes in; else one of the above."""
    if encrypted and client_mode == 'disable':
        return NO_TLS
    if not encrypted and client_mode == 'require':
        return TLS_ONLY
    if method == 'own scram-plus' and not encrypted:
        return BINDING_NEEDS_TLS
    if METHODS[method][0] == 'password' and not encrypted:
        return PASSWORD_IN_CLEAR
    if method == 'password in clear' and server_mode == 'disable':
        return SERVER_IN_CLEAR
    if method == 'cert':
        return CERTIFICATE if server_mode == 'disable' else None
    binds = method == 'scram' and client in BINDS
    return BINDING_FAILS if binds and encrypted and server_mode != 'disable' else None


def possible(client_mode, server_mode, method):
    return not (METHODS[method][0] == 'password' and client_mode == 'disable')


ALL = sorted((cell for cell in itertools.product(CLIENT_MODES, SERVER_MODES, METHODS) if possible(*cell)),
             key=lambda cell: (cell[0], cell[1], METHODS[cell[2]][0]))
# Each method once, with every mode somewhere.
SOME = [('disable', 'prefer', 'trust'), ('allow', 'verify-ca', 'md5'), ('require', 'verify-full', 'scram'),
        ('allow', 'require', 'scram without binding'), ('require', 'prefer', 'cert'), ('allow', 'verify-full', 'password to scram'),
        ('require', 'disable', 'password in clear'), ('require', 'verify-full', 'own scram-plus')]


def tries(client, method):
    """What of the method a client can ask for."""
    binding = METHODS[method][2]
    return client in BINDS or binding != 'require' and not (binding == 'disable' and method == 'scram without binding')


@pytest.fixture(scope='module')
def directly(clients, guarded):
    known = {}

    def ask(client, user, encrypted, binding):
        key = (client, user, encrypted, binding)
        if key not in known:
            known[key] = clients[client](Login(guarded, user, PASSWORD, encrypted, binding))
        return known[key]
    return ask


def check(proxy, clients, directly, cell, client, encrypted):
    """What is not as it must be; None: all is."""
    _, user, binding = METHODS[cell[2]]
    rule = expected(*cell, client, encrypted)
    got = clients[client](Login(proxy, user, PASSWORD, encrypted, binding))
    if rule and rule[0] not in got:
        return f'{rule[0]!r} expected, got {got!r}'
    if not rule and got:
        return got
    direct = '' if user == 'by_cert' else directly(client, user, encrypted, binding)
    if rule and not direct and not (rule[1] and rule[1] in DOCS):
        return f'a direct connection comes in, and docs/security.md does not say why this one does not: {got!r}'
    if not rule and direct:
        return f'a direct connection does not come in: {direct!r}'
    if not rule and user not in ('trusted', 'by_cert') and (FULL or client == 'psycopg2'):
        wrong = clients[client](Login(proxy, user, 'wrong', encrypted, binding))
        return None if 'password authentication failed' in wrong else f'with a wrong password: {wrong!r}'
    return None


@pytest.mark.parametrize('client_mode, server_mode, method', ALL if FULL else SOME)
def test_logins(proxy_of, clients, directly, client_mode, server_mode, method):
    proxy, cell = proxy_of(client_mode, server_mode, METHODS[method][0]), (client_mode, server_mode, method)
    attempts = [(c, e) for c in CLIENTS if tries(c, method) for e in (False, True)]
    faults = {attempt: check(proxy, clients, directly, cell, *attempt) for attempt in attempts}
    assert not any(faults.values()), {attempt: fault for attempt, fault in faults.items() if fault}
