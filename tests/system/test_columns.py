"""Tables whose columns differ: what an application sees through crossfade, with
the rows in the other layout, must be what it saw in its own.

Each case runs twice in a transaction that is rolled back: direct on a database
in the layout it was written for, and through crossfade on one in the other.
Rows, column names, types, tags and error codes must be equal, and so must the
tables afterwards.
"""
import datetime
from decimal import Decimal

import psycopg
import pytest

import servers
from servers import ROOT

MAP = (ROOT / 'config' / 'v10-to-v13.yaml').read_text()
AEGIS = ROOT / 'config' / 'aegis'
TABLES = {
    'public.investor': 'data.investor_flow',
    'brain.analysis_results': 'signals.factor_scores',
    'brain.stage_outputs': 'selection.ranked',
    'forecast.events': 'signals.events',
    'feedback.performance': 'audit.performance_reports',
    'portfolio.balance_snapshots': 'audit.daily_snapshots',
}
# v13's own tables, filled from v10's as the map says.
FILL = """
INSERT INTO signals.factor_scores (id, date, code, momentum, value, quality, flow, event, created_at)
SELECT id, date, code, (scores->>'momentum')::numeric, (scores->>'value')::numeric, (scores->>'quality')::numeric,
       (scores->>'flow')::numeric, (scores->>'event')::numeric, created_at FROM brain.analysis_results;
INSERT INTO selection.ranked (id, date, code, rank, total_score, created_at)
SELECT id, run_date, code, rank, score, created_at FROM brain.stage_outputs;
INSERT INTO signals.events (id, code, event_date, event_type, score, source, raw_data, created_at)
SELECT id, code, date, type, impact / 10.0, source, detail, created_at FROM forecast.events;
INSERT INTO audit.performance_reports (id, report_date, strategy, trades, wins, losses, pnl, win_rate, created_at)
SELECT id, date, strategy, trades, wins, trades - wins, profit, round(wins::numeric / nullif(trades, 0), 4), created_at
FROM feedback.performance;
INSERT INTO audit.daily_snapshots (id, date, cash, stocks_value, total_value, created_at)
SELECT id, date, cash, stocks, cash + stocks, created_at FROM portfolio.balance_snapshots;
"""
# The new tables' numbers go on where the old ones' ended.
NUMBERS = "SELECT setval(pg_get_serial_sequence('{new}', 'id'), (SELECT max(id) FROM {old}))"
MOVE = """
ALTER TABLE public.investor SET SCHEMA data;
ALTER TABLE data.investor RENAME TO investor_flow;
ALTER TABLE data.investor_flow RENAME COLUMN code TO stock_code;
ALTER TABLE data.investor_flow RENAME COLUMN foreigner TO foreign_net;
ALTER TABLE data.investor_flow RENAME COLUMN institution TO inst_net;
"""


def new_tables():
    """The definitions of the transforms' tables, from the one place where they are written down."""
    text = (AEGIS / 'v13.sql').read_text()
    for name in list(TABLES.values())[1:]:
        start = text.index(f'CREATE TABLE {name} (')
        yield text[start:text.index(';', start) + 1]


@pytest.fixture(scope='module')
def databases(pg):
    """columns_old: rows in v10's tables; columns_new: rows in v13's."""
    with psycopg.connect(pg.dsn(), autocommit=True) as admin:
        admin.execute('create database columns_old')
    for name in ('v10.sql', 'data.sql'):
        done = pg.psql('-qv', 'ON_ERROR_STOP=1', '-f', str(AEGIS / name), PGDATABASE='columns_old')
        assert done.returncode == 0, done.stderr
    with psycopg.connect(pg.dsn(dbname='columns_old'), autocommit=True) as conn:
        conn.execute("delete from brain.stage_outputs where stage <> 'rank'")
        conn.execute('create schema data; create schema signals; create schema selection; create schema audit')
        conn.execute(';'.join(new_tables()))
        conn.execute("set timezone = 'UTC'")
        conn.execute(FILL)
        for old, new in list(TABLES.items())[1:]:
            conn.execute(NUMBERS.format(old=old, new=new))
    with psycopg.connect(pg.dsn(), autocommit=True) as admin:
        admin.execute('create database columns_new template columns_old')
    with psycopg.connect(pg.dsn(dbname='columns_new'), autocommit=True) as conn:
        conn.execute(MOVE)
        conn.execute('analyze')
    yield {'old': 'columns_old', 'new': 'columns_new'}
    with psycopg.connect(pg.dsn(), autocommit=True) as admin:
        admin.execute('drop database columns_old with (force)')
        admin.execute('drop database columns_new with (force)')


