"""Several proxies of one database: stages in the database, and pauses that all of them keep.

Their role has what `check --grants` prints and nothing else."""
import datetime
import os
import re
import subprocess
import threading
import time

import psycopg
import pytest

import bank
import fleet as many
from fleet import Writer, count, rows, stage
from servers import PGBIN, join, wait_for

STRICT = 'CROSSFADE_STRICT' in os.environ


@pytest.fixture(scope='module')
def granted(pg):
    return {}


@pytest.fixture
def db(pg, make_proxy, granted):
    """A bank; made anew when a test has left it otherwise."""
    bank.create(pg)
    pg.bank_is_good = False
    many.grant(pg, make_proxy)
    return pg


@pytest.fixture
def fleet(db, make_proxy):
    """Three proxies that share their stages."""
    made = [many.join(db, make_proxy) for _ in range(3 if STRICT else 2)]
    many.wait_live(made[0], len(made))
    return made


def cutover(proxy, verb='CUTOVER', options="TIMEOUT '60s' MAX STALL '5s'", table='public.books'):
    return proxy.console.psql('-c', f'{verb} {table} {options}')


def test_a_stage_set_through_one_holds_in_all(fleet, db):
    db.psql('-c', 'create table data.branches (id int primary key, name text); grant usage on schema data to app; '
            'alter table data.branches owner to owner_of_it; '
            'grant select on data.branches to app', PGDATABASE='bank')
    first, second = fleet[:2]
    assert count(first, 'branches') == count(second, 'data.branches') == '1'
    first.console.order("set flag public.branches to live reason 'shared'")
    assert count(first, 'branches') == '0'
    wait_for(lambda: count(second, 'branches') == '0', 10, 'the other follows', 0.05)
    second.console.order('set flag public.branches to old')
    wait_for(lambda: count(first, 'branches') == '1', 10, 'back', 0.05)
    done = first.console.psql('-c', 'set flag public.branches to complete')
    assert done.returncode == 1 and 'the next one is live' in done.stderr
    assert [r[1:4] + r[5:9] for r in rows(second, 'show history') if r[7] == 'done'] == [
        ('root', 'set flag', 'bank', 'live', 'old', 'done', None),
        ('root', 'set flag', 'bank', 'old', 'live', 'done', 'shared')]
    told = second.command('flags', 'history', '-c', second.config_file, 'public.branches')
    assert told.returncode == 0 and 'shared' in told.stdout, told.stderr
    assert [r[4] for r in rows(second, 'show flags') if r[1] == 'public.branches'] == ['root']
    first.stop()
    many.wait_live(second, len(fleet) - 1)
    first.start()
    assert count(first, 'branches') == '1'


def own_connections(pg, seconds):
    """Of all proxies together, looked at again and again: the processes of the server that serve their own purposes."""
    seen = []
    with psycopg.connect(pg.dsn(dbname='bank'), autocommit=True) as c:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            seen.append({r[0] for r in c.execute('select pid from pg_stat_activity where usename = %s and datname = %s',
                                                 (many.MOVER, 'bank')).fetchall()})
            time.sleep(0.01)
    return seen


def use_ledger_there(proxy):
    text = proxy.config_file.read_text()
    proxy.config_file.write_text(text.replace('usage: usage.db', 'usage: {schema: crossfade}') + 'limits: {usage_flush: 100ms}\n')
    proxy.start()


def test_a_proxy_holds_one_connection_of_its_own(db, make_proxy):
    """For the catalog, the stages, its lease and the ledger; a second one only when the first is busy for long."""
    proxy = many.join(db, make_proxy, start=False)
    use_ledger_there(proxy)
    many.wait_live(proxy, 1)
    lease = live_until(proxy)
    seen = own_connections(db, 2)
    assert len([pids for pids in seen if len(pids) != 1]) <= len(seen) / 10, seen
    assert len(set.union(*seen)) <= 3, 'it is held, and not opened again and again'
    assert live_until(proxy) > lease, 'the lease is renewed through it'
    assert count(proxy) == '0'
    wait_for(lambda: db.psql('-Atc', 'select sum(ok_count) from crossfade.usage_uses', PGDATABASE='bank').stdout.strip() == '1',
             20, 'the ledger too', 0.1)


