"""Runs a case on the layout it was written for and, rewritten, on the other
one, each in a transaction that is rolled back, and says what differs."""
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / 'aegis'), str(HERE.parent / 'system')]

from pairs import OTHER, USER  # noqa: E402
from session import Lost, Outcome, Session  # noqa: E402

TIMED_OUT = b'57014'
NOT_SUPPORTED = b'0A000'
REFUSED = (NOT_SUPPORTED, b'42P01', b'54000')
# regclass, regtype, and arrays of them.
SHOWN_AS_NAMES = (2205, 2206, 2210, 2211)
STATEMENT_TIMEOUT_MS = 3000


class Step(NamedTuple):
    """One text that a client sends."""
    sql: str
    params: tuple = None  # texts; such a step goes through the extended protocol
    stdin: bytes = None   # for COPY FROM STDIN
    prepared: bool = False  # by name, described, with binary rows
    ordered: bool = None    # the order of the rows is promised; None: the text tells

    @property
    def mode(self):
        return 'simple' if self.params is None else 'prepared' if self.prepared else 'extended'


class Case(NamedTuple):
    """What is sent in one transaction."""
    search_path: str
    steps: tuple
    title: str = ''


class Difference(NamedTuple):
    kind: str    # stays the same while a case is made smaller
    step: int
    sent: str
    expected: object
    got: object

    def __str__(self):
        return f'{self.kind} (step {self.step + 1})\n  rewritten: {self.sent}\n' \
               f'  expected:  {self.expected}\n  got:       {self.got}'


class Verdict(NamedTuple):
    reference: tuple       # outcomes on the layout it was written for
    refusal: tuple = ()    # of the rewriter
    difference: Difference = None

    def succeeded(self):
        return bool(self.reference) and not self.reference[-1].failed()

    def touched_rows(self):
        return any(r.rows or (r.copied or b'') or _rows_of_tag(r.tag) for o in self.reference for r in o.results)


def _rows_of_tag(tag):
    last = (tag or b'').split(b' ')[-1]
    return int(last) if last.isdigit() else 0


class Direct:
    """The rewriter itself, then the database of the other layout."""

    def __init__(self, pair, written, service):
        self.pair, self.written, self.service = pair, written, service
        self.physical = OTHER[written]

    def connect(self):
        layout = self.pair.layout
        self.service.load(layout.map_text, layout.flags(self.written), self.pair.dsn(self.physical))
        self.session = Session(self.pair.dsn(self.physical), self.pair.oids_below)

    def close(self):
        self.session.close()

    def begin(self, case):
        self.service.session(case.search_path, USER, self.pair.names[self.physical])

    def rewrite(self, step):
        return self.service.rewrite(step.sql, step.mode != 'simple')

    def refusal(self, outcome):
        return ()

    def outcome(self, outcome):
        """As the client would see it: positions of errors mapped back."""
        if not outcome.failed():
            self.service.keep()
            return outcome
        return outcome._replace(results=tuple(
            r._replace(position=str(self.service.position(int(r.position))).encode()) if r.position else r
            for r in outcome.results))


class ThroughProxy:
    """The same, but the real proxy does it."""

    def __init__(self, pair, written, start_proxy):
        self.pair, self.physical = pair, OTHER[written]
        self.start_proxy = start_proxy

    def connect(self):
        self.proxy = self.start_proxy()
        self.session = Session(self.proxy.dsn(dbname=self.pair.names[self.physical], user=USER), self.pair.oids_below)

    def close(self):
        self.session.close()
        self.proxy.finish()

    def begin(self, case):
        pass

    def rewrite(self, step):
        return None

    def refusal(self, outcome):
        """As the rewriter would have told it; most errors of this kind are its own."""
        last = outcome.results[-1] if outcome.results else None
        if not last or last.sqlstate != NOT_SUPPORTED or not self.session.detail:
            return ()
        texts = (last.sqlstate, last.position or b'', last.message, self.session.detail)
        return tuple(t.decode(errors='replace') for t in texts)

    def outcome(self, outcome):
        return outcome


