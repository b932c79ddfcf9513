"""`crossfade check` on AEGIS: silent about the clean sample but for two tables, and finds every trap."""
import json
import os
from pathlib import Path

import pytest
import servers
import yaml

ROOT = Path(__file__).resolve().parents[2]
AEGIS = ROOT / 'config' / 'aegis'
MAP = (ROOT / 'config' / 'v10-to-v13.yaml').read_text()
FLAGS = (ROOT / 'config' / 'flags.yaml').read_text()
UNDECIDED = {'execution.positions', 'forecast.predictions'}


@pytest.fixture(scope='module')
def databases(pg):
    """clean: v10; trapped: with traps; both: with the new tables of transforms beside the old ones."""
    def load(name, *texts):
        pg.psql('-c', f'drop database if exists {name} with (force)')
        pg.psql('-c', f'create database {name}')
        for text in texts:
            done = pg.psql('-qv', 'ON_ERROR_STOP=1', stdin=text, PGDATABASE=name)
            assert done.returncode == 0, done.stderr
    v10, traps = (AEGIS / 'v10.sql').read_text(), (AEGIS / 'traps.sql').read_text()
    pg.psql('-c', 'create role watcher login; create role app_reader; create role app_owner')
    load('aegis_clean', v10)
    load('aegis_trapped', v10, traps, MORE_TRAPS)
    load('aegis_both', v10, NEW_TABLES)
    load('aegis_moved', v10, (AEGIS / 'move-core.sql').read_text())
    yield
    for name in ('aegis_clean', 'aegis_trapped', 'aegis_both', 'aegis_moved'):
        pg.psql('-c', f'drop database {name} with (force)')
    pg.psql('-c', 'drop role watcher; drop role app_reader; drop role app_owner')


@pytest.fixture(scope='module')
def check(pg, endpoint_kind, databases):
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')
    made = []

    def run(database, *args, text=MAP, user='postgres', flags=FLAGS):
        made.append(servers.Crossfade(pg, start=False, map_text=text, flags=flags,
                                      admin=f'host=127.0.0.1 port={pg.port} user={user} dbname={database}'))
        return made[-1].command('check', '-c', made[-1].config_file, *args)
    yield run
    for proxy in made:
        proxy.finish()


@pytest.fixture(scope='module')
def findings(check):
    def run(database, **kw):
        done = check(database, '--format', 'json', **kw)
        one, = json.loads(done.stdout)['databases']
        alarms = one['errors'] + one['warnings']
        assert done.returncode == (1 if alarms else 0), done.stderr
        return one['findings']
    return run


MORE_TRAPS = """
create schema data;
create table data.prices (like public.prices);
alter table data.prices alter column close type numeric(10,1);
create rule keep as on delete to public.fundamentals do instead nothing;
create materialized view public.sectors as select sector, count(*) from public.stocks group by 1;
create function public.log_rows() returns bigint language sql as 'select count(*) from brain.ai_analysis_log';
create function public.sum_up() returns void language plpgsql as $$
declare r public.investor%rowtype; total numeric;
begin
  for r in select * from investor order by date loop
    total := total + r.foreigner;
  end loop;
  execute format('update %I.%I set score = %L', 'brain', 'stage_outputs', total);
exception when others then
  raise notice 'nothing from public.stocks here';
end $$;
create function public.harmless() returns int language plpgsql as $$
declare prices int := 1; stocks text := 'prices in public';
begin
  create temp table fundamentals (a int);
  select count(*) into prices from fundamentals;
  return prices;
end $$;
set check_function_bodies = off;
create function public.ahead() returns bigint language sql as 'select count(*) from data.stocks';
create table public.numbered (id int default nextval('public.prices_id_seq'), again int default nextval('public.prices_id_seq'::text));
create publication ours for table public.stocks;
create publication everything_public for tables in schema public;
create view brain.latest as select * from brain.analysis_results;
create index on forecast.events (impact);
"""

NEW_TABLES = """
create schema signals; create schema audit;
create table signals.factor_scores (id int primary key, date date not null, code varchar(10) not null,
  momentum numeric(8,4), value numeric(8,4), quality numeric(8,4), flow numeric(8,4), event numeric(8,4),
  created_at timestamptz default now());
create table signals.flow_details (id serial primary key, date date, stock_code varchar(10));
create table signals.signal_snapshots (id serial primary key);
create table portfolio.targets (id serial primary key);
create table audit.performance_reports (id serial primary key, report_date date, strategy varchar(10), trades int,
  wins int, losses int, pnl numeric(18,2), win_rate numeric(6,4), created_at timestamptz);
grant select, insert on brain.analysis_results, public.prices to app_reader;
grant usage on schema brain, public, signals to app_reader;
grant usage on sequence brain.analysis_results_id_seq to app_reader;
create schema data;
alter table public.stocks owner to app_owner;
"""


