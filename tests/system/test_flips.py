"""A flag that says which of two tables has the rows changes under load: nothing is written to the stale one, neither
through proxies that know, nor through one that does not yet, nor past them.

Their role has what `check --grants` prints and nothing else."""
import os
import threading

import psycopg
import pytest

import bank
import fleet as many
from fleet import Writer, stage
from servers import Console, wait_for

STRICT = 'CROSSFADE_STRICT' in os.environ
MAP = bank.MAP.replace('groups:', """  public.steps:
    to: data.marks
    shape: {who: text, n: integer}
    new_shape: {who: text, mark: text}
    read: {n: "mark::integer"}
    write: {mark: "n::text"}
groups:""")
# Each side notes when a row came.
TABLES = """
create table public.steps (who text, n int);
create table data.marks (who text, mark text);
alter table public.steps add at timestamptz not null default clock_timestamp();
alter table data.marks add at timestamptz not null default clock_timestamp();
alter table public.steps owner to owner_of_it;
alter table data.marks owner to owner_of_it;
grant select, insert, update, delete on public.steps, data.marks to app;
grant usage on schema data to app;
"""


@pytest.fixture
def db(pg, make_proxy):
    bank.create(pg)
    done = pg.psql('-v', 'ON_ERROR_STOP=1', stdin=TABLES, PGDATABASE='bank')
    assert done.returncode == 0, done.stderr
    many.grant(pg, make_proxy)
    return pg


def make_fleet(db, make_proxy, count):
    made = [many.join(db, make_proxy, map_text=MAP) for _ in range(count)]
    many.wait_live(made[0], count)
    return made


def make_alone(db, make_proxy, user=many.MOVER, poll='1s'):
    proxy = make_proxy(db, map_text=MAP, dbname='bank', admin=many.admin(db.port, user=user), config=many.CONFIG, start=False)
    text = proxy.config_file.read_text()
    assert 'admin: {dsn:' in text
    proxy.config_file.write_text(text.replace('admin: {dsn:', f'admin: {{poll: {poll}, dsn:'))
    proxy.start()
    proxy.console = Console(proxy)
    return proxy


def flip(proxy, to, more="FORCE REASON 'test'"):
    return proxy.console.psql('-c', f'SET FLAG public.steps TO {to} {more}')


def rows(pg, sql, user='app'):
    done = pg.psql('-Atc', sql, PGDATABASE='bank', PGUSER=user)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def counts(pg):
    return rows(pg, 'select count(*) from public.steps') + rows(pg, 'select count(*) from data.marks')


def connect(proxy, **kw):
    return psycopg.connect(proxy.dsn(user='app', dbname='bank', **kw), autocommit=True)


class Steps(Writer):
    """One step after the other, by both names, and in transactions; and it must see the last one that was told done."""

    def write(self, c):
        self.number += 1
        n, note = self.number, f'{self.label}:{self.number}'
        try:
            if n % 4 == 0:
                with c.transaction():
                    c.execute('insert into steps (who, n) values (%s, %s)', (self.label, n))
                    seen = c.execute('select max(n) from public.steps where who = %s', (self.label,)).fetchone()[0]
                    assert seen == n, f'{note} is not there, {seen} is'
            elif n % 4 == 1:
                c.execute('insert into data.marks (who, mark) values (%s, %s)', (self.label, str(n)))
            else:
                c.execute('insert into public.steps (who, n) values (%s, %s)', (self.label, n), prepare=n % 4 == 2)
            self.done.append(note)
        except psycopg.errors.ObjectNotInPrerequisiteState:
            # A transaction through a proxy that knew nothing of the flip is told to be repeated; a statement alone never.
            self.doubtful.append(note)
            self.lost += 1
            if not self.may_lose or n % 4 or self.lost > 1:
                raise
        except BaseException:
            self.doubtful.append(note)
            raise


def check_steps(pg, writers):
    """Every step is there once, and while one side was current nothing came to the other."""
    old = rows(pg, "select who || ':' || n || '|' || extract(epoch from at) from public.steps")
    new = rows(pg, "select who || ':' || mark || '|' || extract(epoch from at) from data.marks")
    flips = rows(pg, "select extract(epoch from at) || '|' || t.after from crossfade.journal, unnest(to_stages) t(after)"
                 " where outcome = 'done' order by at", user='postgres')
    times = sorted((float(f.split('|')[0]), f.split('|')[1]) for f in flips)
    for line, side in [(line, 'old') for line in old] + [(line, 'live') for line in new]:
        at = float(line.split('|')[1])
        current = [to for when, to in times if when < at]
        assert (current[-1] if current else 'old') == side, f'{line} is on the {side} side'
    got = [line.split('|')[0] for line in old + new]
    assert len(got) == len(set(got)), 'nothing is there twice'
    done, doubtful = ({n for w in writers for n in getattr(w, what)} for what in ('done', 'doubtful'))
    assert done <= set(got), sorted(done - set(got))[:20]
    assert set(got) - done <= doubtful