def live_until(proxy):
    return [r[5] for r in many.live(proxy)][0]


def test_with_a_long_poll_none_is_held(db, make_proxy):
    proxy = many.join(db, make_proxy, start=False)
    text = proxy.config_file.read_text()
    proxy.config_file.write_text(text.replace('dbname=bank"}', 'dbname=bank", poll: 5s}'))
    proxy.start()
    many.wait_live(proxy, 1)
    with proxy.console.connect() as c:
        left = c.execute('show proxies').fetchall()[0]
        assert left[5] - left[4] > datetime.timedelta(seconds=14), 'the lease is that of three polls'
    seen = own_connections(db, 3)
    assert len([pids for pids in seen if not pids]) >= len(seen) / 2, seen
    assert len(many.live(proxy)) == 1 and count(proxy) == '0'


def waiting(proxy):
    return sum(r[7] for r in rows(proxy, 'show pauses'))


def ask_all(fleet, name):
    """A statement through each, which may have to wait; its answers come later."""
    answers = [None] * len(fleet)
    threads = [threading.Thread(target=lambda i=i, p=p: answers.__setitem__(i, count(p, name)), daemon=True)
               for i, p in enumerate(fleet)]
    for thread in threads:
        thread.start()
    return threads, answers


def test_a_pause_by_hand_is_one_of_all_and_any_can_end_it(fleet, db):
    first, last = fleet[0], fleet[-1]
    done = first.console.psql('-c', 'pause public.branches')
    assert done.returncode == 0 and f'in {len(fleet)} proxies' in done.stderr, done.stderr
    threads, answers = ask_all(fleet, 'branches')
    for proxy in fleet:
        wait_for(lambda p=proxy: waiting(p) == 1, 20, 'a statement waits in each', 0.05)
    shown = rows(last, 'show pauses')
    assert [r[:3] + r[5:] for r in shown] == [('bank', 'public.branches', 'root by hand', len(fleet), None, 1)], shown
    assert datetime.timedelta(seconds=59) < shown[0][4] - shown[0][3] <= datetime.timedelta(seconds=61)
    assert count(first) == '0', 'another table is not held up'
    db.psql('-c', 'alter table branches set schema data; grant usage on schema data to app', PGDATABASE='bank')
    assert answers == [None] * len(fleet)
    last.console.order('resume public.branches')
    for thread in threads:
        thread.join(30)
    assert answers == ['1'] * len(fleet), 'and finds the table where somebody has put it meanwhile'
    assert rows(first, 'show pauses') == []
    done = first.console.psql('-c', 'resume')
    assert done.returncode == 1 and 'nothing is paused by hand' in done.stderr


def test_all_tables_can_be_paused_by_hand_and_stages_change_meanwhile(fleet, db):
    first, last = fleet[0], fleet[-1]
    db.psql('-c', 'create table data.branches (id int primary key, name text); grant usage on schema data to app; '
            'grant select on data.branches to app', PGDATABASE='bank')
    last.console.order('pause')
    threads, answers = ask_all(fleet, 'branches')
    wait_for(lambda: waiting(first) == 1, 20, 'a statement waits', 0.05)
    assert [r[1] for r in rows(first, 'show pauses')] == [None]
    first.console.order('set flag public.branches to live')
    wait_for(lambda: stage(last, 'public.branches') == 'live', 10, 'the other follows', 0.05)
    assert answers == [None] * len(fleet)
    first.console.order('resume')
    for thread in threads:
        thread.join(30)
    assert answers == ['0'] * len(fleet)


