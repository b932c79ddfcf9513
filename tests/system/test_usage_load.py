"""The ledger's totals are exact under load, and bounded whatever the clients send."""
import collections
import json
import os
import threading
import time

import moves
from raw import Closed, Raw, ServerError, bind, error_fields, execute, extended, parse, query, sync
from servers import join

CLIENTS = 20
FULL = bool(os.environ.get('CROSSFADE_FULL'))


class Gone(Exception):
    """The session ended; what was not answered was not begun."""


class Client(threading.Thread):
    """Runs known statements in every protocol and keeps count of how each ended, as the client sees it."""

    def __init__(self, number, address, stop):
        super().__init__()
        self.number, self.address, self.stop = number, address, stop
        self.counts = collections.Counter()  # (table, side, 'ok' or 'errors') -> statements
        self.failure = None

    def settle(self, statements, answers):
        """One (table, side) per statement, in order; an error ends what was sent with it."""
        done = 0
        for kind, body in answers:
            if kind == 'C' and body[:5] not in (b'BEGIN', b'COMMI', b'ROLLB', b'DEALL'):
                self.counts[statements[done], 'ok'] += 1
                done += 1
            elif kind == 'E':
                if error_fields(body)['C'] == '57P01':
                    raise Gone
                self.counts[statements[done], 'errors'] += 1
                return

    def send(self, c, data, *statements):
        c.send(data)
        answers = []
        while not answers or answers[-1][0] != 'Z':
            answers.append(c.message())
            if answers[-1][0] == 'E' and error_fields(answers[-1][1])['S'] == 'FATAL':
                raise Gone
        self.settle(statements, answers)
        return answers[-1][1] == b'I'

    def round(self, c, i):
        prices, stocks, new = ('public.prices', 'old'), ('public.stocks', 'old'), ('public.stocks', 'new')
        self.send(c, query(f"select close from prices where code = '{i}'"), prices)
        self.send(c, extended('select name from data.stocks where code = $1', [str(i)]) + sync(), new)
        self.send(c, extended('select 1 from prices limit 1') + extended('select 1 from stocks limit 1') + sync(),
                  prices, stocks)
        self.send(c, query('copy public.prices to stdout'), prices)
        self.send(c, query('begin'))
        if not self.send(c, query("update stocks set name = name where code = 'none'"), stocks):
            self.send(c, query('rollback'))
        self.send(c, query('select nix from prices'), prices)
        self.send(c, query('select 1 from prices limit 1; select 2 from data.stocks limit 1'), prices, new)
        if self.send(c, parse('select count(*) from stocks', 'named') + bind([], '', 'named') + execute() + sync(), stocks):
            self.send(c, query('deallocate all'))

    def run(self):
        try:
            self.work()
        except Exception as error:  # noqa: BLE001: shown by the test
            self.failure = error

    def work(self):
        i = 0
        while not self.stop.is_set():
            try:
                with Raw(self.address).startup(database='moves', application_name=f'client-{self.number}') as c:
                    while not self.stop.is_set():
                        self.round(c, i)
                        i += 1
            except (Gone, Closed, ConnectionError, ServerError):
                time.sleep(0.05)  # the proxy is being restarted


def recorded(proxy):
    done = proxy.report('--statements', '1000')
    assert done.returncode == 0, done.stderr
    counts = collections.Counter()
    for table in json.loads(done.stdout)['tables']:
        for side in ('old', 'new'):
            for outcome in ('ok', 'errors'):
                counts[(table['table'], side), outcome] += table[side][outcome]
            assert sum(who['count'] for who in table[side]['clients']) == table[side]['count']
            assert sum(one['count'] for one in table[side]['statements']) == table[side]['count']
            assert table[side]['refused'] == 0
    return counts


