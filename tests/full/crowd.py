#!/usr/bin/python3
"""Crowds: as many sessions as descriptors allow, and large ones that do not read; nobody else notices.

 1. Against a stub server: sessions up to the limit of descriptors, half of
    them silent, never reading or talking nonsense, and some of those coming
    back all the time; the others all get their answers, and their p99 is at
    most twice that of sessions on a proxy without the bad half.
 2. Against PostgreSQL: 300 sessions, opened, used and closed likewise.
 3. A reader of 1 GB and a writer of 1 GB that are slow, in clear and through
    TLS on both legs: less than 1 MB of memory each.
usage: crowd.py [stub] [postgresql] [slow]   (CROSSFADE_BUILD names the build)
"""
import os
import resource
import selectors
import signal
import socket
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'system'))
import raw  # noqa: E402
import servers  # noqa: E402
from pki import Pki, client_tls, server_tls, use_certificate  # noqa: E402
from raw import Raw, msg, query  # noqa: E402
from secure import Secure  # noqa: E402

GIGABYTE, TURNS, TURN = 1 << 30, 21, 500
READY = msg('R', raw.i32(0)) + msg('K', raw.i32(1) + raw.i32(2)) + msg('Z', b'I')
ANSWER = msg('T', b'\0\0') + msg('C', b'SELECT 0\0') + msg('Z', b'I')


LONG = msg('T', b'\0\0') + msg('D', bytes(200000)) * 20


class Stub:
    """A process that lets everybody in and answers every query at once, or as much of it as is read."""

    def __init__(self):
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=4096)
        self.port = self.listener.getsockname()[1]
        self.listener.setblocking(False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ, None)
        self.pid = os.fork()
        if not self.pid:
            try:
                self._run()
            finally:
                os._exit(1)
        self.listener.close()

    def _accept(self):
        try:
            while True:
                s, _ = self.listener.accept()
                s.setblocking(False)
                self.selector.register(s, selectors.EVENT_READ, [False])
        except BlockingIOError:
            pass

    def _serve(self, s, begun):
        try:
            data = s.recv(65536)
            if data:
                s.sendall(READY if not begun[0] else LONG if b'repeat' in data else ANSWER * data.count(b'Q\0\0\0'))
                begun[0] = True
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.selector.unregister(s)
        s.close()

    def _run(self):
        while True:
            for key, _ in self.selector.select():
                if key.data is None:
                    self._accept()
                else:
                    self._serve(key.fileobj, key.data)

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def p99(times):
    return sorted(times)[int(len(times) * 0.99)]


def times_of(sessions, count):
    """Of queries over these sessions, one after the other."""
    times = []
    for i in range(count):
        c = sessions[i % len(sessions)]
        began = time.perf_counter()
        c.send(query('select 1'))
        assert c.until()[-1][0] == 'Z'
        times.append(time.perf_counter() - began)
    return times


def one_visit(address, i):
    """Of a client that misbehaves: a third each says nothing, reads nothing, or talks nonsense."""
    c = Raw(address, timeout=60, rcvbuf=4096)
    if i % 3 == 1:
        c.startup()
        c.send(query("select repeat('x', 1000) from generate_series(1, 20000)"))
    elif i % 3 == 2:
        c.send(os.urandom(500))
    return c


class Bad:
    """A process of its own with so many of them, which keeps coming back with some while it is told to."""
    VISITS_A_SECOND = 50

    def __init__(self, address, count):
        self.ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            self.ours.close()
            try:
                self._run(theirs, address, count)
            finally:
                os._exit(0)
        theirs.close()
        self.count = int.from_bytes(self.ours.recv(4), 'big')

    @staticmethod
    def _visit(address, i):
        try:
            return one_visit(address, i)
        except (OSError, raw.Closed, raw.ServerError):
            return None

    def _run(self, order, address, count):
        held = [c for c in (self._visit(address, i) for i in range(count)) if c]
        order.sendall(len(held).to_bytes(4, 'big'))
        busy, i = False, 0
        while True:
            order.settimeout(1 / self.VISITS_A_SECOND if busy else None)
            try:
                said = order.recv(1)
                if not said:
                    return
                busy = said == b'+'
                order.sendall(said)
            except TimeoutError:
                i += 1
                fresh = self._visit(address, i)
                if fresh and held:
                    held[i % len(held)].sock.close()
                    held[i % len(held)] = fresh

    def be(self, busy):
        self.ours.sendall(b'+' if busy else b'-')
        self.ours.recv(1)

    def end(self):
        self.ours.close()
        os.waitpid(self.pid, 0)