def test_the_databases_owner_can_still_dump_it(db, make_proxy):
    db.psql('-c', 'alter database bank owner to app', '-c', 'drop schema crossfade cascade',
            '-c', f'create schema crossfade authorization {many.MOVER}', PGDATABASE='bank')
    try:
        many.wait_live(many.join(db, make_proxy), 1)
        wait_for(lambda: '1' in db.psql('-Atc', "select 1 from pg_class where relname = 'presences'", PGDATABASE='bank').stdout,
                 20, 'sessions are told')
        dump = subprocess.run([str(PGBIN / 'pg_dump'), '-n', 'crossfade', 'bank'], env=db.env(PGUSER='app'), text=True,
                              capture_output=True, timeout=60)
        assert dump.returncode == 0 and 'crossfade.journal' in dump.stdout and 'crossfade.presences' in dump.stdout, dump.stderr
        refused = db.psql('-c', 'delete from crossfade.journal', PGDATABASE='bank', PGUSER='app')
        assert 'permission denied' in refused.stderr
    finally:
        db.psql('-c', 'alter database bank owner to postgres', PGDATABASE='bank')


def test_several_can_make_the_schema_at_once(db, make_proxy):
    proxies = [many.join(db, make_proxy, start=False) for _ in range(4)]
    for again in (False, True, True):
        for proxy in proxies if again else ():
            proxy.stop()
        db.psql('-c', 'drop schema crossfade cascade', '-c', f'create schema crossfade authorization {many.MOVER}',
                PGDATABASE='bank')
        starts = [threading.Thread(target=proxy.start) for proxy in proxies]
        for start in starts:
            start.start()
        join(*starts)
        many.wait_live(proxies[0], len(proxies))
        lines = [line for proxy in proxies for line in re.findall('.*level=(?:warning|error).*', proxy.log())]
        assert not lines, '\n'.join(lines)


def test_cutovers_under_load_through_all(fleet, db, tmp_path):
    tmp_path.chmod(0o755)
    times, seconds = (20, 60) if STRICT else (4, 4)
    loads = [bank.Load(proxy, tmp_path, mode, 1 if not STRICT else 2, seconds) for proxy, mode in
             zip(fleet, ('simple', 'extended', 'prepared'))]
    writers = [Writer(proxy, f'w{i}') for i, proxy in enumerate(fleet)]
    for writer in writers:
        writer.start()
    for i in range(times):
        done = cutover(fleet[i % len(fleet)], 'REVERSE' if i % 2 else 'CUTOVER', table='GROUP bank')
        assert done.returncode == 0, done.stderr
        assert stage(fleet[i % len(fleet)]) == ('old' if i % 2 else 'live')
        before = [len(w.done) for w in writers]
        wait_for(lambda: all(w.error or len(w.done) > b for w, b in zip(writers, before)), 30, 'all go on', 0.02)
    for writer in writers:
        writer.finish()
    transfers = sum(load.finish() for load in loads)
    many.check_lines(db, writers)
    money, changes, lines = bank.balance(db)
    assert money == 1000 * bank.ACCOUNTS
    assert changes == 2 * transfers and lines == changes + sum(len(w.done) for w in writers)
    assert 'drift' not in ''.join(proxy.log() for proxy in fleet)


def ended(proxy):
    return [line for line in proxy.log().splitlines() if 'fleet_proxy_ended' in line]


def test_nobody_waits_for_the_lease_of_a_process_that_is_no_more(fleet, db):
    """As long as the kernel can tell: one that stands still is not gone."""
    first, last = fleet[0], fleet[-1]
    last.kill()
    left = db.psql('-Atc', f"select lease_until from crossfade.proxies where name like '%pid {last.process.pid}'", PGDATABASE='bank')
    done = cutover(first)
    assert done.returncode == 0 and 'attempt 1,' in done.stderr, done.stderr
    assert any(f'pid {last.process.pid}' in line for p in fleet[:-1] for line in ended(p)), first.log()[-3000:]
    now = db.psql('-Atc', f"select lease_until from crossfade.proxies where name like '%pid {last.process.pid}'", PGDATABASE='bank')
    assert now.stdout < left.stdout, 'its lease was cut short'
    last.start()
    assert stage(last) == 'live' and count(last) == count(first)


