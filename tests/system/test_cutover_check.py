"""What a cutover's check, and with it the dry run, says of everything that a move may meet."""
import re
import subprocess

import psycopg
import pytest

import servers
from servers import Console, wait_for

MAP = """old: v10
new: v13
tables:
  public.prices: data.prices
  public.trades: {to: data.deals, columns: {price: amount, seller: agent}}
  public.days: data.days
  public.missing: data.missing
  public.gone: {to: null, reason: starts afresh}
  public.shapes: {to: data.forms, shape: {id: int}, new_shape: {no: int}, read: {id: no}, write: {no: id}}
"""

SCHEMA = """
create schema data;
create table public.prices (id serial primary key, code text not null, at date);
create table public.trades (id int primary key, price int, seller text, day int);
create table public.days (day int) partition by range (day);
create table public.days_1 partition of days for values from (0) to (10);
create table public.others (id int primary key, price int);
insert into prices (code) values ('a'), ('b');
"""

CONFIG = 'console: {listen: [run], admins: [root]}\nworkers: 2\n'
DATABASE = 'checked'


@pytest.fixture(scope='module')
def db(pg, endpoint_kind):
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')
    for sql in (f'drop database if exists {DATABASE} with (force)', f'create database {DATABASE}', 'create role app login',
                'create role checked_owner'):
        pg.psql('-c', sql)
    done = pg.psql('-v', 'ON_ERROR_STOP=1', stdin=SCHEMA, PGDATABASE=DATABASE)
    assert done.returncode == 0, done.stderr
    for table in ('prices', 'trades', 'days', 'days_1', 'others'):
        pg.psql('-c', f'alter table {table} owner to checked_owner', '-c', f'grant select, insert on {table} to app',
                PGDATABASE=DATABASE)
    yield pg
    pg.psql('-c', f'drop database {DATABASE} with (force)')
    pg.psql('-c', 'drop role if exists crossfade_mover, crossfade_observer, checked_owner')


@pytest.fixture(scope='module')
def proxy(db):
    """Its role has what `check --grants` says, and nothing else."""
    proxy = servers.Crossfade(db, map_text=MAP, dbname=DATABASE, start=False)
    grants = proxy.command('check', '-c', proxy.config_file, '--grants')
    sql = '\n'.join(line for line in grants.stdout.splitlines() if not line.startswith('CREATE ROLE'))
    db.psql('-c', 'create role crossfade_observer login', '-c', 'create role crossfade_mover login')
    done = db.psql('-v', 'ON_ERROR_STOP=1', stdin=sql, PGDATABASE=DATABASE)
    assert done.returncode == 0, done.stderr
    admin = f'host=127.0.0.1 port={db.port} user=crossfade_mover dbname={DATABASE}'
    text = proxy.config_file.read_text()
    proxy.config_file.write_text(re.sub('dsn: ".*"', f'dsn: "{admin}"', text) + CONFIG)
    proxy.start()
    yield proxy
    proxy.finish()


@pytest.fixture
def sql(db):
    """Runs SQL as a superuser, and what it gives behind it when the test is over."""
    undo = []

    def run(*texts, back=()):
        undo.extend(back)
        done = db.psql('-v', 'ON_ERROR_STOP=1', *(a for t in texts for a in ('-c', t)), PGDATABASE=DATABASE)
        assert done.returncode == 0, done.stderr
    yield run
    for text in reversed(undo):
        done = db.psql('-c', text, PGDATABASE=DATABASE)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def dry(proxy):
    def run(what='public.prices', *options, status=0):
        done = proxy.command('cutover', '-c', proxy.config_file, '--dry-run', what, *options)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr
    return run


def line(said, *words):
    """The line that has all of the words."""
    found = [one for one in said.splitlines() if all(w in one for w in words)]
    assert len(found) == 1, (words, said)
    return found[0]


def test_with_the_roles_of_check_and_nothing_in_the_way(dry):
    said = dry()
    assert 'in the way' not in said and 'note:' not in said, said
    assert 'ALTER TABLE public.prices SET SCHEMA data;  -- ACCESS EXCLUSIVE on public.prices' in said
    assert 'warning: ' not in said, said


# ---- objects that the move takes along, breaks or leaves behind ----

