"""node-postgres and JDBC: one program each, whose output must be that of a direct run."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from servers import BUILD

HERE = Path(__file__).parent
JDBC = Path('/usr/share/java/postgresql.jar')
NODE_PATH = [p for p in (os.environ.get('NODE_PATH', ''), '/usr/share/nodejs') if p]
NODE_PACKAGES = ['node-pg', 'node-libpq', 'node-async', 'node-readable-stream', 'node-split2', 'node-xtend']


def has_pg(path):
    return subprocess.run(['node', '-e', 'require("pg"); require("pg-cursor")'], capture_output=True,
                          env={**os.environ, 'NODE_PATH': path}).returncode == 0


def unpacked_packages():
    """Where nodejs is not Debian's own, node-pg cannot be installed, but its files serve."""
    place = BUILD / 'node-pg'
    modules = place / 'root/usr/share/nodejs'
    if not modules.is_dir() and shutil.which('apt-get'):
        place.mkdir(parents=True, exist_ok=True)
        got = subprocess.run(['apt-get', 'download', *NODE_PACKAGES], cwd=place, capture_output=True, text=True)
        if got.returncode == 0:
            for deb in place.glob('*.deb'):
                subprocess.run(['dpkg-deb', '-x', deb, place / 'root'], check=True)
    return str(modules)


@pytest.fixture(scope='module')
def node_path():
    if not shutil.which('node'):
        pytest.skip('node is not installed')
    for path in NODE_PATH:
        if has_pg(path):
            return path
    path = unpacked_packages()
    if not has_pg(path):
        pytest.skip('node-pg is not installed')
    return path


def compare(got, direct):
    assert direct.returncode == 0, direct.stdout + direct.stderr
    assert got.returncode == 0, got.stdout + got.stderr
    assert got.stdout == direct.stdout
    assert direct.stdout.splitlines()[-1] == 'done true'


@pytest.mark.parametrize('unix', [False, True], ids=['tcp', 'unix'])
def test_node_postgres(ep, pg, node_path, unix):
    def run(e):
        where = [e.socket_dir, e.socket_port] if unix else [e.host, e.port]
        return subprocess.run(['node', str(HERE / 'node_client.js'), *map(str, where)], text=True,
                              capture_output=True, timeout=90, env={**os.environ, 'NODE_PATH': node_path})
    compare(run(ep), run(pg))


@pytest.fixture(scope='module')
def jdbc_classes(tmp_path_factory):
    if not (shutil.which('javac') and JDBC.exists()):
        pytest.skip('a JDK or the JDBC driver is not installed')
    out = tmp_path_factory.mktemp('classes')
    done = subprocess.run(['javac', '-cp', JDBC, '-d', out, HERE / 'JdbcClient.java'], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    return out


def test_jdbc(ep, pg, jdbc_classes):
    def run(e):
        return subprocess.run(['java', '-Xshare:auto', '-XX:TieredStopAtLevel=1', '-Duser.language=en', '-cp',
                               f'{JDBC}:{jdbc_classes}', 'JdbcClient', e.host, str(e.port)], text=True,
                              capture_output=True, timeout=120)
    compare(run(ep), run(pg))
