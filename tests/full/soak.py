#!/usr/bin/python3
"""Mixed load for a long time, with everything going wrong at once, and no wrong answer.

Sessions over TLS and in clear ask for what they can check; meanwhile others
connect and vanish, send garbage, cancel, read slowly, the flag of a table
flips, files are reloaded and the server restarts. In the end no answer was
wrong, memory has stopped growing, and all descriptors are back.
usage: soak.py [--minutes N]   (CROSSFADE_BUILD names the build)
"""
import argparse
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'system'))
import raw  # noqa: E402
import servers  # noqa: E402
from pki import Pki, client_tls, server_tls, use_certificate  # noqa: E402
from raw import Raw, query  # noqa: E402
from secure import Secure  # noqa: E402

MAP = 'old: v10\nnew: v13\ntables: {v10.prices: v13.prices, v10.orders: v13.orders}\n'
SETUP = """
create schema v10; create schema v13;
create table v10.prices(id int primary key, v text); insert into v10.prices select i, 'v' || i from generate_series(1, 1000) i;
create table v13.prices(id int primary key, v text); insert into v13.prices select * from v10.prices;
create table v10.orders(id serial, n int);
"""
LOST = (OSError, raw.Closed, TimeoutError)
PASSING = {'57P01', '57P02', '57P03', '08006', '53300', '57014', '08001'}


class Soak:
    def __init__(self, proxy, pg):
        self.proxy, self.pg = proxy, pg
        self.stop = threading.Event()
        self.wrong, self.counts = [], {}
        self.lock = threading.Lock()

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def expect(self, got, want, what):
        if got != want:
            with self.lock:
                self.wrong.append(f'{what}: {got!r}, not {want!r}')
        self.count(what)

    def open(self, dice):
        return (Secure if dice.random() < 0.5 else Raw)(self.proxy.address, timeout=60)

    # --- sessions whose answers are checked

    def ask(self, dice, c):
        n = dice.randrange(1, 1001)
        kind = dice.randrange(6)
        if kind == 0:
            self.expect(c.value(f'select v from v10.prices where id = {n}'), f'v{n}', 'old name')
        elif kind == 1:
            c.send(raw.extended('select v from v13.prices where id = $1::int', [str(n)]) + raw.sync())
            self.expect([raw.data_row(b) for k, b in c.until() if k == 'D'], [[f'v{n}'.encode()]], 'new name, extended')
        elif kind == 2:
            c.ask('begin')
            c.ask(f'insert into v10.orders(n) values ({n})')
            self.expect(c.value(f'select {n} from v10.orders where n = {n} limit 1'), str(n), 'in a transaction')
            c.ask('rollback')
        elif kind == 3:
            rows = [b for k, b in c.ask(f'select id, v from v10.prices where id <= {n} order by id') if k == 'D']
            self.expect(len(rows), n, 'many rows')
        elif kind == 4:
            c.send(b''.join(query(f'select {i}') for i in range(n, n + 20)))
            got = [raw.data_row(b)[0] for _ in range(20) for k, b in c.until() if k == 'D']
            self.expect(got, [b'%d' % i for i in range(n, n + 20)], 'pipelined')
        else:
            errors = [raw.error_fields(b)['C'] for k, b in c.ask('select nothing from v10.prices') if k == 'E']
            self.expect(errors, ['42703'], 'an error')

    def checked(self, dice):
        with self.open(dice) as c:
            c.startup()
            for _ in range(dice.randrange(1, 200)):
                if self.stop.is_set():
                    return
                self.ask(dice, c)

    # --- sessions that misbehave

    def vanishing(self, dice):
        with self.open(dice) as c:
            c.startup()
            c.send(query("select repeat('x', 1000) from generate_series(1, 5000)")[:dice.randrange(80)])
            time.sleep(dice.random() / 10)

    def garbage(self, dice):
        with Raw(self.proxy.address, timeout=10) as c:
            c.send(dice.randbytes(dice.randrange(1, 3000)))
            c.sock.shutdown(1)
            c.rest()

    def cancelled(self, dice):
        with self.open(dice) as c:
            c.startup()
            c.send(query('select pg_sleep(20)'))
            time.sleep(0.05)
            raw.send_cancel(self.proxy.address, c.cancel_packet())
            fields = [raw.error_fields(b)['C'] for k, b in c.until() if k == 'E']
            if fields and fields[0] not in PASSING:
                self.wrong.append(f'cancel: {fields}')
            self.count('cancelled')

    def slow(self, dice):
        with Raw(self.proxy.address, timeout=60, rcvbuf=4096) as c:
            c.startup()
            c.send(query("select repeat('x', 10000) from generate_series(1, 200)"))
            for _ in range(20):
                c.message()
                time.sleep(0.02)
            self.expect(sum(k == 'D' for k, _ in c.until()) >= 180, True, 'slow reader')

    def silent(self, dice):
        with Raw(self.proxy.address):
            time.sleep(dice.random())

    def run(self, role, seed):
        dice = random.Random(seed)
        while not self.stop.is_set():
            try:
                role(dice)
            except raw.ServerError as e:
                if e.fields.get('C') not in PASSING:
                    self.wrong.append(str(e))
            except LOST:
                self.count('lost')
                time.sleep(0.05)

    # --- what happens around them

    def flip(self, stage):
        self.proxy.flags_file.with_suffix('.new').write_text(f'flags: {{v10.prices: {stage}}}\n')
        self.proxy.flags_file.with_suffix('.new').rename(self.proxy.flags_file)

    def around(self, restart_every_s):
        dice, began, restarted = random.Random(7), time.monotonic(), time.monotonic()
        while not self.stop.wait(dice.uniform(0.5, 3)):
            what = dice.randrange(3)
            if what == 0:
                self.flip(dice.choice(['old', 'live']))
                self.count('flip')
            elif what == 1:
                self.proxy.process.send_signal(signal.SIGHUP)
                self.count('reload')
            else:
                self.pg.psql('-c', "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = "
                             "'client backend' and pid <> pg_backend_pid() order by random() limit 1", unix=True)
                self.count('kill')
            if time.monotonic() - restarted > restart_every_s:
                restarted = time.monotonic()
                self.pg.stop()
                self.pg.start()
                self.count('server restart')


