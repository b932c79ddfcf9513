"""The same statements, old names against the old layout and old names through
crossfade where the tables have moved: what a client sees must be equal, and so
must be what is left in the database. Likewise new names before the move.

Two tests prove the comparison itself: two direct runs are equal, and without
the proxy the moved layout is a difference.
"""
from collections import namedtuple
from functools import lru_cache

import pytest

import servers
from cases import MODES, load
from layouts import ROLE, ROOT
from session import Lost, Session

CASES = {names: load(names) for names in ('v10', 'v13')}
GROUPS = [group.name for group in CASES['v10']]
MAP = (ROOT / 'config' / 'v10-to-v13.yaml').read_text()
STAGE = {'v10': 'old', 'v13': 'live'}

Run = namedtuple('Run', 'outcomes state log complaint')


def flags(layout):
    return 'flags:\n' + ''.join(f'  public.{t}: {STAGE[layout]}\n' for t in ('stocks', 'prices', 'fundamentals'))


def run_cases(databases, name, endpoint, group, mode):
    """{line: outcome}; after a broken connection the rest of the group is not reached."""
    outcomes = {}
    dsn = endpoint.dsn(dbname=name, user=ROLE, options=group.options)
    try:
        session = Session(dsn, databases.oids_below)
    except Lost as e:
        return {case.line: ('no connection', str(e)) for case in group.cases}
    try:
        for case in group.cases:
            if case.runs_in(mode):
                outcomes[case.line] = session.run(case, mode, case.sql.replace('%DB%', name))
    except Lost as e:
        outcomes[case.line] = ('lost', str(e))
    finally:
        session.close()
    return outcomes


def finish(proxy):
    """What the proxy's end had to complain of, to be told along with the differences."""
    try:
        proxy.finish()
    except AssertionError as e:
        return f'the proxy: {e}'


def run_group(databases, names, layout, index, mode, through_proxy):
    group = CASES[names][index]
    name = databases.copy(layout)
    proxy = None
    try:
        endpoint = databases.pg
        if through_proxy:
            endpoint = proxy = servers.Crossfade(databases.pg, map_text=MAP, flags=flags(layout), dbname=name,
                                                 admin=f'host=127.0.0.1 port={databases.pg.port} user=crossfade dbname={name}')
        outcomes = run_cases(databases, name, endpoint, group, mode)
        log = proxy.log() if proxy else ''
        complaint = finish(proxy) if proxy else None
        proxy = None
        return Run(outcomes, databases.state(name), log, complaint)
    finally:
        if proxy:
            proxy.kill()
        databases.drop(name)


@lru_cache(maxsize=None)
def reference(databases, names, index, mode):
    """What the application would see had its own schema still been there."""
    return run_group(databases, names, names, index, mode, through_proxy=False)


def comparable(outcome):
    """Texts and positions of errors are compared in a later step than their SQLSTATE."""
    if not hasattr(outcome, 'results'):
        return outcome
    return outcome._replace(results=tuple(r._replace(position=None, message=None) for r in outcome.results))


def differences(names, index, expected, got):
    group, found = CASES[names][index], [got.complaint] if got.complaint else []
    for case in group.cases:
        if case.line not in expected.outcomes:
            continue
        want, have = expected.outcomes[case.line], got.outcomes.get(case.line, 'not reached')
        if comparable(want) != comparable(have):
            found.append(f'{names}.cases:{case.line}: {case.title}\n    {case.sql}\n'
                         f'    expected {explain(want, have)}\n    got      {explain(have, want)}')
    for name in sorted(expected.state.keys() | got.state.keys()):
        want, have = expected.state.get(name), got.state.get(name)
        if want != have:
            found.append(f'state of {name}\n    expected {explain_state(want, have)}\n    got      {explain_state(have, want)}')
    return found


def explain_state(state, other):
    """What is in one state and not in the other."""
    if not state or not other:
        return 'it exists' if state else 'nothing'

    def parts(value):
        for item in value:
            if isinstance(item, tuple) and item and isinstance(item[0], tuple):
                yield from parts(item)
            else:
                yield item
    return ', '.join(sorted(str(x)[:200] for x in set(parts(state)) - set(parts(other)))) or 'less'


def explain(outcome, other):
    """The part of an outcome in which it differs from the other one."""
    if not hasattr(outcome, 'results') or not hasattr(other, 'results'):
        return str(outcome)[:600]
    parts = []
    for i, result in enumerate(outcome.results):
        twin = other.results[i] if i < len(other.results) else None
        for field in result._fields:
            value = getattr(result, field)
            if value and (twin is None or value != getattr(twin, field)):
                parts.append(f'{i}.{field}={str(value)[:300]}')
    for field in ('notices', 'transaction'):
        if getattr(outcome, field) != getattr(other, field):
            parts.append(f'{field}={getattr(outcome, field)}')
    return ', '.join(parts) or f'{len(outcome.results)} results'


def assert_equal(names, index, expected, got):
    found = differences(names, index, expected, got)
    if found:
        pytest.fail(f'{len(found)} differences:\n' + '\n'.join(found) + f'\n{got.log[-1500:]}', pytrace=False)


every_group = pytest.mark.parametrize('group', range(len(GROUPS)), ids=[g.replace(' ', '_') for g in GROUPS])
every_mode = pytest.mark.parametrize('mode', MODES)


def test_both_files_have_the_same_cases():
    old, new = ([(g.name, [(c.title, c.only, c.params) for c in g.cases]) for g in CASES[n]] for n in ('v10', 'v13'))
    assert old == new
    assert sum(len(g.cases) for g in CASES['v10']) >= 90


def test_most_statements_succeed(databases):
    """Equality must not come from failing: of all but the group of errors, few fail."""
    outcomes = [o for i, name in enumerate(GROUPS) if name != 'errors'
                for o in reference(databases, 'v10', i, 'simple').outcomes.values()]
    failed = sum(o.failed() for o in outcomes)
    assert failed <= len(outcomes) // 10, f'{failed} of {len(outcomes)}'


@pytest.mark.parametrize('names', ('v10', 'v13'))
def test_two_direct_runs_are_equal(databases, names):
    for index in range(len(GROUPS)):
        again = run_group(databases, names, names, index, 'simple', through_proxy=False)
        assert_equal(names, index, reference(databases, names, index, 'simple'), again)


@pytest.mark.parametrize('names, layout', (('v10', 'v13'), ('v13', 'v10')))
def test_without_the_proxy_the_other_layout_is_seen(databases, names, layout):
    for index, group in enumerate(GROUPS):
        got = run_group(databases, names, layout, index, 'simple', through_proxy=False)
        found = differences(names, index, reference(databases, names, index, 'simple'), got)
        assert len(found) >= len(CASES[names][index].cases) // 3, f'{group}: only {len(found)} differences'


@every_group
@every_mode
@pytest.mark.parametrize('names, layout', (('v10', 'v13'), ('v13', 'v10')),
                         ids=('v10_names_after_the_move', 'v13_names_before_the_move'))
def test_through_the_proxy(databases, names, layout, mode, group):
    got = run_group(databases, names, layout, group, mode, through_proxy=True)
    assert_equal(names, group, reference(databases, names, group, mode), got)


@every_group
@pytest.mark.parametrize('names', ('v10', 'v13'))
def test_own_names_pass_through_the_proxy(databases, names, group):
    got = run_group(databases, names, names, group, 'simple', through_proxy=True)
    assert_equal(names, group, reference(databases, names, group, 'simple'), got)
