"""Whatever decides what an unqualified name means, the proxy follows: the table
reached is the one that a direct connection to the old layout reaches.
"""
import pytest

import layout_pair
from layout_pair import Pair
from raw import bind, close, describe, execute, flush, parse, query, sync

WHICH = 'select min(close) from prices'  # 70000 public's, -1 elsewhere's, -2 app's; temporary ones above
TEMP = "(code text, close int); insert into prices values ('temp', 7)"

ROLES = """
do $$ begin
  if not exists (select from pg_roles where rolname = 'st_plain') then
    create role st_plain login; create role st_path login; create role st_db login; create role app login;
  end if;
exception when duplicate_object then null; end $$;
"""
GRANTS = """
grant usage on schema elsewhere, app, {schema}, public to public;
grant all on all tables in schema elsewhere, app, {schema}, public to public;
create schema st_plain; create table st_plain.prices (code text, close int); insert into st_plain.prices values ('u', -3);
grant usage on schema st_plain to public; grant all on st_plain.prices to public;
create schema closed; create table closed.prices (code text, close int); insert into closed.prices values ('c', -4);
create function late_path() returns int language plpgsql set search_path = elsewhere as $$ begin return (select min(close) from prices); end $$;
create function path_of(p text) returns text language sql as $$ select set_config('search_path', p, false) $$;
create function path_of_path(p text) returns text language plpgsql as $$ begin return path_of(p); end $$;
create function become(p text) returns void language plpgsql as $$ begin execute format('set role %I', p); end $$;
create schema fresh; grant all on schema fresh to public;
create function rebuild() returns void language plpgsql as
  $$ begin drop table if exists fresh.prices; create table fresh.prices as select 55 as close; end $$;
create function make_temp() returns void language plpgsql as
  $$ begin create temp table prices as select 123 as close; end $$;
"""


@pytest.fixture(scope='module')
def setup(pg, endpoint_kind):
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')
    for role in ('st_plain', 'st_path', 'st_db'):
        pg.psql('-c', f'create role {role} login')
    pg.psql('-c', "alter role st_path set search_path = 'elsewhere, public'")
    pg.psql('-c', 'grant st_plain to postgres')
    layout_pair.create(pg, GRANTS)
    for name in ('lay_old', 'lay_new'):
        pg.psql('-c', f"alter role st_db in database {name} set search_path = 'app'")


@pytest.fixture(scope='module')
def shared(pg, setup):
    import servers
    proxy = servers.Crossfade(pg, map_text=layout_pair.MAP, flags=layout_pair.FLAGS, dbname='lay_new')
    yield proxy
    proxy.finish()


@pytest.fixture
def proxy(shared):
    yield shared
    assert shared.alive()


def exchanged(sql, params=(), name='', portal=''):
    return parse(sql, name) + bind(params, portal, name) + describe('P', portal) + execute(portal)


def follow(pg, proxy, script, **params):
    with Pair(pg, proxy, **params) as pair:
        for step in script:
            for data, syncs in [step if isinstance(step, tuple) else (step, 1)]:
                direct, proxied = pair.both(query(data) if isinstance(data, str) else data, syncs)
                assert proxied == direct, f'{script!r}\nat {data!r}\n  {direct}\n  {proxied}'


@pytest.mark.parametrize('params', [
    {}, {'search_path': 'elsewhere'}, {'search_path': 'elsewhere,public'}, {'search_path': ' public , elsewhere'},
    {'search_path': '"$user", elsewhere'}, {'options': '-c search_path=elsewhere'}, {'options': '-csearch_path=app,public'},
    {'options': r'--search-path=elsewhere,\ public'}, {'options': '-c search_path=elsewhere -c search_path=app'},
    {'options': '-c search_path=elsewhere', 'search_path': 'app'}, {'search_path': 'nothing'}, {'search_path': ''},
    {'search_path': '""'}, {'search_path': 'closed, elsewhere'}, {'user': 'st_plain'}, {'user': 'st_path'}, {'user': 'st_db'},
    {'user': 'st_path', 'search_path': 'app'}, {'user': 'st_plain', 'search_path': 'closed,elsewhere'},
    {'user': 'st_plain', 'search_path': 'app, "$user"'}, {'search_path': 'ELSEWHERE'}, {'search_path': '"ELSEWHERE", public'}],
    ids=str)
