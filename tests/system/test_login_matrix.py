"""TLS on either leg × who checks passwords × clients: as a direct connection, or as docs/security.md says.

The small table runs always; all of it with CROSSFADE_FULL, as tests/full/tls.sh sets it.
"""
import asyncio
import itertools
import os
import shutil
import ssl
import subprocess

import psycopg2
import pytest

from pki import client_tls, server_tls, tls_server
from servers import Crossfade
from test_clients_node_jdbc import JDBC, jdbc_classes, node_path  # noqa: F401 (fixtures)

asyncpg = pytest.importorskip('asyncpg')
psycopg = pytest.importorskip('psycopg')
FULL = bool(os.environ.get('CROSSFADE_FULL'))

LEGS = ['none', 'client', 'server', 'both']
AUTHS = ['passthrough', 'scram', 'password']
USERS = {'by_scram': 'pencil', 'by_md5': 'pencil', 'trusted': 'pencil'}
BINDS = {'psql', 'psycopg2', 'psycopg3'}  # knows channel binding, as all of libpq


@pytest.fixture(scope='module')
def guarded(pki):
    yield from tls_server(
        pki, 'host all postgres all trust\nhost all by_md5 all md5\nhost all trusted all trust\n'
        'host all all all scram-sha-256\n', """
        create role by_scram login password 'pencil'; create role trusted login password 'pencil';
        set password_encryption = 'md5'; create role by_md5 login password 'pencil';""")


@pytest.fixture(scope='module')
def proxies(endpoint_kind, pki, guarded, tmp_path_factory):
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')
    users = tmp_path_factory.mktemp('users') / 'users.txt'
    users.touch(0o600)
    users.write_text(guarded.psql('-Atc', r"""select format('"%s" "%s"', rolname, rolpassword) from pg_authid
        where rolpassword like 'SCRAM%'""", unix=True).stdout)
    made = {}

    def get(legs, auth):
        if (legs, auth) not in made:
            config = f'auth: {auth}\n' + (f'auth_users_file: {users}\n' if auth == 'scram' else '')
            if legs in ('client', 'both'):
                config += client_tls(pki, 'require')
            if legs in ('server', 'both'):
                config += server_tls('verify-full', ca=pki.authority.path)
            made[legs, auth] = Crossfade(guarded, config=config, server_address=f'localhost:{guarded.port}')
        return made[legs, auth]
    yield get
    for proxy in made.values():
        proxy.finish()


# --- clients: '' or why not

def by_psql(endpoint, user, password, encrypted, _):
    done = endpoint.psql('-Atc', 'select current_user', PGUSER=user, PGPASSWORD=password,
                         PGSSLMODE='require' if encrypted else 'disable')
    return '' if done.stdout == user + '\n' else done.stderr


def by_psycopg2(endpoint, user, password, encrypted, _):
    try:
        c = psycopg2.connect(endpoint.dsn(user=user, password=password, sslmode='require' if encrypted else 'disable'))
        c.close()
        return ''
    except psycopg2.Error as e:
        return str(e)


def by_psycopg3(endpoint, user, password, encrypted, _):
    try:
        with psycopg.connect(endpoint.dsn(user=user, password=password,
                                          sslmode='require' if encrypted else 'disable')) as c:
            assert c.execute('select current_user').fetchone() == (user,)
        return ''
    except psycopg.Error as e:
        return str(e)


def by_asyncpg(endpoint, user, password, encrypted, _):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    async def run():
        c = await asyncpg.connect(host=endpoint.host, port=endpoint.port, user=user, password=password,
                                  database='postgres', ssl=context if encrypted else False)
        assert await c.fetchval('select current_user') == user
        await c.close()
    try:
        asyncio.run(run())
        return ''
    except (asyncpg.PostgresError, OSError, asyncpg.InterfaceError) as e:
        return str(e) or repr(e)


NODE = """
const { Client } = require('pg');
const [host, port, user, password, ssl] = process.argv.slice(1);
const c = new Client({ host, port: Number(port), user, password, database: 'postgres',
                       ssl: ssl === 'yes' ? { rejectUnauthorized: false } : false });
c.connect().then(() => c.query('select current_user')).then((r) => { console.log(r.rows[0].current_user); return c.end(); })
  .catch((e) => { console.error(e.message); process.exit(1); });
"""


def by_node(endpoint, user, password, encrypted, request):
    done = subprocess.run(['node', '-e', NODE, endpoint.host, str(endpoint.port), user, password,
                           'yes' if encrypted else 'no'], text=True, capture_output=True, timeout=60,
                          env={**os.environ, 'NODE_PATH': request.getfixturevalue('node_path')})
    return '' if done.stdout == user + '\n' else done.stderr


JAVA = """
import java.sql.*;
public class Login {
    public static void main(String[] a) throws Exception {
        try (Connection c = DriverManager.getConnection(a[0], a[1], a[2])) {
            ResultSet r = c.createStatement().executeQuery("select current_user");
            r.next();
            System.out.println(r.getString(1));
        }
    }
}
"""


@pytest.fixture(scope='module')
def java_login(tmp_path_factory):
    if not (shutil.which('javac') and JDBC.exists()):
        pytest.skip('a JDK or the JDBC driver is not installed')
    out = tmp_path_factory.mktemp('java')
    (out / 'Login.java').write_text(JAVA)
    subprocess.run(['javac', '-d', out, out / 'Login.java'], check=True, capture_output=True)
    return out


def by_jdbc(endpoint, user, password, encrypted, request):
    url = f'jdbc:postgresql://{endpoint.host}:{endpoint.port}/postgres?sslmode={"require" if encrypted else "disable"}'
    done = subprocess.run(['java', '-Xshare:auto', '-XX:TieredStopAtLevel=1', '-cp',
                           f'{JDBC}:{request.getfixturevalue("java_login")}', 'Login', url, user, password], text=True,
                          capture_output=True, timeout=120)
    return '' if done.stdout == user + '\n' else done.stderr


CLIENTS = {'psql': by_psql, 'psycopg2': by_psycopg2, 'psycopg3': by_psycopg3, 'asyncpg': by_asyncpg, 'node': by_node,
           'jdbc': by_jdbc}


def expected(legs, auth, user, client):
    """'' where it must be as directly, else words of the error."""
    encrypted = legs in ('client', 'both')
    if auth == 'passthrough':
        binding = legs == 'both' and user == 'by_scram' and client in BINDS
        return 'channel_binding=disable' if binding else ''
    if auth == 'password':
        return '' if encrypted else 'cannot be configured'
    return 'password authentication failed' if user == 'by_md5' else ''  # it has no SCRAM verifier


SOME = [('both', 'passthrough', 'by_scram'), ('both', 'scram', 'by_scram'), ('client', 'password', 'by_md5')]
ALL = [case for case in itertools.product(LEGS, AUTHS, USERS)
       if not (case[1] == 'password' and case[0] in ('none', 'server'))]


@pytest.mark.parametrize('client', CLIENTS)
@pytest.mark.parametrize('legs, auth, user', ALL if FULL else SOME)
def test_login(proxies, guarded, request, legs, auth, user, client):
    proxy, encrypted = proxies(legs, auth), legs in ('client', 'both')
    direct = CLIENTS[client](guarded, user, USERS[user], encrypted, request)
    assert direct == '', 'the client can log in directly'
    got = CLIENTS[client](proxy, user, USERS[user], encrypted, request)
    words = expected(legs, auth, user, client)
    assert (got == '') if not words else words in got
    if not words and user != 'trusted' or auth == 'scram':
        assert 'password authentication failed' in CLIENTS[client](proxy, user, 'wrong', encrypted, request)
