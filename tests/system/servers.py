"""The processes a system test talks to: PostgreSQL, PgBouncer and crossfade.

Each is an endpoint (host, port, unix socket directory), so that a test can be
pointed at any of them.  All of them listen on loopback, on ports of their own,
below a short directory of their own (unix socket paths are limited).
"""
import collections
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import deadline
from raw import Raw

ROOT = Path(__file__).resolve().parents[2]
PGBIN = Path(subprocess.run([str(ROOT / 'tests/lib/throwaway-pg'), 'bin'], check=True,
                            capture_output=True, text=True).stdout.strip())
BUILD = Path(os.environ.get('CROSSFADE_BUILD', ROOT / 'build')).resolve()
BINARY = BUILD / 'crossfade'

SANITIZER = re.compile(r'ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|LeakSanitizer')


def held_port():
    """A socket that is bound and does not listen: whoever listens with SO_REUSEADDR may have its port, as servers do,
    and the kernel gives it to nobody else, neither to another worker of this run nor to a client's end."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(('127.0.0.1', 0))
    return held


HELD = collections.deque(maxlen=300)  # more than any test uses; old ones are closed


def free_port():
    HELD.append(held_port())
    return HELD[-1].getsockname()[1]


def work_dir(prefix='cf-'):
    """A short directory that the postgres user may enter too."""
    path = Path(tempfile.mkdtemp(prefix=prefix, dir='/tmp'))
    path.chmod(0o755)
    return path


def as_server_user(command):
    """A PostgreSQL server refuses to run as root."""
    if os.geteuid() != 0:
        return [str(c) for c in command]
    return ['setpriv', '--reuid', 'postgres', '--regid', 'postgres', '--init-groups', '--',
            *map(str, command)]


def wait_for(condition, seconds=10, what='condition', pause=0.02):
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f'{what}: not within {seconds} s')
        time.sleep(pause)


def join(*threads, seconds=60):
    """Until all have ended; a test that would wait for ever fails."""
    for thread in threads:
        thread.join(seconds)
        assert not thread.is_alive(), f'{thread.name} has not ended within {seconds} s'


class Endpoint:
    """Something that clients can connect to."""
    kind = 'direct'

    def __init__(self, port, socket_dir, host='127.0.0.1', socket_port=None):
        self.host, self.port, self.socket_dir = host, port, str(socket_dir)
        self.socket_port = socket_port or port

    @property
    def address(self):
        return (self.host, self.port)

    @property
    def unix_address(self):
        return f'{self.socket_dir}/.s.PGSQL.{self.socket_port}'

    def dsn(self, unix=False, **params):
        where = {'host': self.socket_dir, 'port': self.socket_port} if unix \
            else {'host': self.host, 'port': self.port}
        params = {'user': 'postgres', 'dbname': 'postgres', 'sslmode': 'disable',
                  'gssencmode': 'disable', 'connect_timeout': 60, **where, **params}

        def quoted(v):
            return "'" + str(v).replace('\\', '\\\\').replace("'", "\\'") + "'"
        return ' '.join(f'{k}={quoted(v)}' for k, v in params.items())

    def env(self, unix=False, **more):
        """The environment for psql, pgbench and friends."""
        env = {k: v for k, v in os.environ.items() if not k.startswith('PG')}
        env.update(PGHOST=self.socket_dir if unix else self.host,
                   PGPORT=str(self.socket_port if unix else self.port), PGUSER='postgres',
                   PGDATABASE='postgres', PGCONNECT_TIMEOUT='10', LC_ALL='C.UTF-8',
                   PSQL_HISTORY='/dev/null', PSQLRC='/dev/null', PSQL_PAGER='')
        env.update(more)
        return env

    def psql(self, *args, stdin=None, unix=False, timeout=60, **env):
        return subprocess.run([str(PGBIN / 'psql'), '-X', *args], input=stdin, text=True,
                              capture_output=True, timeout=timeout, env=self.env(unix, **env))


HBA = """
local all pw_plain password
local all pw_md5 md5
local all pw_scram scram-sha-256
local all nobody_may reject
local all all trust
local replication all trust
hostssl all ssl_only 127.0.0.1/32 trust
host all pw_plain 127.0.0.1/32 password
host all pw_md5 127.0.0.1/32 md5
host all pw_scram 127.0.0.1/32 scram-sha-256
host all nobody_may 127.0.0.1/32 reject
host all ssl_only 127.0.0.1/32 reject
host all all 127.0.0.1/32 trust
host replication all 127.0.0.1/32 trust
"""


class Postgres(Endpoint):
    """A throwaway server, started by tests/lib/throwaway-pg."""

    SETTINGS = {'wal_level': 'logical', 'max_wal_senders': 8, 'max_replication_slots': 8,
                'max_connections': 60, 'autovacuum': 'off', 'max_prepared_transactions': 5, 'log_connections': 'on',
                'log_statement': 'none'}

    def __init__(self, **settings):
        self.dir = work_dir('cfpg-')
        self.settings = {**self.SETTINGS, **settings}
        self.hba = self.dir / 'hba'
        self.hba.write_text(HBA)
        self.place = self.dir / 's'
        self.held = held_port()
        self.start(self.held.getsockname()[1])
        super().__init__(int(self.about['PGPORT']), self.about['PGSOCKET'])
        deadline.SERVERS.add(self)

    @staticmethod
    def _tool(*args, check=True):
        done = subprocess.run([str(a) for a in (ROOT / 'tests/lib/throwaway-pg', *args)],
                              capture_output=True, text=True, timeout=150)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def start(self, port=None):
        """Starts again on the same port when called after stop()."""
        args = [a for name, value in self.settings.items() for a in ('--set', f'{name}={value}')]
        self._tool('start', self.place, '--port', port or self.port, '--hba', self.hba, *args)
        about = self._tool('env', self.place)
        self.about = dict(line.split('=', 1) for line in about.splitlines())
        self.data = Path(self.about['PGDATA'])

    def pg_ctl(self, *args):
        subprocess.run(as_server_user([PGBIN / 'pg_ctl', '-D', self.data, *args]), cwd='/', timeout=120,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self, mode='fast'):
        self.pg_ctl('stop', '-w', '-m', mode)

    def set(self, **settings):
        self.settings.update(settings)
        with open(self.data / 'postgresql.conf', 'a') as f:
            f.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        self.pg_ctl('reload')

    @property
    def postmaster_pid(self):
        return int((self.data / 'postmaster.pid').read_text().split()[0])

    def destroy(self):
        self.stop('immediate')
        self._tool('remove', self.place, check=False)
        self.held.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def enable_ssl(self):
        key, crt = self.data / 'server.key', self.data / 'server.crt'
        subprocess.run(as_server_user(
            ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', crt,
             '-subj', '/CN=localhost', '-days', '30']), check=True, capture_output=True, cwd='/')
        key.chmod(0o600)
        self.set(ssl='on', ssl_cert_file=crt, ssl_key_file=key)
        wait_for(lambda: self.psql('-Atc', 'show ssl').stdout == 'on\n', what='ssl')

    def wait_active(self, pid):
        """Until the session works on a statement: a cancel request that comes before it goes nowhere."""
        wait_for(lambda: self.sessions(f"pid = {pid} and state = 'active'") == 1, 10, f'the statement of {pid} runs')

    def sessions(self, where='true'):
        out = self.psql('-Atc', 'select count(*) from pg_stat_activity where backend_type='
                        f"'client backend' and pid <> pg_backend_pid() and ({where})")
        return int(out.stdout)


class Process(Endpoint):
    """An endpoint that is a child of the test: start, signals, log, /proc."""
    process = None

    def _spawn(self, command, **kw):
        self.log_file = self.dir / 'log'
        with open(self.log_file, 'ab') as log:
            self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd=self.dir, **kw)

        def accepts():
            if self.process.poll() is not None:
                raise AssertionError(f'{self.kind} ended with {self.process.returncode}:\n{self.log()}')
            try:
                with socket.create_connection(self.address, 5) as s:
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(4096):  # until that session is over: nobody shall count it
                        pass
                return True
            except OSError:
                return False
        wait_for(accepts, 15, f'{self.kind} accepts')

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        return self.log_file.read_text(errors='replace')

    def log_since(self, mark):
        return self.log()[mark:]

    def log_mark(self):
        return len(self.log())

    def wait_log(self, pattern, mark=0, seconds=10):
        return wait_for(lambda: re.search(pattern, self.log_since(mark)), seconds,
                        f'log has {pattern!r}')

    def rss_bytes(self):
        for line in Path(f'/proc/{self.pid}/status').read_text().splitlines():
            if line.startswith('VmRSS:'):
                return int(line.split()[1]) * 1024
        raise AssertionError('no VmRSS')

    def sockets(self):
        found = 0
        for fd in glob.glob(f'/proc/{self.pid}/fd/*'):
            try:
                found += os.readlink(fd).startswith('socket:')
            except OSError:
                pass
        return found

    def count_idle_sockets(self):
        """Those without any session; its own to the database come and go."""
        seen = [self.sockets()]
        for _ in range(40):
            time.sleep(0.01)
            seen.append(self.sockets())
        self.idle_sockets = min(seen)

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        if self.process and self.alive():
            self.process.kill()
            self.process.wait(60)


class PgBouncer(Process):
    """Session mode, to see the tests fail where it differs from PostgreSQL."""
    kind = 'pgbouncer'

    def __init__(self, pg, **_):
        self.dir = work_dir('cfpb-')
        super().__init__(free_port(), self.dir)
        users = ['postgres', 'app', 'pw_plain', 'pw_md5', 'pw_scram']
        (self.dir / 'users').write_text(''.join(f'"{u}" "secret"\n' for u in users))
        (self.dir / 'ini').write_text(f"""[databases]