def test_a_restarted_proxy_ends_what_it_was_before(fleet, db):
    first, last = fleet[0], fleet[-1]
    before = last.process.pid
    last.kill()
    last.start()
    wait_for(lambda: any(f'pid {before}' in line for line in ended(last)), 20, 'its own row of before is over', 0.05)
    wait_for(lambda: len(many.live(first)) == len(fleet), 20, 'as many as before', 0.05)
    assert cutover(first).returncode == 0


@pytest.mark.skipif(not STRICT, reason='waits for a lease to end: tests/full/fleet.sh')
def test_what_a_dead_proxy_leaves_behind(fleet, db):
    """It is waited for until its lease is over, while nobody is held up; then no more. (On another machine.)"""
    fleet[1].kill()
    db.psql('-c', "update crossfade.proxies set process = 'of another machine ' || process", PGDATABASE='bank')
    writer = Writer(fleet[0], 'w')
    writer.start()
    done = cutover(fleet[0])
    writer.finish()
    assert done.returncode == 0 and 'attempt 1,' in done.stderr, done.stderr
    assert [r[6] for r in rows(fleet[0], 'show proxies')].count(False) == 1
    fleet[1].start()
    assert stage(fleet[1]) == 'live' and count(fleet[1]) == count(fleet[0])


@pytest.mark.skipif(not STRICT, reason='waits for a lease to end: tests/full/fleet.sh')
def test_sessions_of_a_frozen_proxy_are_in_the_way(fleet, db):
    with psycopg.connect(fleet[1].dsn(user='app', dbname='bank', application_name='frozen'), autocommit=True) as c:
        c.execute('select count(*) from public.books')
        time.sleep(2)  # it has told of this session by then
        many.freeze(fleet[1])
        try:
            done = cutover(fleet[0], options="TIMEOUT '10s'")
            assert done.returncode == 1 and 'out of reach' in done.stderr and 'application frozen' in done.stderr, done.stderr
            assert many.place(db) == 'public.books'
            db.psql('-c', f'grant pg_signal_backend to {many.MOVER}')
            done = cutover(fleet[0], options="TIMEOUT '60s' FORCE REASON 'it is gone for good'")
            assert done.returncode == 0, done.stderr
        finally:
            many.thaw(fleet[1])
            db.psql('-c', f'revoke pg_signal_backend from {many.MOVER}')
        with pytest.raises(psycopg.OperationalError):
            c.execute('select 1')
    wait_for(lambda: stage(fleet[1]) == 'live', 15, 'it has caught up', 0.1)
    assert count(fleet[1]) == count(fleet[1], 'data.ledger_lines') == '0'
    assert rows(fleet[1], 'show history public.books')[0][9], 'forced'


def test_a_frozen_proxy_that_goes_on_is_waited_for(fleet, db):
    with psycopg.connect(fleet[1].dsn(user='app', dbname='bank'), autocommit=True) as c:
        c.execute('select count(*) from public.books')
        many.freeze(fleet[1])
        said = []
        thread = threading.Thread(target=lambda: said.append(cutover(fleet[0])))
        thread.start()
        try:
            wait_for(lambda: 'wait' in fleet[0].console.psql('-Atc', 'show cutovers').stdout, 10, 'it waits')
        finally:
            many.thaw(fleet[1])
        join(thread)
        assert said[0].returncode == 0, said[0].stderr
        assert c.execute('select count(*) from public.books').fetchone() == (0,)


