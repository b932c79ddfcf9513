#!/usr/bin/python3
"""Mixed load for a long time, with everything going wrong at once, and no wrong answer.

Sessions over TLS and in clear ask for what they can check; meanwhile others
connect and vanish, send garbage, cancel, read slowly, the flag of a table
flips, files are reloaded, connections are killed and the server restarts. In
the end no answer was wrong, what was written is there once, memory has stopped
growing, and all descriptors are back.
usage: soak.py [--minutes N] [--think-ms N]   (CROSSFADE_BUILD names the build)
"""
import argparse
import os
import random
import signal
import sys
import threading
import time
import traceback
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
create table v10.entries(who int, n int);
"""
LOST = (OSError, raw.Closed, TimeoutError)
PASSING = {'57P01', '57P02', '57P03', '08006', '53300', '57014', '08001'}
CHECKS = ['old name', 'new name, extended', 'in a transaction', 'many rows', 'pipelined', 'an error', 'prepared', 'copied']
EVENTS = ['written', 'cancelled', 'slow reader', 'lost', 'flip', 'reload', 'kill', 'server restart']


class Soak:
    def __init__(self, proxy, pg, think_s):
        self.proxy, self.pg, self.think_s = proxy, pg, think_s
        self.stop = threading.Event()
        self.sure, self.tried = set(), set()  # what was written, and what may have been
        self.wrong, self.counts = [], {}
        self.lock = threading.Lock()

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def complain(self, what):
        with self.lock:
            self.wrong.append(what)

    def expect(self, got, want, what):
        if got != want:
            self.complain(f'{what}: {got!r}, not {want!r}')
        self.count(what)

    def open(self, dice):
        return (Secure if dice.random() < 0.5 else Raw)(self.proxy.address, timeout=60)

    # --- sessions whose answers are checked

    def ask(self, dice, c):
        n = dice.randrange(1, 1001)
        kind = dice.randrange(8)
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
        elif kind == 5:
            errors = [raw.error_fields(b)['C'] for k, b in c.ask('select nothing from v10.prices') if k == 'E']
            self.expect(errors, ['42703'], 'an error')
        elif kind == 6:  # prepared under other flags, maybe
            c.send(raw.bind([str(n)], name='again') + raw.execute() + raw.sync())
            self.expect([raw.data_row(b) for k, b in c.until() if k == 'D'], [[f'v{n}'.encode()]], 'prepared')
        else:
            rows = [b for k, b in c.ask(f'copy (select id, v from v10.prices where id >= {n}) to stdout') if k == 'd']
            self.expect(len(rows), 1001 - n, 'copied')

    def checked(self, dice):
        with self.open(dice) as c:
            c.startup()
            c.send(raw.parse('select v from v10.prices where id = $1::int', 'again') + raw.sync())
            for _, body in [m for m in c.until() if m[0] == 'E']:
                raise raw.ServerError(raw.error_fields(body))
            for _ in range(dice.randrange(1, 200)):
                if self.stop.wait(dice.uniform(0, 2 * self.think_s)):
                    return
                self.ask(dice, c)

    def writer(self, dice):
        """What was acknowledged must be there in the end; what was not, at most once."""
        with self.open(dice) as c:
            c.startup()
            for _ in range(dice.randrange(1, 200)):
                if self.stop.wait(dice.uniform(0, 2 * self.think_s)):
                    return
                n = len(self.tried)
                self.tried.add(n)
                done = c.ask(f'insert into v10.entries values (1, {n})')
                if ('C', b'INSERT 0 1\0') in done:
                    self.sure.add(n)
                    self.count('written')

    def check_writes(self):
        got = [int(n) for n in self.pg.psql('-Atc', 'select n from v10.entries', unix=True).stdout.split()]
        self.expect(sorted(self.sure - set(got)), [], 'written, but not there')
        self.expect([len(got), sorted(set(got) - self.tried)], [len(set(got)), []], 'written twice, or by nobody')

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
                self.complain(f'cancel: {fields}')
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
                    self.complain(f'{role.__name__}: {e}')
            except LOST:
                self.count('lost')
                time.sleep(0.05)
            except Exception:
                self.complain(traceback.format_exc())
            if role not in (self.checked, self.writer):
                self.stop.wait(dice.uniform(0, 10 * self.think_s))

    # --- what happens around them

    def flip(self, stage):
        self.proxy.flags_file.with_suffix('.new').write_text(f'flags: {{v10.prices: {stage}}}\n')
        self.proxy.flags_file.with_suffix('.new').rename(self.proxy.flags_file)

    def around(self, restart_every_s):
        try:
            self.disturb(restart_every_s)
        except Exception:
            self.complain(traceback.format_exc())

    def disturb(self, restart_every_s):
        dice, restarted = random.Random(7), time.monotonic()
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


def descriptors(proxy):
    return len(os.listdir(f'/proc/{proxy.pid}/fd'))


def watch(proxy, soak, seconds):
    """(time, memory) each second; the most descriptors."""
    began, samples, most = time.monotonic(), [], 0
    while time.monotonic() - began < seconds and proxy.alive() and not soak.wrong:
        time.sleep(1)
        samples.append((time.monotonic() - began, proxy.rss_bytes()))
        most = max(most, descriptors(proxy))
    return samples, most


def settled(proxy, idle):
    """Every session's are back."""
    try:
        servers.wait_for(lambda: proxy.sockets() <= proxy.idle_sockets + 1 and descriptors(proxy) <= idle + 2, 60, 'descriptors are back')
        return True
    except AssertionError as e:
        print(e, f'{descriptors(proxy)}, {idle} at first')
        return False


