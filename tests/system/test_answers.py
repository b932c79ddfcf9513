"""Errors and notices through the proxy say what they would have said before the move."""
import pytest

import layout_pair
from layout_pair import Pair
from raw import bind, describe, error_fields, execute, parse, query, sync

ERRORS = [
    # names of columns and tables that the client got wrong
    'select nix from stocks', 'select s.nix from public.stocks s', 'select stocks.nix from stocks',
    'select nix.code from stocks', 'update stocks set nix = 1', 'insert into stocks (nix) values (1)',
    'select * from stocks, data.nix', 'select instruments.code from stocks', 'insert into public.stocks (instruments) values (1)',
    'delete from stocks where nix',
    'select name from stocks group by code, nix', "select 'x'::int from public.stocks", 'select stocks from stocks where nix.x',
    # constraints: class 23
    "insert into stocks values ('005930', 'again')", "insert into stocks (code) values ('x')",
    "insert into stocks values ('x', null)", "update stocks set name = null", "delete from stocks",
    "insert into prices values ('005930', '2024-01-01', 1)",
    "insert into prices values ('005930', '2030-01-01', 1000001)", "update public.prices set close = null",
    "insert into stocks values ('data.instruments', null)",
    "with x as (insert into public.stocks values ('x', null) returning *) select * from x",
    "merge into stocks using (select 'q' as c) x on code = x.c when not matched then insert (code) values (x.c)",
    # created and dropped
    'create table public.stocks (i int)', 'create table if not exists public.stocks (i int)',
    'create table if not exists stocks (i int)', 'create index if not exists stocks_pk on stocks (name)',
    # positions
    "select '한국어', 1 / 0, nix from stocks", "select '종목' as 이름, 'x' from stocks where 없음 = 1",
    'select 1 from stocks\n  where code = \n  nix', 'select 1 from "stocks" where "é" = 1', 'select 1 from stocks, stocks',
    'select 1 from stocks where code = 1', 'select * from stocks join prices on nix', 'select code from stocks join prices on true',
    'select sum(code) from stocks', 'select count(*), code from stocks', 'selec 1 from stocks', 'select 1 from stocks where (', 'select * from stocks limit -1',
    "select * from stocks where seq = 'abc'", 'select 1 from stocks; select nix from prices', 'select name from stocks for update of nix',
    'declare c cursor for select nix from stocks',
]


@pytest.fixture(scope='module')
def setup(pg, endpoint_kind):
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')
    layout_pair.create(pg)


@pytest.fixture
def proxy(pg, setup, make_proxy):
    return make_proxy(pg, map_text=layout_pair.MAP, flags=layout_pair.FLAGS, dbname='lay_new',
                      config='limits: {usage_flush: 200ms}\n')


# DETAIL and HINT are the server's own words; both also quote data.
NEARLY = [
    ("insert into prices values ('nobody', '2024-01-01', 1)", 'D'), ('truncate public.stocks', 'D'),
    ('select data.instruments.code from stocks', 'MH'),
]


def differences(direct, proxied):
    return [m for m in direct if m not in proxied], [m for m in proxied if m not in direct]


def check_all(pair, message_of, statements):
    wrong = []
    for sql in statements:
        direct, proxied = pair.both(message_of(sql))
        if direct != proxied:
            wrong.append((sql, *differences(direct, proxied)))
    assert not wrong, '\n'.join(f'{s}\n   {d}\n   {p}' for s, d, p in wrong)


def extended(sql):
    return parse(sql) + bind() + describe('P') + execute() + sync()


def test_what_a_query_is_told_is_the_same(pg, proxy):
    with Pair(pg, proxy) as pair:
        check_all(pair, query, ERRORS)


def test_what_a_prepared_statement_is_told_is_the_same(pg, proxy):
    with Pair(pg, proxy) as pair:
        check_all(pair, extended, [sql for sql in ERRORS if ';' not in sql])


def test_inside_a_transaction_too(pg, proxy):
    with Pair(pg, proxy) as pair:
        for sql in ERRORS[:30]:
            pair.ask('begin')
            pair.ask(sql)
            pair.ask('select 1 from stocks')
            pair.ask('rollback')


@pytest.mark.parametrize('sql, excepted', NEARLY)
def test_what_is_not_translated_is_known(pg, proxy, sql, excepted):
    with Pair(pg, proxy) as pair:
        told = [next(body for kind, body in side if kind == 'E') for side in pair.both(query(sql))]
        for fields in told:
            for code in excepted:
                fields.pop(code, None)
        assert told[0] == told[1]


def test_columns_that_were_renamed_go_by_their_old_names(pg, proxy):
    with Pair(pg, proxy) as pair:
        check_all(pair, query, [
            'select nix from investor', 'select foreigner, foreign_net from investor', 'select i.foreign_net from investor i',
            'select foreigner from investor order by code', 'select * from investor where foreigner = nix',
            "select '한국', foreigner from investor where nix = 1", 'select foreigner::date from investor'])


def test_what_writing_renamed_columns_runs_into_is_told_by_their_old_names(pg, proxy):
    with Pair(pg, proxy) as pair:
        check_all(pair, query, [
            "insert into investor values ('005930', 1)", "insert into investor (code) values ('q')", "insert into investor values ('q', null)",
            "insert into investor (code, foreigner) values ('q', -5000)", 'update investor set foreigner = -5000',
            'update investor set foreigner = null', 'update investor set nix = 1', 'insert into investor (nix) values (1)',
            "update investor set foreigner = 'x'", 'delete from investor where nix = 1', 'update investor set foreign_net = 1',
            "insert into public.investor (foreign_net) values (1)", 'select foreigner from investor where foreign_net = 1'])


