"""A bank whose tables are moved while it is open.

Money is only moved between accounts, so its sum never changes; each transfer
also counts up the accounts it touched and writes a line to the books, so that
a transfer that was lost or done twice shows.
"""
import os
import re
import subprocess
from pathlib import Path

import drivers
from servers import PGBIN

HERE = Path(__file__).parent

MAP = """old: v10
new: v13
tables:
  public.accounts: data.accounts
  public.books: {to: data.ledger_lines, columns: {account: account_id, amount: delta}}
  public.branches: data.branches
groups: {bank: [public.accounts, public.books]}
"""

ACCOUNTS = 100

SCHEMA = f"""
create role owner_of_it login; create role app login; create role mover login;
grant owner_of_it to mover; grant pg_read_all_stats to mover;
"""

TABLES = f"""
create schema data;
create table public.accounts (id int primary key, balance bigint not null, changes int not null default 0);
create table public.books (line bigserial primary key, account int not null, amount bigint not null, note text);
create table public.branches (id int primary key, name text);
insert into accounts select i, 1000, 0 from generate_series(1, {ACCOUNTS}) i;
insert into branches values (1, 'main');
alter table accounts owner to owner_of_it; alter table books owner to owner_of_it;
alter table branches owner to owner_of_it;
grant select, insert, update, delete on accounts, books, branches to app;
grant usage on all sequences in schema public to app;
grant create on schema data to mover, owner_of_it; grant usage on schema data to mover with grant option;
grant create on schema public to mover, owner_of_it;
grant create on database {{name}} to mover;
"""

# One transfer: both accounts change, and the books get a line of each.
TRANSFER = f"""\\set a random(1, {ACCOUNTS} - 1)
\\set b random(:a + 1, {ACCOUNTS})
\\set d random(1, 100)
\\set n :n + 1
BEGIN;
UPDATE accounts SET balance = balance - :d, changes = changes + 1 WHERE id = :a;
INSERT INTO books (account, amount) VALUES (:a, 0 - :d);
UPDATE public.accounts SET balance = balance + :d, changes = changes + 1 WHERE id = :b;
INSERT INTO public.books (account, amount, note) VALUES (:b, :d, 'MODE-' || (:client_id)::text || ':' || (:n)::text);
SELECT sum(amount) FROM books WHERE account = :a;
COMMIT;
"""

PIPELINED = f"""\\set a random(1, {ACCOUNTS})
\\set n :n + 1
\\startpipeline
UPDATE accounts SET balance = balance + 0, changes = changes + 1 WHERE id = :a;
INSERT INTO books (account, amount, note) VALUES (:a, 0, 'MODE-' || (:client_id)::text || ':' || (:n)::text);
SELECT balance FROM public.accounts WHERE id = :a;
\\endpipeline
"""


def create(pg, name='bank'):
    for sql in (f'drop database if exists {name} with (force)', f'create database {name}'):
        done = pg.psql('-c', sql)
        assert done.returncode == 0, done.stderr
    pg.psql(stdin=SCHEMA)
    done = pg.psql('-v', 'ON_ERROR_STOP=1', stdin=TABLES.format(name=name), PGDATABASE=name)
    assert done.returncode == 0, done.stderr


def admin(pg, name='bank'):
    return f'host=127.0.0.1 port={pg.port} user=mover dbname={name}'


class Load:
    """pgbench in one mode, through the endpoint."""

    def __init__(self, endpoint, folder, mode, clients, seconds, name='bank'):
        self.mode = mode
        script = folder / f'{mode}.pgbench'
        script.write_text((PIPELINED if mode == 'pipelined' else TRANSFER).replace('MODE', mode))
        protocol = 'extended' if mode == 'pipelined' else mode
        self.process = subprocess.Popen(
            [str(PGBIN / 'pgbench'), '-n', '-M', protocol, '-c', str(clients), '-T', str(seconds), '-f', str(script),
             '--max-tries=1', '--failures-detailed', '-D', 'n=0'],
            env=endpoint.env(PGUSER='app', PGDATABASE=name, PGAPPNAME=f'load-{mode}'), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def finish(self, seconds=120):
        out, err = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0, f'{self.mode}: {err[-2000:]}\n{out[-2000:]}'
        failed = int(re.search(r'failed transactions: (\d+)', out).group(1))
        assert failed == 0, out + err
        self.transactions = int(re.search(r'actually processed: (\d+)', out).group(1))
        return self.transactions


class DriverLoad:
    """Transfers through a driver of another language, with its own statement cache: "jdbc" or "node"."""

    def __init__(self, endpoint, driver, clients):
        where = [endpoint.host, str(endpoint.port), str(clients)]
        if driver == 'jdbc':
            command = ['java', '-XX:TieredStopAtLevel=1', '-cp', str(drivers.JDBC), str(HERE / 'BankClient.java')]
        else:
            command = ['node', str(HERE / 'bank_client.js')]
        self.driver = driver
        self.process = subprocess.Popen(command + where, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env={**os.environ, 'NODE_PATH': drivers.node_path() or ''})

    def await_ready(self):
        line = self.process.stdout.readline()
        assert line == 'ready\n', line + self.process.stderr.read()

    def finish(self, seconds=60):
        out, err = self.process.communicate('', timeout=seconds)
        assert self.process.returncode == 0, f'{self.driver}: {err[-3000:]}\n{out}'
        self.done = {line.split()[1]: int(line.split()[2]) for line in out.splitlines()}
        return sum(self.done.values())


def driver_loads(endpoint, clients):
    """Of the drivers that are installed, once all of them work."""
    installed = [name for name, there in (('jdbc', drivers.has_jdbc()), ('node', drivers.node_path())) if there]
    loads = [DriverLoad(endpoint, name, clients) for name in installed]
    for load in loads:
        load.await_ready()
    return loads


def sequences(pg, name='bank'):
    """{client: transfers}, once each client's transfers are there from the first to the last, each of them once."""
    books = books_of(pg, name)
    done = pg.psql('-Atc', "select split_part(note, ':', 1), count(*), count(distinct split_part(note, ':', 2)), "
                   f"max(split_part(note, ':', 2)::int) from {books} where note is not null group by 1", PGDATABASE=name)
    assert done.returncode == 0, done.stderr
    found = {}
    for line in done.stdout.splitlines():
        client, count, distinct, last = line.split('|')
        assert count == distinct == last, f'{client}: {count} lines, {distinct} different ones, the last is {last}'
        found[client] = int(count)
    return found


def books_of(pg, name='bank'):
    return pg.psql('-Atc', "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = "
                   "relnamespace where relname in ('books', 'ledger_lines') and relkind = 'r'", PGDATABASE=name).stdout.strip()


def balance(pg, name='bank', schema=None):
    """(sum of money, sum of changes, lines of the books, lines of no transfer)."""
    where = pg.psql('-Atc', "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = "
                    "relnamespace where relname in ('accounts') and relkind = 'r'", PGDATABASE=name).stdout.strip()
    books = books_of(pg, name)
    done = pg.psql('-Atc', f'select (select sum(balance) from {where}), (select sum(changes) from {where}), '
                   f'(select count(*) from {books})', PGDATABASE=name)
    assert done.returncode == 0, done.stderr
    return tuple(int(x) for x in done.stdout.split('|'))