@pytest.fixture(scope='module')
def trapped(findings):
    return findings('aegis_trapped')


def pick(found, **wanted):
    return [f for f in found if all(f[k] == v for k, v in wanted.items())]


@pytest.mark.parametrize('database', ['aegis_clean', 'aegis_moved'])
def test_the_clean_sample_gives_no_alarm_but_for_the_undecided_tables(findings, database):
    found = findings(database, flags=FLAGS if database == 'aegis_clean' else FLAGS.replace(': old', ': live'))
    alarms = [f for f in found if f['severity'] != 'note']
    assert {f['object'] for f in alarms} == UNDECIDED, alarms
    assert all(f['kind'] == 'unmapped' and f['severity'] == 'error' for f in alarms)


def test_a_map_that_says_everything_holds(check):
    text = MAP.replace('groups:', '  execution.positions: {to: null, reason: x}\n  forecast.predictions: {to: null, reason: y}\n\ngroups:')
    done = check('aegis_clean', text=text)
    assert (done.returncode, done.stderr) == (0, ''), done.stdout
    assert 'agrees with database aegis_clean' in done.stdout


@pytest.mark.parametrize('severity, kind, entry, object_', [
    ('warning', 'function', 'public.prices', 'public.last_close(character varying)'),
    ('warning', 'function', None, 'public.rows_of(text)'),
    ('note', 'function', 'public.stocks', 'public.names_of(character varying)'),
    ('note', 'view', 'public.prices', 'public.kospi_prices'),
    ('note', 'view', 'public.stocks', 'public.kospi_prices'),
    ('note', 'trigger', 'public.prices', 'note_correction on public.prices'),
    ('warning', 'function', 'public.stocks', 'public.note_correction()'),
    ('error', 'unmapped', None, 'public.price_corrections'),
    ('error', 'unmapped', None, 'public.watchlists'),
    ('note', 'foreign key', 'public.stocks', 'watchlists_code_fkey on public.watchlists'),
    ('note', 'policy', 'public.stocks', 'active_only on public.fundamentals'),
    ('note', 'rule', 'public.fundamentals', 'keep on public.fundamentals'),
    ('note', 'materialized view', 'public.stocks', 'public.sectors'),
    ('note', 'function', 'brain.ai_analysis_log', 'public.log_rows()'),
    ('warning', 'function', 'public.investor', 'public.sum_up()'),
    ('warning', 'function', 'brain.stage_outputs', 'public.sum_up()'),
    ('note', 'function', 'public.stocks', 'public.ahead()'),
    ('note', 'default', 'public.prices', 'public.numbered.id'),
    ('warning', 'default', 'public.prices', 'public.numbered.again'),
    ('warning', 'publication', 'public.stocks', 'ours'),
    ('warning', 'publication', 'public.fundamentals', 'everything_public'),
    ('warning', 'view', 'brain.analysis_results', 'brain.latest'),
    ('warning', 'lossy', 'public.prices', 'data.prices.close'),
    ('warning', 'index', 'forecast.events', 'forecast.events_impact_idx'),
])
def test_every_trap_is_found(trapped, severity, kind, entry, object_):
    hits = pick(trapped, severity=severity, kind=kind, entry=entry, object=object_)
    assert len(hits) == 1, [f for f in trapped if f['object'] == object_] or trapped
    if (kind, severity) not in (('trigger', 'note'), ('policy', 'note'), ('rule', 'note'), ('default', 'note')):
        assert hits[0]['hint']


def test_what_is_no_trap_is_not_found(trapped):
    assert not [f for f in trapped if 'harmless' in (f['object'] or '')]
    assert not pick(trapped, object='public.sum_up()', entry='public.stocks')
    unmapped = {f['object'] for f in pick(trapped, kind='unmapped')}
    assert unmapped == UNDECIDED | {'public.price_corrections', 'public.watchlists', 'public.numbered'}