def slope(samples):
    """MB an hour over the second half, by least squares."""
    half = samples[len(samples) // 2:]
    n = len(half)
    mx, my = sum(t for t, _ in half) / n, sum(b for _, b in half) / n
    spread = sum((t - mx) ** 2 for t, _ in half)
    return sum((t - mx) * (b - my) for t, b in half) / spread * 3600 / (1 << 20) if spread else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--minutes', type=float, default=60)
    minutes = parser.parse_args().minutes
    pki, pg = Pki(), servers.Postgres(max_connections=200)
    use_certificate(pg, pki.server, pki)
    assert pg.psql('-v', 'ON_ERROR_STOP=1', unix=True, stdin=SETUP).returncode == 0
    proxy = servers.Crossfade(pg, map_text=MAP, server_address=f'localhost:{pg.port}',
                              config=client_tls(pki) + server_tls('require') + 'limits: {unfinished_logins: 50}\n')
    proxy.count_idle_sockets()
    soak = Soak(proxy, pg)
    roles = [soak.checked] * 8 + [soak.vanishing, soak.garbage, soak.cancelled, soak.slow, soak.silent]
    threads = [threading.Thread(target=soak.run, args=(role, i), daemon=True) for i, role in enumerate(roles)]
    threads.append(threading.Thread(target=soak.around, args=(max(20, minutes * 60 / 10),), daemon=True))
    for t in threads:
        t.start()
    began, samples = time.monotonic(), []
    while time.monotonic() - began < minutes * 60 and proxy.alive() and not soak.wrong:
        time.sleep(1)
        samples.append((time.monotonic() - began, proxy.rss_bytes()))
    soak.stop.set()
    for t in threads:
        t.join(90)
    growth = slope(samples)
    try:
        servers.wait_for(lambda: proxy.sockets() <= proxy.idle_sockets + 1, 30, 'descriptors are back')
        back = True
    except AssertionError as e:
        back = False
        print(e)
    print(f'{minutes} min: {soak.counts}')
    print(f'memory {samples[0][1] >> 20} MB at first, {samples[-1][1] >> 20} MB in the end, slope {growth:.1f} MB an hour')
    alive = proxy.alive()
    if alive:
        proxy.stop()
    pg.destroy()
    pki.remove()
    print('\n'.join(soak.wrong[:20]))
    # A short run has not settled yet: its slope says little.
    flat = growth < 20 or minutes < 20
    sys.exit(0 if alive and back and flat and not soak.wrong else 1)


main()
