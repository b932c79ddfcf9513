"""Data of any size flows with bounded memory, and a slow side holds up only itself."""
import threading
import time
from pathlib import Path

import pytest

import raw
from raw import Raw, bind, copy_data, copy_done, execute, parse, query, sync
from relay import Relay
from servers import join, wait_for

pytestmark = pytest.mark.slow  # and sanitizers have memory habits of their own

MB = 1 << 20
BOUND = 8 * MB
BIG_RESULT = "select repeat('0123456789abcdef', 4096) from generate_series(1, %d)"  # 64 kB rows


class Memory:
    """The largest resident set while the body runs, over that before it."""

    def __init__(self, ep):
        self.ep = ep
        self.measured = ep.kind == 'crossfade'

    def __enter__(self):
        self.done = threading.Event()
        self.start = self.peak = self.ep.rss_bytes() if self.measured else 0
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self):
        while self.measured and not self.done.wait(0.02):
            self.peak = max(self.peak, self.ep.rss_bytes())

    def __exit__(self, *_):
        self.done.set()
        join(self.thread)

    @property
    def growth(self):
        return self.peak - self.start


@pytest.fixture
def warm(ep):
    """Buffers that a first session grows are not counted."""
    with Raw(ep.address).startup() as c:
        c.send(query(BIG_RESULT % 50))
        c.until()
    return ep


def count_rows(c):
    """Reads without keeping: bytes of DataRow or CopyData until ReadyForQuery."""
    total = 0
    while True:
        kind, body = c.message()
        if kind in 'Dd':
            total += len(body)
        elif kind == 'E':
            raise raw.ServerError(raw.error_fields(body))
        elif kind == 'Z':
            return total


def test_three_hundred_megabytes_of_rows(warm):
    with Raw(warm.address, timeout=60).startup() as c, Memory(warm) as memory:
        c.send(query(BIG_RESULT % 4800))
        assert count_rows(c) == 4800 * (65536 + 6)
    assert memory.growth < BOUND, memory.growth


def test_one_row_of_a_hundred_megabytes(warm):
    with Raw(warm.address, timeout=60).startup() as c, Memory(warm) as memory:
        c.send(query("select repeat('0123456789', 10 * 1024 * 1024)"))
        assert count_rows(c) == (100 << 20) + 6
    assert memory.growth < BOUND, memory.growth


def test_one_parameter_of_a_hundred_megabytes(warm):
    value = b'0123456789' * (10 * MB)
    packet = bind([value])
    with Raw(warm.address, timeout=60).startup() as c, Memory(warm) as memory:
        c.send(parse('select length($1::text)'))
        c.send(packet)
        c.send(execute() + sync())
        rows = [raw.data_row(b) for k, b in c.until() if k == 'D']
        assert rows == [[b'%d' % (100 * MB)]]
    assert memory.growth < BOUND, memory.growth


def test_one_copy_message_of_a_hundred_megabytes(warm):
    packet = copy_data(b'1\t' + b'0123456789' * (10 * MB) + b'\n')
    with Raw(warm.address, timeout=60).startup() as c, Memory(warm) as memory:
        c.ask('begin; delete from bulk')
        c.send(query('copy bulk from stdin'))
        assert c.message()[0] == 'G'
        c.send(packet)
        c.send(copy_done())
        c.until()
        assert c.value('select length(t) from bulk') == str(100 * MB)
        c.ask('rollback')
    assert memory.growth < BOUND, memory.growth


def test_copy_in_of_a_hundred_megabytes(warm):
    block = copy_data(b''.join(b'%d\t%s\n' % (i, b'x' * 100) for i in range(600)))
    with Raw(warm.address, timeout=60).startup() as c, Memory(warm) as memory:
        c.ask('begin; delete from bulk')
        c.send(query('copy bulk from stdin'))
        assert c.message()[0] == 'G'
        for _ in range(1600):
            c.send(block)
        c.send(copy_done())
        assert (b'COPY %d\0' % (1600 * 600)) in dict(c.until())['C']
        c.ask('rollback')
    assert memory.growth < BOUND, memory.growth


def test_what_follows_a_large_result_is_not_held_back(warm):
    """Large results are read in large pieces; what comes behind one, and is small, waits for nothing."""
    with Raw(warm.address, timeout=60).startup() as c:
        c.send(query(BIG_RESULT % 200 + "; do $$ begin raise notice 'now'; perform pg_sleep(1); end $$"))
        times = {}
        while 'Z' not in times:
            kind, _ = c.message()
            times[kind] = time.monotonic()
        assert times['Z'] - times['N'] > 0.5, times


def worker_turns(ep):
    """How often the threads that serve sessions have waited for something."""
    turns = 0
    for task in Path(f'/proc/{ep.pid}/task').iterdir():
        if (task / 'comm').read_text().startswith('worker'):
            lines = (task / 'status').read_text().splitlines()
            turns += sum(int(line.split()[1]) for line in lines if line.startswith('voluntary'))
    return turns


