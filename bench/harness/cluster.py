"""The PostgreSQL server behind every proxy, and the data in it.

The same tables exist twice: in database `plain` where the statements name them,
and in database `moved` in another schema, where only a rewriting proxy finds them.
"""
import os
import pathlib
import shlex
import subprocess
import tempfile

from . import wire

PLAIN, MOVED = "plain", "moved"
MOVED_SCHEMA = "elsewhere"
PGBENCH_TABLES = ("pgbench_accounts", "pgbench_branches", "pgbench_tellers", "pgbench_history")
TABLES = PGBENCH_TABLES + ("bulk", "bulk_in")

BULK_SQL = """
CREATE TABLE bulk AS
  SELECT i AS id, lpad((i % 3000)::text, 6, '0') AS code, date '2000-01-01' + i / 3000 AS day,
         (i::bigint * 7919 % 100000)::int AS open, (i::bigint * 104729 % 100000)::int AS close,
         i::bigint * 31 % 10000019 AS volume,
         md5(i::text) AS note
    FROM generate_series(1, {rows}) AS i;
CREATE UNLOGGED TABLE bulk_in (LIKE bulk);
"""


class Cluster:
    def __init__(self, top, folder, scale, bulk_rows, certificate):
        self._tool = [str(top / "tests/lib/throwaway-pg")]
        self._folder, self._certificate = folder, certificate
        self.scale, self.bulk_rows = scale, bulk_rows
        self._own = tempfile.TemporaryDirectory(prefix="crossfade-bench-")

    def start(self):
        """Takes plain connections as well as TLS."""
        self.remove()
        os.chmod(self._own.name, 0o755)
        shown = self._certificate.copy_for("postgres", pathlib.Path(self._own.name))
        settings = {"max_connections": "1000", "shared_buffers": "512MB", "autovacuum": "off", "jit": "off",
                    "wal_level": "minimal", "max_wal_senders": "0", "checkpoint_timeout": "1h",
                    "max_wal_size": "8GB", "bgwriter_lru_maxpages": "0",
                    "ssl": "on", "ssl_cert_file": shown.crt, "ssl_key_file": shown.key}
        options = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        self._run("start", str(self._folder), *options)
        env = dict(word.split("=", 1) for word in shlex.split(self._run("env", str(self._folder))))
        self.port, self.user, self.bin = int(env["PGPORT"]), env["PGUSER"], env["PGBIN"]

    def remove(self):
        self._run("remove", str(self._folder))

    def load(self):
        self._sql("postgres", f"CREATE DATABASE {PLAIN}")
        self._pgbench("-i", "-q", "-s", str(self.scale), PLAIN)
        self._sql(PLAIN, BULK_SQL.format(rows=self.bulk_rows))
        self._sql(PLAIN, "VACUUM (FREEZE, ANALYZE)")
        self._sql("postgres", f"CREATE DATABASE {MOVED} TEMPLATE {PLAIN}")
        self._sql(MOVED, f"CREATE SCHEMA {MOVED_SCHEMA}")
        for table in TABLES:
            self._sql(MOVED, f"ALTER TABLE public.{table} SET SCHEMA {MOVED_SCHEMA}")
        for database, schema in ((PLAIN, "public"), (MOVED, MOVED_SCHEMA)):
            self._prewarm(database, schema)
        self._sql("postgres", "CHECKPOINT")

    def _prewarm(self, database, schema):
        """All of it is in shared buffers from the first round on; otherwise the database that more of the targets
        use is warm sooner, and theirs is the advantage."""
        self._sql(database, "CREATE EXTENSION pg_prewarm")
        for relation in ("pgbench_accounts", "pgbench_accounts_pkey", "bulk"):
            self._sql(database, f"SELECT pg_prewarm('{schema}.{relation}')")

    def version(self):
        with wire.Connection(self.port, self.user, PLAIN) as connection:
            return connection.parameters.get("server_version", "")

    def pgbench_script(self, name):
        """The text of one of pgbench's own scripts."""
        shown = subprocess.run([f"{self.bin}/pgbench", f"--show-script={name}"], check=True,
                               capture_output=True, text=True)
        return shown.stdout + shown.stderr  # it uses the latter

    def _sql(self, database, sql):
        with wire.Connection(self.port, self.user, database) as connection:
            connection.query(sql)

    def _pgbench(self, *args):
        subprocess.run([f"{self.bin}/pgbench", "-h", "127.0.0.1", "-p", str(self.port), "-U", self.user, *args],
                       check=True, capture_output=True)

    def _run(self, *args):
        done = subprocess.run(self._tool + list(args), stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise RuntimeError(f"throwaway-pg {args[0]} failed")
        return done.stdout