def test_another_map_cannot_take_part(fleet, db, make_proxy):
    other = bank.MAP.replace('amount: delta', 'amount: sum')
    third = many.join(db, make_proxy, map_text=other)
    many.wait_live(fleet[0], len(fleet) + 1)
    dry = cutover(fleet[0], options='DRY RUN')
    assert dry.returncode == 0 and 'have another map' in dry.stderr, dry.stderr
    done = cutover(fleet[0])
    assert done.returncode == 1 and 'cannot take part: its map says something else of public.books' in done.stderr
    assert str(third.port) in done.stderr and many.place(db) == 'public.books'
    assert cutover(fleet[0], table='public.accounts').returncode == 0, 'they agree about this one'
    third.map_file.write_text(bank.MAP)
    third.console.order('RELOAD')
    assert cutover(fleet[0]).returncode == 0
    assert count(third) == '0'


def test_the_one_that_moves_is_killed_and_the_others_go_on_at_once(fleet, db):
    with psycopg.connect(fleet[1].dsn(user='app', dbname='bank'), autocommit=True) as c, \
            psycopg.connect(db.dsn(user='app', dbname='bank')) as reader:  # closed first: `c` waits for it
        reader.execute('select 1 from public.books')
        thread = threading.Thread(target=lambda: cutover(fleet[0], options="MAX STALL '60s' TIMEOUT '90s'"))
        thread.start()
        wait_for(lambda: 'drain' in fleet[0].console.psql('-Atc', 'show cutovers').stdout, 10, 'it drains')
        waiting = threading.Thread(target=lambda: c.execute('select count(*) from public.books'))
        waiting.start()
        wait_for(lambda: any(r[6] == 'the end of a pause' for r in rows(fleet[1], 'show clients')), 10, 'held up there too')
        fleet[0].kill()
        thread.join(20)
        waiting.join(20)  # far less than the stall that was allowed
        assert not waiting.is_alive()
    fleet[0].start()
    assert many.place(db) == 'public.books' and cutover(fleet[1]).returncode == 0


def test_a_schema_of_the_version_before_is_used_and_brought_up_to_date(db, make_proxy):
    """… and a proxy of that version, which answers no calls and tells nothing, is waited for in the old way."""
    db.psql('-v', 'ON_ERROR_STOP=1', '-c', f'set role {many.MOVER}', '-c', VERSION_1, PGDATABASE='bank')
    proxy = many.join(db, make_proxy)
    many.wait_live(proxy, 2)
    done = cutover(proxy, options="TIMEOUT '1s'")
    assert done.returncode == 1 and 'old one has not paused the tables' in done.stderr, done.stderr
    db.psql('-c', "delete from crossfade.proxies where name = 'old one'", PGDATABASE='bank')
    assert cutover(proxy).returncode == 0
    assert db.psql('-Atc', 'select version, oldest_reader from crossfade.about', PGDATABASE='bank').stdout == '3|1\n'


VERSION_1 = """
create table crossfade.about (version int not null, oldest_reader int not null); insert into crossfade.about values (1, 1);
create table crossfade.stages (table_name text primary key, stage text not null,
 changed_at timestamptz not null default clock_timestamp(), journal uuid);
create table crossfade.journal (id uuid primary key, at timestamptz not null default clock_timestamp(), kind text not null,
 tables text[] not null, from_stages text[] not null, to_stages text[] not null, who text,
 role text not null default current_user, reason text, outcome text not null, detail text);
create table crossfade.pauses (id uuid primary key, tables text[] not null, owner text not null,
 began_at timestamptz not null default clock_timestamp(), expires_at timestamptz not null, ended_at timestamptz, outcome text);
create table crossfade.proxies (id uuid primary key, name text not null, address text, version text not null,
 standby boolean not null default false, started_at timestamptz not null default clock_timestamp(),
 lease_until timestamptz not null);
create table crossfade.acknowledgements (pause uuid not null references crossfade.pauses on delete cascade,
 proxy uuid not null references crossfade.proxies on delete cascade, at timestamptz not null default clock_timestamp(),
 primary key (pause, proxy));
insert into crossfade.proxies (id, name, version, lease_until)
 values ('00000000-0000-4000-8000-000000000001', 'old one', '0.0', clock_timestamp() + interval '1 hour');
"""
