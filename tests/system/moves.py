"""A small application with two schemas, for the tests of flags and of the ledger."""
MAP = """old: v10
new: v13
tables:
  public.prices: data.prices
  public.stocks: data.stocks
"""

SCHEMA = """
create schema data;
create table public.prices (code varchar(10), date date, close int, primary key (code, date));
create table public.stocks (code varchar(10) primary key, name text);
insert into prices select '005930', '2024-01-01'::date + i, 70000 + i from generate_series(0, 99) i;
insert into stocks values ('005930', 'Samsung Electronics'), ('000660', 'SK hynix');
"""


def flags(**stages):
    return 'flags:\n' + ''.join(f'  public.{t}: {s}\n' for t, s in stages.items()) if stages else 'flags: {}\n'


def create(pg, name='moves'):
    for sql in (f'drop database if exists {name} with (force)', f'create database {name}'):
        done = pg.psql('-c', sql)
        assert done.returncode == 0, done.stderr
    done = pg.psql('-v', 'ON_ERROR_STOP=1', stdin=SCHEMA, PGDATABASE=name)
    assert done.returncode == 0, done.stderr


def move(pg, table, name='moves', back=False):
    sql = f'alter table data.{table} set schema public' if back else f'alter table public.{table} set schema data'
    done = pg.psql('-c', sql, PGDATABASE=name)
    assert done.returncode == 0, done.stderr