def go_back_and_forth(proxies, db, times):
    writers = [Steps(proxy, f'{name}{i}') for i, proxy in enumerate(proxies) for name in 'ab']
    for writer in writers:
        writer.start()
    for i in range(times):
        before = [len(w.done) for w in writers]
        wait_for(lambda: all(w.error or len(w.done) > b + 3 for w, b in zip(writers, before)), 30, 'all go on', 0.02)
        to = 'old' if i % 2 else 'live'
        done = flip(proxies[i % len(proxies)], to)
        assert done.returncode == 0 and f'public.steps: at stage {to}.' in done.stderr, done.stderr
        assert stage(proxies[i % len(proxies)], 'public.steps') == to
    for writer in writers:
        writer.finish()
    check_steps(db, writers)
    return writers


def test_back_and_forth_under_load_through_all(db, make_proxy):
    proxies = make_fleet(db, make_proxy, 3 if STRICT else 2)
    go_back_and_forth(proxies, db, 20 if STRICT else 4)
    with proxies[0].console.connect() as c:
        history = c.execute('show history public.steps').fetchall()
    assert [h[2:3] + h[5:8] for h in history][:2] == [('set flag', 'live', 'old', 'done'), ('set flag', 'old', 'live', 'done')]


def test_one_proxy_and_its_file(db, make_proxy):
    proxy = make_alone(db, make_proxy)
    go_back_and_forth([proxy], db, 3)
    assert 'public.steps: live' in proxy.flags_file.read_text()
    for order, done in (('SET FLAG public.steps TO rampdown', 'rampdown'), ("SET FLAG public.steps TO live", 'live')):
        proxy.console.order(order)  # the same side: nobody waits for that
        assert stage(proxy, 'public.steps') == done
    # What flips is not for an editor.
    proxy.flags_file.write_text('flags: {public.steps: old}\n')
    said = proxy.console.psql('-c', 'RELOAD')
    assert said.returncode == 1 and 'does not go from stage live to old by an edited file' in said.stderr
    assert 'crossfade flags set public.steps old' in said.stderr and stage(proxy, 'public.steps') == 'live'


def test_whoever_holds_the_table_is_waited_for_and_named(db, make_proxy):
    proxy = make_alone(db, make_proxy)
    with connect(proxy, application_name='slow') as c:
        c.execute('begin')
        c.execute("insert into steps values ('slow', 1)")
        said = []
        thread = threading.Thread(target=lambda: said.append(flip(proxy, 'live')))
        thread.start()
        wait_for(lambda: 'slow' in proxy.console.psql('-Atc', 'show blockers').stdout, 20, 'it is named')
        c.execute("insert into steps values ('slow', 2)")
        c.execute('commit')
        thread.join(60)
        assert said[0].returncode == 0, said[0].stderr
        c.execute("insert into steps values ('slow', 3)")
    assert counts(db) == ['2', '1']


def test_past_all_proxies_the_stale_side_is_fenced(db, make_proxy):
    proxy = make_alone(db, make_proxy)
    assert flip(proxy, 'live').returncode == 0
    with psycopg.connect(db.dsn(user='app', dbname='bank'), autocommit=True) as c:
        for sql in ("insert into public.steps values ('x', 1)", 'update public.steps set n = 1', 'delete from public.steps'):
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as e:
                c.execute(sql)
            diag = e.value.diag
            assert diag.message_primary == 'public.steps is fenced: its rows are in data.marks now'
            assert 'write to data.marks' in diag.message_hint and 'crossfade.fence = off' in diag.message_hint
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState), c.cursor().copy('copy public.steps from stdin'):
            pass
        assert c.execute('select count(*) from public.steps').fetchone() == (0,), 'reading is free'
        c.execute("insert into data.marks values ('x', '1')")
        c.execute('set crossfade.fence = off')
        c.execute("insert into public.steps values ('a job', 1)")
    # What copies from one side to the other by triggers goes on.
    db.psql('-v', 'ON_ERROR_STOP=1', '-c', """create function copy_back() returns trigger language plpgsql as $$
        begin insert into public.steps (who, n) values (new.who, new.mark::int); return null; end $$;
        create trigger copy_back after insert on data.marks for each row execute function copy_back()""", PGDATABASE='bank')
    with connect(proxy) as c:
        c.execute("insert into public.steps values ('copied', 1)")
    assert counts(db) == ['2', '2']
    db.psql('-c', 'drop trigger copy_back on data.marks', PGDATABASE='bank')
    assert flip(proxy, 'old').returncode == 0
    with psycopg.connect(db.dsn(user='app', dbname='bank'), autocommit=True) as c:
        c.execute("insert into public.steps values ('x', 2)")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match='rows are in public.steps now'):
            c.execute("insert into data.marks values ('x', '2')")


