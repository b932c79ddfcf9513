"""A refused statement leaves the server where an error at the same place would have left it."""
import re

import psycopg
import pytest

import layout_pair
import raw
from layout_pair import Pair
from raw import bind, close, copy_data, copy_done, describe, error_fields, execute, flush, parse, query, sync

FLAGS = 'flags: {public.prices: live, public.stocks: live, public.investor: live, public.gone: complete}\n'
REFUSED = ['drop table public.stocks', 'select * from public.gone', 'alter table prices rename to old_prices']
FAILS = 'select nix from stocks'


@pytest.fixture(scope='module')
def setup(pg, endpoint_kind):
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')
    layout_pair.create(pg)


@pytest.fixture
def proxy(pg, setup, make_proxy):
    return make_proxy(pg, map_text=layout_pair.MAP, flags=FLAGS, dbname='lay_new', config='limits: {usage_flush: 200ms}\n')


def exchanged(sql, name='', portal=''):
    return parse(sql, name) + bind((), portal, name) + describe('P', portal) + execute(portal)


INSERT = "insert into stocks values ('t', 't')"
COUNT = 'select count(*) from stocks'
# Each is a list of rounds: bytes and the number of ReadyForQuery they bring. BAD fails, or is refused.
PLACES = {
    'alone': lambda bad: [query(bad), query(COUNT)],
    'last of a text': lambda bad: [query(f'{INSERT}; {bad}'), query(COUNT)],
    'first of a text': lambda bad: [query(f'{bad}; {INSERT}'), query(COUNT)],
    'between': lambda bad: [query(f'select 1; {INSERT}; {bad}; select 2'), query(COUNT)],
    'behind empty statements': lambda bad: [query(f';;{INSERT};; {bad} ; select 2'), query(COUNT)],
    'behind a commit in the text': lambda bad: [query(f'begin; {INSERT}; commit; {bad}; select 2'), query(COUNT),
                                                query("delete from stocks where code = 't'")],
    'behind a begin in the text': lambda bad: [query(f'begin; {INSERT}; {bad}; commit'), query(COUNT), query('commit'),
                                               query(COUNT)],
    'in a transaction': lambda bad: [query('begin'), query(INSERT), query(bad), query(COUNT), query('commit'), query(COUNT)],
    'in a failed one': lambda bad: [query('begin'), query(FAILS), query(bad), query(bad), query('rollback'), query(COUNT)],
    'in a failed one, prepared': lambda bad: [query('begin'), query(FAILS), exchanged(bad) + sync(), query('rollback'),
                                              query(COUNT)],
    'in a failed one, behind its end': lambda bad: [query('begin'), query(FAILS), query(f'rollback; {bad}'), query(COUNT)],
    'twice': lambda bad: [query('begin'), query(bad), query(bad), query('commit')],
    'behind a savepoint': lambda bad: [query('begin'), query('savepoint a'), query(INSERT), query(bad), query('rollback to a'),
                                       query(COUNT), query('savepoint b'), query(bad), query('rollback to b'),
                                       query('release a'), query('commit'), query(COUNT)],
    'with an open cursor': lambda bad: [query('begin; declare c cursor with hold for select code from stocks order by 1'),
                                        query('fetch c'), query(bad), query('fetch c'), query('rollback'), query('fetch c')],
    'with a held cursor': lambda bad: [query('declare c cursor with hold for select code from stocks order by 1'), query(bad),
                                       query('fetch c'), query('close c')],
    'prepared': lambda bad: [exchanged(bad) + sync(), query(COUNT)],
    'prepared by parts': lambda bad: [parse(bad, 's') + sync(), bind((), '', 's') + execute() + sync(), describe('S', 's') + sync()],
    'prepared, described': lambda bad: [parse(bad, 's') + describe('S', 's') + sync(), query(COUNT)],
    'under a name in use': lambda bad: [parse(COUNT, 's') + sync(), parse(bad, 's') + sync(), bind((), '', 's') + execute() + sync(),
                                        close('S', 's') + sync()],
    'in place of the unnamed': lambda bad: [parse(COUNT) + sync(), parse(bad) + sync(), bind() + execute() + sync()],
    'in a pipeline': lambda bad: [exchanged(INSERT) + exchanged(bad) + exchanged(COUNT) + sync(), query(COUNT)],
    'in a pipeline of two': lambda bad: [(exchanged(INSERT) + exchanged(bad) + sync() + exchanged(COUNT) + sync(), 2), query(COUNT)],
    'in a pipelined transaction': lambda bad: [
        (exchanged('begin') + sync() + exchanged(INSERT) + sync() + exchanged(bad) + sync() + exchanged(COUNT) + sync()
         + exchanged('commit') + sync() + exchanged(COUNT) + sync(), 6)],
    'with queries ahead': lambda bad: [(query(COUNT) + query(bad) + query(COUNT) + query('begin') + query(bad) + query(COUNT)
                                        + query('rollback') + query(COUNT), 8)],
    'before a flush': lambda bad: [exchanged(COUNT) + flush() + exchanged(bad) + flush() + sync(), query(COUNT)],
    'with an open portal': lambda bad: [query('begin'), parse('select code from stocks order by 1') + bind((), 'p') + execute('p', 1) + sync(),
                                        parse(bad) + sync(), execute('p', 1) + sync(), query('rollback')],
    'by SQL PREPARE': lambda bad: [query(f'prepare q as {bad}') if bad.startswith('select') else query(bad), query('execute q'),
                                   query(COUNT)],
    'around COPY': lambda bad: [(query('copy stocks (code, name) from stdin') + copy_data(b'k\tk\n') + copy_done()
                                 + query(bad) + query("delete from stocks where code = 'k'"), 3), query(COUNT)],
    'in another isolation': lambda bad: [query('begin isolation level serializable read only'), query(COUNT), query(bad),
                                         query('commit and chain'), query(COUNT), query('rollback')],
}


