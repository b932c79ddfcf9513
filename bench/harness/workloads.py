"""The work that clients do, one object per row of the results.

A workload prepares itself once and then runs for some seconds against one
target; it says how many units (transactions or megabytes) it got through.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import threading
import time
from dataclasses import dataclass, field

from . import targets, wire
from .crossfade import TWO_WORKERS
from .stats import percentile

# Every statement its own text: the second number never comes twice.
LITERALS_SCRIPT = r"""\set aid random(1, 100000 * :scale)
\set once random(1, 9000000000000000000)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid AND :once > 0;
"""
ANALYTIC_SCRIPT = r"""\set low random(1, 90000 * :scale)
WITH accounts AS (
    SELECT a.aid, a.bid, a.abalance
      FROM pgbench_accounts a
     WHERE a.aid BETWEEN :low AND :low + 200),
branches AS (
    SELECT b.bid, b.bbalance, count(t.tid) AS tellers, sum(t.tbalance) AS tbalance
      FROM pgbench_branches b
      LEFT JOIN pgbench_tellers t ON t.bid = b.bid
     GROUP BY b.bid, b.bbalance),
ranked AS (
    SELECT a.aid, a.bid, a.abalance,
           rank() OVER (PARTITION BY a.bid ORDER BY a.abalance DESC, a.aid) AS place,
           avg(a.abalance) OVER (PARTITION BY a.bid) AS mean
      FROM accounts a)
SELECT r.bid, b.tellers,
       count(*) AS accounts,
       sum(r.abalance) AS total,
       max(r.abalance) FILTER (WHERE r.place <= 10) AS best,
       round(avg(r.mean), 2) AS mean,
       CASE WHEN b.tbalance > 0 THEN 'open'
            WHEN b.tbalance IS NULL THEN 'none'
            ELSE 'even' END AS state,
       EXISTS (SELECT 1 FROM pgbench_history h WHERE h.bid = r.bid AND h.delta > 0) AS moved
  FROM ranked r
  JOIN branches b ON b.bid = r.bid
 WHERE r.abalance BETWEEN -1000000 AND 1000000
   AND r.place < 100
 GROUP BY r.bid, b.tellers, b.tbalance
HAVING count(*) > 0
 ORDER BY total DESC NULLS LAST, r.bid
 LIMIT 20;
"""
LATENCY_SAMPLES = 0.2


@dataclass
class Outcome:
    units: float
    seconds: float
    latency_us: dict = field(default_factory=dict)  # avg, p50, p99; empty where it means nothing


@dataclass
class Context:
    """What a workload may use: the server's programs and size, and a folder for its files."""
    cluster: object
    folder: pathlib.Path


class Workload:
    unit = "transaction"
    in_default_run = True
    tls = False  # the client speaks TLS
    clients = 1
    references = (targets.PGBOUNCER, targets.HAPROXY, targets.RELAY)

    def __init__(self, name, title):
        self.name, self.title = name, title

    def over_tls(self):
        """The same with TLS on both legs; who knows nothing of it passes it through."""
        self.name, self.title, self.tls = f"{self.name}-tls", f"{self.title}, TLS", True
        fresh = targets.PGBOUNCER_FRESH in self.references  # PgBouncer is measured with TLS in one setting only
        self.references = (*(() if fresh else (targets.PGBOUNCER_TLS,)), targets.HAPROXY, targets.RELAY)
        self.in_default_run = False
        return self

    def prepare(self, context):
        self.context = context

    def run(self, target, seconds):
        raise NotImplementedError

    def wants(self, target_name):
        if self.tls:
            return target_name in (targets.DIRECT, targets.HAPROXY, targets.RELAY, *targets.TLS_ALONE)
        return target_name not in (targets.PGBOUNCER_FRESH, TWO_WORKERS, *targets.TLS_ALONE)

    def connect(self, target):
        return wire.Connection(target.port, self.context.cluster.user, target.database, tls=self.tls)


