"""Several proxies of one database, what writes through them, and relays between them and the server."""
import signal
import threading
import time

import psycopg

import bank
from relay import Relay
from servers import Console, wait_for

CONFIG = 'console: {listen: [run], admins: [root]}\nworkers: 2\n'
MOVER = 'crossfade_mover'


def grant(pg, make_proxy, dbname='bank'):
    """Exactly what `check --grants` prints, for a role that has nothing else."""
    proxy = make_proxy(pg, map_text=bank.MAP, dbname=dbname, start=False)
    printed = proxy.command('check', '-c', proxy.config_file, '--grants')
    assert printed.returncode == 0, printed.stderr
    done = pg.psql(stdin=printed.stdout, PGDATABASE=dbname)
    errors = [line for line in done.stderr.splitlines() if 'ERROR' in line and 'already exists' not in line]
    assert not errors, done.stderr


def admin(port, dbname='bank', user=MOVER):
    return f'host=127.0.0.1 port={port} user={user} dbname={dbname}'


def join(pg, make_proxy, map_text=bank.MAP, config=CONFIG, relay=None, start=True, server=None, primary=None):
    """One more proxy; with a relay between it and the server."""
    server = server or pg
    port = relay.port if relay else server.port
    if primary:
        config = config.replace('workers', f'# {primary}\nworkers')
    proxy = make_proxy(server, map_text=map_text, dbname='bank', admin=admin(port), config=config, start=False,
                       server_address=f'127.0.0.1:{port}')
    text = proxy.config_file.read_text().replace('flags: flags.yaml', 'flags: {schema: crossfade}')
    if primary:
        text = text.replace('admin: {dsn:', f'admin: {{primary: "{admin(primary)}", dsn:')
    proxy.config_file.write_text(text)
    proxy.console = Console(proxy)
    if start:
        proxy.start()
    return proxy


def rows(proxy, sql):
    with proxy.console.connect() as c:
        return c.execute(sql).fetchall()


def live(proxy):
    return [r for r in rows(proxy, 'show proxies') if r[6]]


def wait_live(proxy, count):
    wait_for(lambda: len(live(proxy)) == count, 30, f'{count} are there', 0.1)


def stage(proxy, table='public.books'):
    return {r[1]: r[2] for r in rows(proxy, 'show flags')}[table]


def place(pg, names=('books', 'ledger_lines')):
    """Where the rows are: exactly one table."""
    done = pg.psql('-Atc', "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = relnamespace"
                   f" where relname in {names} and relkind = 'r' and n.nspname in ('public', 'data')", PGDATABASE='bank')
    found = done.stdout.split()
    assert len(found) == 1, done.stdout + done.stderr
    return found[0]


def count(proxy, name='public.books'):
    done = proxy.psql('-Atc', f'select count(*) from {name}', PGDATABASE='bank', PGUSER='app')
    return done.stdout.strip() or done.stderr


class Writer(threading.Thread):
    """Writes numbered lines through one proxy, by both names. What it was told is written must be there, once;
    what it was not told about may be. An error of the server's is never all right; a lost connection is, if
    somebody breaks it."""

    def __init__(self, proxy, name, may_lose=False):
        super().__init__(daemon=True)
        self.proxy, self.label, self.may_lose = proxy, name, may_lose
        self.done, self.doubtful, self.number, self.error, self.stopping, self.lost = [], [], 0, None, False, 0
        self.longest = 0

    def write(self, c):
        self.number += 1
        note = f'{self.label}:{self.number}'
        sql = ('insert into public.books (account, amount, note) values (1, 1, %s)',
               'insert into data.ledger_lines (account_id, delta, note) values (1, 1, %s)',
               'insert into books (account, amount, note) values (1, 1, %s)')[self.number % 3]
        began = time.monotonic()
        try:
            c.execute(sql, (note,))
            self.done.append(note)
        except BaseException:
            self.doubtful.append(note)
            raise
        self.longest = max(self.longest, time.monotonic() - began)

    def run(self):
        while not self.stopping and not self.error:
            try:
                with psycopg.connect(self.proxy.dsn(user='app', dbname='bank', connect_timeout=5), autocommit=True) as c:
                    while not self.stopping:
                        self.write(c)
            except (psycopg.OperationalError, psycopg.InterfaceError) as e:
                if not self.may_lose or (e.sqlstate and e.sqlstate[:2] not in ('08', '57')):
                    self.error = e
                self.lost += 1
                time.sleep(0.05)
            except Exception as e:  # noqa: BLE001: told by the test
                self.error = e

    def finish(self):
        self.stopping = True
        self.join(60)
        assert not self.is_alive(), f'{self.label} hangs'
        assert self.error is None, (self.label, self.error)
        assert self.done, self.label


def check_lines(pg, writers):
    where = place(pg)
    labels = {w.label for w in writers}
    notes = pg.psql('-Atc', f'select note from {where} where note is not null', PGDATABASE='bank').stdout.split()
    got = [note for note in notes if note.rsplit(':', 1)[0] in labels]
    assert len(got) == len(set(got)), 'nothing is there twice'
    done = {n for w in writers for n in w.done}
    doubtful = {n for w in writers for n in w.doubtful}
    assert done <= set(got), f'{len(done - set(got))} lines are lost'
    assert set(got) - done <= doubtful, sorted(set(got) - done - doubtful)[:20]


class Gate(Relay):
    """A relay that can cut its connections, or stop to pass anything on and let nobody notice, and that calls back
    before or after it passes on a message to the server that has some words in it."""

    def __init__(self, port):
        self.stalls, self.hooks = threading.Event(), []
        super().__init__(('127.0.0.1', port))

    def on(self, words, act, after=False):
        self.hooks.append((words.encode(), act, after))

    def _hook(self, data, after):
        for hook in list(self.hooks):
            if hook[2] == after and hook[0] in data and hook in self.hooks:
                self.hooks.remove(hook)
                hook[1]()

    def pass_on(self, a, b, data, to_server):
        if to_server:
            self._hook(data, False)
        while self.stalls.is_set():
            time.sleep(0.02)
        super().pass_on(a, b, data, to_server)
        if to_server:
            self._hook(data, True)
        return True

    def cut(self):
        self.refuses = True
        super().cut()

    def stall(self):
        self.stalls.set()

    def heal(self):
        self.refuses = False
        self.stalls.clear()

    def close(self):
        self.heal()
        super().close()


def freeze(proxy):
    proxy.process.send_signal(signal.SIGSTOP)


def thaw(proxy):
    proxy.process.send_signal(signal.SIGCONT)