def shape_of(messages):
    """What a client's state machine sees: kinds, tags, transaction status, SQLSTATEs but of the refusal."""
    out = []
    for kind, body in messages:
        if kind == 'E':
            code = error_fields(body)['C']
            out.append((kind, '*' if code in ('42703', '0A000', '42P01') else code))
        elif kind in 'CZD':
            out.append((kind, body))
        else:
            out.append(kind)
    return out


def play(address, database, rounds):
    out = []
    with raw.Raw(address).startup(database=database) as c:
        for each in rounds:
            data, syncs = each if isinstance(each, tuple) else (each, 1)
            c.send(data)
            out.append(shape_of(c.until('Z', syncs)))
    return out


@pytest.mark.parametrize('bad', REFUSED)
def test_the_server_is_where_an_error_would_have_left_it(pg, proxy, bad):
    wrong = []
    for name, rounds in PLACES.items():
        direct = play(pg.address, 'lay_old', rounds(FAILS))
        proxied = play(proxy.address, 'lay_new', rounds(bad))
        if direct != proxied:
            wrong.append(f'{name}\n  {direct}\n  {proxied}')
    assert not wrong, '\n'.join(wrong)


def test_a_refusal_says_what_and_where(pg, proxy):
    with Pair(pg, proxy) as pair:
        pair.proxied.send(query("select 'é', x from public.gone"))
        fields = error_fields(next(b for k, b in pair.proxied.until() if k == 'E'))
        assert fields['C'] == '42P01' and 'public.gone' in fields['M'] and fields['P'] == '20'
        pair.proxied.send(query('drop table stocks'))
        fields = error_fields(next(b for k, b in pair.proxied.until() if k == 'E'))
        assert fields['C'] == '0A000' and fields['H'] and fields['D'] and fields['P'] == '12'


def test_aborted_stays_aborted_with_an_unknown_search_path(pg, proxy):
    unknown = "select set_config('search_path', 'pub' || 'lic', false)"
    with Pair(pg, proxy) as pair:
        pair.ask(unknown)
        pair.ask('begin')
        pair.ask(unknown)
        pair.ask('select nix')
        pair.ask('select count(*) from prices')      # 25P02
        pair.same(parse('select count(*) from prices') + bind() + execute() + sync())
        pair.ask('rollback; select 1')
        pair.ask('select count(*) from prices')
        pair.ask('begin')
        pair.ask(unknown)
        pair.ask('select nix')
        pair.ask('rollback; select count(*) from prices')
        pair.ask('begin')
        pair.ask('select nix')
        pair.ask('rollback; select count(*) from prices')
        pair.ask('begin; select nix')
        pair.ask('select nix; rollback')
        pair.ask('rollback')


