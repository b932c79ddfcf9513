"""One run over many cases: counts, guards, and small examples of what failed."""
import sys
from collections import Counter

from choices import smaller
from compare import Difference
from generate import generate
from service import Died

SHRINK_ATTEMPTS = 400
# From here on a run is steady enough for shares to mean something.
GUARDED_FROM = 300


class Tally:
    def __init__(self):
        self.cases = self.succeeded = self.touched = 0
        self.refused, self.states, self.failures = Counter(), Counter(), []

    def add(self, verdict):
        self.cases += 1
        self.succeeded += verdict.succeeded()
        self.touched += verdict.succeeded() and verdict.touched_rows()
        if verdict.refusal:
            self.refused[' | '.join(verdict.refusal[2:4]) or verdict.refusal[0]] += 1
        elif not verdict.succeeded() and verdict.reference:
            self.states[verdict.reference[-1].results[-1].sqlstate.decode()] += 1

    def __iadd__(self, other):
        self.cases += other.cases
        self.succeeded += other.succeeded
        self.touched += other.touched
        self.refused += other.refused
        self.states += other.states
        self.failures += other.failures
        return self

    def share(self, count):
        return 100 * count / max(self.cases, 1)

    def guards(self, listed):
        """What the run did not do, so that it cannot pass by refusing or failing."""
        found = []
        refused = sum(self.refused.values())
        if self.cases >= GUARDED_FROM and self.share(self.succeeded) < 70:
            found.append(f'only {self.share(self.succeeded):.0f} % succeeded')
        if self.cases >= GUARDED_FROM and self.share(self.touched) < 50:
            found.append(f'only {self.share(self.touched):.0f} % touched rows')
        if self.cases >= GUARDED_FROM and self.share(refused) > 2:
            found.append(f'{self.share(refused):.1f} % refused')
        found += [f'refused for a reason that is not listed: {reason}' for reason in self.refused
                  if not any(r in reason for r in listed)]
        return found

    def __str__(self):
        lines = [f'{self.cases} cases: {self.share(self.succeeded):.1f} % succeed, {self.share(self.touched):.1f} % touch rows, '
                 f'{sum(self.refused.values())} refused, {len(self.failures)} differ']
        lines += [f'  refused {n}: {reason}' for reason, n in self.refused.most_common()]
        lines.append('  errors: ' + ', '.join(f'{state} {n}' for state, n in self.states.most_common(12)))
        return '\n'.join(lines)


def describe(case, difference):
    lines = [f'search_path {case.search_path}']
    for step in case.steps:
        lines.append(step.sql + (f'\n  parameters {step.params}' if step.params else '')
                     + (f'\n  stdin {step.stdin}' if step.stdin else ''))
    return '\n'.join([*lines, str(difference)])


def try_case(run, case):
    try:
        return run(case)
    except Died as e:
        raise SystemExit(f'the rewriter died: {e}') from e


def run_cases(comparison, cases, stop_after=20, on_failure=None):
    tally = Tally()
    for i, case in enumerate(cases):
        verdict = try_case(comparison.run, case)
        tally.add(verdict)
        if verdict.difference:
            tally.failures.append((case, verdict.difference))
            if on_failure:
                on_failure(i, case, verdict.difference)
            if len(tally.failures) >= stop_after:
                break
    return tally


def run_random(comparison, count, seed, shrink=True, stop_after=20, on_failure=None):
    """count random cases; a failure comes back as the smallest case that fails alike."""
    pair, written = comparison.pair, comparison.written
    relations = pair.relations(written)
    paths = pair.layout.about['search_paths'][written]
    tally, seen, about = Tally(), set(), pair.layout.about
    for i in range(count):
        case, made = generate(relations, paths, seed=f'{seed}/{written}/{i}', exact=about['columns_differ'])
        verdict = try_case(comparison.run, case)
        tally.add(verdict)
        found = verdict.difference
        if not found and verdict.refusal and not is_listed(verdict.refusal, about['refusals']):
            found = refused(verdict)
        if not found:
            continue
        if shrink:
            case, found = shrunk(comparison, relations, paths, made, case, found)
        if found.kind in seen and describe(case, found) in seen:
            continue
        seen.update((found.kind, describe(case, found)))
        tally.failures.append((case, found))
        if on_failure:
            on_failure(i, case, found)
        if len(tally.failures) >= stop_after:
            break
    return tally


def is_listed(refusal, listed):
    return any(reason in ' | '.join(refusal[2:4]) for reason in listed)


def refused(verdict):
    return Difference('refused: ' + ''.join(verdict.refusal[3:4]), 0, '', str(verdict.reference[-1].results[-1:])[:300], verdict.refusal)


def shrunk(comparison, relations, paths, made, case, found):
    best = [case, found]

    def fails(decisions):
        try:
            candidate, _ = generate(relations, paths, replay=decisions, exact=comparison.pair.layout.about['columns_differ'])
        except (IndexError, RecursionError, KeyError):
            return False
        verdict = try_case(comparison.once, candidate)
        got = verdict.difference
        if not got and verdict.refusal:
            got = refused(verdict)
        if not got or got.kind != found.kind:
            return False
        best[:] = [candidate, got]
        return True

    smaller(fails, made, SHRINK_ATTEMPTS)
    confirmed = comparison.run(best[0]).difference
    return best if confirmed or not found.sent else (case, found)


def report(tally, out=sys.stdout):
    for case, difference in tally.failures:
        print('-' * 70, file=out)
        print(describe(case, difference), file=out)
    print(tally, file=out)