def disturb(pg, proxy):
    """Reloads, a move there and back with the flag after it, and a restart."""
    proxy.reload()
    time.sleep(0.5)
    moves.move(pg, 'prices')
    proxy.flags_file.write_text(moves.flags(prices='live'))
    time.sleep(1.5)
    proxy.stop()
    proxy.start()
    time.sleep(1)
    moves.move(pg, 'prices', back=True)
    proxy.flags_file.write_text(moves.flags())
    proxy.reload()
    time.sleep(1)


def test_totals_are_exact_under_load_across_flips_reloads_and_restarts(pg, make_proxy):
    moves.create(pg)
    proxy = make_proxy(pg, map_text=moves.MAP, dbname='moves', config='limits: {usage_flush: 200ms}\n')
    stop = threading.Event()
    clients = [Client(i, proxy.address, stop) for i in range(CLIENTS)]
    for client in clients:
        client.start()
    for _ in range(8 if FULL else 1):
        disturb(pg, proxy)
    stop.set()
    join(*clients)
    assert [c.failure for c in clients if c.failure] == []
    proxy.stop()
    executed = sum((c.counts for c in clients), collections.Counter())
    assert min(c.counts.total() for c in clients) > 10
    assert executed[('public.prices', 'old'), 'errors'] > CLIENTS  # those that name no column, at least
    counts = recorded(proxy)
    assert +counts == +executed
    proxy.start()


def test_after_kill_9_at_most_the_last_counts_are_missing_and_a_gap_is_recorded(pg, make_proxy):
    moves.create(pg)
    proxy = make_proxy(pg, map_text=moves.MAP, dbname='moves', config='limits: {usage_flush: 200ms}\n')
    executed = []
    with Raw(proxy.address).startup(database='moves') as c:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            c.ask('select 1 from prices limit 1')
            executed.append(time.monotonic())
    killed = time.monotonic()
    proxy.kill()
    kept = recorded(proxy)[('public.prices', 'old'), 'ok']
    assert kept <= len(executed)
    # What came before the last interval is there; the store thread of a busy machine may need a while more.
    assert kept >= sum(at < killed - 2 for at in executed) > 0
    time.sleep(1.2)
    proxy.start()
    gaps = json.loads(proxy.report().stdout)['observed']['gaps']
    assert [gap['after'] for gap in gaps] == ['broken_off'] and gaps[0]['seconds'] >= 1



def send_distinct(proxy, first, count):
    batch = 500
    with Raw(proxy.address, timeout=300).startup(database='moves') as c:
        for start in range(first, first + count, batch):
            c.send(b''.join(query(f'select 1 as a{i} from prices limit 0') for i in range(start, start + batch)))
            c.until('Z', batch)


def test_endless_distinct_statements_stay_within_the_bounds(pg, make_proxy):
    """A million of them with CROSSFADE_FULL."""
    count = 1_000_000 if FULL else 10_000  # far more than all bounds together
    moves.create(pg)
    proxy = make_proxy(pg, map_text=moves.MAP, dbname='moves',
                       config='limits: {usage_flush: 200ms, usage_bytes: 4MB, usage_statements: 500, usage_rows: 1000, '
                              'usage_series: 2000, cache_bytes: 1MB}\n')
    warm = count // 5
    send_distinct(proxy, 0, warm)
    before = proxy.rss_bytes()
    threads = [threading.Thread(target=send_distinct, args=(proxy, start, (count - warm) // 4))
               for start in range(warm, count, (count - warm) // 4)]
    for thread in threads:
        thread.start()
    join(*threads, seconds=600)  # a million take a while
    grown = proxy.rss_bytes() - before
    proxy.stop()
    assert recorded(proxy)[('public.prices', 'old'), 'ok'] == count
    size = sum(file.stat().st_size for file in proxy.dir.glob('usage.db*'))
    assert size < 3_000_000, size
    assert grown < 40_000_000, grown
    table = next(t for t in json.loads(proxy.report('--statements', '1000000').stdout)['tables']
                 if t['table'] == 'public.prices')
    texts = {one['statement']: one['count'] for one in table['old']['statements']}
    assert len(texts) <= 501 and texts['(other)'] >= count - 500
    proxy.start()