def crowd(alone, beside, count, what):
    """Turns of well-behaved sessions on two proxies, one of which has as many bad ones as good ones.

    Each turn is compared with its neighbour in time; the median of the ratios counts, so that what else
    the machine does is on both sides of it."""
    alone.count_idle_sockets()
    beside.count_idle_sockets()
    quiet, good = ([Raw(p.address, timeout=120).startup() for _ in range(count // 2)] for p in (alone, beside))
    bad, ratios, seen = Bad(beside.address, count // 2), [], ([], [])
    for turn in range(TURNS):
        bad.be(True)
        pair = [p99(times_of(sessions, TURN)) for sessions in ((quiet, good) if turn % 2 else (good, quiet))]
        bad.be(False)
        pair = pair if turn % 2 else pair[::-1]
        ratios.append(pair[1] / pair[0])
        for i in (0, 1):
            seen[i].append(pair[i])
    fresh = [Raw(beside.address, timeout=120).startup() for _ in range(5)]
    times_of(fresh, 20)
    bad.end()
    for c in quiet + good + fresh:
        c.sock.close()
    for p in (alone, beside):
        servers.wait_for(lambda: p.sockets() <= p.idle_sockets + 1, 60, 'descriptors are back')
    ratio = statistics.median(ratios)
    print(f'{what}: {len(good)} good, {bad.count} bad; median p99 {statistics.median(seen[0]) * 1e6:.0f} us alone, '
          f'{statistics.median(seen[1]) * 1e6:.0f} us beside them; median ratio {ratio:.2f} of {len(ratios)}')
    return ratio <= 2


def grown(proxy, before):
    return proxy.rss_bytes() - before


def slow_reader(proxy, kind):
    with kind(proxy.address, timeout=600, rcvbuf=65536) as c:
        c.startup()
        c.ask("select repeat('x', 100000) from generate_series(1, 200)")
        before, most, got, step = proxy.rss_bytes(), 0, 0, 0
        c.send(query(f"select repeat('x', 1000000) from generate_series(1, {GIGABYTE // 1000000})"))
        while True:
            message, body = c.message()
            got += len(body)
            step += 1
            if step % 20 == 0:
                time.sleep(0.002)
                most = max(most, grown(proxy, before))
            if message == 'Z':
                break
    print(f'slow reader, {kind.__name__}: {got >> 20} MB, memory grew by {most >> 10} kB')
    return got > GIGABYTE * 0.99 and most < 1 << 20


def slow_writer(proxy, kind):
    piece = raw.copy_data(b'x' * 999999 + b'\n')
    with kind(proxy.address, timeout=600) as c:
        c.startup()
        c.ask('create temp table sink(t text)')
        c.send(query("copy sink from stdin where t = 'nothing'"))
        c.until('G')
        for _ in range(50):
            c.send(piece)
        before, most = proxy.rss_bytes(), 0
        for i in range(GIGABYTE // 1000000):
            c.send(piece)
            if i % 20 == 0:
                time.sleep(0.002)
                most = max(most, grown(proxy, before))
        c.send(raw.copy_done())
        tags = [b for k, b in c.until() if k == 'C']
    print(f'slow writer, {kind.__name__}: memory grew by {most >> 10} kB')
    return tags == [b'COPY 0\0'] and most < 1 << 20


def slow_ones(pg):
    """In clear and through TLS on both legs."""
    pki = Pki()
    use_certificate(pg, pki.server, pki)
    ok = True
    for kind, config in ((Raw, ''), (Secure, client_tls(pki) + server_tls('verify-full', ca=pki.authority.path))):
        proxy = servers.Crossfade(pg, config=config, server_address=f'localhost:{pg.port}')
        ok &= slow_reader(proxy, kind)
        ok &= slow_writer(proxy, kind)
        proxy.finish()
    pki.remove()
    return ok


def crowds(pg, count, what, **place):
    pair = [servers.Crossfade(pg, config='limits: {clients: 100000, unfinished_logins: off, startup_timeout: 600s}\n', **place) for _ in range(2)]
    ok = crowd(*pair, count, what)
    for proxy in pair:
        proxy.finish()
    return ok


def main():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min((hard - 200) // 2, 12000)  # each costs the proxy two descriptors
    parts = sys.argv[1:] or ['stub', 'postgresql', 'slow']
    ok, pg = True, servers.Postgres(max_connections=700)
    if 'stub' in parts:
        stub = Stub()
        ok &= crowds(pg, count, 'stub', server_address=f'127.0.0.1:{stub.port}')
        stub.end()
    if 'postgresql' in parts:
        ok &= crowds(pg, 300, 'PostgreSQL')
    if 'slow' in parts:
        ok &= slow_ones(pg)
    pg.destroy()
    sys.exit(0 if ok else 1)


main()
