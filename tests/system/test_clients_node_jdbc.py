"""node-postgres and JDBC: one program each, whose output must be that of a direct run."""
import os
import subprocess
from pathlib import Path

import pytest

import drivers
from drivers import JDBC

HERE = Path(__file__).parent


@pytest.fixture(scope='module')
def node_path():
    path = drivers.node_path()
    if not path:
        pytest.skip('node or node-pg is not installed')
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
    if not drivers.has_jdbc():
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