def test_the_path_a_session_begins_with(pg, proxy, params):
    follow(pg, proxy, [WHICH, 'show search_path', 'set search_path = app', WHICH, 'reset search_path', WHICH,
                       'set search_path = app', 'discard all', WHICH, 'set search_path = app', 'reset all', WHICH,
                       'set search_path to default', WHICH], **params)


SCRIPTS = {
    'set': ['set search_path = elsewhere', WHICH, "set session search_path to 'app', public", WHICH, 'set search_path = public', WHICH],
    'set with odd names': ['set search_path = "Elsewhere", ELSEWHERE', WHICH, "set search_path = 'elsewhere, app'", WHICH,
                           'set search_path = "$user", app', WHICH, "set search_path = ''", WHICH],
    'set that fails': ['set search_path = elsewhere, ,', WHICH, "set search_path = 'a', 1.5", WHICH, 'set schema 5', WHICH,
                       "set schema 'app'", WHICH, 'set nothing = 1', WHICH],
    'set local': ['set local search_path = app', WHICH, 'begin', 'set local search_path = elsewhere', WHICH, 'commit', WHICH,
                  'begin', 'set local search_path = app', WHICH, 'rollback', WHICH],
    'set local and set': ['begin', 'set search_path = app', 'set local search_path = elsewhere', WHICH, 'commit', WHICH],
    'reset local': ['set search_path = app', 'begin', 'set local search_path to default', WHICH, 'commit', WHICH, 'reset search_path',
                    WHICH],
    'rollback': ['begin', 'set search_path = app', WHICH, 'rollback', WHICH, 'begin', 'set search_path = app', 'select nix', 'commit',
                 WHICH],
    'savepoints': ['begin', 'set search_path = app', 'savepoint a', 'set search_path = elsewhere', WHICH, 'savepoint b',
                   'set local search_path = public', WHICH, 'rollback to b', WHICH, 'rollback to a', WHICH, 'release a', 'commit', WHICH],
    'savepoints of one name': ['begin', 'savepoint a', 'set search_path = app', 'savepoint a', 'set search_path = elsewhere', WHICH,
                               'rollback to a', WHICH, 'release a', 'rollback to a', WHICH, 'commit', WHICH],
    'a savepoint after an error': ['begin', 'savepoint a', 'set search_path = app', 'select nix', 'rollback to a', WHICH, 'commit', WHICH],
    'chains': ['begin', 'set local search_path = app', 'commit and chain', WHICH, 'set search_path = app', 'rollback and chain', WHICH,
               'commit'],
    'one text': [f'set search_path = app; {WHICH}; set search_path = elsewhere; {WHICH}', WHICH,
                 f'begin; set local search_path = app; {WHICH}; commit; {WHICH}', f'set search_path = app; select nix; {WHICH}', WHICH,
                 f'begin; set search_path = app; {WHICH}; rollback; {WHICH}', f'set local search_path = app; {WHICH}', WHICH],
    'set_config': ["select set_config('search_path', 'app', false)", WHICH, "select set_config('search_path', 'elsewhere', true)", WHICH,
                   'begin', "select set_config('search_path', 'elsewhere', true)", WHICH, 'commit', WHICH,
                   "select pg_catalog.set_config('SEARCH_PATH', 'public', 'f')", WHICH],
    'set_config of more than a literal': ["select set_config('search_path', 'a' || 'pp', false)", WHICH,
                                          "select set_config('search_' || 'path', 'elsewhere', false)", WHICH,
                                          "select set_config('search_path', nspname, false) from pg_namespace where nspname = 'app'", WHICH,
                                          "select 1 where set_config('search_path', 'public', false) is null", WHICH,
                                          "select case when false then set_config('search_path', 'app', false) end", WHICH],
    'set_config with a parameter': [exchanged("select set_config('search_path', $1, false)", ['app']) + sync(), WHICH,
                                    exchanged('select set_config($1, $2, false)', ['search_path', 'elsewhere']) + sync(), WHICH,
                                    exchanged('select set_config($1, $2, false)', ['search_path', 'public'])
                                    + exchanged(WHICH) + sync(), WHICH,
                                    exchanged("select set_config('search_path', $1, false)", ['app']) + flush() + exchanged('select nix')
                                    + sync(), WHICH],
    'code that sets it': ["do $$ begin perform set_config('search_path', 'app', false); end $$", WHICH, "call path_by_call('elsewhere')",
                          WHICH, "do $$ begin set local search_path = app; end $$", WHICH, 'begin',
                          "do $$ begin set search_path = app; end $$", WHICH, 'savepoint s', "call path_by_call('public')", WHICH,
                          'rollback to s', WHICH, 'rollback', WHICH],
    'code in a transaction': ['begin', "call path_by_call('app')", WHICH, 'rollback', WHICH, 'begin', 'savepoint s',
                              "call path_by_call('elsewhere')", WHICH, 'rollback to s', WHICH, 'commit', WHICH, 'begin',
                              "call path_by_call('app')", WHICH, 'commit', WHICH, 'begin', 'savepoint a', "call path_by_call('elsewhere')",
                              'savepoint b', WHICH, 'rollback to b', WHICH, 'rollback to a', WHICH, 'rollback', WHICH],
    'local code in a transaction': ['begin', "do $$ begin set local search_path = app; end $$", WHICH, 'commit', WHICH,
                                    'begin', "select set_config('search_path', 'ap' || 'p', true)", WHICH, 'commit', WHICH,
                                    'begin', "select set_config('search_path', 'ap' || 'p', false)", WHICH, 'set local search_path = public',
                                    WHICH, 'commit', WHICH],
    'functions that set it': ["select set_path('app')", WHICH, "select path_of('elsewhere')", WHICH, 'select late_path()', WHICH,
                              "select path_of_path('app')", WHICH, "select code from stocks where path_of_path('public') <> ''", WHICH,
                              'begin', "select set_path('app')", WHICH, 'rollback', WHICH, 'select make_temp()', WHICH, 'drop table prices',
                              WHICH, "select length('set_path(1)')", WHICH],
    'role': ['set role st_plain', WHICH, 'reset role', WHICH, 'set role st_plain', 'set role none', WHICH, 'begin', 'set local role st_plain',
             WHICH, 'commit', WHICH, 'set role nobody_there', WHICH, "select set_config('role', 'st_plain', false)", WHICH,
             'set session authorization default', WHICH],
    'code that sets the role': ['do $$ begin set role st_plain; end $$', WHICH, 'reset role', WHICH,
                                "select set_config('role', 'st_' || 'plain', false)", WHICH, 'begin',
                                'do $$ begin set local role none; end $$', WHICH, 'rollback', WHICH, 'reset role', WHICH,
                                "select become('st_plain')", WHICH, 'set role none', WHICH, 'begin', "select become('st_plain')", WHICH,
                                'rollback', WHICH, "select set_config('session_' || 'authorization', 'st_plain', false)", WHICH,
                                'reset session authorization', WHICH],
    'code that changes the catalog': ['set search_path = fresh, public', WHICH, 'select rebuild()', WHICH,
                                      'do $$ begin drop table fresh.prices; end $$', WHICH,
                                      "do $$ begin execute 'create view fresh.prices as select 66 as close'; end $$", WHICH,
                                      'drop view fresh.prices', WHICH],
    'names in arrays and in EXECUTE': ["select array_length('{public.prices,stocks}'::regclass[], 1)",
                                       'prepare n as select pg_relation_size($1::regclass) > 0', "execute n('prices')",
                                       "execute n('a.b.public.nowhere')", 'deallocate n'],
    'constraints': ['begin', 'set constraints public.prices_code_fkey immediate', 'rollback', 'begin',
                    'set constraints prices_code_fkey, stocks_pk deferred', 'rollback', 'begin',
                    'alter table prices add constraint late_fk foreign key (code) references stocks deferrable; set constraints late_fk immediate',
                    'set constraints public.late_fk deferred', "insert into prices values ('000660', '2020-01-01', 1)",
                    'set constraints late_fk immediate', 'rollback', 'set constraints late_fk immediate'],
    'session authorization': ["set session authorization 'st_plain'", WHICH, 'reset session authorization', WHICH, 'begin',
                              'set local session authorization st_plain', WHICH, 'rollback', WHICH, 'set session authorization st_plain',
                              'set role postgres', WHICH, 'discard all', WHICH],
    'role and schemas it may not use': ['set search_path = closed, elsewhere', WHICH, 'set role st_plain', WHICH, 'reset role', WHICH],
    'pipelined set': [exchanged('set search_path = app') + exchanged(WHICH) + sync(),
                      (exchanged('set search_path = elsewhere') + sync() + exchanged(WHICH) + sync(), 2),
                      (query('set search_path = public') + query(WHICH) + query('set search_path = app') + query(WHICH), 4)],
    'pipelined set that fails': [exchanged('set search_path = app') + exchanged('select nix') + sync(), WHICH,
                                 (exchanged('set search_path = app') + exchanged('select nix') + sync() + exchanged(WHICH) + sync(), 2),
                                 (query('set search_path = app; select nix') + query(WHICH) + query('begin; set search_path = app')
                                  + query('select nix') + query('rollback') + query(WHICH), 6),
                                 exchanged('set search_path = nix.nix.nix, ,') + sync(), WHICH],
    'prepared set': [parse('set search_path = app', 's') + sync(), WHICH, bind((), '', 's') + execute() + sync(), WHICH,
                     bind((), 'p', 's') + close('P', 'p') + sync(), parse('set search_path = elsewhere') + bind() + sync(), WHICH],
    'sql prepared': [f'prepare w as {WHICH}', 'execute w', 'deallocate w', 'set search_path = app', f'prepare w as {WHICH}', 'execute w'],
    'temporary tables': [f'create temp table prices {TEMP}', WHICH, 'drop table prices', WHICH, f'create temporary table pg_temp.prices {TEMP}',
                         WHICH, 'select min(close) from public.prices', 'drop table pg_temp.prices', WHICH, f'create local temp table prices {TEMP}',
                         WHICH, 'discard temp', WHICH, f'create temp table prices {TEMP}', 'discard all', WHICH],
    'temporary tables of queries': ['select 8 as close into temp prices', WHICH, 'drop table prices', 'select 9 as close into temporary table prices',
                                    WHICH, 'drop table if exists prices', WHICH, 'create temp table prices as select 10 as close', WHICH,
                                    'discard temp', 'create temp view prices as select 11 as close', WHICH, 'drop view prices', WHICH,
                                    'create temp table prices as select close + 1 as close from prices', WHICH, 'drop table prices',
                                    'create temp table if not exists prices as select 12 as close', WHICH],
    'temporary sequence': ['create temp sequence prices', "select nextval('prices')", 'drop sequence prices', WHICH],
    'temporary and transactions': ['begin', f'create temp table prices {TEMP}', WHICH, 'rollback', WHICH, 'begin', 'savepoint a',
                                   f'create temp table prices {TEMP}', WHICH, 'rollback to a', WHICH, f'create temp table prices {TEMP}',
                                   'commit', WHICH, 'begin', 'drop table prices', WHICH, 'rollback', WHICH, 'drop table prices', WHICH],
    'on commit drop': ['begin', 'create temp table prices (close int) on commit drop', 'insert into prices values (1)', WHICH, 'commit', WHICH,
                       'create temp table prices (close int) on commit drop', WHICH,
                       'begin', 'create temp table prices on commit drop as select 5 as close', WHICH, 'rollback', WHICH,
                       f'begin; create temp table prices (close int) on commit drop; {WHICH}; commit; {WHICH}'],
    'on commit delete rows': ['create temp table prices (close int) on commit delete rows', 'insert into prices values (1)', WHICH],
    'pg_temp in the path': [f'create temp table prices {TEMP}', 'set search_path = elsewhere, pg_temp', WHICH, 'set search_path = pg_temp, app',
                            WHICH, 'set search_path = public, pg_temp', WHICH, 'set search_path = pg_catalog, pg_temp', WHICH],
    'create in pg_temp': ['set search_path = pg_temp, public', f'create table prices {TEMP}', WHICH, 'select min(close) from public.prices',
                          'drop table prices', WHICH],
    'renamed temporary': [f'create temp table other_prices {TEMP.replace("prices", "other_prices")}', 'alter table other_prices rename to prices',
                          WHICH, 'alter table prices rename to third', WHICH],
    'temporary in code': ["do $$ begin create temp table prices as select 77 as close; end $$", WHICH, 'drop table prices', WHICH],
    'temporary that fails': ['create temp table prices (nix nix)', WHICH, f'create temp table prices (close int); select nix', WHICH,
                             exchanged('create temp table prices (close int)') + exchanged('select nix') + sync(), WHICH],
    'temporary in a pipeline': [exchanged('create temp table prices (close int)') + exchanged(WHICH) + sync(), WHICH,
                                (query('drop table prices') + query(WHICH), 2)],
    'strings': ['set standard_conforming_strings = off', r"select '\'' from prices where code <> '\' -- prices' limit 1",
                r"select min(close) from prices where 'a\'b' <> 'from prices'", 'reset standard_conforming_strings',
                r"select min(close) from prices where '\' <> 'x'", 'begin', 'set local standard_conforming_strings = off',
                r"select min(close), '\'from prices' from prices", 'rollback', r"select min(close), '\' from prices"],
    'foreign discard': ['set search_path = app', 'discard plans', WHICH, 'discard sequences', WHICH, 'discard temp', WHICH],
    'listen': ['listen prices', 'notify prices', WHICH, 'unlisten *'],
}


