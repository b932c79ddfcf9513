"""One libpq session that records everything a client can see of an answer.

An outcome is plain data (tuples, so that outcomes compare with ==): per result
of the query its kind, command tag, columns (name, type, modifier, format, table,
column number), rows, COPY data and the error's SQLSTATE; then notices and the
transaction's status.
"""
import select
import time
from typing import NamedTuple

from psycopg import pq
from psycopg.pq import DiagnosticField as Diag, ExecStatus as Status

PATIENCE_S = 30
# What PostgreSQL numbers by itself: a newer object has another number elsewhere.
FIRST_NEW_OID = 1 << 62


class Column(NamedTuple):
    name: bytes
    type: int
    modifier: int
    format: int
    table: int
    number: int


class Result(NamedTuple):
    status: str
    tag: bytes = None
    columns: tuple = ()
    rows: tuple = ()
    copied: bytes = None
    sqlstate: bytes = None
    position: bytes = None
    message: bytes = None
    parameter_types: tuple = ()


class Outcome(NamedTuple):
    results: tuple
    notices: tuple
    transaction: str

    def failed(self):
        return any(r.sqlstate for r in self.results)


class Lost(Exception):
    """The connection broke or the answer did not come."""


class Session:
    def __init__(self, dsn, known_oids_below):
        self.conn = pq.PGconn.connect(dsn.encode())
        if self.conn.status != pq.ConnStatus.OK:
            raise Lost(self.conn.error_message.decode(errors='replace'))
        self.known_oids_below = known_oids_below
        self.notices = []
        self.detail = None  # of the last error
        self.conn.notice_handler = self._on_notice
        self.statements = 0

    def close(self):
        self.conn.finish()

    def run(self, case, mode, sql):
        self.notices = []
        results = []
        for send in self._steps(case, mode, sql):
            send()
            results += self._results(case)
            if results and results[-1].sqlstate:
                break
        return Outcome(tuple(results), tuple(self.notices), pq.TransactionStatus(self.conn.transaction_status).name)

    def _steps(self, case, mode, sql):
        text, params = sql.encode(), [str(p).encode() for p in case.params or ()]
        if mode == 'simple':
            return [lambda: self.conn.send_query(text)]
        if mode == 'extended':
            return [lambda: self.conn.send_query_params(text, params)]
        # The numbering keeps the names equal in both databases.
        self.statements += 1
        name = f's{self.statements}'.encode()
        return [lambda: self.conn.send_prepare(name, text),
                lambda: self.conn.send_describe_prepared(name),
                lambda: self.conn.send_query_prepared(name, params, result_format=pq.Format.BINARY)]

    def _on_notice(self, result):
        # The text of a notice may differ in ways a later issue settles; its kind may not.
        self.notices.append((result.error_field(Diag.SEVERITY_NONLOCALIZED), result.error_field(Diag.SQLSTATE)))

    def _wait(self):
        """Reads until a result is there; never blocks for good in libpq."""
        end = time.monotonic() + PATIENCE_S
        fd = self.conn.socket
        while self.conn.is_busy():
            left = end - time.monotonic()
            if left <= 0:
                raise Lost(f'no answer in {PATIENCE_S} s')
            if select.select([fd], [], [], left)[0]:
                self.conn.consume_input()

    def _results(self, case):
        found = []
        while True:
            self._wait()
            result = self.conn.get_result()
            if result is None:
                break
            found.append(self._record(result, case))
        if self.conn.status != pq.ConnStatus.OK:
            raise Lost(f'connection lost: {self.conn.error_message.decode(errors="replace")}')
        return found

    def _record(self, result, case):
        status = Status(result.status)
        if status == Status.COPY_OUT:
            return Result(status.name, copied=self._copy_out(), columns=self._columns(result))
        if status == Status.COPY_IN:
            self._copy_in(case.stdin or b'')
            return Result(status.name, columns=self._columns(result))
        if status in (Status.FATAL_ERROR, Status.BAD_RESPONSE):
            self.detail = result.error_field(Diag.MESSAGE_DETAIL)
            return Result(status.name, sqlstate=result.error_field(Diag.SQLSTATE) or b'?',
                          position=result.error_field(Diag.STATEMENT_POSITION),
                          message=result.error_field(Diag.MESSAGE_PRIMARY) or result.error_message)
        rows = tuple(tuple(result.get_value(r, c) for c in range(result.nfields)) for r in range(result.ntuples))
        types = tuple(self._oid(result.param_type(i)) for i in range(result.nparams))
        return Result(status.name, result.command_status, self._columns(result), rows, parameter_types=types)

    def _columns(self, result):
        return tuple(Column(result.fname(i), self._oid(result.ftype(i)), result.fmod(i), result.fformat(i),
                            self._oid(result.ftable(i)), result.ftablecol(i)) for i in range(result.nfields))

    def _oid(self, oid):
        return oid if oid < self.known_oids_below else FIRST_NEW_OID

    def _copy_in(self, data):
        try:
            self.conn.put_copy_data(data)
            self.conn.put_copy_end()
        except Exception as e:
            raise Lost(str(e)) from e

    def _copy_out(self):
        parts = []
        end = time.monotonic() + PATIENCE_S
        while True:
            size, data = self.conn.get_copy_data(1)
            if size == 0:
                if time.monotonic() > end:
                    raise Lost(f'COPY stands still for {PATIENCE_S} s')
                if select.select([self.conn.socket], [], [], 1)[0]:
                    self.conn.consume_input()
                continue
            if size < 0:
                return b''.join(parts)
            parts.append(bytes(data))