def test_nobody_wakes_for_a_large_result_that_has_ended_or_is_not_read(warm):
    if warm.kind != 'crossfade':
        pytest.skip('counts the turns of its threads')

    def rests():
        before = worker_turns(warm)
        time.sleep(0.3)
        return worker_turns(warm) - before < 100
    with Raw(warm.address, timeout=60).startup() as done, Raw(warm.address, timeout=60, rcvbuf=65536).startup() as slow:
        done.send(query(BIG_RESULT % 500))
        count_rows(done)
        wait_for(rests, 20, 'rest after the end')
        slow.send(query(BIG_RESULT % 2000))
        for _ in range(200):
            slow.message()
        wait_for(rests, 20, 'rest while nobody reads')
        assert count_rows(slow) > 0


@pytest.mark.alone
def test_a_client_that_reads_nothing(warm):
    """The server waits, the proxy holds little, and other sessions go on."""
    with Raw(warm.address, timeout=60, rcvbuf=65536).startup() as slow, Memory(warm) as memory:
        slow.send(query(BIG_RESULT % 4800))
        until = time.monotonic() + 2.5
        worst = 0
        with Raw(warm.address).startup() as other:
            while time.monotonic() < until:
                began = time.monotonic()
                assert other.value('select 7') == '7'
                worst = max(worst, time.monotonic() - began)
                time.sleep(0.01)
        assert count_rows(slow) == 4800 * (65536 + 6)
    assert memory.growth < BOUND, memory.growth
    assert worst < 1.0, worst


def test_many_clients_that_read_nothing(warm):
    slow = [Raw(warm.address, timeout=60, rcvbuf=65536).startup() for _ in range(10)]
    with Memory(warm) as memory:
        for c in slow:
            c.send(query(BIG_RESULT % 1000))
        time.sleep(1.5)
        with Raw(warm.address).startup() as other:
            assert other.value('select 7') == '7'
        for c in slow:
            c.sock.close()
    assert memory.growth < 10 * 2 * MB, memory.growth


def test_a_client_that_reads_nothing_and_leaves(warm, pg):
    c = Raw(warm.address, rcvbuf=65536).startup(application_name='leaver')
    c.send(query(BIG_RESULT % 4800))
    time.sleep(0.5)
    c.sock.close()
    wait_for(lambda: pg.sessions("application_name = 'leaver'") == 0, 10, 'its server session ended', 0.2)


def test_a_server_that_reads_nothing(make_endpoint, pg):
    """The client's COPY is held up, not hoarded."""
    relay = Relay(pg.address)
    ep = make_endpoint(pg, server_address=f'127.0.0.1:{relay.port}')
    try:
        with Raw(ep.address, timeout=60).startup() as c:
            c.ask('begin; delete from bulk')
            c.send(query('copy bulk from stdin'))
            assert c.message()[0] == 'G'
            block = copy_data(b''.join(b'%d\t%s\n' % (i, b'x' * 100) for i in range(600)))
            relay.hold.set()
            sent = 0

            def feed():
                nonlocal sent
                for _ in range(800):
                    c.send(block)
                    sent += len(block)
            with Memory(ep) as memory:
                feeder = threading.Thread(target=feed)
                feeder.start()
                time.sleep(2)
                if ep.kind == 'crossfade':
                    assert sent < 40 * MB, f'{sent} bytes went somewhere'
                    with Raw(ep.unix_address) as other:
                        other.send(raw.request_packet(raw.SSL_REQUEST))
                        assert other.byte() == b'N'
                relay.hold.clear()
                feeder.join(60)
                c.send(copy_done())
                assert b'COPY 480000\0' in dict(c.until())['C']
                c.ask('rollback')
            assert memory.growth < BOUND, memory.growth
    finally:
        relay.close()


def test_both_directions_full_at_once(warm):
    """Hundreds of big statements are sent before the first answer is read."""
    value = 'x' * 100000
    batch = (parse('select $1::text, $1::text') + bind([value]) + execute() + sync()) * 300
    with Raw(warm.address, timeout=60).startup() as c, Memory(warm) as memory:
        sender = threading.Thread(target=c.send, args=(batch,))
        sender.start()
        time.sleep(1)
        rows = 0
        for _ in range(300):
            rows += sum(k == 'D' for k, _ in c.until())
        join(sender)
        assert rows == 300
    assert memory.growth < BOUND, memory.growth


def test_hundreds_of_short_sessions_leave_no_memory(warm):
    def burst(n):
        for _ in range(n):
            with Raw(warm.address).startup() as c:
                c.ask('select 1')
                c.send(raw.terminate())
                c.rest()
    burst(200)
    with Memory(warm) as memory:
        burst(500)
    assert memory.growth < MB, memory.growth


def test_sessions_at_once(warm):
    held = [Raw(warm.address).startup() for _ in range(45)]
    for n, c in enumerate(held):
        c.send(query(f'select {n}'))
    for n, c in enumerate(held):
        assert [raw.data_row(b) for k, b in c.until() if k == 'D'] == [[b'%d' % n]]
        c.sock.close()
