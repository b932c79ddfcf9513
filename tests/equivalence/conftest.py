"""Fixtures of the equivalence tests: one server, the pairs of databases, the rewriter."""
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / 'system'), str(HERE.parent / 'aegis')]

import servers  # noqa: E402  (the processes are those of the system tests)
from equivalence import SERVER  # noqa: E402
from pairs import Pair, Set  # noqa: E402
from service import Service  # noqa: E402


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """With several processes (--dist loadgroup) each takes whole sets."""
    for item in items:
        params = getattr(getattr(item, 'callspec', None), 'params', {})
        item.add_marker(pytest.mark.xdist_group(str(params.get('pair', 'no pair'))))


@pytest.fixture(scope='session')
def pg():
    server = servers.Postgres(**SERVER)
    yield server
    server.destroy()


@pytest.fixture(scope='session')
def service():
    made = Service()
    yield made
    made.close()


SETS = sorted(p.name for p in (HERE / 'sets').iterdir() if (p / 'set.yaml').exists())


@pytest.fixture(scope='session', params=SETS)
def pair(request, pg):
    made = Pair(pg, Set(request.param))
    yield made
    made.close()
