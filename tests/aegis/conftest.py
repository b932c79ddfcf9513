"""Fixtures of the AEGIS tests: one server, fresh copies of AEGIS, a proxy before them."""
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tests' / 'system'))

import servers  # noqa: E402  (the processes are those of the system tests)
from layouts import Databases  # noqa: E402


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """With several processes (--dist loadgroup) each takes whole groups of cases: it makes what it compares with once."""
    for item in items:
        params = getattr(getattr(item, 'callspec', None), 'params', {})
        item.add_marker(pytest.mark.xdist_group(str(params.get('group', item.path.stem))))


@pytest.fixture(scope='session')
def pg():
    # One plan for one statement: nothing parallel, no scan that starts in the middle.
    server = servers.Postgres(max_parallel_workers_per_gather=0, synchronize_seqscans='off', max_connections=100)
    yield server
    server.destroy()


@pytest.fixture(scope='session')
def databases(pg):
    made = Databases(pg)
    yield made
    made.close()