class Pgbench(Workload):
    def __init__(self, name, title, script, protocol, clients):
        super().__init__(name, title)
        self._script, self._protocol, self.clients = script, protocol, clients

    def prepare(self, context):
        super().prepare(context)
        text = self._script if "\n" in self._script else context.cluster.pgbench_script(self._script)
        self._file = context.folder / f"{self.name}.sql"
        self._file.write_text(text)

    def command(self, target, stop, *more):
        """stop is ("-T", seconds) or ("-t", transactions). Given as a file, because with the name of its
        own script pgbench first looks for its tables in the catalog, where a moved table is not."""
        cluster = self.context.cluster
        return [f"{cluster.bin}/pgbench", "-n", "-h", "127.0.0.1", "-p", str(target.port), "-U", cluster.user,
                "-s", str(cluster.scale), "-f", str(self._file), "-M", self._protocol,
                "-c", str(self.clients), "-j", "1", stop[0], str(stop[1]), *more, target.database]

    def run(self, target, seconds):
        prefix = self.context.folder / "latencies"
        self._remove_logs(prefix)
        text = self._pgbench(target, ("-T", max(1, round(seconds))),
                             "--log", f"--log-prefix={prefix}", f"--sampling-rate={LATENCY_SAMPLES}")
        units, tps = int(number(r"actually processed: (\d+)", text)), number(r"tps = ([\d.]+)", text)
        latency = self._latency(prefix)
        latency["avg"] = number(r"latency average = ([\d.]+) ms", text) * 1000
        return Outcome(units, units / tps, latency)

    def wants(self, target_name):
        """A second worker is of use, and compared, where there are clients enough."""
        return super().wants(target_name) or (target_name == TWO_WORKERS and self.clients >= 64 and not self.tls)

    def run_transactions(self, target, count):
        """A fixed number of transactions for each client, to count something else than time."""
        self._pgbench(target, ("-t", count))
        return count * self.clients

    def _pgbench(self, target, stop, *more):
        done = subprocess.run(self.command(target, stop, *more), capture_output=True, text=True,
                              env={**os.environ, "PGSSLMODE": "require" if self.tls else "disable"})
        failed = re.search(r"failed transactions: (\d+)", done.stdout)
        if done.returncode or (failed and int(failed[1])):
            raise RuntimeError(f"pgbench against {target.title} failed:\n{done.stderr}{done.stdout}")
        return done.stdout

    def _latency(self, prefix):
        times = sorted(float(line.split()[2]) for log in self._logs(prefix) for line in log.open())
        return {"p50": percentile(times, 50), "p99": percentile(times, 99)} if times else {}

    @staticmethod
    def _logs(prefix):
        return prefix.parent.glob(prefix.name + ".*")

    def _remove_logs(self, prefix):
        for log in self._logs(prefix):
            log.unlink()


class Connect(Pgbench):
    """A new connection for every transaction. PgBouncer keeps its server connections, which the others
    cannot, so it is compared in the setting that opens them anew."""
    references = (targets.PGBOUNCER_FRESH, targets.HAPROXY, targets.RELAY)

    def command(self, target, stop, *more):
        return super().command(target, stop, "-C", *more)

    def run(self, target, seconds):
        outcome = super().run(target, seconds)
        # pgbench's own latencies begin after the connection; clients and rate give the whole.
        outcome.latency_us = {"avg": self.clients * outcome.seconds / outcome.units * 1e6}
        return outcome

    def wants(self, target_name):
        return super().wants(target_name) or (target_name == targets.PGBOUNCER_FRESH and not self.tls)


class Stream(Workload):
    """One connection that moves bulk data as fast as it goes."""
    unit = "MB"

    def run(self, target, seconds):
        moved_bytes, begun = 0, time.monotonic()
        with self.connect(target) as connection:
            while time.monotonic() - begun < seconds:
                moved_bytes += self.once(connection)
        return Outcome(moved_bytes / 1e6, time.monotonic() - begun)

    def once(self, connection):
        raise NotImplementedError


class Drain(Stream):
    def __init__(self, name, title, sql):
        super().__init__(name, title)
        self._sql = sql

    def once(self, connection):
        return connection.drain(self._sql)


class CopyIn(Stream):
    ROWS_PER_MESSAGE, MESSAGES, REPEAT = 100, 100, 10

    def prepare(self, context):
        super().prepare(context)
        rows = [f"{i}\t{i % 3000:06d}\t2020-01-{i % 28 + 1:02d}\t{i * 7919 % 100000}\t{i * 31 % 100000}\t"
                f"{i * 131 % 10000019}\t{i:032x}\n".encode() for i in range(self.ROWS_PER_MESSAGE * self.MESSAGES)]
        self._messages = b"".join(wire.copy_data(b"".join(rows[i:i + self.ROWS_PER_MESSAGE]))
                                  for i in range(0, len(rows), self.ROWS_PER_MESSAGE))

    def once(self, connection):
        connection.query("TRUNCATE bulk_in")
        connection.copy_in("COPY bulk_in FROM STDIN", self._messages, self.REPEAT)
        return len(self._messages) * self.REPEAT