def test_a_path_that_cannot_be_asked_for_inside_a_text_is_a_refusal_of_its_own(pg, proxy):
    with Pair(pg, proxy) as pair:
        pair.ask("select set_config('search_path', 'pub' || 'lic', false)")
        pair.ask('begin')
        pair.ask('select nix')
        direct, proxied = pair.both(query('rollback; select count(*) from prices'))
        assert [k for k, _ in direct] == list('CTDCZ') and [k for k, _ in proxied] == list('CEZ')
        assert proxied[1][1]['C'] == '0A000' and 'search_path is not known' in proxied[1][1]['M']
        assert proxied[2] == direct[4] == ('Z', b'I')
        pair.ask('select count(*) from prices')
        pair.ask('rollback')
        pair.ask('begin')
        pair.ask('select nix')
        pair.ask('rollback; select count(*) from prices')  # it is known now


def test_what_is_gone_is_gone_quietly_where_asked(pg, setup, make_proxy):
    flags = 'flags: {public.prices: complete, public.stocks: complete, public.investor: live, public.gone: complete}\n'
    proxy = make_proxy(pg, map_text=layout_pair.MAP, flags=flags, dbname='lay_new')
    for sql in ("select to_regclass('public.stocks'), to_regclass('public.gone')", 'drop table if exists public.gone',
                'drop table if exists public.stocks, public.gone'):
        pg.psql('-c', 'create database empty_lay', PGDATABASE='postgres')
        with raw.Raw(pg.address).startup(database='empty_lay') as direct, \
                raw.Raw(proxy.address).startup(database='lay_new') as proxied:
            assert layout_pair.told_all(direct.ask(sql)) == layout_pair.told_all(proxied.ask(sql)), sql
    with raw.Raw(proxy.address).startup(database='lay_new') as c:
        assert c.value('select count(*) from data.instruments') == '2'
        with pytest.raises(raw.ServerError) as e:
            c.value('select 1 from public.stocks')
        assert e.value.fields['C'] == '42P01' and 'data.instruments' in e.value.fields['H']
    pg.psql('-c', 'drop database empty_lay', PGDATABASE='postgres')


def test_psql_goes_on_as_after_any_error(pg, proxy):
    def run(endpoint, database, bad):
        script = f"""\\set ON_ERROR_ROLLBACK on
begin;
insert into stocks values ('p', 'p');
{bad};
select name from stocks where code = 'p';
rollback;
\\set ON_ERROR_ROLLBACK off
begin;
{bad};
select 1;
commit;
select count(*) from stocks; {bad} \\; select 2;
select 3;
"""
        done = endpoint.psql('-At', stdin=script, PGDATABASE=database)
        return done.stdout, done.stderr
    direct, _ = run(pg, 'lay_old', FAILS)
    out, err = run(proxy, 'lay_new', 'drop table stocks')
    assert out == direct
    assert err.count('DROP of mapped table public.stocks is refused') == 3
    assert re.search(r'LINE 1: drop table stocks\b.*\n {19}\^', err), err


def outcomes(endpoint, database, bad):
    """What psycopg's pipeline mode tells an application, statement by statement."""
    out = []
    with psycopg.connect(endpoint.dsn(dbname=database)) as conn:
        def look(what):
            try:
                out.append(what())
            except psycopg.Error as e:
                code = e.sqlstate
                out.append(type(e).__name__ if code is None or code == '25P02' else 'failed')
            out.append(conn.info.transaction_status.name)
        def piped():
            with conn.pipeline():
                conn.execute("insert into stocks values ('y', 'y')")
                cursor = conn.execute('select count(*) from stocks')
                conn.execute(bad)
                later = conn.execute('select 1')
                return cursor.fetchone(), later.fetchone()
        look(piped)
        look(lambda: conn.execute('select 1').fetchone())
        conn.rollback()
        look(lambda: conn.execute('select count(*) from stocks').fetchone())
        conn.rollback()
        def nested():
            with conn.transaction():
                conn.execute("insert into stocks values ('z', 'z')")
                try:
                    with conn.transaction():
                        conn.execute(bad)
                except psycopg.Error:
                    out.append('inner')
                return conn.execute('select count(*) from stocks').fetchone()
        look(nested)
        look(lambda: conn.execute("delete from stocks where code = 'z'").rowcount)
        conn.commit()
        conn.prepare_threshold = 0
        for _ in range(3):
            look(lambda: conn.execute(bad))
            conn.rollback()
            look(lambda: conn.execute('select count(*) from stocks where code = %s', ['y']).fetchone())
            conn.rollback()
    return out


@pytest.mark.parametrize('bad', REFUSED)
def test_psycopg_pipelines_end_as_after_any_error(pg, proxy, bad):
    assert outcomes(proxy, 'lay_new', bad) == outcomes(pg, 'lay_old', FAILS)