OBJECTS = {
    'function': ('public.prices', 'create function f() returns bigint language sql as $$ select count(*) from public.prices $$',
                 'drop function f()', 'warning: public.prices: function public.f() names public.prices (line 1), which moves'),
    'view': ('public.prices', 'create view v as select code from prices', 'drop view v',
             'note: public.prices: view public.v reads it and follows when it moves'),
    'materialized view': ('public.prices', 'create materialized view mv as select code from prices',
                          'drop materialized view mv', 'note: public.prices: materialized view public.mv reads it'),
    'trigger': ('public.prices', 'create trigger t before update on prices execute function suppress_redundant_updates_trigger()',
                'drop trigger t on prices', 'note: public.prices: trigger t on public.prices moves along'),
    'rule': ('public.prices', 'create rule r as on delete to prices do nothing', 'drop rule r on prices',
             'note: public.prices: rule r on public.prices names it'),
    'policy': ('public.prices', 'create policy p on prices using (true)', 'drop policy p on prices',
               'note: public.prices: policy p on public.prices follows'),
    'foreign key': ('public.prices', 'alter table others add constraint fk foreign key (price) references prices',
                    'alter table others drop constraint fk',
                    'note: public.prices: foreign key fk on public.others follows, but the table it belongs to is not in the map'),
    'publication': ('public.prices', 'create publication pub for table prices', 'drop publication pub',
                    'warning: public.prices: publication pub goes on publishing it under its new name'),
    'publication of the schema': ('public.prices', 'create publication pubs for tables in schema public', 'drop publication pubs',
                                  'publication pubs publishes its schema and loses it in silence'),
    'child': ('public.prices', 'create table kid () inherits (prices)', 'drop table kid',
              'note: public.prices: child public.kid stays in its schema'),
    'partition elsewhere': ('public.days', 'create table data.days_2 partition of days for values from (10) to (20)',
                            'drop table data.days_2', 'note: public.days: child data.days_2 stays in its schema'),
}


@pytest.mark.parametrize('name', OBJECTS)
def test_an_object_that_names_the_table_is_said(dry, sql, name):
    table, make, drop, said = OBJECTS[name]
    sql(make, back=[drop])
    found = line(dry(table), said)
    assert found.startswith(('note: ', 'warning: '))


def test_a_subscription_is_said(dry, sql, db):
    sql("create subscription sub connection 'dbname=nowhere' publication p with (connect = false)",
        "insert into pg_subscription_rel select oid, 'public.prices'::regclass, 'r', null from pg_subscription",
        back=['drop subscription sub', "delete from pg_subscription_rel where srrelid = 'public.prices'::regclass",
              'alter subscription sub set (slot_name = none)'])
    said = line(dry(), 'subscription sub')
    assert said.startswith('warning: public.prices: subscription sub writes to it by name'), said


def test_partitions_and_statistics_go_along(dry, sql):
    sql('create statistics days_stat (dependencies) on day, (day + 1) from days', 'alter statistics days_stat owner to checked_owner',
        back=['drop statistics days_stat'])
    said = dry('public.days')
    assert 'ALTER TABLE public.days_1 SET SCHEMA data;' in said and 'CREATE VIEW public.days_1' in said
    assert 'ALTER STATISTICS public.days_stat SET SCHEMA data;' in said
    assert 'days_1 stays' not in said


# ---- what is in the way ----

CLASHES = {
    'table': ('public.prices', 'create table data.prices (id int)', 'drop table data.prices',
              'data.prices exists already', 'DROP TABLE data.prices;'),
    'view': ('public.prices', 'create view data.prices as select 1 as x', 'drop view data.prices',
             'data.prices is a view that no cutover has made', 'DROP VIEW data.prices;'),
    'index': ('public.prices', 'create table data.x (id int); create index prices_pkey on data.x (id)', 'drop table data.x',
              'data has an index, sequence, type or statistics object prices_pkey already', 'Rename or drop'),
    'sequence': ('public.prices', 'create sequence data.prices_id_seq', 'drop sequence data.prices_id_seq',
                 'prices_id_seq already', 'Rename or drop'),
    'type': ('public.prices', "create type data.prices as enum ('x')", 'drop type data.prices', 'object prices already', 'Rename or drop'),
    'type of arrays': ('public.prices', 'create table data._prices (id int)', 'drop table data._prices', '_prices already',
                       'Rename or drop'),
    'statistics': ('public.days', 'create table data.x (a int, b int); create statistics data.st on a, b from data.x;'
                   'create statistics st (dependencies) on day, (day + 1) from days; alter statistics st owner to checked_owner',
                   'drop table data.x; drop statistics st', 'statistics object st already', 'Rename or drop'),
    'column': ('public.trades', 'alter table trades add column agent text', 'alter table trades drop column agent',
               'public.trades has a column agent already, which seller is to be called', '`columns` in the map'),
}


@pytest.mark.parametrize('name', CLASHES)
def test_a_name_that_is_taken_is_in_the_way(dry, sql, name):
    table, make, drop, said, hint = CLASHES[name]
    sql(make, back=[drop])
    found = dry(table, status=1)
    assert line(found, 'in the way: ', said) and hint in found, found


@pytest.mark.parametrize('table, said, status', [
    ('public.shapes', 'public.shapes is a transform, not a move', 1),
    ('public.gone', 'public.gone has no new side in the map', 1),
    ('public.missing', 'public.missing does not exist, under neither name', 2),
    ('public.nowhere', 'the map has no entry public.nowhere', 2),
])
def test_what_no_cutover_moves_is_refused(dry, table, said, status):
    assert said in dry(table, status=status)


