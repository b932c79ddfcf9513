"""Clients that log in and say how it went: '' or the error. Those with a slow start are started once."""
import asyncio
import json
import os
import shutil
import ssl
import subprocess

import asyncpg
import psycopg
import psycopg2
import pytest

from test_clients_node_jdbc import JDBC

BINDS = {'psql', 'psycopg2', 'psycopg3'}  # know channel binding, as all of libpq


class Login:
    """One attempt. binding: as libpq's channel_binding; None: whatever the client does by itself."""

    def __init__(self, endpoint, user, password, encrypted, binding=None):
        self.endpoint, self.user, self.password = endpoint, user, password
        self.encrypted, self.binding = encrypted, binding

    @property
    def libpq(self):
        more = {'channel_binding': self.binding} if self.binding else {}
        return {'user': self.user, 'password': self.password, 'sslmode': 'require' if self.encrypted else 'disable', **more}


def by_psql(login):
    more = {'PGCHANNELBINDING': login.binding} if login.binding else {}
    done = login.endpoint.psql('-Atc', 'select current_user', PGUSER=login.user, PGPASSWORD=login.password,
                               PGSSLMODE=login.libpq['sslmode'], **more)
    return '' if done.stdout == login.user + '\n' else done.stderr


def by_psycopg2(login):
    try:
        c = psycopg2.connect(login.endpoint.dsn(**login.libpq))
    except psycopg2.Error as e:
        return str(e)
    cursor = c.cursor()
    cursor.execute('select current_user')
    assert cursor.fetchone() == (login.user,)
    c.close()
    return ''


def by_psycopg3(login):
    try:
        with psycopg.connect(login.endpoint.dsn(**login.libpq)) as c:
            assert c.execute('select current_user').fetchone() == (login.user,)
        return ''
    except psycopg.Error as e:
        return str(e)


def by_asyncpg(login):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    async def run():
        c = await asyncpg.connect(host=login.endpoint.host, port=login.endpoint.port, user=login.user,
                                  password=login.password, database='postgres', ssl=context if login.encrypted else False)
        assert await c.fetchval('select current_user') == login.user
        await c.close()
    try:
        asyncio.run(run())
        return ''
    except (asyncpg.PostgresError, OSError, asyncpg.InterfaceError) as e:
        return str(e) or repr(e)


class Service:
    """A program that answers each line of JSON with the user it came in as, or with the error."""

    def __init__(self, command, **env):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **env})

    def __call__(self, login):
        asked = {'host': login.endpoint.host, 'port': login.endpoint.port, 'user': login.user,
                 'password': login.password, 'encrypted': login.encrypted}
        self.process.stdin.write(json.dumps(asked) + '\n')
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return '' if answer.get('user') == login.user else answer.get('error') or repr(answer)

    def end(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


NODE = """
const { Client } = require('pg');
async function login(asked) {
  const c = new Client({ host: asked.host, port: asked.port, user: asked.user, password: asked.password,
                         database: 'postgres', ssl: asked.encrypted ? { rejectUnauthorized: false } : false });
  c.on('error', () => {});
  try {
    await c.connect();
    const r = await c.query('select current_user');
    await c.end();
    return { user: r.rows[0].current_user };
  } catch (e) {
    return { error: e.message || String(e) };
  }
}
(async () => {
  for await (const line of require('readline').createInterface({ input: process.stdin }))
    console.log(JSON.stringify(await login(JSON.parse(line))));
})();
"""

# Without a library for JSON: a line has only the keys that are known, and no value with a quote in it.
JAVA = """
import java.io.*;
import java.sql.*;
import java.util.regex.*;
public class Login {
    static String key(String line, String name) {
        Matcher m = Pattern.compile("\\"" + name + "\\": \\"?([^\\",}]*)").matcher(line);
        m.find();
        return m.group(1);
    }
    static String json(String name, String value) {
        return "{\\"" + name + "\\": \\"" + value.replaceAll("[\\\\p{Cntrl}\\"\\\\\\\\]", " ") + "\\"}";
    }
    public static void main(String[] a) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null; ) {
            String url = "jdbc:postgresql://" + key(line, "host") + ":" + key(line, "port") + "/postgres?sslmode=" +
                (key(line, "encrypted").equals("true") ? "require" : "disable");
            try (Connection c = DriverManager.getConnection(url, key(line, "user"), key(line, "password"))) {
                ResultSet r = c.createStatement().executeQuery("select current_user");
                r.next();
                System.out.println(json("user", r.getString(1)));
            } catch (SQLException e) {
                System.out.println(json("error", e.getMessage()));
            }
        }
    }
}
"""


def java_service(folder):
    if not (shutil.which('javac') and JDBC.exists()):
        pytest.skip('a JDK or the JDBC driver is not installed')
    (folder / 'Login.java').write_text(JAVA)
    subprocess.run(['javac', '-d', folder, folder / 'Login.java'], check=True, capture_output=True)
    return Service(['java', '-Xshare:auto', '-XX:TieredStopAtLevel=1', '-cp', f'{JDBC}:{folder}', 'Login'])


def node_service(path):
    return Service(['node', '-e', NODE], NODE_PATH=path)
