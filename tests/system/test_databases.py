"""One proxy, two databases with tables of the same names, and names that need quotes everywhere."""
import os
import signal
import sqlite3

import psycopg
import pytest

from servers import Console, wait_for

NAMES = ('Über-Lager', 'shop two')

MAP = """old: alt
new: neu
tables:
  '"Alt Daten"."Bohnen Sorten"': {to: neu.bohnen, columns: {'"Röst Grad"': roast, '"Nr"': nr}}
  '"Alt Daten"."select"': neu."where"
"""

SCHEMA = """
create schema "Alt Daten" authorization "Kaffee Kasse"; create schema neu authorization "Kaffee Kasse";
set role "Kaffee Kasse";
create table "Alt Daten"."Bohnen Sorten" ("Nr" int primary key, "Röst Grad" int);
insert into "Alt Daten"."Bohnen Sorten" select i, i % 5 from generate_series(1, 100) i;
create table "Alt Daten"."select" (id int, "from" text);
insert into "Alt Daten"."select" values (1, 'x');
"""


@pytest.fixture(scope='module')
def databases(pg):
    pg.psql('-c', 'create role "Kaffee Kasse" login')
    for name in NAMES:
        pg.psql('-c', f'drop database if exists "{name}" with (force)', '-c', f'create database "{name}"')
        done = pg.psql('-v', 'ON_ERROR_STOP=1', stdin=SCHEMA, PGDATABASE=name)
        assert done.returncode == 0, done.stderr
    yield pg
    for name in NAMES:
        pg.psql('-c', f'drop database "{name}" with (force)')


@pytest.fixture
def proxy(databases, make_proxy):
    made = make_proxy(map_text=MAP, start=False)
    entries = []
    for number, name in enumerate(NAMES):
        (made.dir / f'flags{number}.yaml').write_text('flags: {}\n')
        dsn = f"host=127.0.0.1 port={databases.port} user=postgres dbname='{name}'"
        entries.append(f'  {name}: {{map: map.yaml, flags: flags{number}.yaml, admin: {{dsn: "{dsn}"}}}}\n')
    text = ''.join(line for line in made.config_file.read_text().splitlines(True)
                   if not line.startswith(('map:', 'flags:', 'admin:')))
    made.config_file.write_text(text + 'databases:\n' + ''.join(entries) + 'console: {listen: [run], admins: [root]}\n')
    made.start()
    made.console = Console(made)
    return made


def connect(endpoint, name):
    return psycopg.connect(endpoint.dsn(user='Kaffee Kasse', dbname=name), autocommit=True)


def stages(proxy):
    with proxy.console.connect() as c:
        return {(row[0], row[1]): row[2] for row in c.execute('show flags').fetchall()}


def where_rows_are(pg, name):
    done = pg.psql('-Atc', "select oid::regclass from pg_class where relname in ('select', 'where') and relkind = 'r'",
                   PGDATABASE=name)
    return done.stdout.strip()


def both_names_work(proxy, name):
    with connect(proxy, name) as c:
        assert c.execute('select "from" from "Alt Daten"."select" where id = 1').fetchone() == ('x',)
        assert c.execute('select "from" from neu."where" where id = %s', (1,)).fetchone() == ('x',)
        assert c.execute('select roast from neu.bohnen where nr = 7').fetchone() == (2,)
        c.execute('set search_path = "Alt Daten"')
        assert c.execute('select "Röst Grad" from "Bohnen Sorten" where "Nr" = %s', (7,)).fetchone() == (2,)


@pytest.mark.parametrize('name', NAMES)
def test_names_that_need_quotes(proxy, name):
    both_names_work(proxy, name)


def test_a_command_says_which_database_it_means(proxy, databases):
    one, other = NAMES
    table = '"Alt Daten"."select"'
    flags = ('-c', proxy.config_file)
    said = proxy.command('cutover', *flags, table)
    assert said.returncode == 2 and 'could be any of 2 entries' in said.stderr, said.stderr
    said = proxy.command('cutover', *flags, f'"{one}".x.y.z')
    assert 'has more than three parts' in said.stderr, said.stderr
    moved = proxy.command('cutover', *flags, f'"{one}".{table}')
    assert moved.returncode == 0, moved.stderr
    assert where_rows_are(databases, one) == 'neu."where"' and where_rows_are(databases, other) == table
    assert stages(proxy)[one, table] == 'live' and stages(proxy)[other, table] == 'old'
    for name in NAMES:
        both_names_work(proxy, name)
    refused = proxy.command('flags', 'set', *flags, f'"{one}".{table}', 'complete')
    assert refused.returncode == 1 and 'complete' in refused.stderr, refused.stderr
    # Killed in between, it goes on where it was.
    os.kill(proxy.pid, signal.SIGKILL)
    proxy.process.wait(30)
    proxy.start()
    wait_for(lambda: stages(proxy)[one, table] == 'live', 10, 'the stage is still known')
    for name in NAMES:
        both_names_work(proxy, name)
    back = proxy.command('cutover', *flags, f'"{one}".{table}', '--reverse')
    assert back.returncode == 0, back.stderr
    assert where_rows_are(databases, one) == table
    with sqlite3.connect(proxy.dir / 'usage.db') as ledger:
        assert ledger.execute('select count(*) from flips').fetchone() == (0,), 'the other database stayed where it was'