def start(pki, pg):
    use_certificate(pg, pki.server, pki)
    assert pg.psql('-v', 'ON_ERROR_STOP=1', unix=True, stdin=SETUP).returncode == 0
    proxy = servers.Crossfade(pg, map_text=MAP, server_address=f'localhost:{pg.port}',
                              config=client_tls(pki) + server_tls('require') + 'limits: {unfinished_logins: 50}\n')
    proxy.count_idle_sockets()
    return proxy


def run_all(soak, seconds):
    roles = [soak.checked] * 8 + [soak.writer, soak.vanishing, soak.garbage, soak.cancelled, soak.slow, soak.silent]
    threads = [threading.Thread(target=soak.run, args=(role, i), daemon=True) for i, role in enumerate(roles)]
    threads.append(threading.Thread(target=soak.around, args=(max(20, seconds / 10),), daemon=True))
    for t in threads:
        t.start()
    samples, most = watch(soak.proxy, soak, seconds)
    soak.stop.set()
    for t in threads:
        t.join(90)
    if any(t.is_alive() for t in threads):
        soak.complain('a session waits for an answer')
    return samples, most


def verdict(soak, samples, minutes):
    """What does not hold."""
    growth = slope(samples)
    print(f'memory {samples[0][1] >> 20} MB at first, {samples[len(samples) // 2][1] >> 20} MB half-way, '
          f'{samples[-1][1] >> 20} MB in the end, slope {growth:.1f} MB an hour')
    # A short run has not settled yet, its slope says little; nor need everything have happened.
    if minutes >= 20 and growth >= 4:
        soak.complain('memory grows')
    if minutes >= 2:
        soak.wrong += [f'never: {what}' for what in CHECKS + EVENTS if not soak.counts.get(what)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--minutes', type=float, default=60)
    parser.add_argument('--think-ms', type=float, default=0, help='a pause before each question, on average')
    args = parser.parse_args()
    pki, pg = Pki(), servers.Postgres(max_connections=200)
    proxy = start(pki, pg)
    soak, idle = Soak(proxy, pg, args.think_ms / 1000), descriptors(proxy)
    samples, most = run_all(soak, args.minutes * 60)
    print(f'{args.minutes} min: {soak.counts}')
    alive = proxy.alive()
    if alive:
        soak.check_writes()
        back = settled(proxy, idle)
        print(f'{idle} descriptors at first, {most} at most, {descriptors(proxy)} in the end')
        verdict(soak, samples, args.minutes)
        proxy.stop()
    pg.destroy()
    pki.remove()
    print('\n'.join(soak.wrong[:20]))
    sys.exit(0 if alive and back and not soak.wrong else 1)


main()
