"""Several proxies of one database: stages in the database, and pauses that all of them keep."""
import signal
import threading
import time

import psycopg
import pytest

import moves
from servers import Console, wait_for

CONFIG = 'console: {listen: [run]}\n'
LEASE_S = 6


@pytest.fixture
def db(pg):
    moves.create(pg)
    return pg


@pytest.fixture
def fleet(db, make_proxy):
    """Two proxies that share their stages."""
    made = []
    for _ in range(2):
        proxy = make_proxy(db, map_text=moves.MAP, dbname='moves', config=CONFIG, start=False)
        text = proxy.config_file.read_text()
        proxy.config_file.write_text(text.replace('flags: flags.yaml', 'flags: {schema: crossfade}'))
        proxy.start()
        proxy.console = Console(proxy)
        made.append(proxy)
    wait_for(lambda: len(rows(made[0], 'show proxies')) == 2, 10, 'both have joined', 0.1)
    return made


def rows(proxy, sql):
    with proxy.console.connect() as c:
        return c.execute(sql).fetchall()


def count(proxy, name='prices'):
    done = proxy.psql('-Atc', f'select count(*) from {name}', PGDATABASE='moves')
    return done.stdout.strip() or done.stderr


def stage(proxy):
    return {r[1]: r[2] for r in rows(proxy, 'show flags')}['public.prices']


class Load(threading.Thread):
    """Writes numbered rows through one proxy, by both names, until it is told to stop."""

    def __init__(self, proxy, number):
        super().__init__()
        self.proxy, self.number, self.done, self.error, self.stopping = proxy, number, 0, None, False

    def run(self):
        try:
            with psycopg.connect(self.proxy.dsn(dbname='moves'), autocommit=True) as c:
                while not self.stopping:
                    name = ('public.prices', 'data.prices', 'prices')[self.done % 3]
                    c.execute(f"insert into {name} values (%s, date '2000-01-01' + %s, 1)",
                              (f'load{self.number}', self.done))
                    self.done += 1
        except Exception as e:
            self.error = e


def test_a_stage_set_through_one_holds_in_all(fleet, db):
    db.psql('-c', 'create table data.prices as select * from public.prices limit 7', PGDATABASE='moves')
    first, second = fleet
    assert count(first) == count(second) == '100'
    first.console.order("set flag public.prices to live reason 'shared'")
    assert count(first) == '7'
    wait_for(lambda: count(second) == '7', 10, 'the other follows', 0.05)
    second.console.order('set flag public.prices to old')
    wait_for(lambda: count(first) == '100', 10, 'back', 0.05)
    done = first.console.psql('-c', 'set flag public.prices to complete')
    assert done.returncode == 1 and 'the next one is live' in done.stderr
    kept = db.psql('-Atc', "select kind, who, reason, to_stages from crossfade.journal order by at", PGDATABASE='moves')
    assert kept.stdout == 'flag|root|shared|{live}\nflag|root||{old}\n'
    first.stop()
    wait_for(lambda: len(rows(second, 'show proxies')) == 1, 10, 'one has left', 0.1)
    first.start()
    assert count(first) == '100'


def test_cutovers_under_load_through_both(fleet):
    loads = [Load(proxy, i) for i, proxy in enumerate(fleet)]
    for load in loads:
        load.start()
    try:
        for i in range(4):
            fleet[i % 2].console.order("cutover public.prices timeout '60s'" if i % 2 == 0 else
                                       "reverse public.prices timeout '60s'")
            assert stage(fleet[i % 2]) == ('live' if i % 2 == 0 else 'old')
            before = [load.done for load in loads]
            wait_for(lambda: all(load.error or load.done > b for load, b in zip(loads, before)), 30, 'both go on', 0.02)
    finally:
        for load in loads:
            load.stopping = True
        for load in loads:
            load.join(30)
    assert [load.error for load in loads] == [None, None]
    assert count(fleet[0]) == count(fleet[1]) == str(100 + sum(load.done for load in loads))


def test_a_proxy_that_died_is_not_waited_for(fleet):
    fleet[1].kill()
    began = time.monotonic()
    fleet[0].console.order("cutover public.prices timeout '60s'")
    assert time.monotonic() - began < 40
    assert count(fleet[0]) == '100'
    assert [r[6] for r in rows(fleet[0], 'show proxies')].count(True) == 1
    fleet[1].start()
    assert stage(fleet[1]) == 'live' and count(fleet[1]) == '100'


def test_a_proxy_that_froze_serves_the_right_side_afterwards(fleet):
    with psycopg.connect(fleet[1].dsn(dbname='moves'), autocommit=True) as c:
        assert c.execute('select count(*) from public.prices').fetchone()[0] == 100
        fleet[1].process.send_signal(signal.SIGSTOP)
        try:
            fleet[0].console.order("cutover public.prices timeout '60s'")
        finally:
            fleet[1].process.send_signal(signal.SIGCONT)
        assert c.execute('select count(*) from public.prices').fetchone()[0] == 100
    wait_for(lambda: stage(fleet[1]) == 'live', 15, 'it has caught up', 0.1)
