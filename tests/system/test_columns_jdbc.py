"""JDBC, preparing everything on the server, over tables whose columns differ: as in the old layout."""
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
JDBC = Path('/usr/share/java/postgresql.jar')

OLD = """create table investor (code varchar(10), day date, foreigner bigint not null, price numeric(10,2) default 1.25,
    primary key (code, day));
create table scores (code varchar(10) primary key, scores jsonb);
"""
NEW = """create schema data; create schema signals;
create table data.investor_flow (day date, price numeric(10,2) default 1.25, foreign_net bigint not null,
    stock_code varchar(10), primary key (stock_code, day));
create table signals.factor_scores (code varchar(10) primary key, momentum numeric, value numeric);
"""
MAP = """old: v10
new: v13
tables:
  public.investor:
    to: data.investor_flow
    columns: {code: stock_code, foreigner: foreign_net}
    shape: {code: varchar(10), day: date, foreigner: bigint, price: "numeric(10,2)"}
  public.scores:
    to: signals.factor_scores
    shape: {code: varchar(10), scores: jsonb}
    read: {scores: "jsonb_build_object('momentum', momentum, 'value', value)"}
    write: {momentum: "(scores->>'momentum')::numeric", value: "(scores->>'value')::numeric"}
"""
FLAGS = 'flags: {public.investor: live, public.scores: live}\n'


def make(pg, name, sql):
    assert pg.psql('-c', f'create database {name}').returncode == 0
    done = pg.psql('-v', 'ON_ERROR_STOP=1', stdin=sql, PGDATABASE=name)
    assert done.returncode == 0, done.stderr


def run(host, port, database):
    return subprocess.run(['java', '-cp', f'{JDBC}', str(HERE / 'JdbcColumns.java'), host, str(port), database],
                          text=True, capture_output=True, timeout=180)


@pytest.mark.skipif(not JDBC.exists() or not shutil.which('java'), reason='JDBC is not installed')
def test_columns_that_differ(pg, make_proxy):
    make(pg, 'jdbc_old', OLD)
    make(pg, 'jdbc_new', NEW)
    proxy = make_proxy(pg, map_text=MAP, flags=FLAGS, dbname='jdbc_new')
    direct = run(pg.host, pg.port, 'jdbc_old')
    assert direct.returncode == 0 and direct.stdout.endswith('done\n'), direct.stdout + direct.stderr
    got = run(proxy.host, proxy.port, 'jdbc_new')
    assert got.stdout == direct.stdout, got.stderr
