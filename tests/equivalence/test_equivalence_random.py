"""Thousands of random statements and the written ones: what the application
sees must not depend on the layout. The seed is fixed, so that a run without a
change gives the same answer; CROSSFADE_SEED=random draws one, any other value
is taken as it is."""
import os
import random
import subprocess
from pathlib import Path

import pytest

from compare import Case, Comparison, Direct, Step
from equivalence import route
from generate import generate
from golden import golden_runs
from run import GUARDED_FROM, Tally, describe, run_cases, run_random
from service import BUILD, Rewritten
from sqlfile import cases_of, parse

SETS = Path(__file__).resolve().parent / 'sets'
SEED = os.environ.get('CROSSFADE_SEED', '20261120')
if SEED == 'random':
    SEED = str(random.randrange(1 << 32))
COUNT = int(os.environ.get('CROSSFADE_COUNT', 1200))
# What needs only some statements takes those over moves.
over_moves = pytest.mark.parametrize('pair', ('moves',), indirect=True)
both_sides = pytest.mark.parametrize('written', ('old', 'new'))


def compare(pair, written, service, through_proxy=False):
    return Comparison(pair, written, route(pair, written, service, through_proxy))


def assert_equal(tally):
    failures = [describe(case, difference) for case, difference in tally.failures]
    assert not failures, f'seed {SEED}\n{tally}\n' + '\n\n'.join(failures[:5])


@both_sides
def test_random_statements(pair, written, service):
    print(f'seed {SEED}')
    comparison = compare(pair, written, service)
    try:
        tally = run_random(comparison, COUNT * 2 // 3 if pair.layout.about['columns_differ'] else COUNT, SEED, stop_after=3)
    finally:
        comparison.close()
    print(tally)
    assert_equal(tally)
    assert not tally.guards(pair.layout.about['refusals']), f'seed {SEED}\n{tally}'


@both_sides
def test_random_statements_through_the_proxy(pair, written, service):
    comparison = compare(pair, written, service, through_proxy=True)
    try:
        tally = run_random(comparison, max(COUNT // 6, 50), SEED + '/proxy', shrink=False, stop_after=3)
    finally:
        comparison.close()
    assert_equal(tally)


@pytest.mark.parametrize('through_proxy', (False, True), ids=('directly', 'through_the_proxy'))
@both_sides
def test_written_statements(pair, service, written, through_proxy):
    comparison = compare(pair, written, service, through_proxy)
    try:
        path = pair.layout.about['search_paths'][written][0]
        tally = run_cases(comparison, cases_of(SETS / pair.layout.name / f'written-{written}.sql', path))
    finally:
        comparison.close()
    assert tally.cases >= 10 and tally.succeeded > tally.cases * 0.7 and not tally.refused, tally
    assert_equal(tally)


@over_moves
def test_properties_of_random_statements(pair, service, tmp_path):
    """tests/properties says what must hold for every statement; the written ones are in its own suite.
    Only what PostgreSQL accepts: a name that means nothing to it need not be exchanged."""
    comparison = compare(pair, 'old', service)
    relations, text = pair.relations('old'), []
    try:
        for i in range(COUNT):
            case, _ = generate(relations, ['public'], seed=f'{SEED}/properties/{i}')
            if case.steps[0].stdin is None and comparison.once(case).succeeded():
                text.append(case.steps[0].sql.replace('%DB%', 'regression'))
    finally:
        comparison.close()
    (tmp_path / 'random.sql').write_text(';\n'.join(text) + ';\n')
    done = subprocess.run([BUILD / 'tests/properties/properties', tmp_path / 'random.sql'], capture_output=True, text=True)
    assert done.returncode == 0, f'seed {SEED}\n{done.stdout[-6000:]}{done.stderr}'


def test_golden_cases(pg, service):
    runs = golden_runs(pg, service)
    assert runs.compared >= 150, runs
    assert not runs.failures, f'{runs}\n' + '\n\n'.join(runs.failures[:5])


# ---- the run itself can fail ----

class NoRewriting(Direct):
    """Sends what it gets."""

    def rewrite(self, step):
        return Rewritten('unchanged', step.sql, ())

    def outcome(self, outcome):
        return outcome


@both_sides
def test_without_rewriting_the_layout_shows(pair, written, service):
    comparison = Comparison(pair, written, NoRewriting(pair, written, service))
    comparison.afresh = lambda: None
    try:
        tally = run_random(comparison, 100, SEED, shrink=False, stop_after=1000)
    finally:
        comparison.close()
    assert len(tally.failures) > 40, tally


class WrongPlace(Direct):
    """Rewrites well, but answers errors of the server as they came."""

    def outcome(self, outcome):
        super().outcome(outcome)
        return outcome


@over_moves
def test_a_failure_is_made_smaller(pair, service):
    comparison = Comparison(pair, 'old', WrongPlace(pair, 'old', service))
    try:
        tally = run_random(comparison, 400, '1', stop_after=1)
    finally:
        comparison.close()
    (case, difference), = tally.failures
    assert difference.kind == 'position'
    assert len(case.steps) == 1 and len(case.steps[0].sql) < 200, describe(case, difference)


def test_guards_count_what_a_run_did_not_do():
    tally = Tally()
    tally.cases = GUARDED_FROM
    tally.succeeded, tally.touched = int(GUARDED_FROM * 0.6), int(GUARDED_FROM * 0.4)
    tally.refused['because'] = int(GUARDED_FROM * 0.05)
    assert len(tally.guards([])) == 4
    assert len(tally.guards(['because'])) == 3


@over_moves
def test_seeds_repeat(pair):
    relations = pair.relations('old')
    paths = pair.layout.about['search_paths']['old']
    one, made = generate(relations, paths, seed='7')
    assert generate(relations, paths, seed='7')[0] == one
    assert generate(relations, paths, replay=made)[0] == one


def test_files_of_sql_are_read_as_written():
    cases = parse("""select 'a;b', "c;d" -- e;f
, $x$ ; $x$; \\echo it's
create function f() returns int begin atomic select 1; select case when true then 1 end; end;
-- case: a block
-- search_path: archive
insert into t values (1);
-- text
select 1; select 2
-- stdin
-- one\t2
""", 'public')
    assert [c.search_path for c in cases] == ['public', 'public', 'archive']
    assert cases[0].steps[0].sql.endswith('$x$ ; $x$')
    assert cases[1].steps[0].sql.endswith('end')
    assert cases[2] == Case('archive', (Step('insert into t values (1)'),
                                        Step('select 1; select 2', None, b'one\t2\n')), 'a block')