def test_a_missing_grant_is_told_by_the_written_name(pg, proxy):
    for name in ('lay_old', 'lay_new'):
        done = pg.psql('-v', 'ON_ERROR_STOP=1', '-c', 'do $$ begin if not exists (select from pg_roles where rolname'
                       " = 'reader') then create role reader login; end if; end $$",
                       '-c', f"grant usage on schema {'data' if name == 'lay_new' else 'public'} to reader", PGDATABASE=name)
        assert done.returncode == 0, done.stderr
    with Pair(pg, proxy, user='reader') as pair:
        check_all(pair, query, ['select * from stocks', 'select 1 from public.prices', 'delete from stocks',
                                'select code from investor', 'alter table stocks add x int', 'truncate stocks'])


def test_raw_errors_are_the_servers_own(pg, setup, make_proxy):
    proxy = make_proxy(pg, map_text=layout_pair.MAP, flags=layout_pair.FLAGS, dbname='lay_new', config='policy: {errors: raw}\n')
    with Pair(pg, proxy) as pair:
        direct, proxied = pair.both(query("insert into stocks values ('x', null)"))
        assert direct[0][1]['t'] == 'stocks' and proxied[0][1]['t'] == 'instruments'
        assert 'relation "instruments"' in proxied[0][1]['M']
        # The text that the client wrote is the only one in which a position means anything.
        direct, proxied = pair.both(query('select nix from stocks where x'))
        assert direct == proxied


def test_a_new_name_is_told_as_it_was_written(pg, proxy):
    with Pair(pg, proxy) as pair:
        pair.proxied.send(query("insert into data.instruments values ('x', null)"))
        fields = error_fields(next(b for k, b in pair.proxied.until() if k == 'E'))
        assert (fields['s'], fields['t']) == ('data', 'instruments') and '"instruments"' in fields['M']


def test_data_is_never_translated(pg, proxy):
    with Pair(pg, proxy) as pair:
        pair.ask("insert into stocks values ('\"instrumen', 'x'), ('instrument', 'data.instruments')")
        pair.ask("insert into stocks values ('instrument', 'x')")
        pair.ask('do $$ begin raise exception using errcode = \'23505\', message = \'"instruments" data.instruments\'; end $$')
        pair.ask('select name from stocks order by 1')


def test_the_code_of_a_function_keeps_its_positions(pg, proxy):
    with Pair(pg, proxy) as pair:
        pair.ask('create function broken() returns int language plpgsql as $$ begin return (select nix); end $$')
        direct = pair.ask('select broken(), code from stocks')
        fields = next(body for kind, body in direct if kind == 'E')
        assert fields['p'] and fields['q'] and fields['W']


@pytest.mark.parametrize('encoding', ['LATIN1', 'EUC_KR', 'SJIS', 'GBK', 'UTF8'])
def test_positions_in_other_encodings(pg, proxy, encoding):
    text = {'LATIN1': "select 'é', nix from stocks", 'EUC_KR': "select '한국', nix from stocks",
            'SJIS': "select 'abc', nix from stocks", 'GBK': "select 'abc', nix from stocks",
            'UTF8': "select '한é', nix from stocks"}[encoding]
    codec = {'LATIN1': 'latin1', 'EUC_KR': 'euc_kr', 'SJIS': 'shift_jis', 'GBK': 'gbk', 'UTF8': 'utf8'}[encoding]
    with Pair(pg, proxy, client_encoding=encoding) as pair:
        direct = pair.same(query(text.encode(codec)))
        assert any(kind == 'E' for kind, _ in direct)
        pair.same(parse(text.encode(codec)) + sync())


def test_code_that_names_a_moved_table_is_warned_of(pg, setup, make_proxy):
    proxy = make_proxy(pg, map_text=layout_pair.MAP, flags=layout_pair.FLAGS, dbname='lay_new', config='policy: {opaque: notice}\n')
    body = 'do $$ begin if false then delete from public.prices; end if; end $$'
    with Pair(pg, proxy) as pair:
        for message in (query(body), extended(body), query(f'select 1; {body}; select 2')):
            direct, proxied = pair.both(message)
            notices = [m for m in proxied if m not in direct]
            assert [m for m in proxied if m[0] != 'N'] == direct
            (kind, fields), = notices
            assert (kind, fields['S'], fields['C']) == ('N', 'WARNING', '01000')
            assert 'public.prices' in fields['M'] and 'data.prices' in fields['H'] and 'False' not in fields['M']
            # directly before the answer of the statement that it is about
            assert proxied[proxied.index(notices[0]) + 1] == ('C', b'DO\0')
        for quiet in ('do $$ begin perform 1 from data.prices; end $$', 'select 1 from public.prices limit 1', 'do $$ begin end $$'):
            pair.proxied.send(query(quiet))
            assert 'N' not in [k for k, _ in pair.proxied.until()]
        # Where it fails for that very reason, the warning explains it.
        pair.proxied.send(query('do $$ begin delete from public.prices; end $$'))
        got = layout_pair.told_all(pair.proxied.until())
        assert [k for k, _ in got] == list('NEZ') and got[1][1]['C'] == '42P01'