@pytest.mark.parametrize('change, kind, part', [
    (('public.stocks: data.stocks', 'public.stock: data.stock\n  public.stocks: data.stocks'), 'map', 'neither a table public.stock nor'),
    (('signals.flow_details: data.investor_flow', 'signals.flow_details: data.flows'), 'dangling', 'derived from data.flows'),
    (('signals.flow_details: data.investor_flow', 'a.a: a.b\n  a.b: a.a'), 'cyclic', 'in the end'),
    (('tables:\n', 'tables:\n  shop.*: store.*\n'), 'shadowed', 'stands for no table'),
    (('foreigner: foreign_net', 'foreigners: foreign_net'), 'map', 'no column foreigners'),
])
def test_mistakes_in_the_map(findings, change, kind, part):
    text = MAP.replace(*change, 1)
    assert text != MAP
    hits = [f for f in findings('aegis_clean', text=text) if f['kind'] == kind and part in f['text']]
    assert hits and hits[0]['severity'] in ('error', 'warning')
    assert hits[0]['line'] and hits[0]['column']


def test_a_name_that_another_table_hides(findings, pg):
    pg.psql('-c', 'create role eager login; alter role eager in database aegis_clean set search_path = brain, public', PGDATABASE='aegis_clean')
    pg.psql('-c', 'create table brain.prices (a int)', PGDATABASE='aegis_clean')
    try:
        hit, = pick(findings('aegis_clean'), kind='shadowed')
        assert hit['entry'] == 'public.prices' and hit['object'] == 'brain.prices' and 'role eager' in hit['text']
    finally:
        pg.psql('-c', 'drop table brain.prices', PGDATABASE='aegis_clean')
        pg.psql('-c', 'drop role eager', PGDATABASE='aegis_clean')


def test_the_other_side_lacks_privileges_and_numbers(findings):
    found = findings('aegis_both')
    grants = [f['hint'] for f in pick(found, kind='grant', severity='warning')]
    assert 'GRANT SELECT ON TABLE signals.factor_scores TO app_reader;' in grants
    assert 'GRANT INSERT ON TABLE signals.factor_scores TO app_reader;' in grants
    schema, = [f for f in pick(found, kind='grant', severity='note')]
    assert schema['entry'] == 'public.prices' and 'GRANT USAGE ON SCHEMA data TO app_reader;' in schema['hint']
    sequence, = pick(found, kind='sequence')
    assert sequence['object'] == 'signals.factor_scores.id'
    lossy, = pick(found, kind='lossy')
    assert lossy['object'] == 'audit.performance_reports.strategy' and 'more than 10 characters' in lossy['text']
    assert {f['object'] for f in pick(found, kind='no source')} == {'signals.signal_snapshots', 'portfolio.targets'}


def test_any_role_finds_the_same_and_says_what_it_cannot_see(trapped, findings):
    mine, theirs = trapped, findings('aegis_trapped', user='watcher')
    unseen, = pick(theirs, kind='unseen')
    assert 'pg_read_all_stats' in unseen['hint']
    assert [f for f in theirs if f['kind'] != 'unseen'] == mine


@pytest.mark.parametrize('find, bad, severity, entry, words', [
    ("(scores->>'momentum')::numeric", "(scores->>'momentum'))::numeric", 'error', 'brain.analysis_results', 'syntax error'),
    ('(score * 10)::integer', '(skore * 10)::integer', 'error', 'forecast.events', 'column "skore" does not exist'),
    ('trades - wins', "trades - 'x'::text", 'warning', 'feedback.performance', 'operator does not exist'),
    ('trades - wins', '0); drop table public.prices; select (1', 'error', 'feedback.performance', 'syntax error'),
    ('scores: jsonb, created_at', 'scores: jsonbb, created_at', 'warning', 'brain.analysis_results', '"jsonbb" does not exist'),
])
def test_sql_of_the_map_that_the_server_does_not_understand(findings, find, bad, severity, entry, words):
    assert MAP.count(find) == 1
    found, = pick(findings('aegis_clean', text=MAP.replace(find, bad)), kind='expression')
    assert (found['severity'], found['entry']) == (severity, entry) and words in found['text'], found
    assert MAP.splitlines()[found['line'] - 1].split(':')[0].strip() and found['column'], found


