"""Three proxies, load through all of them, and something that breaks at each step of a cutover: one consistent state
comes of it, nothing is written to the wrong side, and what was broken comes back by itself."""
import itertools
import os
import threading

import pytest

import bank
import fleet as many
from fleet import Gate, Writer, count, stage
from servers import wait_for

pytestmark = pytest.mark.skipif('CROSSFADE_STRICT' not in os.environ, reason='takes minutes: tests/full/fleet.sh')

# What the one that moves says to the server as a step begins.
STEPS = {'call': 'INSERT INTO crossfade.calls', 'pause': 'INSERT INTO crossfade.pauses', 'drain': 'WITH RECURSIVE held',
         'lock': 'LOCK TABLE', 'move': 'RENAME', 'commit': 'COMMIT'}


@pytest.fixture(scope='module')
def server(pg):
    bank.create(pg)
    return pg


number = itertools.count()


class Fleet:
    def __init__(self, pg, make_proxy):
        self.pg = pg
        self.gates = [Gate(pg.port) for _ in range(3)]
        self.proxies = [many.join(pg, make_proxy, relay=gate) for gate in self.gates]
        many.wait_live(self.proxies[0], 3)

    def begin(self, may_lose):
        self.writers = [Writer(proxy, f'{next(number)}w{i}', may_lose=i in may_lose) for i, proxy in enumerate(self.proxies)]
        for writer in self.writers:
            writer.start()
        wait_for(lambda: all(w.error or len(w.done) > 5 for w in self.writers), 20, 'load', 0.02)

    def all_go_on(self):
        before = [len(w.done) for w in self.writers]
        wait_for(lambda: all(w.error or len(w.done) > b + 3 for w, b in zip(self.writers, before)), 60, 'all go on', 0.05)

    def check(self):
        """One state, the same for all; and it can be changed again."""
        for writer in self.writers:
            writer.finish()
        where = many.place(self.pg)
        wanted = 'live' if where == 'data.ledger_lines' else 'old'
        many.check_lines(self.pg, self.writers)
        many.wait_live(self.proxies[0], 3)
        for proxy in self.proxies:
            wait_for(lambda proxy=proxy: stage(proxy) == wanted, 20, 'the stage is known', 0.1)
            assert count(proxy) == count(proxy, 'data.ledger_lines') == count(self.proxies[0])
        for proxy, verb in ((self.proxies[1], 'REVERSE'), (self.proxies[2], 'CUTOVER'), (self.proxies[0], 'REVERSE')):
            done = proxy.console.psql('-c', f"{verb} public.books TIMEOUT '60s' MAX STALL '5s'")
            assert done.returncode == 0, done.stderr
        assert many.place(self.pg) == 'public.books'


@pytest.fixture
def fleet(server, make_proxy):
    if server.psql('-c', 'truncate books', PGDATABASE='bank').returncode or many.place(server) != 'public.books':
        bank.create(server)  # a test before has failed
    many.grant(server, make_proxy)
    made = Fleet(server, make_proxy)
    yield made
    for gate in made.gates:
        gate.close()


