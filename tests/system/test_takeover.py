"""A new process takes over the sockets of an old one: nobody is refused, and systemd is told."""
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

import raw
from raw import Raw
from servers import BINARY, join, wait_for


class Held:
    """What systemd does: a listening socket that outlives its servers, and a place to hear from them."""

    def __init__(self, tmp_path, port=0):
        self.socket = socket.create_server(('127.0.0.1', port), backlog=512)
        self.socket.set_inheritable(True)
        self.port = self.socket.getsockname()[1]
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.path = str(tmp_path / 'notify')
        self.notify.bind(self.path)
        self.notify.settimeout(20)

    def start(self, proxy, binary=BINARY):
        # LISTEN_PID must be the process's own, so a shell puts it there and becomes the server.
        script = f'exec 3<&{self.socket.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
        with open(proxy.dir / 'log', 'ab') as log:
            return subprocess.Popen(['bash', '-c', script, 'bash', str(binary), 'serve', '-c', str(proxy.config_file)],
                                    pass_fds=[self.socket.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    env={**os.environ, 'NOTIFY_SOCKET': self.path}, cwd=proxy.dir)

    def hears(self, word):
        while word not in self.notify.recv(4096).decode():
            pass
        return True

    def close(self):
        self.socket.close()
        self.notify.close()


@pytest.fixture
def held(tmp_path):
    made = Held(tmp_path)
    yield made
    made.close()


@pytest.fixture
def configured(make_proxy, held):
    return make_proxy(listen=f'["127.0.0.1:{held.port}"]', config='drain: {timeout: 20s}\n', start=False)


def connect(port):
    """A session of its own, or one that the end of its proxy has met; both know why."""
    with Raw(('127.0.0.1', port)) as c:
        c.startup()
        c.send(raw.query('select 42') + raw.terminate())
        answer = c.rest()
        return b'42' in answer or b'57P01' in answer


def install(program):
    """A new file under the old name, as packages do it; who runs keeps the old one."""
    fresh = program.with_suffix('.new')
    shutil.copy(BINARY, fresh)
    fresh.rename(program)
    return program


def test_a_restart_with_a_new_program_refuses_nobody(configured, held, tmp_path):
    program = install(tmp_path / 'crossfade')
    old = held.start(configured, program)
    held.hears('READY=1')
    stop, failures, done = threading.Event(), [], []

    def keep_connecting():
        while not stop.is_set():
            try:
                done.append(connect(held.port))
            except (OSError, raw.Closed, raw.ServerError) as e:
                if not (isinstance(e, raw.ServerError) and e.fields['C'] == '57P01'):
                    failures.append(e)
    threads = [threading.Thread(target=keep_connecting) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        for _ in range(3):
            new = held.start(configured, install(program))
            held.hears('READY=1')
            old.send_signal(signal.SIGTERM)
            assert old.wait(30) == 0
            old = new
        before = len(done)
        wait_for(lambda: len(done) > before + 5, what='sessions of the last one')
    finally:
        stop.set()
        join(*threads)
        old.terminate()
    assert not failures, failures[:3]
    assert all(done) and old.wait(30) == 0


def test_while_nobody_serves_connections_wait(configured, held):
    first = held.start(configured)
    held.hears('READY=1')
    first.send_signal(signal.SIGTERM)
    held.hears('STOPPING=1')
    assert first.wait(30) == 0
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(connect(held.port)))
    waiting.start()
    time.sleep(0.3)
    assert not answers
    second = held.start(configured)
    waiting.join(30)
    second.terminate()
    assert answers == [True] and second.wait(30) == 0


def test_systemd_hears_of_reloads(configured, held):
    process = held.start(configured)
    held.hears('READY=1')
    process.send_signal(signal.SIGHUP)
    assert held.hears('RELOADING=1') and held.hears('READY=1')
    process.terminate()
    assert process.wait(30) == 0


@pytest.mark.skipif(not shutil.which('systemd-socket-activate'), reason='systemd is not installed')
def test_systemds_own_activation(configured, held):
    """Whoever connects first has it started; systemd's tool makes the socket and hands it over."""
    held.socket.close()
    with open(configured.dir / 'log', 'ab') as log:
        process = subprocess.Popen(['systemd-socket-activate', '-l', f'127.0.0.1:{held.port}', '-E', f'NOTIFY_SOCKET={held.path}',
                                    str(BINARY), 'serve', '-c', str(configured.config_file)], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, cwd=configured.dir)
    configured.log_file = configured.dir / 'log'
    configured.wait_log('Listening on')
    assert connect(held.port)
    held.hears('READY=1')
    assert 'sockets_unused' not in configured.log()
    process.terminate()
    held.hears('STOPPING=1')
    assert process.wait(30) == 0


def test_a_socket_that_listen_does_not_name_is_told(make_proxy, held):
    proxy = make_proxy(start=False)
    process = held.start(proxy)
    held.hears('READY=1')
    proxy.log_file = proxy.dir / 'log'
    proxy.wait_log('sockets_unused.*count=1')
    process.terminate()
    assert process.wait(30) == 0