def test_a_proxy_that_does_not_know_yet(db, make_proxy):
    """It finds the fence, looks, and sends the statement again: no error where that is safe, else one that says so."""
    one = make_alone(db, make_proxy)
    other = make_alone(db, make_proxy, poll='60s')
    with connect(other) as c, connect(other) as late, connect(other) as prepared:
        for _ in range(2):
            prepared.execute("insert into steps values ('other', %s)", (0,), prepare=True)
        late.execute('begin; select 1')
        assert flip(one, 'live').returncode == 0
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as e:
            late.execute("insert into steps values ('late', 1)")
        assert 'repeat the transaction' in e.value.diag.message_hint
        late.execute('rollback')
        late.execute("insert into steps values ('late', 1)")
        prepared.execute("insert into steps values ('other', %s)", (1,), prepare=True)
        assert counts(db) == ['2', '2']
        assert flip(one, 'old').returncode == 0
        c.execute("insert into data.marks (who, mark) values ('other', '2')")
        assert c.execute("select count(*) from steps where who = 'other'").fetchone() == (3,)
    assert counts(db) == ['3', '2']


def test_without_plpgsql(db, make_proxy):
    db.psql('-c', 'drop extension plpgsql cascade', PGDATABASE='bank')
    alone = make_alone(db, make_proxy)
    done = flip(alone, 'live', "FORCE REASON 'x'")
    assert done.returncode == 0 and 'trigger in PL/pgSQL, which this database does not have' in done.stderr, done.stderr
    assert flip(alone, 'old').returncode == 0
    proxy, = make_fleet(db, make_proxy, 1)
    for to in ('dualwrite', 'shadow'):
        proxy.console.order(f'SET FLAG public.steps TO {to}')
    refused = flip(proxy, 'live', '')
    assert refused.returncode == 1 and 'CREATE EXTENSION plpgsql' in refused.stderr
    assert stage(proxy, 'public.steps') == 'shadow'
    assert flip(proxy, 'live').returncode == 0
    assert stage(proxy, 'public.steps') == 'live'


def test_an_observer_cannot_set_a_fence_but_flips_its_own_flag(db, make_proxy):
    proxy = make_alone(db, make_proxy, user='crossfade_observer')
    done = flip(proxy, 'live')
    assert done.returncode == 0 and 'only this proxy knows of it, and no fence is set' in done.stderr, done.stderr
    with connect(proxy) as c:
        c.execute("insert into steps values ('x', 1)")
    assert counts(db) == ['0', '1'] and 'public.steps: live' in proxy.flags_file.read_text()


def test_partitions_are_fenced_too(db, make_proxy):
    done = db.psql('-v', 'ON_ERROR_STOP=1', '-c', """set role owner_of_it; drop table public.steps;
        create table public.steps (who text, n int, at timestamptz default now()) partition by range (n);
        create table public.steps_low partition of public.steps for values from (0) to (10);
        grant all on public.steps, public.steps_low to app""", PGDATABASE='bank')
    assert done.returncode == 0, done.stderr
    proxy = make_alone(db, make_proxy)
    assert flip(proxy, 'live').returncode == 0
    with psycopg.connect(db.dsn(user='app', dbname='bank'), autocommit=True) as c:
        for table in ('steps', 'steps_low'):
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=f'public.{table} is fenced'):
                c.execute(f"insert into public.{table} values ('x', 1)")
    assert flip(proxy, 'old').returncode == 0
    with connect(proxy) as c:
        c.execute("insert into steps values ('x', 1)")
    assert counts(db) == ['1', '0']


@pytest.mark.skipif(not STRICT, reason='waits for a lease to end: tests/full/fleet.sh')
def test_a_frozen_proxy_wakes_up_with_a_write(db, make_proxy):
    """Others have changed the stage meanwhile, and ended its sessions: what it sends first is stale."""
    proxies = make_fleet(db, make_proxy, 2)
    db.psql('-c', f'grant pg_signal_backend to {many.MOVER}')
    told, writer = [], Steps(proxies[1], 'w', may_lose=True)

    def arrive(i):
        with connect(proxies[1], connect_timeout=60) as c:
            c.execute("insert into steps (who, n) values ('late', %s)", (i,))
            told.append(f'late:{i}')
    try:
        writer.start()
        wait_for(lambda: len(writer.done) > 20, 20, 'load')
        wait_for(lambda: rows(db, 'select 1 from crossfade.proxies where cardinality(sessions) > 0', user='postgres'), 20,
                 'the others can know whose session it is')
        many.freeze(proxies[1])
        late = [threading.Thread(target=arrive, args=(i,)) for i in range(8)]
        for thread in late:
            thread.start()
        done = flip(proxies[0], 'live')
        assert done.returncode == 0, done.stderr
    finally:
        many.thaw(proxies[1])
        db.psql('-c', f'revoke pg_signal_backend from {many.MOVER}')
    for thread in late:
        thread.join(60)
    assert len(told) == 8, 'those who came while it was frozen lose nothing'
    before = len(writer.done)
    wait_for(lambda: writer.error or len(writer.done) > before + 20, 60, 'it goes on')
    writer.finish()
    assert stage(proxies[1], 'public.steps') == 'live'
    writer.done += told
    check_steps(db, [writer])
