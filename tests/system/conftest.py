"""Fixtures of the system tests.

`pg` is a throwaway PostgreSQL, `ep` the endpoint under test.  By default that
is `crossfade serve` with a map of one table; `--endpoint direct` (the tests prove
themselves) and `--endpoint pgbouncer` (they can fail) run the same tests
against something else.

./test.sh runs the files in several processes (pytest-xdist), each with servers
of its own; a test that measures what others would disturb is marked `alone`.
What takes long is marked `full` and runs with CROSSFADE_FULL set, as
tests/full/system.sh does.
"""
import os

import pytest

import deadline
import pki as certificates
import servers
import turns


def pytest_addoption(parser):
    parser.addoption('--endpoint', default=os.environ.get('CROSSFADE_ENDPOINT', 'crossfade'),
                     choices=['crossfade', 'direct', 'pgbouncer'])


def pytest_configure(config):
    config.addinivalue_line('markers', 'spoils: leaves its database in another state')
    config.addinivalue_line('markers', 'slow: takes seconds, or measures what sanitizers distort')
    config.addinivalue_line('markers', 'alone: no other test runs beside it')
    config.addinivalue_line('markers', 'full: takes long; only with CROSSFADE_FULL')
    if getattr(config.option, 'numprocesses', None):
        turns.begin()


def pytest_unconfigure(config):
    if getattr(config.option, 'numprocesses', None):
        turns.end()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    with turns.turn(item.get_closest_marker('alone')):
        yield


# A process takes the next file when it has done one: those that take longest come first, or the last one would be waited for.
LONG_FILES = ('test_tls', 'test_protocol', 'test_shutdown', 'test_scram', 'test_bad_input', 'test_reload', 'test_cutover',
              'test_shared_ledger', 'test_usage', 'test_usage_load', 'test_streaming', 'test_limits', 'test_fleet')


def pytest_collection_modifyitems(config, items):
    if not os.environ.get('CROSSFADE_FULL'):
        left_out = [i for i in items if i.get_closest_marker('full')]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [i for i in items if i not in left_out]
    items.sort(key=lambda i: LONG_FILES.index(i.path.stem) if i.path.stem in LONG_FILES else len(LONG_FILES))


SETUP = """
set password_encryption = 'scram-sha-256';
create role pw_plain login password 'secret';
create role pw_scram login password 'secret';
create role odd_pw login password 'p ä%"''\\';
set password_encryption = 'md5';
create role pw_md5 login password 'secret';
create role app login;
create role ssl_only login;
create role nobody_may login;
create role one_at_a_time login connection limit 0;
create role no_login;
create role with_defaults login;
alter role with_defaults set search_path = 'pg_catalog, public';
alter role with_defaults set statement_timeout = '77s';
create database other;
create database no_one connection limit 0;
create table items (id int primary key, name text not null, price numeric(10,2), at timestamptz);
insert into items select i, 'item ' || i, i * 1.25, '2024-01-01 12:00:00+00'::timestamptz
  + i * interval '1 hour' from generate_series(1, 500) i;
create table bulk (n int, t text);
create function slow_raise(t float8) returns int language plpgsql as
  $$ begin raise notice 'before'; perform pg_sleep(t); raise exception 'after % s', t; end $$;
grant all on items, bulk to public;
"""


# Far more than any test takes, also on a busy machine; test.sh ends those that do not even end then.
PATIENCE_S = 200


@pytest.fixture(autouse=True)
def ends_in_time():
    if os.environ.get('CROSSFADE_FULL') or os.environ.get('CROSSFADE_STRICT'):
        yield
        return
    with deadline.Deadline(PATIENCE_S) as it:
        yield
    assert not it.passed, f'not done within {PATIENCE_S} s:\n{it.passed}'


@pytest.fixture(scope='session')
def pg():
    server = servers.Postgres()
    done = server.psql('-v', 'ON_ERROR_STOP=1', stdin=SETUP)
    assert done.returncode == 0, done.stderr
    yield server
    server.destroy()


@pytest.fixture(scope='session')
def endpoint_kind(request):
    return request.config.getoption('--endpoint')


# With an empty map texts would pass unread; this one has every text looked at and nothing changed.
LOOKED_AT = 'old: public\nnew: data\ntables: {public.named_by_no_test: data.named_by_no_test}\n'


@pytest.fixture(scope='session')
def shared_endpoint(pg, endpoint_kind):
    if endpoint_kind == 'direct':
        yield pg
        return
    if endpoint_kind == 'pgbouncer':
        proxy = servers.PgBouncer(pg)
    else:
        proxy = servers.Crossfade(pg, map_text=LOOKED_AT)
    assert proxy.psql('-Atc', 'select 1').stdout == '1\n'
    yield proxy
    proxy.finish()


@pytest.fixture(scope='session')
def pki():
    made = certificates.Pki()
    yield made
    made.remove()


@pytest.fixture
def ep(shared_endpoint):
    """The endpoint under test; afterwards it lives and holds no socket of the test."""
    if shared_endpoint.kind != 'crossfade':
        yield shared_endpoint
        return
    with servers.NoLeak(shared_endpoint):
        yield shared_endpoint
    assert shared_endpoint.alive(), shared_endpoint.log()[-4000:]


@pytest.fixture
def make_proxy(endpoint_kind, pg):
    """Starts crossfade with a configuration of the test's own."""
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')
    made = []

    def make(server=None, **kw):
        made.append(servers.Crossfade(server or pg, **kw))
        return made[-1]
    yield make
    errors = []
    for proxy in made:
        try:
            proxy.finish()
        except AssertionError as e:
            errors.append(e)
    if errors:
        raise errors[0]


@pytest.fixture
def make_endpoint(endpoint_kind, pg, request):
    """Like make_proxy for tests that also make sense without crossfade."""
    if endpoint_kind == 'crossfade':
        return request.getfixturevalue('make_proxy')
    made = []

    def make(server=None, **kw):
        if endpoint_kind == 'direct':
            return server or pg
        made.append(servers.PgBouncer(server or pg))
        return made[-1]
    request.addfinalizer(lambda: [p.finish() for p in made])
    return make


@pytest.fixture
def victim(request):
    """A server of the test's own, to stop and to kill: a crash takes no commit with it."""
    server = servers.Postgres(synchronous_commit='on')
    request.addfinalizer(server.destroy)
    return server
