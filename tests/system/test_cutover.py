"""Cutovers under load: nothing fails, nothing is lost, and whoever is in the way is named."""
import os
import re
import signal
import statistics
import threading
import time

import psycopg
import pytest

import bank
import raw
from raw import Raw
from relay import CutsAtCommit
from servers import Console, join, wait_for

CONSOLE = 'console: {listen: [run], admins: [root]}\n'
MODES = ('simple', 'extended', 'prepared', 'pipelined')


@pytest.fixture
def db(pg, request):
    """A bank; made anew only when the test before has left it otherwise than it was."""
    if not getattr(pg, 'bank_is_good', False):
        bank.create(pg)
        pg.bank_places = places(pg)
    else:
        pg.psql('-c', 'truncate books', '-c', 'update accounts set balance = 1000, changes = 0', PGDATABASE='bank')
    pg.bank_is_good = False
    yield pg
    pg.bank_is_good = places(pg) == pg.bank_places and 'spoils' not in request.keywords


@pytest.fixture
def proxy(db, make_proxy):
    return make_proxy(db, map_text=bank.MAP, dbname='bank', admin=bank.admin(db), config=CONSOLE + 'workers: 2\n')


@pytest.fixture
def console(proxy):
    return Console(proxy)


def connect(endpoint, user='app', **kw):
    return psycopg.connect(endpoint.dsn(user=user, dbname='bank', **kw), autocommit=True)


def places(pg):
    """{table or view: kind} of the two schemas."""
    done = pg.psql('-Atc', "select n.nspname || '.' || relname || ' ' || relkind::text from pg_class c join "
                   "pg_namespace n on n.oid = relnamespace where nspname in ('public', 'data') and relkind in ('r', 'v')",
                   PGDATABASE='bank')
    return dict(line.split() for line in done.stdout.splitlines())


def stages(console):
    done = console.psql('-Atc', 'show tables')
    return {line.split('|')[1]: (line.split('|')[4], line.split('|')[5], line.split('|')[6])
            for line in done.stdout.splitlines()}


class Prober(threading.Thread):
    """One client with a driver's own statement cache, and the longest time it ever waited."""

    def __init__(self, endpoint, prepare=True):
        super().__init__(daemon=True)
        self.connection = connect(endpoint)
        self.connection.prepare_threshold = 1 if prepare else None
        self.stopping, self.waits, self.error, self.done = False, [], None, 0

    def run(self):
        try:
            while not self.stopping:
                begun = time.monotonic()
                with self.connection.transaction():
                    self.connection.execute('update accounts set changes = changes where id = %s', (self.done % 10 + 1,))
                    got = self.connection.execute('select balance, changes from public.accounts where id = %s', (1,)).fetchone()
                    assert len(got) == 2
                self.waits.append(time.monotonic() - begun)
                self.done += 1
        except Exception as e:  # noqa: BLE001: told by the test
            self.error = e

    def finish(self):
        self.stopping = True
        self.join(60)
        assert not self.is_alive(), 'the prober hangs'
        self.connection.close()
        assert self.error is None, self.error
        assert self.done
        return max(self.waits)


def there_and_back(console, times, pause=0.1, what='GROUP bank', options=''):
    """Longest stalls in milliseconds, as the command says them."""
    stalls = []
    for i in range(times):
        verb = 'REVERSE' if i % 2 else 'CUTOVER'
        done = console.psql('-c', f"{verb} {what} {options} MAX STALL '5s' TIMEOUT '60s'")
        assert done.returncode == 0, done.stdout + done.stderr
        stalls.append(float(re.search(r'Longest stall ([0-9.]+) ms', done.stderr).group(1)))
        time.sleep(pause)
    return stalls


