"""Two databases in the old layout: one behind crossfade, whose tables move, and one to compare with.

An ORM's program runs unchanged against both, at every stage, and must get the same answers.
"""
import pytest

from servers import Console, wait_for

MAP = """old: v10
new: v13
tables:
  public.stocks: data.stocks
  public.prices: data.prices
"""
TABLES = ('stocks', 'prices')


def flags(stage):
    return 'flags:\n' + ''.join(f'  public.{t}: {stage}\n' for t in TABLES)


class Layouts:
    """The proxy in front of one database; `pg` and the name `reference` for the other."""

    def __init__(self, pg, make_proxy, name, config='policy: {introspection: map}\n', **kw):
        self.pg, self.name, self.reference = pg, name, name + '_reference'
        for database in (self.name, self.reference):
            self.run('postgres', f'drop database if exists {database} with (force)')
            self.run('postgres', f'create database {database}')
            self.run(database, 'create schema data')
        self.proxy = make_proxy(pg, map_text=MAP, dbname=name, config=config + 'console: {listen: [run]}\n', **kw)
        self.console = Console(self.proxy)

    def run(self, database, sql):
        done = self.pg.psql('-v', 'ON_ERROR_STOP=1', '-Atc', sql, PGDATABASE=database)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def where(self, table):
        return self.run(self.name, f"select relnamespace::regnamespace from pg_class where relname = '{table}'"
                                   " and relkind = 'r'")

    def set_stage(self, stage, probe='select count(*) from data.prices'):
        """Moves the tables where the stage wants them; returns when the proxy has noticed."""
        wanted = 'public' if stage == 'old' else 'data'
        for table in TABLES:
            if self.where(table) not in ('', wanted):
                self.run(self.name, f'alter table {self.where(table)}.{table} set schema {wanted}')
        mark = self.proxy.log_mark()
        self.proxy.flags_file.write_text(flags('live' if stage == 'complete' else stage))
        self.proxy.reload()
        self.proxy.wait_log('event=reload ', mark)
        if stage == 'complete':
            self.console.order(*(f"set flag public.{t} to complete force reason 'a test'" for t in TABLES))
        self.wait_served(probe)
        if stage == 'complete':
            wait_for(lambda: 'retired' in self.psql('select 1 from public.prices').stderr, 10, 'complete', 0.1)
        else:
            self.wait_served('select count(*) from public.prices')

    def wait_served(self, sql):
        wait_for(lambda: self.psql(sql).returncode == 0, 10, sql, 0.1)

    def psql(self, sql, *args):
        return self.proxy.psql('-Atc', sql, *args, PGDATABASE=self.name)


@pytest.fixture
def layouts(pg, make_proxy, request):
    return Layouts(pg, make_proxy, request.module.DATABASE)