@pytest.mark.parametrize('name', SCRIPTS)
def test_what_the_session_does(pg, proxy, name):
    follow(pg, proxy, SCRIPTS[name])


@pytest.mark.parametrize('encoding, codec, word', [
    ('LATIN1', 'latin1', 'é'), ('EUC_KR', 'euc_kr', '종목'), ('SJIS', 'shift_jis', '表示'), ('GBK', 'gbk', '中文'), ('UHC', 'uhc', '종목'),
    ('BIG5', 'big5', '功能'), ('UTF8', 'utf8', '종목é'), ('WIN1252', 'cp1252', 'é'), ('EUC_JP', 'euc_jp', '表示')])
def test_encodings(pg, proxy, encoding, codec, word):
    data = f"select min(close) from prices where code <> '{word}'".encode(codec)
    with Pair(pg, proxy) as pair:
        pair.ask(f"set client_encoding = '{encoding}'")
        pair.ask(WHICH)
        direct, proxied = pair.both(query(data))
        if encoding in ('SJIS', 'GBK', 'UHC', 'BIG5'):
            # Bytes of these may be those of quotes: said, not guessed.
            assert proxied[0][1]['C'] == '0A000' and 'client_encoding' in proxied[0][1]['H']
            assert proxied[-1] == direct[-1]
        else:
            assert proxied == direct
        pair.same(query(f"select '{word}'".encode(codec)))
        pair.ask("set names 'UTF8'")
        pair.same(query(f"select min(close) from prices where code <> '{word}'".encode()))
        pair.ask('begin')
        pair.ask(f"set local client_encoding to {encoding}")
        pair.ask('rollback')
        pair.same(query(f"select min(close) from prices where code <> '{word}'".encode()))
    with Pair(pg, proxy, client_encoding=encoding) as pair:
        pair.ask(WHICH)
        pair.ask('set client_encoding = utf8')
        pair.same(query(f"select min(close), '{word}' from prices".encode()))
        pair.ask('reset client_encoding')
        pair.same(query(f"select '{word}'".encode(codec)))