def test_cutovers_back_and_forth_under_load(proxy, console, db, tmp_path):
    times, seconds = int(os.environ.get('CROSSFADE_CUTOVERS', '8')), float(os.environ.get('CROSSFADE_LOAD_S', '8'))
    tmp_path.chmod(0o755)
    strict = 'CROSSFADE_STRICT' in os.environ
    others = bank.driver_loads(proxy, 2 if strict else 1)
    loads = [bank.Load(proxy, tmp_path, mode, 8 if strict else 2, int(seconds)) for mode in MODES]
    prober = Prober(proxy)
    prober.start()
    began = time.monotonic()
    wait_for(lambda: time.monotonic() - began > (5 if 'CROSSFADE_STRICT' in os.environ else 0.5), 10, 'a baseline', 0.1)
    usual = max(prober.waits, default=0) * 1000  # the load's own longest wait, without any cutover
    stalls = there_and_back(console, times // 2, max(0.05, (seconds - 4) / times - 0.5))
    stalls += there_and_back(console, times - times // 2, max(0.05, (seconds - 4) / times - 0.5), options='NO VIEW')
    assert time.monotonic() - began > 1
    transactions = {load.mode: load.finish() for load in loads}
    prober.finish()
    transactions.update({load.driver: load.finish() for load in others})
    money, changes, lines = bank.balance(db)
    transfers = sum(n for mode, n in transactions.items() if mode != 'pipelined')
    assert money == 1000 * bank.ACCOUNTS
    assert changes == lines == 2 * transfers + transactions['pipelined'], 'no transfer is lost, none is done twice'
    found = bank.sequences(db)
    assert {k: v for load in others for k, v in load.done.items()}.items() <= found.items()
    for load in loads:
        assert sum(n for client, n in found.items() if client.startswith(load.mode)) == transactions[load.mode]
    assert stages(console)['public.accounts'] == ('old', 'old', 'f')
    print(f'usual {usual} ms, stalls {stalls} ms, transactions {transactions}')
    if 'CROSSFADE_STRICT' in os.environ:
        assert statistics.median(stalls) <= usual + 100 and max(stalls) <= usual + 300, (usual, stalls)


def test_it_moves_and_moves_back(proxy, console, db):
    db.psql('-c', 'drop schema if exists crossfade cascade', PGDATABASE='bank')
    before = places(db)
    assert console.psql('-c', 'CUTOVER public.accounts').returncode == 0
    assert places(db) == {**before, 'data.accounts': 'r', 'public.accounts': 'v'}
    assert stages(console)['public.accounts'] == ('live', 'new', 'f')
    assert 'public.accounts: live' in proxy.flags_file.read_text()
    with connect(proxy) as c, connect(db) as direct:
        for name in ('accounts', 'public.accounts', 'data.accounts'):
            assert c.execute(f'select count(*) from {name}').fetchone() == (bank.ACCOUNTS,)
        direct.execute('update public.accounts set changes = changes where id = 1')  # by the view, with the grants
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            direct.execute('truncate data.accounts')
    again = console.psql('-c', 'CUTOVER public.accounts')
    assert again.returncode == 0 and 'nothing to do' in again.stderr
    assert console.psql('-c', "REVERSE public.accounts REASON 'only a try'").returncode == 0
    assert places(db) == before
    assert stages(console)['public.accounts'] == ('old', 'old', 'f')
    journal = db.psql('-Atc', 'select kind, outcome, tables, from_stages, to_stages, who, role, reason from '
                      'crossfade.journal order by at', PGDATABASE='bank').stdout.splitlines()
    assert journal == ['cutover|done|{public.accounts}|{old}|{live}|root|mover|',
                       'reverse|done|{public.accounts}|{live}|{old}|root|mover|only a try']
    assert db.psql('-Atc', 'select table_name, stage from crossfade.stages', PGDATABASE='bank').stdout == 'public.accounts|old\n'


@pytest.mark.spoils
def test_a_flags_file_that_cannot_be_written(proxy, console, db):
    real = proxy.dir / 'elsewhere.yaml'
    proxy.flags_file.rename(real)
    os.symlink('/proc/version', proxy.flags_file)
    done = console.psql('-c', 'CUTOVER public.accounts')
    assert done.returncode == 0 and 'moved' in done.stderr, done.stderr
    assert 'WARNING' in done.stderr and 'Write the stages into the flags file by hand' in done.stderr
    proxy.flags_file.unlink()
    real.rename(proxy.flags_file)  # it still says old: a reload breaks the rules, and a restart does not believe it
    done = console.psql('-c', 'RELOAD')
    assert done.returncode != 0 and 'cannot go to stage old: its rows are on the new side' in done.stderr
    proxy.stop()
    proxy.start()
    proxy.wait_log('flags_held')
    assert stages(console)['public.accounts'] == ('live', 'new', 'f')
    proxy.flags_file.write_text('flags: {public.accounts: live}\n')
    assert console.psql('-c', 'RELOAD').returncode == 0


@pytest.mark.spoils
def test_renamed_columns_and_all_that_goes_along(proxy, console, db):
    db.psql('-v', 'ON_ERROR_STOP=1', '-c', 'create statistics public.of_books (dependencies) on account, amount from books',
            '-c', 'alter statistics of_books owner to owner_of_it',
            '-c', 'grant select (account), update (note) on books to public', PGDATABASE='bank')
    assert console.psql('-c', "CUTOVER GROUP bank").returncode == 0
    with connect(proxy) as c, connect(db) as direct:
        c.execute('insert into books (account, amount) values (1, 5)')
        assert c.execute('select account, amount from books').fetchall() == [(1, 5)]
        assert direct.execute('select account_id, delta from data.ledger_lines').fetchall() == [(1, 5)]
        assert direct.execute('select account, amount from public.books').fetchall() == [(1, 5)]
        granted = direct.execute("select has_column_privilege('nobody_may', 'public.books', 'account', 'select'), "
                                 "has_column_privilege('nobody_may', 'public.books', 'amount', 'select'), "
                                 "pg_get_userbyid(relowner) from pg_class where oid = 'public.books'::regclass").fetchone()
        assert granted == (True, False, 'owner_of_it')
        where = direct.execute("select stxnamespace::regnamespace::text from pg_statistic_ext where stxname = 'of_books'")
        assert where.fetchone() == ('data',)
    assert console.psql('-c', "REVERSE GROUP bank").returncode == 0
    with connect(proxy) as c:
        assert c.execute('select account_id, delta from data.ledger_lines').fetchall() == [(1, 5)]


@pytest.mark.spoils
def test_partitions_go_along(db, make_proxy):
    db.psql('-v', 'ON_ERROR_STOP=1', '-c', 'create table parted (id int, day int) partition by range (day)',
            '-c', 'create table parted_1 partition of parted for values from (0) to (10)',
            '-c', 'create table parted_2 partition of parted for values from (10) to (20)',
            '-c', 'alter table parted owner to owner_of_it', '-c', 'alter table parted_1 owner to owner_of_it',
            '-c', 'alter table parted_2 owner to owner_of_it', '-c', 'insert into parted select i, i from generate_series(0, 19) i',
            '-c', 'grant select, insert on parted to app', PGDATABASE='bank')
    map_text = 'old: v10\nnew: v13\ntables: {public.parted: data.parted, public.parted_2: data.parted_2}\n'
    proxy = make_proxy(db, map_text=map_text, dbname='bank', admin=bank.admin(db), config=CONSOLE)
    console = Console(proxy)
    assert console.psql('-c', 'CUTOVER public.parted').returncode == 0
    assert {'data.parted_1': 'r', 'data.parted_2': 'r', 'public.parted_1': 'v'}.items() <= places(db).items()
    assert stages(console)['public.parted_2'] == ('live', 'new', 'f')
    with connect(proxy) as c:
        c.execute('insert into parted values (20, 5)')
        assert c.execute('select count(*) from data.parted').fetchone() == (21,)
    assert console.psql('-c', 'REVERSE public.parted').returncode == 0
    assert {'public.parted_1': 'r', 'public.parted_2': 'r'}.items() <= places(db).items()


@pytest.mark.spoils
def test_a_dry_run_says_everything_and_changes_nothing(proxy, console, db):
    db.psql('-c', 'drop schema if exists crossfade cascade', PGDATABASE='bank')
    before = places(db)
    done = console.psql('-c', 'CUTOVER GROUP bank DRY RUN')
    assert done.returncode == 0
    for text in ('LOCK TABLE public.accounts IN ACCESS EXCLUSIVE MODE', 'ALTER TABLE public.accounts SET SCHEMA data',
                 'RENAME COLUMN account TO account_id', 'CREATE VIEW public.books', 'COMMIT'):
        assert text in done.stderr, done.stderr
    assert places(db) == before
    assert db.psql('-Atc', "select to_regnamespace('crossfade')", PGDATABASE='bank').stdout == '\n'


def test_the_command_line(proxy, db):
    def cutover(*args):
        return proxy.command('cutover', '-c', proxy.config_file, *args)
    done = cutover('--group=bank', '--dry-run')
    assert done.returncode == 0 and 'ALTER TABLE public.accounts SET SCHEMA data' in done.stdout, done.stderr
    done = cutover('accounts', '--reason', "it's time", '--timeout=20s', '--max-stall', '2s')
    assert done.returncode == 0 and 'Longest stall' in done.stdout, done.stderr
    done = cutover('public.accounts', '--reverse')
    assert done.returncode == 0 and 'moved back' in done.stdout, done.stderr
    reasons = db.psql('-Atc', "select reason from crossfade.journal where reason like 'it%'", PGDATABASE='bank').stdout
    assert "it's time" in reasons
    history = proxy.command('flags', 'history', '-c', proxy.config_file).stdout
    assert 'cutover' in history and 'reverse' in history and "it's time" in history
    assert cutover('public.nothing').returncode == 2
    assert cutover().returncode == 2 and cutover('a', '--group=b').returncode == 2


def test_the_kill_switch_and_a_cutover_exclude_each_other(watched, proxy, db):
    watched.order('REWRITE OFF')
    done = watched.psql('-c', 'CUTOVER public.accounts')
    assert done.returncode != 0 and 'rewriting is off' in done.stderr
    watched.order('REWRITE ON')
    with connect(proxy) as reader:
        reader.execute('begin')
        reader.execute('select 1 from accounts')
        thread = threading.Thread(target=lambda: watched.psql('-c', "CUTOVER public.accounts TIMEOUT '20s'"))
        thread.start()
        wait_for(lambda: 'running' in watched.psql('-Atc', 'show cutovers').stdout, 10, 'it runs')
        done = watched.psql('-c', 'REWRITE OFF')
        assert done.returncode != 0 and 'a cutover is under way' in done.stderr
        watched.order('CANCEL CUTOVER')
        thread.join(20)
        reader.execute('commit')


def test_what_the_move_would_break_is_said(proxy, console, db):
    db.psql('-v', 'ON_ERROR_STOP=1', '-c', "create function rich() returns bigint language plpgsql as $$ begin "
            "return (select count(*) from public.accounts where balance > 1000); end $$", PGDATABASE='bank')
    done = console.psql('-c', 'CUTOVER public.accounts DRY RUN')
    db.psql('-c', 'drop function rich()', PGDATABASE='bank')
    assert done.returncode == 0 and 'rich()' in done.stderr, done.stderr


@pytest.mark.spoils
@pytest.mark.parametrize('sql, message, hint', [
    ('create table data.accounts (id int)', 'data.accounts exists already', 'DROP TABLE data.accounts'),
    ('create table data.other (id int); create index accounts_pkey on data.other (id)', 'accounts_pkey', 'Rename'),
    ('revoke create on schema data from mover, owner_of_it', 'may not create tables in schema data', 'GRANT CREATE'),
    ('revoke owner_of_it from mover', 'not a member of owner_of_it', 'GRANT owner_of_it'),
    ('drop schema data', 'schema data does not exist', 'CREATE SCHEMA'),
    ('revoke create on schema public from owner_of_it, mover', 'may not create the view', 'NO VIEW'),
])
def test_what_stands_in_the_way_is_said_before_anything_is_tried(proxy, console, db, sql, message, hint):
    assert db.psql('-v', 'ON_ERROR_STOP=1', '-c', sql, PGDATABASE='bank').returncode == 0
    before = places(db)
    try:
        done = console.psql('-c', "CUTOVER public.accounts TIMEOUT '5s'")
    finally:
        db.psql('-c', 'grant owner_of_it to mover', PGDATABASE='bank')
    assert done.returncode != 0 and message in done.stderr and hint.lower() in done.stderr.lower(), done.stderr
    assert places(db) == before


# ---- in the way ----

def give_up(console, seconds=1, stall=300, what='public.accounts'):
    began = time.monotonic()
    done = console.psql('-c', f"CUTOVER {what} TIMEOUT '{seconds}s' MAX STALL '{stall}ms'")
    assert done.returncode != 0, done.stdout + done.stderr
    assert '55P03' in done.stderr and 'gave up' in done.stderr, done.stderr
    assert time.monotonic() - began < seconds + 15
    return done.stderr


def blocked(console, db, named, stall=300, seconds=1):
    """It gives up, names who is in the way, nobody has waited longer than allowed, and nothing has changed."""
    before = places(db)
    prober = Prober(console.proxy)
    prober.start()
    said = give_up(console, seconds, stall)
    longest = prober.finish()
    for name in named:
        assert name in said, said
    assert places(db) == before
    assert longest < (stall + 100) / 1000 * (1 if 'CROSSFADE_STRICT' in os.environ else 5), longest
    return said


@pytest.fixture
def watched(console, proxy):
    console.proxy = proxy
    return console


def test_an_idle_reader_is_named_and_nobody_waits_for_it(watched, proxy, db):
    with connect(proxy, application_name='the reader') as reader:
        reader.execute('begin')
        reader.execute("select * from accounts where id = 7 and 'secret' <> ''")
        pid = reader.info.backend_pid
        said = blocked(watched, db, ['the reader', f'pid {pid}', 'idle in transaction', 'user app'])
        assert 'secret' not in said
        reader.execute('commit')


def test_a_client_that_comes_another_way_is_named(watched, db):
    with connect(db, application_name='direct') as direct:
        direct.execute('begin')
        direct.execute('select 1 from accounts')
        blocked(watched, db, ['direct'])


def test_a_use_of_a_sequence_is_named(watched, db):
    with connect(db, application_name='counter') as direct:
        direct.execute('begin')
        direct.execute("select nextval('books_line_seq')")
        assert 'counter' in give_up(watched, what='public.books')


def test_a_prepared_transaction_is_named(watched, db):
    with connect(db) as c:
        c.execute('begin')
        c.execute('update accounts set changes = changes where id = 1')
        c.execute("prepare transaction 'left behind'")
        try:
            assert "In its way: prepared transaction 'left behind' of app" in give_up(watched)
        finally:
            c.execute("rollback prepared 'left behind'")
    there_and_back(watched, 2, what='public.accounts')


def test_a_batch_without_its_sync_is_named(watched, proxy, db):
    with Raw(proxy.address).startup(user='app', database='bank', application_name='half a batch') as c:
        c.send(raw.parse('select 1 from accounts') + raw.flush())
        c.until('1')
        blocked(watched, db, ['half a batch'])
        c.send(raw.sync())
        c.until()
    there_and_back(watched, 2, what='public.accounts')


def test_two_tables_locked_in_opposite_order(proxy, console):
    """T2 holds accounts and waits for T1's branch; T1 comes to accounts during the pause: it is let through."""
    with connect(proxy) as two, connect(proxy) as one:  # `two` waits for `one`, which therefore is closed first
        one.execute('begin')
        one.execute('update branches set name = name')
        two.execute('begin')
        two.execute('update accounts set changes = changes where id = 1')
        waiting = threading.Thread(target=lambda: two.execute('update branches set name = name'))
        waiting.start()
        moved = []
        mover = threading.Thread(target=lambda: moved.append(
            console.psql('-c', "CUTOVER public.accounts MAX STALL '10s' TIMEOUT '30s'")))
        mover.start()
        wait_for(lambda: 'drain' in console.psql('-Atc', 'show cutovers').stdout, 10, 'it drains')
        assert one.execute('select balance from accounts where id = 2').fetchone()
        one.execute('commit')
        waiting.join(20)
        assert not waiting.is_alive()
        two.execute('commit')
        mover.join(30)
        assert moved and moved[0].returncode == 0, moved
        assert one.execute('select count(*) from accounts').fetchone() == (bank.ACCOUNTS,)
    console.order('REVERSE public.accounts')


def test_the_stall_of_a_statement_that_is_prepared_anew_counts(proxy, console):
    with connect(proxy) as holder, connect(proxy) as waiter:
        def read():
            return waiter.execute('select balance from accounts where id = %s', (1,), prepare=True).fetchone()
        assert read()
        holder.execute('begin')
        holder.execute('update accounts set changes = changes where id = 2')
        said, got = [], []
        mover = threading.Thread(target=lambda: said.append(
            console.psql('-c', "CUTOVER public.accounts MAX STALL '10s' TIMEOUT '30s'")))
        mover.start()
        wait_for(lambda: 'drain' in console.psql('-Atc', 'show cutovers').stdout, 10, 'it drains')
        reader = threading.Thread(target=lambda: got.append(read()))
        reader.start()
        wait_for(lambda: 'the end of a pause' in console.psql('-Atc', 'show clients').stdout, 10, 'it waits')
        holder.execute('commit')
        mover.join(30)
        reader.join(30)
    assert got and said[0].returncode == 0, said
    assert '1 statements waited' in said[0].stderr
    assert float(re.search(r'Longest stall ([0-9.]+) ms', said[0].stderr).group(1)) > 1, said[0].stderr
    console.order('REVERSE public.accounts')


def test_cancel(watched, proxy, db):
    with connect(proxy) as reader:
        reader.execute('begin')
        reader.execute('select 1 from accounts')
        said = []
        thread = threading.Thread(target=lambda: said.append(watched.psql('-c', 'CUTOVER public.accounts')))
        thread.start()
        wait_for(lambda: 'wait' in watched.psql('-Atc', 'show cutovers').stdout, 10, 'it waits')
        wait_for(lambda: str(reader.info.backend_pid) in watched.psql('-Atc', 'show blockers').stdout, 10, 'named')
        watched.order('CANCEL CUTOVER')
        thread.join(20)
        assert said[0].returncode != 0 and '57014' in said[0].stderr
        reader.execute('commit')
    done = watched.psql('-c', 'CANCEL CUTOVER')
    assert done.returncode != 0 and 'no cutover is under way' in done.stderr


# ---- faults ----

def test_the_servers_process_is_killed_and_it_goes_on(proxy, console, db, tmp_path):
    """Whichever moment it hits: in the end the table is in one place, and statements find it."""
    tmp_path.chmod(0o755)
    load = bank.Load(proxy, tmp_path, 'prepared', 2, 6)
    stop = threading.Event()

    def killer():
        with connect(db, user='postgres') as c:
            while not stop.is_set():
                c.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'crossfade cutover'"
                          " and random() < 0.3")
                stop.wait(0.02)
    thread = threading.Thread(target=killer)
    thread.start()
    try:
        for i in range(4):
            verb = 'REVERSE' if i % 2 else 'CUTOVER'
            done = console.psql('-c', f"{verb} public.accounts MAX STALL '5s' TIMEOUT '60s'")
            if done.returncode:  # killed before it began: as before
                assert 'FATAL' in done.stderr or '57P01' in done.stderr or '08006' in done.stderr, done.stderr
            wait_for(lambda: stages(console)['public.accounts'][2] == 'f', 10, 'no drift')
    finally:
        stop.set()
        join(thread)
    load.finish()
    money, changes, lines = bank.balance(db)
    assert money == 1000 * bank.ACCOUNTS and changes == lines


@pytest.mark.parametrize('fate', ['not done', 'done'])
def test_a_commit_without_an_answer_is_settled(db, make_proxy, tmp_path, fate):
    tmp_path.chmod(0o755)
    relay = CutsAtCommit(db.address, fate)
    try:
        proxy = make_proxy(db, map_text=bank.MAP, dbname='bank', config=CONSOLE,
                           admin=f'host=127.0.0.1 port={relay.port} user=mover dbname=bank')
        console = Console(proxy)
        load = bank.Load(proxy, tmp_path, 'extended', 2, 3)
        wait_for(lambda: int(db.psql('-Atc', 'select sum(changes) from accounts', PGDATABASE='bank').stdout) > 10, 20, 'load')
        done = console.psql('-c', "CUTOVER public.accounts MAX STALL '5s'")
        assert done.returncode == 0 and relay.cuts == 1, done.stderr
        assert 'COMMIT was not answered' in done.stderr
        attempt = 1 if fate == 'done' else 2
        assert f'attempt {attempt}, tables paused' in done.stderr, done.stderr
        load.finish()
        assert places(db)['data.accounts'] == 'r'
        assert db.psql('-Atc', "select count(*) from crossfade.journal where outcome = 'done' and kind = 'cutover' and at > "
                       "now() - interval '1 min'", PGDATABASE='bank').stdout >= '1\n'
        console.order('REVERSE public.accounts')
    finally:
        relay.listener.close()


@pytest.mark.skipif('CROSSFADE_STRICT' not in os.environ, reason='takes a minute: tests/full/cutovers.sh')
def test_a_server_that_crashes_comes_back_with_the_state_before_or_after(make_proxy, victim):
    bank.create(victim)
    for i in range(8):
        proxy = make_proxy(victim, map_text=bank.MAP, dbname='bank', admin=bank.admin(victim), config=CONSOLE)
        console = Console(proxy)
        said = []
        verb = 'REVERSE' if 'data.accounts' in [k for k, v in places(victim).items() if v == 'r'] else 'CUTOVER'
        thread = threading.Thread(target=lambda: said.append(console.psql('-c', f"{verb} public.accounts TIMEOUT '40s'")))
        thread.start()
        time.sleep(0.01 + 0.02 * i)
        victim.stop('immediate')
        victim.start()
        thread.join(60)
        tables = [k for k, v in places(victim).items() if k.endswith('.accounts') and v == 'r']
        assert len(tables) == 1
        done = said[0].returncode == 0
        if done:
            assert tables == ['public.accounts' if verb == 'REVERSE' else 'data.accounts']
        journal = victim.psql('-Atc', "select count(*) from crossfade.journal where outcome = 'done'", PGDATABASE='bank')
        assert journal.returncode or int(journal.stdout) % 2 == (tables == ['data.accounts'])

        def answers():
            with connect(proxy) as c:
                return all(c.execute(f'select count(*) from {n}').fetchone() == (bank.ACCOUNTS,)
                           for n in ('public.accounts', 'data.accounts'))
        wait_for(lambda: tries(answers), 20, 'statements find the table')


def tries(act):
    try:
        return act()
    except psycopg.Error:
        return False


def test_a_killed_proxy_leaves_the_state_before_or_after(db, make_proxy, tmp_path):
    """kill -9 at a random moment of a cutover; a new proxy serves whatever is there."""
    tmp_path.chmod(0o755)
    for i in range(int(os.environ.get('CROSSFADE_KILLS', '2'))):
        proxy = make_proxy(db, map_text=bank.MAP, dbname='bank', admin=bank.admin(db), config=CONSOLE)
        console = Console(proxy)
        with connect(proxy) as c:
            c.execute('select 1 from accounts')
            command = threading.Thread(target=lambda: console.psql('-c', 'CUTOVER public.accounts'))
            command.start()
            time.sleep(0.02 * (i + 1))
            proxy.kill()
            proxy.process = None
            command.join(20)
        place = wait_for(lambda: [k for k, v in places(db).items() if k.endswith('.accounts') and v == 'r'], 10, 'a table')
        assert len(place) == 1
        again = make_proxy(db, map_text=bank.MAP, dbname='bank', admin=bank.admin(db), config=CONSOLE)
        with connect(again) as c:
            for name in ('public.accounts', 'data.accounts'):
                assert c.execute(f'select count(*) from {name}').fetchone() == (bank.ACCOUNTS,)
        verb = 'REVERSE' if place == ['data.accounts'] else 'CUTOVER'
        done = Console(again).psql('-c', f"{verb} public.accounts TIMEOUT '20s'")
        assert done.returncode == 0, done.stderr
        if verb == 'CUTOVER':
            assert Console(again).psql('-c', 'REVERSE public.accounts').returncode == 0


def test_a_frozen_proxy_does_not_hold_the_table_for_others(proxy, console, db):
    """SIGSTOP in the middle: the server ends the half-done transaction; awake, the proxy knows what is true."""
    with connect(db) as reader:
        reader.execute('begin')
        reader.execute('select 1 from accounts')
        said = []
        thread = threading.Thread(target=lambda: said.append(
            console.psql('-c', "CUTOVER public.accounts MAX STALL '20s' TIMEOUT '40s'")))
        thread.start()
        wait_for(lambda: 'drain' in console.psql('-Atc', 'show cutovers').stdout, 10, 'it drains')
        os.kill(proxy.pid, signal.SIGSTOP)
        reader.execute('commit')
    try:
        with connect(db, options='-c lock_timeout=30s') as direct:
            direct.execute('update accounts set changes = changes where id = 1')
    finally:  # or whoever connects to it next waits for ever
        os.kill(proxy.pid, signal.SIGCONT)
    thread.join(60)
    assert said and said[0].returncode == 0, said
    with connect(proxy) as c:
        assert c.execute('select count(*) from accounts').fetchone() == (bank.ACCOUNTS,)
    assert stages(console)['public.accounts'] == ('live', 'new', 'f')