* = host=127.0.0.1 port={pg.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir = {self.dir}
pool_mode = session
auth_type = trust
auth_file = {self.dir}/users
max_client_conn = 200
ignore_startup_parameters = extra_float_digits,options
""")
        if os.geteuid() == 0:
            for f in (self.dir, self.dir / 'users', self.dir / 'ini'):
                shutil.chown(f, 'postgres', 'postgres')
        self._spawn(as_server_user(['/usr/sbin/pgbouncer', self.dir / 'ini']))

    def finish(self):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


EMPTY_MAP = 'old: public\nnew: data\ntables: {}\n'


class Crossfade(Process):
    """`crossfade serve` with a configuration of its own."""
    kind = 'crossfade'

    def __init__(self, pg, *, map_text=EMPTY_MAP, flags='flags: {}\n', dbname='postgres',
                 server_address=None, admin=None, config='', listen=None, start=True):
        self.dir = work_dir('cfx-')
        self.map_file = self.dir / 'map.yaml'
        self.flags_file = self.dir / 'flags.yaml'
        self.config_file = self.dir / 'crossfade.yaml'
        (self.dir / 'run').mkdir(mode=0o755)
        super().__init__(free_port(), self.dir / 'run')
        self.map_file.write_text(map_text)
        self.flags_file.write_text(flags)
        admin = admin or f'host=127.0.0.1 port={pg.port} user=postgres dbname={dbname}'
        listen = listen and listen.replace('PORT', str(self.port)) or f'["127.0.0.1:{self.port}", "{self.dir}/run:{self.port}"]'
        self.config_file.write_text(f"""listen: {listen}
server: {server_address or f'127.0.0.1:{pg.port}'}
map: map.yaml
flags: flags.yaml
usage: usage.db
admin: {{dsn: "{admin}"}}
{config}""")
        if start:
            self.start()

    def start(self):
        env = dict(os.environ)
        env.setdefault('ASAN_OPTIONS', 'detect_leaks=1:abort_on_error=0')
        env.setdefault('UBSAN_OPTIONS', 'print_stacktrace=1')
        self._spawn([BINARY, 'serve', '-c', self.config_file], env=env)

    def command(self, *args, stdin=None, timeout=30):
        return subprocess.run([str(BINARY), *map(str, args)], input=stdin, text=True,
                              capture_output=True, timeout=timeout, cwd=self.dir)

    def report(self, *args):
        return self.command('report', '-c', self.config_file, '--format', 'json', *args)

    def reload(self):
        mark = self.log_mark()
        self.process.send_signal(signal.SIGHUP)
        return mark

    def stop(self):
        """SIGTERM ends it with 0; whatever a sanitizer found is in the log."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f'crossfade did not end within 20 s of SIGTERM:\n{self.log()[-3000:]}')
        log = self.log()
        report = SANITIZER.search(log)
        assert not report, log[max(0, report.start() - 500):report.start() + 6000]
        assert code == 0, f'exit code {code}:\n{log[-3000:]}'

    def finish(self):
        try:
            if self.process:
                assert self.alive(), f'crossfade died: {self.process.returncode}\n{self.log()[-4000:]}'
                self.stop()
        finally:
            self.kill()
            shutil.rmtree(self.dir, ignore_errors=True)


CONSOLE_PORT = 7432


class Console(Endpoint):
    """A proxy's console as an endpoint."""

    def __init__(self, proxy):
        super().__init__(CONSOLE_PORT, proxy.dir / 'run', host=str(proxy.dir / 'run'))
        self.path = f'{proxy.dir}/run/.s.PGSQL.{CONSOLE_PORT}'

    def dsn(self, **params):
        return super().dsn(unix=True, **{'user': 'root', 'dbname': 'crossfade', **params})

    def connect(self, **params):
        import psycopg
        return psycopg.connect(self.dsn(**params), autocommit=True)

    def raw(self, user='root', database='crossfade'):
        return Raw(self.path).startup(user=user, database=database)

    def order(self, *commands):
        done = self.psql('-v', 'ON_ERROR_STOP=1', *(a for c in commands for a in ('-c', c)))
        assert done.returncode == 0, done.stderr

    def psql(self, *args, user=None, **kw):
        command = [str(PGBIN / 'psql'), '-X', '-v', 'VERBOSITY=verbose', *args]
        if user:
            command = ['setpriv', '--reuid', user, '--regid', 'nogroup', '--clear-groups', '--', *command]
        env = self.env(unix=True, PGUSER=user or 'root', PGDATABASE='crossfade', HOME='/nonexistent')
        env.update(kw)
        return subprocess.run(command, text=True, capture_output=True, timeout=60, env=env, cwd='/')


class NoLeak:
    """Every socket that a test's sessions opened in the proxy is closed after it."""

    def __init__(self, proxy):
        self.proxy = proxy

    def __enter__(self):
        self.before = self.proxy.sockets()
        return self

    def __exit__(self, kind, *_):
        if kind is None and self.proxy.alive():
            wait_for(lambda: self.proxy.sockets() <= self.before, 10,
                     f'sockets fall back to {self.before} (are {self.proxy.sockets()})')
