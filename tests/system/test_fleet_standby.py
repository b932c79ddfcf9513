"""A proxy of a hot standby: it registers on the primary, and follows its own server."""
import os
import shutil
import subprocess
import threading
import time

import psycopg
import pytest

import bank
import fleet as many
from fleet import count, rows, stage
from servers import PGBIN, Endpoint, as_server_user, free_port, wait_for, work_dir

pytestmark = pytest.mark.skipif('CROSSFADE_STRICT' not in os.environ, reason='takes a minute: tests/full/fleet.sh')


class Standby(Endpoint):
    """A streaming hot standby of a server."""

    def __init__(self, primary):
        self.dir = work_dir('cfsb-')
        self.data = self.dir / 'data'
        if os.geteuid() == 0:
            shutil.chown(self.dir, 'postgres', 'postgres')
        super().__init__(free_port(), self.dir)
        subprocess.run(as_server_user([PGBIN / 'pg_basebackup', '-h', '127.0.0.1', '-p', primary.port, '-U', 'postgres',
                                       '-D', self.data, '-R', '-c', 'fast']), check=True, cwd='/', capture_output=True)
        self.start()

    def pg_ctl(self, *args):
        subprocess.run(as_server_user([PGBIN / 'pg_ctl', '-D', self.data, '-l', self.dir / 'log', '-w', *args]), cwd='/',
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self):
        self.pg_ctl('start', '-o', f'-p {self.port} -k {self.dir}')

    def destroy(self):
        try:
            self.pg_ctl('stop', '-m', 'immediate')
        except subprocess.CalledProcessError:
            pass
        shutil.rmtree(self.dir, ignore_errors=True)

    def replay(self, on):
        self.psql('-c', f"select pg_wal_replay_{'resume' if on else 'pause'}()")
        wait_for(lambda: self.psql('-Atc', 'select pg_get_wal_replay_pause_state()').stdout.strip()
                 == ('not paused' if on else 'paused'), 10, 'replay')


@pytest.fixture
def standby(victim, request):
    victim.psql('-c', 'select 1')
    bank.create(victim)
    made = Standby(victim)
    request.addfinalizer(made.destroy)
    return made


@pytest.fixture
def fleet(victim, standby, make_proxy):
    """A proxy of the primary, and one of the standby."""
    many.grant(victim, make_proxy)
    first = many.join(victim, make_proxy)
    wait_for(lambda: standby.psql('-Atc', "select to_regclass('crossfade.answers')", PGDATABASE='bank').stdout.strip(), 20,
             'the schema is there', 0.1)
    second = many.join(victim, make_proxy, server=standby, primary=victim.port)
    many.wait_live(first, 2)
    return first, second


class Reader(threading.Thread):
    """Reads through the standby's proxy by both names, and must never fail."""

    def __init__(self, proxy):
        super().__init__(daemon=True)
        self.proxy, self.stopping, self.error, self.done, self.longest = proxy, False, None, 0, 0

    def run(self):
        try:
            with psycopg.connect(self.proxy.dsn(user='app', dbname='bank'), autocommit=True) as c:
                while not self.stopping:
                    began = time.monotonic()
                    for name in ('public.books', 'data.ledger_lines', 'books'):
                        c.execute(f'select count(*) from {name}').fetchone()
                    self.longest = max(self.longest, time.monotonic() - began)
                    self.done += 1
        except Exception as e:  # noqa: BLE001: told by the test
            self.error = e


def cutover(proxy, verb='CUTOVER', options="TIMEOUT '60s' MAX STALL '5s'"):
    return proxy.console.psql('-c', f'{verb} public.books {options}')


def test_reads_on_the_standby_go_on_through_cutovers(fleet, standby, victim):
    first, second = fleet
    assert [r[8] for r in rows(first, 'show proxies') if r[3] and str(second.port) in r[2]] == [True]
    readers = [Reader(second) for _ in range(4)]
    writer = many.Writer(first, 'w')
    for thread in (*readers, writer):
        thread.start()
    for i in range(10):
        done = cutover(first, 'REVERSE' if i % 2 else 'CUTOVER')
        assert done.returncode == 0, done.stderr
        before = [r.done for r in readers]
        wait_for(lambda: all(r.error or r.done > b for r, b in zip(readers, before)), 30, 'readers go on', 0.02)
    for reader in readers:
        reader.stopping = True
        reader.join(30)
        assert reader.error is None, reader.error
    writer.finish()
    many.check_lines(victim, [writer])
    wait_for(lambda: count(second) == str(len(writer.done)), 20, 'replayed')


def test_it_opens_when_its_own_server_has_come_so_far(fleet, standby):
    """The move is done on the primary, and not yet replayed: what was held up there goes on after that."""
    first, second = fleet
    with psycopg.connect(second.dsn(user='app', dbname='bank'), autocommit=True) as c:
        assert c.execute('select count(*) from public.books').fetchone() == (0,)
        # The acknowledgement does not need the replay; the end of the pause does.
        standby.replay(False)
        done = cutover(first)
        assert done.returncode == 0, done.stderr
        got = []
        thread = threading.Thread(target=lambda: got.append(c.execute('select count(*) from data.ledger_lines').fetchone()))
        thread.start()
        thread.join(2)
        assert not got, 'it waits'
        assert stage(second) == 'old'
        standby.replay(True)
        thread.join(30)
        assert got == [(0,)]
    wait_for(lambda: stage(second) == 'live', 10, 'the stage has come too')


def test_a_reader_on_the_standby_is_waited_for(fleet, standby):
    first, second = fleet
    with psycopg.connect(second.dsn(user='app', dbname='bank')) as c:
        c.execute('select count(*) from public.books')
        done = cutover(first, options="TIMEOUT '3s' MAX STALL '500ms'")
        assert done.returncode == 1 and 'through proxy' in done.stderr and str(second.port) in done.stderr, done.stderr
        c.commit()
    assert cutover(first).returncode == 0


def test_changes_through_the_standbys_proxy(fleet, standby):
    first, second = fleet
    done = cutover(second)
    assert done.returncode == 1 and 'standby' in done.stderr, done.stderr
    first.console.order("cutover public.books")
    wait_for(lambda: stage(second) == 'live', 10, 'it follows')
    second.console.order("set flag public.books to complete force reason 'through the standby'")
    wait_for(lambda: stage(first) == 'complete', 10, 'so does the other')


def test_a_promoted_standby(fleet, standby, victim):
    """Its proxy becomes one of a primary."""
    first, second = fleet
    first.stop()
    victim.stop('immediate')
    standby.psql('-c', 'select pg_promote()')
    wait_for(lambda: any(r[7] and r[6] and not r[8] for r in rows(second, 'show proxies')), 60, 'registered anew', 0.3)
    done = cutover(second)
    assert done.returncode == 0, done.stderr
    assert count(second) == '0'
    first.process = None


def test_without_admin_primary_it_says_so(victim, standby, make_proxy):
    many.grant(victim, make_proxy)
    first = many.join(victim, make_proxy)
    wait_for(lambda: standby.psql('-Atc', "select to_regclass('crossfade.answers')", PGDATABASE='bank').stdout.strip(), 20)
    second = many.join(victim, make_proxy, server=standby)
    second.wait_log('fleet_unreachable.*admin.primary')
    assert cutover(first).returncode == 0
    wait_for(lambda: count(second) == count(second, 'data.ledger_lines') == '0', 20, 'it follows all the same')