def flags(stage):
    return 'flags:\n' + ''.join(f'  {table}: {stage}\n' for table in TABLES)


@pytest.fixture(scope='module')
def sides(pg, databases):
    """For names of each side: (direct connection to that layout, connection through crossfade to the other)."""
    proxies, connections = [], {}
    connections['admin'] = [psycopg.connect(pg.dsn(dbname=name), autocommit=True) for name in databases.values()]
    for written, other, stage in (('old', 'new', 'live'), ('new', 'old', 'old')):
        proxy = servers.Crossfade(pg, map_text=MAP, flags=flags(stage), dbname=databases[other])
        proxies.append(proxy)
        connections[written] = (psycopg.connect(pg.dsn(dbname=databases[written])),
                                psycopg.connect(proxy.dsn(dbname=databases[other])))
    yield connections
    for pair in connections.values():
        for conn in pair:
            conn.close()
    for proxy in proxies:
        proxy.finish()


def plain(value):
    """Numbers of JSON and of numeric columns by value: 0.5 and 0.5000 are one."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, float):
        return Decimal(str(value)).normalize()
    if isinstance(value, datetime.datetime) and value.year > 2024:
        return 'now'
    return value


def outcome(cursor):
    if cursor.description is None:
        return (cursor.statusmessage,)
    columns = [(c.name, c.type_code) for c in cursor.description]
    return (cursor.statusmessage, columns, [tuple(plain(v) for v in row) for row in cursor.fetchall()])


def restart_numbers(conn):
    """A statement that fails may have drawn a number before, or not; a rollback does not give it back."""
    conn.execute("select setval(oid::regclass, 100000) from pg_class where relkind = 'S'")


def run(conn, sql, params, after):
    """What the statement answers, then what the tables it may have changed hold."""
    results = []
    try:
        with conn.cursor(binary=params is not None) as cursor:
            try:
                if sql.lower().startswith('copy') and 'stdout' in sql.lower():
                    with cursor.copy(sql) as copy:
                        results.append(b''.join(bytes(block) for block in copy))
                elif sql.lower().startswith('copy'):
                    with cursor.copy(sql) as copy:
                        copy.write(params)
                    results.append(cursor.statusmessage)
                else:
                    results.append(outcome(cursor.execute(sql, params)))
            except psycopg.Error as e:
                return [('error', e.sqlstate, e.diag.message_primary)]
        for table in after:
            results.append(outcome(conn.execute(f'select * from {table} order by id desc limit 20')))
            results.append(outcome(conn.execute(f'select count(*) from {table}')))
        return results
    finally:
        conn.rollback()


INVESTOR, SCORES = 'public.investor', 'brain.analysis_results'
EVENTS, PERFORMANCE, BALANCES = 'forecast.events', 'feedback.performance', 'portfolio.balance_snapshots'
OUTPUTS = "(select id, run_date, code, rank, score, created_at from brain.stage_outputs) o"

# (statement, parameters, tables looked at afterwards)
OLD_CASES = [
    # reads
    ("select * from investor where code = '005930' order by date limit 5", None, []),
    ("select i.*, s.name from investor i join stocks s using (code) where i.date > '2023-12-10' order by i.id limit 9", None, []),
    ("select code, sum(foreigner) from public.investor group by code order by 2 desc, 1 limit 3", None, []),
    ("select id, code from investor i group by id order by id limit 3", None, []),
    ("select i::text, i is not null, count(i) over () from investor i order by id limit 2", None, []),
    ("select row_to_json(investor) from investor order by id limit 2", None, []),
    ("table investor limit 0", None, []),
    ("select count(*) from (table investor union all table only investor) u", None, []),
    ("select ctid is not null from investor limit 1", None, []),
    ("select a, b from investor as x(a, b) order by a limit 2", None, []),
    ("select foreigner from investor where code = %s and date = %s", ('005930', '2023-12-01'), []),
    ("select * from brain.analysis_results where code = %s order by date limit 3", ('005930',), []),
    ("select scores->>'momentum' is not null, scores->'event' from brain.analysis_results a order by id limit 20", None, []),
    ("select a.code, i.foreigner from brain.analysis_results a natural join investor i where a.id < 0", None, []),
    ("select to_jsonb(a) from brain.analysis_results a order by id limit 2", None, []),
    ("select * from forecast.events e where e.impact > 3 and type = 'split' order by e.id limit 4", None, []),
    ("select e.detail, (select max(p.close) from prices p where p.code = e.code) from forecast.events e order by id limit 3", None, []),
    ("select stage, rank, score from brain.stage_outputs where run_date = (select max(run_date) from brain.stage_outputs) order by rank limit 4", None, []),
    ("select * from feedback.performance where profit > 0 order by id for update limit 2", None, []),
    ("select date, cash + stocks as total from portfolio.balance_snapshots order by date desc limit 2", None, []),
    ("with b as (select * from portfolio.balance_snapshots) select b.* from b join portfolio.balance_snapshots c on c.id = b.id - 1 order by b.id limit 2", None, []),
    ("select nothing from investor", None, []),
    ("select stock_code from investor", None, []),
    ("select score from forecast.events", None, []),
    ("select code from investor, stocks", None, []),
    # renamed columns, written
    ("insert into investor (code, date, foreigner) values ('005930', '2024-01-02', 5), ('000660', '2024-01-02', default) returning *", None, [INVESTOR]),
    ("insert into investor values (default, '005930', '2024-01-02') returning id, code, foreigner", None, [INVESTOR]),
    ("insert into investor (code, date, foreigner) select code, '2024-01-02', 1 from stocks order by code limit 3 returning code c, foreigner", None, [INVESTOR]),
    ("insert into public.investor as n (code, date, foreigner) values (%s, %s, %s) on conflict (code, date) do update set foreigner = n.foreigner + excluded.foreigner, institution = excluded.institution where n.code = excluded.code returning n.code, foreigner", ('005930', '2023-12-01', 7), [INVESTOR]),
    ("insert into investor (code, date) values ('005930', '2023-12-01') on conflict on constraint investor_code_date_key do nothing", None, [INVESTOR]),
    ("insert into investor (code, date) values ('12345678901', '2024-01-02')", None, []),
    ("insert into investor (code, date) values ('nosuch', '2024-01-02')", None, []),
    ("insert into investor (code, code) values ('005930', '005930')", None, []),
    ("insert into investor (stock_code) values ('005930')", None, []),
    ("insert into investor default values", None, []),
    ("update investor set foreigner = foreigner + 1, institution = -institution where code = '005930' and date > '2023-12-10' returning code, foreigner, institution, code || '!', upper(code)", None, [INVESTOR]),
    ("update investor i set (foreigner, institution) = (i.institution, 0) from stocks s where s.code = i.code and s.name = '삼성전자' returning i.*, s.market", None, [INVESTOR]),
    ("update only public.investor set foreigner = default where investor.code = '005930' and public.investor.date = '2023-12-01'", None, [INVESTOR]),
    ("update investor set foreigner = (select count(*) from prices p where p.code = investor.code) where id < 5 returning *", None, [INVESTOR]),
    ("update investor set foreigner = %s where code = %s returning code::text, foreigner", (99, '005930'), [INVESTOR]),
    ("update investor set foreigner = 1, foreigner = 2", None, []),
    ("update investor set foreign_net = 1", None, []),
    ("update investor set foreigner = 1 from stocks where code = '005930'", None, []),
    ("delete from investor using stocks s where s.code = investor.code and s.market = 'KOSPI' and date < '2023-11-01' returning investor.code, s.code", None, [INVESTOR]),
    ("delete from investor where code = '005930' returning *", None, [INVESTOR]),
    ("with gone as (delete from investor where date < '2023-11-01' returning *) select count(*), min(code) from gone", None, [INVESTOR]),
    ("merge into investor i using (values ('005930', date '2023-12-01', 5), ('000660', date '2024-01-02', 6)) v(code, day, net) on i.code = v.code and i.date = v.day when matched then update set foreigner = net when not matched then insert (code, date, foreigner) values (code, day, net)", None, [INVESTOR]),
    ("copy investor to stdout", None, []),
    ("copy investor (foreigner, code) to stdout (format csv, header)", None, []),
    ("copy investor (code, date, foreigner) from stdin", "005930\t2024-01-02\t5\n", [INVESTOR]),
    ("copy investor from stdin (format csv)", "900001,005930,2024-01-02,5,6,7,,2024-01-02 00:00:00+00\n", [INVESTOR]),
    # computed columns, written
    ("insert into brain.analysis_results (date, code, scores) values ('2024-01-02', '005930', '{\"momentum\": 0.5, \"value\": 0.25}') returning date, code, scores->'momentum'", None, []),
    ("insert into brain.analysis_results (date, code, scores) values (%s, %s, %s) returning id, date, code", ('2024-01-02', '005930', '{"momentum": 0.5, "value": 0.1, "quality": 0.2, "flow": 0.3, "event": null}'), [SCORES]),
    ("insert into brain.analysis_results (scores, code, date) select scores, code, date + 1000 from brain.analysis_results where code = '005930' order by id returning scores, code, date", None, [SCORES]),
    ("insert into brain.analysis_results (date, code, scores) values ('2024-01-02', '12345678901', '{}')", None, []),
    ("insert into brain.analysis_results (date, code, scores) values ('2024-01-02', '005930', 'no json')", None, []),
    ("insert into brain.analysis_results (date, code, scores) values ('2023-12-15', '005930', '{\"momentum\": 9, \"value\": 8, \"quality\": 7, \"flow\": 6, \"event\": 5}') on conflict (date, code) do update set scores = excluded.scores, created_at = '2024-01-01' returning code, scores", None, [SCORES]),
    ("update brain.analysis_results set scores = scores || '{\"value\": 0.75}' where code = '005930' returning id, scores", None, [SCORES]),
    ("update brain.analysis_results a set code = 'x', scores = jsonb_set(a.scores, '{flow}', '1') from stocks s where s.code = a.code and s.name = '삼성전자' returning a.*", None, [SCORES]),
    ("update brain.analysis_results set scores = jsonb_build_object('momentum', %s::int, 'value', 1, 'quality', 1, 'flow', 1, 'event', 1) where scores->>'momentum' is not null and id < 10 returning scores", (3,), [SCORES]),
    ("delete from brain.analysis_results where (scores->>'value')::numeric > 0.5 returning code, scores", None, [SCORES]),
    ("insert into forecast.events (code, date, type, impact, detail) values ('005930', '2024-01-02', 'split', 7, '{}'), ('000660', '2024-01-03', null, default, null) returning *", None, [EVENTS]),
    ("insert into forecast.events (code, date, impact) values (%s, %s, %s) returning code, date, impact", ('005930', '2024-01-02', 5), [EVENTS]),
    ("insert into forecast.events (code, date, source) values ('005930', '2024-01-02', repeat('x', 31))", None, []),
    ("insert into forecast.events (code, date, type) select code, '2024-01-02', 'split' from stocks where code = '005930' returning impact, type", None, [EVENTS]),
    ("update forecast.events set impact = impact + 1, type = upper(type) where type = 'split' and impact between 2 and 4 returning id, type, impact", None, [EVENTS]),
    ("update forecast.events set impact = 2, source = 'x', date = date + 1 where id < 4", None, [EVENTS]),
    ("update forecast.events set type = %s, detail = %s where impact = %s returning *", ('new', '{"a": 1}', -3), [EVENTS]),
    ("merge into forecast.events e using (select 1 as one, '005930' as c) s on e.code = s.c and e.impact = s.one when matched then update set impact = 9, type = 'merged' when not matched then do nothing", None, [EVENTS]),
    ("insert into feedback.performance (date, strategy, trades, wins, profit) values ('2024-01-02', 'value', 10, 4, 100.5) returning *", None, [PERFORMANCE]),
    ("insert into feedback.performance (date, strategy) values ('2024-01-02', 'value') returning *", None, [PERFORMANCE]),
    ("insert into feedback.performance values (default, '2024-01-02', 'momentum', '7', 2) returning *", None, [PERFORMANCE]),
    ("insert into feedback.performance (date, strategy, trades) values (current_date, 'value', 3.6) returning trades", None, [PERFORMANCE]),
    ("update feedback.performance set trades = trades + 1, profit = 0, wins = default where strategy = 'value' and date < '2023-01-10' returning date, trades, wins, profit", None, [PERFORMANCE]),
    ("update feedback.performance set wins = wins + 1 where id = 3 returning *", None, [PERFORMANCE]),
    ("insert into feedback.performance as p (date, strategy, trades, wins) values ('2023-01-02', 'value', 1, 1) on conflict (date, strategy) do update set trades = p.trades + excluded.trades, wins = p.wins + excluded.wins returning p.trades, wins", None, [PERFORMANCE]),
    ("insert into portfolio.balance_snapshots (date, cash, stocks) values ('2024-01-02', 1.005, 2) returning cash, stocks", None, [BALANCES]),
    ("insert into portfolio.balance_snapshots (date, cash) values ('2024-01-02', 1)", None, []),
    ("update portfolio.balance_snapshots set stocks = stocks * 2, cash = cash - stocks where date > '2023-12-10' returning date, cash, stocks", None, [BALANCES]),
    ("insert into brain.stage_outputs (run_date, stage, code, rank, score, payload) values ('2024-01-02', 'rank', '005930', 1, 0.5, '{}') returning run_date, stage, code, rank, score", None, [OUTPUTS]),
    ("update brain.stage_outputs set score = score / 2 where rank < 3 and run_date > '2023-12-10' returning stage, score", None, [OUTPUTS]),
    ("copy feedback.performance to stdout (format csv, header)", None, []),
    ("copy (select code, impact from forecast.events order by id limit 5) to stdout", None, []),
    ("truncate investor", None, [INVESTOR]),
]

FLOW, FACTORS = 'data.investor_flow', 'signals.factor_scores'
NEW_CASES = [
    ("select * from data.investor_flow where stock_code = '005930' order by date limit 5", None, []),
    ("select f.stock_code, f.foreign_net from data.investor_flow f order by id limit 3", None, []),
    ("insert into data.investor_flow (stock_code, date, foreign_net) values ('005930', '2024-01-02', 5) returning *", None, [FLOW]),
    ("update data.investor_flow set foreign_net = foreign_net + inst_net where stock_code = '005930' returning stock_code, foreign_net", None, [FLOW]),
    ("delete from data.investor_flow f where f.inst_net < 0 returning f.*", None, [FLOW]),
    ("select id, date, code, momentum, value, quality from signals.factor_scores where code = %s order by date limit 3", ('005930',), []),
    ("select * from signals.factor_scores where momentum > 0.5 order by id limit 3", None, []),
    ("insert into signals.factor_scores (date, code, momentum, value, quality, flow, event) values ('2024-01-02', '005930', 0.5, 0.25, 1, 1, null) returning id, date, code, momentum", None, [FACTORS]),
    ("insert into signals.factor_scores (date, code, momentum) values (%s, %s, %s) returning momentum, value", ('2024-01-02', '005930', Decimal('0.5')), [FACTORS]),
    ("update signals.factor_scores set momentum = momentum / 2, code = 'y' where code = '005930' returning id, momentum, value", None, [FACTORS]),
    ("delete from signals.factor_scores where value is null or value > 0.9 returning id, value", None, [FACTORS]),
    ("select id, event_date, event_type, score from signals.events where score < 0 order by id limit 4", None, []),
    ("insert into signals.events (code, event_date, event_type, score) values ('005930', '2024-01-02', 'split', 0.7) returning *", None, ['signals.events']),
    ("update signals.events set score = score + 0.1, event_type = 'x' where event_type = 'split' returning id, score, event_type", None, ['signals.events']),
    ("select id, date, code, rank, total_score from selection.ranked order by id limit 3", None, []),
    ("select report_date, strategy, pnl from audit.performance_reports order by id limit 3", None, []),
    ("select id, date, cash, stocks_value from audit.daily_snapshots order by id limit 3", None, []),
]


def compare(sides, side, sql, params, after):
    direct, proxied = sides[side]
    for conn in sides['admin']:
        restart_numbers(conn)
    expected, got = (run(conn, sql, params, after) for conn in (direct, proxied))
    if expected and expected[0][0] == 'error':
        assert got[0][:2] == expected[0][:2], (got, expected)
    else:
        assert got == expected


@pytest.mark.parametrize('case', OLD_CASES, ids=lambda c: c[0][:90])
def test_old_code_on_the_new_layout(sides, case):
    compare(sides, 'old', *case)


@pytest.mark.parametrize('case', NEW_CASES, ids=lambda c: c[0][:90])
def test_new_code_on_the_old_layout(sides, case):
    compare(sides, 'new', *case)