PRIVILEGES = {
    'owner': ('revoke checked_owner from crossfade_mover', 'grant checked_owner to crossfade_mover',
              'the role of `admin` is not a member of checked_owner', 'GRANT checked_owner TO'),
    'create there': ('revoke create on schema data from crossfade_mover', 'grant create on schema data to crossfade_mover',
                     'may not create tables in schema data', 'GRANT CREATE ON SCHEMA data'),
    'usage for others': ('revoke usage on schema data from crossfade_mover',
                         'grant usage on schema data to crossfade_mover with grant option',
                         'app may use public.prices, but not the schema data', 'GRANT USAGE ON SCHEMA data TO app'),
    'own schema': ('alter schema crossfade owner to postgres', 'alter schema crossfade owner to crossfade_mover',
                   'may not write to the schema crossfade', 'CREATE SCHEMA crossfade AUTHORIZATION'),
    'no own schema': ('drop schema crossfade cascade', 'create schema crossfade authorization crossfade_mover',
                      'may not write to the schema crossfade', 'CREATE SCHEMA crossfade AUTHORIZATION'),
    'statistics': ('create statistics st (dependencies) on code, at from prices', 'drop statistics st',
                   'does not own the statistics object st', 'ALTER STATISTICS st OWNER TO checked_owner'),
}


@pytest.mark.parametrize('name', PRIVILEGES)
def test_a_privilege_that_is_missing_is_in_the_way(dry, sql, name):
    take, give, said, hint = PRIVILEGES[name]
    sql(take, back=[give])
    found = dry(status=1)
    assert line(found, 'in the way: ', said) and hint in found, found


def test_without_statistics_of_others_it_says_what_it_does_not_see(dry, sql):
    sql('revoke pg_read_all_stats from crossfade_mover', back=['grant pg_read_all_stats to crossfade_mover'])
    found = dry()
    assert line(found, 'warning: the role of `admin` does not see what sessions of others do') and \
        'GRANT pg_read_all_stats' in found


# ---- who is there, and what they send ----

def test_long_transactions_are_said(dry, db):
    with psycopg.connect(db.dsn(dbname=DATABASE, user='app', application_name='the report')) as reader:
        reader.execute('select count(*) from prices')
        pid = reader.info.backend_pid
        wait_for(lambda: db.sessions(f"pid = {pid} and clock_timestamp() - xact_start > interval '20 ms'"), 10, 'old', 0.01)
        said = dry('public.prices', '--max-stall=10ms')
        assert 'transactions older than 10 ms hold the tables now' in said and f'held by pid {pid}, user app' in said
        assert 'the report' in said and 'idle in transaction' in said
        assert 'hold the tables now' not in dry('public.trades', '--max-stall=10ms')
        reader.rollback()
    assert 'hold the tables now' not in dry()


def test_one_cutover_at_a_time(proxy, db):
    with psycopg.connect(proxy.dsn(dbname=DATABASE, user='app')) as reader:
        reader.execute('select count(*) from prices')
        console = Console(proxy)
        first = subprocess.Popen([str(servers.BINARY), 'cutover', '-c', str(proxy.config_file), 'public.prices'],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        holder = "SELECT * FROM pg_locks WHERE locktype = 'advisory' AND objid = 1668834916"  # as docs/cutover.md has it
        assert holder in ' '.join((servers.ROOT / 'docs/cutover.md').read_text().split())
        wait_for(lambda: 'ExclusiveLock' in db.psql('-Atc', holder, PGDATABASE=DATABASE).stdout, 20, 'it is under way')
        done = proxy.command('cutover', '-c', proxy.config_file, 'public.trades')
        assert done.returncode == 1 and 'another cutover is under way in this database' in done.stderr
        console.order('CANCEL CUTOVER')
        assert first.wait(20) == 1
        reader.rollback()


def test_sessions_that_bypass_are_said(dry, db, proxy):
    with psycopg.connect(db.dsn(dbname=DATABASE, user='app', application_name='nightly job')) as direct, \
            psycopg.connect(proxy.dsn(dbname=DATABASE, user='app', application_name='through')) as ours:
        ours.execute('select 1')
        direct.execute('select 1')
        said = wait_for(lambda: (lambda s: s if 'nightly job' in s else None)(dry()), 30, 'seen')
        assert f'pid {direct.info.backend_pid}, user app, application nightly job, from 127.0.0.1' in \
            line(said, 'does not come through crossfade')
        assert 'under the old name they go on to work over the view' in said
        assert 'without a view their statements on the old name will fail' in dry('public.prices', '--no-view')
        assert 'through' not in said.replace('through crossfade', '')


REFUSED = "create policy sellers on trades using (seller = 'x')"  # it would be bound to a column of another name


def test_statements_that_would_be_refused_or_are_opaque_are_said(dry, proxy, sql):
    with psycopg.connect(proxy.dsn(dbname=DATABASE, user='postgres', application_name='reporter'), autocommit=True) as c:
        c.execute("do $$ begin perform price from public.trades; end $$")
        c.execute(REFUSED)
        c.execute('drop policy sellers on trades')
    found = wait_for(lambda: (lambda s: s if 'afterwards' in s and 'opaque' in s else None)(dry('public.trades')), 60, 'known', 0.2)
    assert 'application reporter, user postgres' in line(found, 'public.trades: would be refused afterwards: '), found
    assert '1 times, last 0 minutes ago' in line(found, 'is not rewritten (opaque), and names a table that moves: '), found
    assert 'refused afterwards' not in dry()