class Exchange(Workload):
    """One connection that sends the same prepared bytes over and over and waits for each answer."""
    in_default_run = False

    def __init__(self, name, title, messages, transactions, before=""):
        super().__init__(name, title)
        self._messages, self._transactions, self._before = messages, transactions, before

    def run(self, target, seconds):
        times = []
        with self.connect(target) as connection:
            if self._before:
                connection.query(self._before)
            begun = now = time.perf_counter()
            while now - begun < seconds:
                connection.exchange(self._messages)
                before, now = now, time.perf_counter()
                times.append((now - before) * 1e6)
        times.sort()
        latency = {"avg": sum(times) / len(times), "p50": percentile(times, 50), "p99": percentile(times, 99)}
        return Outcome(len(times) * self._transactions, now - begun, latency)


class BesideLong(Exchange):
    """The same, at first alone, and then while another connection sends one statement of a megabyte after
    the other."""

    def run(self, target, seconds):
        alone = super().run(target, seconds / 2)
        done = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            sent = pool.submit(self._send_long, target, done)
            try:
                outcome = super().run(target, seconds)
            finally:
                done.set()
            sent.result()
        outcome.latency_us["p99 alone"] = alone.latency_us["p99"]
        outcome.units += alone.units
        outcome.seconds += alone.seconds
        return outcome

    def _send_long(self, target, done):
        terms = " OR ".join(f"(abalance = {i} AND bid <> {i % 97})" for i in range(24_000))
        with self.connect(target) as connection:
            number = 0
            while not done.is_set():
                number += 1
                connection.query(f"PREPARE p{number} AS SELECT {number} FROM pgbench_accounts WHERE {terms}")


def number(pattern, text):
    found = re.search(pattern, text)
    if not found:
        raise RuntimeError(f"pgbench printed nothing like {pattern}:\n{text}")
    return float(found[1])


def pipelined_batch(statements):
    """Parse, Bind, Execute for each of the statements and one Sync."""
    def message(kind, body):
        return kind + (len(body) + 4).to_bytes(4, "big") + body
    parts = []
    for i in range(statements):
        sql = f"SELECT abalance FROM pgbench_accounts WHERE aid = {i + 1}".encode()
        parts += [message(b"P", b"\0" + sql + b"\0\0\0"), message(b"B", b"\0\0" + bytes(6)),
                  message(b"E", b"\0" + bytes(4))]
    return b"".join(parts) + message(b"S", b"")


def thousand_row_insert():
    rows = ",".join(f"({i % 10 + 1}, {i % 10 + 1}, {i}, {i * 7}, '2026-01-01 00:00:00')" for i in range(1000))
    return wire.query_message(f"INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES {rows}")


def all_workloads(clients):
    """Every workload there is, with pgbench -S once for each number of clients."""
    found = []
    for count in clients:
        plural = "client" if count == 1 else "clients"
        found += [Pgbench(f"select-{protocol}-{count}", f"pgbench -S, {protocol}, {count} {plural}",
                          "select-only", protocol, count) for protocol in ("simple", "extended", "prepared")]
        found.append(Pgbench(f"literals-{count}", f"pgbench -S with all-different literals, simple, {count} {plural}",
                             LITERALS_SCRIPT, "simple", count))
    tpcb = Pgbench("tpcb-8", "pgbench TPC-B, prepared, 8 clients", "tpcb-like", "prepared", 8)
    tpcb.in_default_run = False
    analytic = Pgbench("analytic-4", "a long analytic query, simple, 4 clients", ANALYTIC_SCRIPT, "simple", 4)
    analytic.in_default_run = False
    wide = Drain("wide-select", "SELECT * of a wide result", "SELECT * FROM bulk")
    wide.in_default_run = False
    secured = [Pgbench("select-simple-16", "pgbench -S, simple, 16 clients", "select-only", "simple", 16),
               Pgbench("select-prepared-16", "pgbench -S, prepared, 16 clients", "select-only", "prepared", 16),
               Connect("connect", "connect, one query, disconnect; 4 clients", "select-only", "simple", 4),
               Drain("copy-out", "COPY TO STDOUT", "COPY bulk TO STDOUT")]
    return found + [
        tpcb,
        analytic,
        Connect("connect", "connect, one query, disconnect; 4 clients", "select-only", "simple", 4),
        Drain("copy-out", "COPY TO STDOUT", "COPY bulk TO STDOUT"),
        CopyIn("copy-in", "COPY FROM STDIN"),
        wide,
        Exchange("pipeline", "batches of 50 pipelined statements, 1 client", pipelined_batch(50), 50),
        Exchange("insert-1000", "INSERT of 1000 rows, 1 client", thousand_row_insert(), 1, "TRUNCATE pgbench_history"),
        BesideLong("beside-long", "one small query after the other while others send statements of 1 MB",
                   wire.query_message("SELECT abalance FROM pgbench_accounts WHERE aid = 42"), 1),
        *(workload.over_tls() for workload in secured),
    ]