def test_grants_make_roles_that_can_do_their_work(check, pg):
    done = check('aegis_both', '--grants')
    assert (done.returncode, done.stderr) == (0, '')
    assert 'GRANT app_owner TO crossfade_mover;' in done.stdout and 'GRANT postgres' not in done.stdout
    assert 'belong to the superuser postgres' in done.stdout
    assert 'SUPERUSER' not in done.stdout.upper().replace('NEITHER IS A SUPERUSER', '').replace('TO THE SUPERUSER POSTGRES', '')
    made = pg.psql('-q', stdin=done.stdout, PGDATABASE='aegis_both')
    # Another database of this server may have been given the roles before.
    assert [line for line in made.stderr.splitlines() if 'ERROR' in line and 'already exists' not in line] == []
    try:
        move = pg.psql('-qv', 'ON_ERROR_STOP=1', '-c', 'begin; alter table public.stocks set schema data;'
                       'create view public.stocks as select * from data.stocks; create table crossfade.t (); rollback',
                       PGDATABASE='aegis_both', PGUSER='crossfade_mover')
        assert move.returncode == 0, move.stderr
        look = pg.psql('-c', 'table public.stocks', PGDATABASE='aegis_both', PGUSER='crossfade_observer')
        assert 'permission denied' in look.stderr
        assert check('aegis_both', user='crossfade_observer').returncode == 1
    finally:
        pg.psql('-c', 'drop schema crossfade cascade; drop owned by crossfade_mover, crossfade_observer',
                PGDATABASE='aegis_both')
        pg.psql('-c', 'drop role crossfade_mover, crossfade_observer')


def test_propose_drafts_a_map_that_check_accepts(check):
    done = check('aegis_both', '--propose', '--old', 'public,brain,feedback', '--new', 'signals,audit', text='not: read')
    assert (done.returncode, done.stderr) == (0, '')
    tables = yaml.safe_load(done.stdout)['tables']
    assert tables['feedback.performance']['to'] == 'audit.performance_reports'
    assert tables['feedback.performance']['columns'] == {'date': 'report_date'}
    assert '# doubt' in done.stdout and '#   signals.signal_snapshots' in done.stdout.replace('"', '')
    assert tables['public.prices']['to'] is None
    again = check('aegis_both', '--format', 'json', text=done.stdout, flags='flags: {}\n')
    found = json.loads(again.stdout)['databases'][0]['findings']
    assert not [f for f in found if f['severity'] == 'error' and f['kind'] in ('map', 'column', 'unmapped')], found


def test_propose_pairs_tables_that_only_moved(check, pg):
    done = check('aegis_moved', '--propose', '--old', 'brain', '--new', 'brain,data')
    assert yaml.safe_load(done.stdout)['tables']['brain.stage_outputs'] == 'brain.stage_outputs'
    line, = [line for line in done.stdout.splitlines() if 'brain.stage_outputs' in line]
    assert 'doubt: its schema is of both sides' in line


def test_propose_survives_odd_names(check, pg):
    pg.psql('-c', 'create schema "Odd: #\n- x"; create table "Odd: #\n- x"."null" ("yes" int, "a: b" text, "c\nd" int);'
            'create schema odder; create table odder."nul\nl" ("yes" int, "a: b" text, "c\nd" bigint, "#" int)',
            PGDATABASE='aegis_clean')
    try:
        done = check('aegis_clean', '--propose', '--old', '"Odd: #\n- x"', '--new', 'odder')
        assert (done.returncode, done.stderr) == (0, ''), done.stdout
        done = check('aegis_clean', '--propose', '--old', 'odder', '--new', 'odder,"Odd: #\n- x"')
        assert (done.returncode, done.stderr) == (0, ''), done.stdout
    finally:
        pg.psql('-c', 'drop schema "Odd: #\n- x" cascade; drop schema odder cascade', PGDATABASE='aegis_clean')


@pytest.mark.parametrize('args', [('--propose',), ('--old', 'a'), ('--grants', '--capture'), ('--format', 'csv'),
                                  ('--format', 'json', '--grants'), ('--propose', '--old', 'nope', '--new', 'public')])
def test_wrong_usage(check, args):
    assert check('aegis_clean', *args).returncode == 2


def test_json_says_why_nothing_could_be_checked(check):
    done = check('aegis_clean', '--format', 'json', text='tables: x')
    assert done.returncode == 2 and json.loads(done.stdout)['databases'][0]['error']['line'] == 1
    done = check('not_there', '--format', 'json')
    assert done.returncode == 1 and 'not_there' in json.loads(done.stdout)['databases'][0]['error']['message']


@pytest.mark.skipif(not os.path.exists('/usr/sbin/pgbouncer'), reason='pgbouncer is not installed')
def test_a_pooler_is_noticed(pg, make_proxy, databases):
    pooler = servers.PgBouncer(pg)
    try:
        proxy = make_proxy(pg, start=False, map_text=MAP,
                           admin=f'host=127.0.0.1 port={pooler.port} user=postgres dbname=aegis_clean')
        done = proxy.command('check', '-c', proxy.config_file, '--format', 'json')
        found = json.loads(done.stdout)['databases'][0]['findings']
        assert pick(found, kind='pooler', severity='warning'), found
    finally:
        pooler.finish()