def order(fleet, said, seconds=60):
    thread = threading.Thread(target=lambda: said.append(
        fleet.proxies[0].console.psql('-c', f"CUTOVER public.books TIMEOUT '{seconds}s' MAX STALL '2s'")), daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize('after', [False, True])
@pytest.mark.parametrize('step', STEPS)
def test_the_one_that_moves_is_killed(fleet, step, after):
    fleet.begin({0})
    killed = threading.Event()

    def kill():
        fleet.proxies[0].process.kill()
        killed.set()
    fleet.gates[0].on(STEPS[step], kill, after)
    thread = order(fleet, [])
    assert killed.wait(30)
    thread.join(30)
    fleet.proxies[0].process.wait(30)
    wait_for(lambda: all(len(w.done) for w in fleet.writers[1:]), 10)
    fleet.proxies[0].start()
    fleet.all_go_on()
    fleet.check()


@pytest.mark.parametrize('step', STEPS)
def test_another_one_is_killed(fleet, step):
    fleet.begin({1})
    fleet.gates[0].on(STEPS[step], lambda: fleet.proxies[1].process.kill())
    said = []
    thread = order(fleet, said)
    thread.join(90)
    fleet.proxies[1].process.wait(30)
    assert said and said[0].returncode == 0, said
    fleet.proxies[1].start()
    fleet.all_go_on()
    fleet.check()


@pytest.mark.parametrize('who', [0, 1])
@pytest.mark.parametrize('step', STEPS)
def test_one_stands_still_and_goes_on(fleet, step, who):
    """For longer than its lease."""
    fleet.begin(set())
    frozen = threading.Event()

    def stop():
        many.freeze(fleet.proxies[who])
        frozen.set()
    fleet.gates[0].on(STEPS[step], stop)
    said = []
    thread = order(fleet, said)
    try:
        assert frozen.wait(30)
        thread.join(8)
    finally:
        many.thaw(fleet.proxies[who])
    thread.join(90)
    assert said and said[0].returncode == 0, said
    fleet.all_go_on()
    fleet.check()


@pytest.mark.parametrize('how', ['cut', 'stall'])
@pytest.mark.parametrize('who', [0, 1])
@pytest.mark.parametrize('step', STEPS)
def test_the_way_to_the_server_breaks(fleet, step, who, how):
    """All connections of one proxy, its own and its sessions', are cut, or are silent for ten seconds."""
    fleet.begin({who})
    broken = threading.Event()

    def break_it():
        getattr(fleet.gates[who], how)()
        broken.set()
    fleet.gates[0].on(STEPS[step], break_it)
    said = []
    thread = order(fleet, said)
    assert broken.wait(30)
    thread.join(10)
    fleet.gates[who].heal()
    thread.join(120)
    assert said, 'the command hangs'
    if who == 1:
        assert said[0].returncode == 0, said[0].stderr
    fleet.all_go_on()
    fleet.check()


@pytest.mark.parametrize('passes_it_on', [False, True])
def test_commit_is_not_answered(fleet, passes_it_on):
    """The admin connection of the one that moves breaks as it commits."""
    fleet.begin({0})

    def cut():
        fleet.gates[0].cut()
        threading.Timer(0.5, fleet.gates[0].heal).start()
    fleet.gates[0].on('COMMIT', cut, after=passes_it_on)
    said = []
    order(fleet, said).join(90)
    assert said and said[0].returncode == 0, said
    fleet.all_go_on()
    fleet.check()


def test_the_server_restarts(make_proxy, victim):
    victim.set(synchronous_commit='on')  # what was told is written survives the crash
    bank.create(victim)
    many.grant(victim, make_proxy)
    fleet = Fleet(victim, make_proxy)
    for step in ('pause', 'drain', 'lock', 'move', 'commit'):
        fleet.begin({0, 1, 2})
        hit = threading.Event()
        fleet.gates[0].on(STEPS[step], hit.set)
        thread = order(fleet, [])
        assert hit.wait(30)
        victim.stop('immediate')
        victim.start()
        thread.join(90)
        fleet.all_go_on()
        fleet.check()
    for gate in fleet.gates:
        gate.close()


@pytest.mark.parametrize('step', STEPS)
def test_one_joins_in_the_middle(fleet, step, make_proxy):
    fleet.begin(set())
    late = many.join(fleet.pg, make_proxy, start=False)
    joining = threading.Thread(target=late.start)
    fleet.gates[0].on(STEPS[step], joining.start)
    said = []
    order(fleet, said).join(90)
    joining.join(30)
    assert said and said[0].returncode == 0, said
    assert count(late).isdigit() and count(late, 'data.ledger_lines').isdigit()
    late.stop()
    late.process = None
    fleet.all_go_on()
    fleet.check()


@pytest.mark.parametrize('step', STEPS)
def test_one_leaves_in_the_middle(fleet, step):
    fleet.begin({1})
    fleet.gates[0].on(STEPS[step], lambda: fleet.proxies[1].process.terminate())
    said = []
    order(fleet, said).join(90)
    assert said and said[0].returncode == 0, said
    assert fleet.proxies[1].process.wait(30) == 0
    fleet.proxies[1].start()
    fleet.all_go_on()
    fleet.check()


TRANSFORM = """old: v10
new: v13
tables:
  public.accounts: data.accounts
  public.branches: {to: data.offices, shape: {id: integer, name: text}, read: {name: title}, write: {title: name}}
"""


def test_transforms_wait_while_there_is_no_lease(server, make_proxy):
    """Where their rows are only the stage says, and it may change unseen; a move goes on."""
    many.grant(server, make_proxy)
    server.psql('-c', 'create table data.offices (id int, title text)', PGDATABASE='bank')
    gate = Gate(server.port)
    proxy = many.join(server, make_proxy, map_text=TRANSFORM, relay=gate, start=False)
    text = proxy.config_file.read_text()
    proxy.config_file.write_text(text.replace(f'server: 127.0.0.1:{gate.port}', f'server: 127.0.0.1:{server.port}'))
    proxy.start()
    assert count(proxy, 'branches') == '1'
    gate.cut()
    proxy.wait_log('fleet_transforms_held', seconds=30)
    got = []
    thread = threading.Thread(target=lambda: got.append(count(proxy, 'branches')))
    thread.start()
    assert count(proxy, 'accounts') == str(bank.ACCOUNTS)
    thread.join(1)
    assert not got
    gate.heal()
    thread.join(30)
    assert got == ['1']
    proxy.wait_log('fleet_transforms_go_on')
    gate.close()