class Comparison:
    def __init__(self, pair, written, route):
        self.pair, self.written, self.route = pair, written, route
        self._connect()

    def _connect(self):
        self.reference = Session(self.pair.dsn(self.written), self.pair.oids_below)
        self.route.connect()
        for session in (self.reference, self.route.session):
            session.run(Step(''), 'simple', f'set statement_timeout = {STATEMENT_TIMEOUT_MS}')

    def close(self):
        self.reference.close()
        self.route.close()

    def afresh(self):
        """Both databases as they were at first."""
        self.close()
        self.pair.make()
        self._connect()

    def run(self, case):
        """A difference counts if fresh copies show it, too: thousands of transactions that
        were rolled back leave their traces, and a plan follows the size of a table."""
        verdict = self.once(case)
        if verdict.difference:
            self.afresh()
            verdict = self.once(case)
        return verdict

    def once(self, case):
        """As the databases are now."""
        begin = 'begin; set local search_path = ' + (case.search_path or "''")
        sessions = (self.reference, self.route.session)
        for session in sessions:
            session.run(Step(''), 'simple', begin)
        self.route.begin(case)
        try:
            return self._steps(case)
        finally:
            for session in sessions:
                session.run(Step(''), 'simple', 'rollback')

    def _steps(self, case):
        reference, refusal = [], ()
        for i, step in enumerate(case.steps):
            expected = self.reference.run(step, step.mode, self._named(step.sql, self.written))
            reference.append(expected)
            step = step._replace(sql=self._named(step.sql, OTHER[self.written]))
            if expected.failed() and expected.results[-1].sqlstate == TIMED_OUT:
                break
            rewritten = self.route.rewrite(step)
            if rewritten and rewritten.outcome not in ('rewritten', 'unchanged'):
                if _same_error(rewritten.refusal, expected) or _other_error(rewritten.refusal, expected):
                    break
                refusal = rewritten.refusal or (rewritten.outcome,)
                break
            sent = rewritten.sql if rewritten else step.sql
            got = self.route.outcome(self.route.session.run(step, step.mode, sent))
            refusal = self.route.refusal(got)
            if refusal and not (expected.failed() and expected.results[-1].sqlstate == NOT_SUPPORTED):
                break
            refusal = ()
            found = difference(step, expected, got, self.pair.layout.about['columns_differ'])
            if found:
                return Verdict(tuple(reference), (), Difference(found[0], i, sent, *found[1:]))
            if expected.failed():
                break
        return Verdict(tuple(reference), refusal)

    def _named(self, sql, side):
        return sql.replace('%DB%', self.pair.names[side])


def _same_error(refusal, expected):
    """The rewriter found the error that the server would have found, at the same place."""
    last = expected.results[-1] if expected.results else None
    return bool(refusal and last) and (last.sqlstate, last.position) == tuple(t.encode() for t in refusal[:2])


def _other_error(refusal, expected):
    """Of a statement with several errors the rewriter may find another one first."""
    return bool(refusal) and expected.failed() and refusal[0].encode() not in REFUSED


def difference(step, expected, got, columns_differ=False):
    """(kind, expected, got), or None. Columns that differ have other numbers, in tables of other numbers."""
    wanted, found = expected.results, got.results
    states = [[r.sqlstate for r in results if r.sqlstate] for results in (wanted, found)]
    if states[0] != states[1]:
        if states[1] == [TIMED_OUT] or _violations_in_any_order(step.sql, *states):
            return None
        return (f'SQLSTATE {_state(states[0])} became {_state(states[1])}', *(_message(o) for o in (expected, got)))
    if len(wanted) != len(found):
        return 'number of results', len(wanted), len(found)
    for a, b in zip(wanted, found):
        for part in ('status', 'position', 'tag', 'columns', 'parameter_types', 'copied'):
            x, y = getattr(a, part), getattr(b, part)
            if part == 'columns' and columns_differ:
                x, y = without_places(x), without_places(y)
            if part == 'copied' and x is not None and y is not None and sorted(x.split(b'\n')) == sorted(y.split(b'\n')):
                continue
            if x != y:
                return part, _with_message(a, x), _with_message(b, y)
        x, y = without_names(a), without_names(b)
        ordered = is_ordered(step.sql) if step.ordered is None else step.ordered
        if x != y and (ordered or Counter(x) != Counter(y)):
            return 'rows', a.rows[:20], b.rows[:20]
    if expected.notices != got.notices:
        return 'notices', expected.notices, got.notices
    if expected.transaction != got.transaction:
        return 'transaction', expected.transaction, got.transaction
    return None


def _violations_in_any_order(sql, *states):
    """Rows that come in any order: of several that violate something, each may be the first."""
    return not is_ordered(sql) and all(len(s) == 1 and s[0].startswith(b'23') for s in states)


def without_places(columns):
    return tuple(c._replace(table=0, number=0) for c in columns)


def without_names(result):
    """Values of these types are numbers that are shown as names: those of where the tables are."""
    shown = [i for i, c in enumerate(result.columns) if c.type in SHOWN_AS_NAMES]
    if not shown:
        return result.rows
    return tuple(tuple(v is None if i in shown else v for i, v in enumerate(row)) for row in result.rows)


def is_ordered(sql):
    """Whether the order of the rows may be promised: generous, for what may look different need not be."""
    return 'order by' in sql.lower()


def _state(states):
    return states[0].decode() if states else 'success'


def _message(outcome):
    last = outcome.results[-1] if outcome.results else None
    if not last:
        return 'no result'
    return (last.message or last.tag or b'').decode(errors='replace')


def _with_message(result, value):
    return f'{value} ({result.message.decode(errors="replace")})' if result.message else value


__all__ = ['Case', 'Comparison', 'Difference', 'Direct', 'Lost', 'Outcome', 'Step', 'ThroughProxy', 'Verdict']
