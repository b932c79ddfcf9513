"""The ledger counts every statement that names a mapped table, once, and outlives the proxy."""
import json
import re
import time

import pytest

import moves
from raw import Raw, bind, execute, extended, parse, query, sync
from servers import wait_for


@pytest.fixture
def proxy(pg, make_proxy):
    moves.create(pg)
    return make_proxy(pg, map_text=moves.MAP, dbname='moves', config='limits: {usage_flush: 200ms}\n')


def side(proxy, table, which, *args):
    done = proxy.report(*args)
    assert done.returncode == 0, done.stderr
    for entry in json.loads(done.stdout)['tables']:
        if entry['table'] == table:
            return entry[which]
    return {'count': 0}


def total(proxy, table, which, *args):
    return side(proxy, table, which, *args)['count']


def expect(proxy, table, which, n, *args):
    wait_for(lambda: total(proxy, table, which, *args) >= n, 10, f'{n} uses of {table} ({which})', 0.2)
    assert total(proxy, table, which, *args) == n


def session(proxy, **kw):
    return Raw(proxy.address).startup(database='moves', **kw)


def test_simple_extended_and_prepared_count_alike(proxy):
    with session(proxy, application_name='counter') as c:
        for i in range(5):
            c.ask(f"select close from prices where code = '00593{i}'")
        for i in range(7):
            c.send(extended('select close from prices where code = $1', [f'{i}']) + sync())
            c.until()
        c.send(parse('select close from public.prices where code = $1', 'st') + sync())
        c.until()
        for i in range(11):
            c.send(bind([f'{i}'], '', 'st') + execute() + sync())
            c.until()
        c.ask('prepare p as select name from stocks')
        for i in range(3):
            c.ask('execute p')
    expect(proxy, 'public.prices', 'old', 5 + 7 + 11)
    assert total(proxy, 'public.prices', 'new') == 0
    expect(proxy, 'public.stocks', 'old', 3)  # not the PREPARE


def test_both_sides_and_kinds(proxy):
    with session(proxy) as c:
        c.ask('select * from data.prices limit 1')
        c.ask("insert into prices values ('1', '2020-01-01', 1), ('2', '2020-01-01', 2)")
        c.ask("update prices set close = 3 where code = '1'")
        c.ask("delete from prices where code in ('1', '2')")
        c.ask('select * from prices p join stocks s using (code)')
    expect(proxy, 'public.prices', 'old', 4)
    expect(proxy, 'public.prices', 'new', 1)
    expect(proxy, 'public.stocks', 'old', 1)
    kinds = side(proxy, 'public.prices', 'old')['kinds']
    assert {k: kinds[k] for k in ('select', 'insert', 'update', 'delete')} == dict(select=1, insert=1, update=1,
                                                                                  delete=1)


def test_literals_are_not_in_the_report_and_not_in_the_file(proxy):
    with session(proxy) as c:
        for word in ('hush-hush', 'top-secret-2'):
            c.ask(f"select * from prices where code = '{word}'")
            c.send(extended('select * from prices where code = $1', [word]) + sync())
            c.until()
            c.ask(f"selec * from prices where '{word}'")
    expect(proxy, 'public.prices', 'old', 6)
    counts = side(proxy, 'public.prices', 'old')
    assert (counts['ok'], counts['unparsed']) == (4, 2)
    assert any(s['statement'].endswith('where code = $1') and s['count'] == 4 for s in counts['statements'])
    for file in proxy.dir.glob('usage.db*'):
        content = file.read_bytes()
        assert b'hush-hush' not in content and b'top-secret' not in content
    assert 'hush-hush' not in proxy.log()


def test_who_is_named(proxy, pg):
    pg.psql('-c', 'grant all on all tables in schema public to app', PGDATABASE='moves')
    with session(proxy, user='app', application_name='billing') as c:
        c.ask('select count(*) from prices')
        c.ask("set application_name = 'nightly'")
        c.ask('select count(*) from prices')
    expect(proxy, 'public.prices', 'old', 2)
    who = side(proxy, 'public.prices', 'old')['clients']
    assert {(w['user'], w['database'], w['application']) for w in who} == {('app', 'moves', 'billing'),
                                                                          ('app', 'moves', 'nightly')}
    expect(proxy, 'public.prices', 'old', 1, '--app', 'billing')
    assert total(proxy, 'public.prices', 'old', '--user', 'nobody') == 0


def test_errors_and_batches_are_counted_as_they_end(proxy):
    with session(proxy) as c:
        c.ask('select nix from prices')
        c.ask('select 1 from prices limit 1; select 2 from stocks limit 1')
        c.send(extended('select 1 / (close - close) from prices') + extended('select 1 from stocks') + sync())
        c.until()
    expect(proxy, 'public.prices', 'old', 3)
    counts = side(proxy, 'public.prices', 'old')
    assert (counts['ok'], counts['errors']) == (1, 2)
    assert total(proxy, 'public.stocks', 'old') == 1  # the skipped one never began


def test_prepare_counts_by_its_executes_and_errors_count_once(proxy):
    with session(proxy) as c:
        c.ask('prepare p(int) as select 1 / $1 from prices limit 1')
        c.ask('execute p(1)')
        c.ask('execute p(0)')
        c.ask('prepare p as select 1 from prices')                          # exists: an error
        c.ask('prepare never as select 1 from stocks')
        c.send(extended('select nix from prices') + sync())                # at Parse
        c.until()
        c.send(parse('select $1::int from prices', 'b') + bind(['x'], '', 'b') + execute() + sync())
        c.until()                                                          # at Bind
        c.ask('begin')
        c.ask('select nix')
        c.ask('select 1 from prices')                                      # 25P02: never began
        c.ask('rollback')
        c.ask('drop table prices')                                         # refused
        c.ask("do $$ begin perform set_config('search_path', 'public', false); end $$")
        c.ask('select 1 from prices limit 1')                              # behind a hidden question
    expect(proxy, 'public.prices', 'old', 7)
    counts = side(proxy, 'public.prices', 'old')
    assert (counts['ok'], counts['errors'], counts['refused']) == (2, 4, 1)
    assert total(proxy, 'public.stocks', 'old') == 0


def test_statements_that_name_nothing_mapped_are_not_counted(proxy):
    with session(proxy) as c:
        c.ask("select 'public.prices', 1 as prices")
        c.ask('with prices as (select 1) select * from prices')
        c.ask('create temp table stocks (i int)')
        c.ask('select * from stocks')
    with session(proxy) as c:
        c.ask('select 1 from prices limit 1')
    expect(proxy, 'public.prices', 'old', 1)
    assert total(proxy, 'public.stocks', 'old') == 0


def test_counts_survive_a_restart(proxy):
    with session(proxy) as c:
        for _ in range(50):
            c.ask('select 1 from prices limit 1')
    proxy.stop()
    assert total(proxy, 'public.prices', 'old') == 50  # all of them: written at the end
    proxy.start()
    with session(proxy) as c:
        c.ask('select 1 from prices limit 1')
    expect(proxy, 'public.prices', 'old', 51)


def test_counts_survive_kill_9(proxy):
    with session(proxy) as c:
        for _ in range(20):
            c.ask('select 1 from prices limit 1')
        time.sleep(3)
        for _ in range(20):
            c.ask('select 1 from prices limit 1')
        proxy.kill()
    kept = total(proxy, 'public.prices', 'old')
    assert 20 <= kept <= 40
    proxy.start()
    with session(proxy) as c:
        c.ask('select 1 from prices limit 1')
    expect(proxy, 'public.prices', 'old', kept + 1)


def test_report_while_the_proxy_works(proxy):
    """Reading does not disturb writing."""
    with session(proxy) as c:
        c.send(query('select 1 from prices limit 1') * 2000)
        for _ in range(10):
            assert proxy.report().returncode == 0
        c.until('Z', 2000)
    expect(proxy, 'public.prices', 'old', 2000)


@pytest.mark.parametrize('format_', ['text', 'json'])
def test_report_formats_name_the_table(proxy, format_):
    with session(proxy) as c:
        c.ask('select 1 from prices limit 1')
    expect(proxy, 'public.prices', 'old', 1)
    done = proxy.command('report', '-c', proxy.config_file, '--format', format_)
    assert done.returncode == 0 and 'public.prices' in done.stdout, done.stderr


def test_comments_say_where_in_the_code_a_statement_is(proxy):
    place = "/*action='show',controller='orders',route='%2Forders%2F%3Aid',traceparent='00-{}-01'*/"
    with session(proxy, application_name='psycopg') as c:
        for i in range(3):
            c.ask('select 1 from prices limit 1 ' + place.format(i))
        c.ask('select 1 from prices limit 1')
        c.ask("select 1 from prices limit 1 /*application='nightly',controller='a'*/;")
        c.send(parse('select close from prices ' + place.format(9), 'st') + sync())
        c.until()
        for i in range(2):
            c.send(bind([], '', 'st') + execute() + sync())
            c.until()
        c.ask('select nix from prices ' + place.format(5))
        c.ask("select '/*controller=''x''*/' from prices /* no such comment */")
    expect(proxy, 'public.prices', 'old', 9)
    who = side(proxy, 'public.prices', 'old')['clients']
    counts = {(w['application'], w['controller'], w['action'], w['route']): w['count'] for w in who}
    assert counts == {('psycopg', 'orders', 'show', '/orders/:id'): 6, ('psycopg', '', '', ''): 2,
                      ('nightly', 'a', '', ''): 1}
    done = proxy.command('report', '-c', proxy.config_file)
    assert 'psycopg (orders#show /orders/:id)' in done.stdout
    assert 'traceparent' not in done.stdout


def test_the_port_says_who_it_is_whatever_the_client_says(pg, make_proxy):
    moves.create(pg)
    proxy = make_proxy(pg, map_text=moves.MAP, dbname='moves', config='limits: {usage_flush: 200ms}\n',
                       listen='[{address: "127.0.0.1:PORT", app: billing}]')
    with session(proxy, application_name='psql') as c:
        c.ask("select 1 from prices limit 1 /*application='liar',controller='c'*/")
    expect(proxy, 'public.prices', 'old', 1)
    who = side(proxy, 'public.prices', 'old')['clients']
    assert [(w['application'], w['controller']) for w in who] == [('billing', 'c')]


def test_columns_are_counted_under_their_old_names_and_deprecated_ones_told(pg, make_proxy):
    moves.create(pg)
    map_text = moves.MAP.replace('public.prices: data.prices', 'public.prices: {to: data.prices, deprecated: [close]}')
    assert map_text != moves.MAP
    proxy = make_proxy(pg, map_text=map_text, dbname='moves', config='limits: {usage_flush: 200ms}\n')
    with session(proxy, application_name='billing') as c:
        c.ask("select close from prices where code = '1'")
        c.ask("select close from data.prices where code = '1'")
    with session(proxy, application_name='loader') as c:
        c.ask("update prices set close = 1 where code = '1'")
        c.ask('select * from prices')
    expect(proxy, 'public.prices', 'old', 3)
    table = next(t for t in json.loads(proxy.report().stdout)['tables'] if t['table'] == 'public.prices')
    columns = {c['column']: c for c in table['columns']}
    assert (columns['close']['old_count'], columns['close']['new_count']) == (2, 1)
    assert columns['close']['deprecated'] and columns['close']['applications'] == ['billing', 'loader']
    assert columns['code']['old_count'] == 2 and not columns['code']['deprecated']
    assert columns['*']['old_count'] == 1
    assert any(s['columns'] == ['close', 'code'] for s in table['old']['statements'])
    assert 'deprecated columns still read: close by billing, loader' in table['verdict']['text']


def test_the_next_stage_is_foretold(proxy):
    with session(proxy) as c:
        c.ask('select 1 from prices limit 1')
        c.ask("do $$ begin perform 1 from public.prices; end $$")
    expect(proxy, 'public.prices', 'old', 2)

    def foretold():
        table = next(t for t in json.loads(proxy.report().stdout)['tables'] if t['table'] == 'public.prices')
        return table['next'] if table['next'] and table['next']['fine'] + table['next']['opaque'] == 2 else None
    assert wait_for(foretold, 15, 'forecasts') == {'stage': 'live', 'fine': 1, 'opaque': 1, 'refused': 0, 'not_tried': 0}


def test_the_log_tells_first_uses_and_refusals(proxy):
    mark = proxy.log_mark()
    with session(proxy, application_name='billing') as c:
        c.ask("select 1 from prices where code = 'hush'")
        c.ask('select 1 from data.prices')
    proxy.wait_log(r'event=old_name_first_used table=public.prices application=billing', mark)
    with session(proxy, application_name='billing') as c:
        c.ask('select 2 from prices')
    with session(proxy, application_name='loader') as c:
        c.ask('select 3 from prices')
    proxy.wait_log(r'event=old_name_first_used table=public.prices application=loader', mark)
    assert proxy.log_since(mark).count('old_name_first_used') == 2
    assert 'hush' not in proxy.log()


def test_the_log_tells_refusals_of_names_that_are_gone(pg, make_proxy):
    moves.create(pg)
    moves.move(pg, 'prices')
    proxy = make_proxy(pg, map_text=moves.MAP, dbname='moves', flags=moves.flags(prices='complete'))
    with session(proxy, application_name='billing') as c:
        for _ in range(30):
            c.ask("select 1 from public.prices where code = 'hush'")
        wait_for(lambda: proxy.log().count('event=refused') >= 20, 10, 'refusals in the log')
        assert proxy.log().count('event=refused') in range(20, 30)
    assert re.search(r'event=refused table=public.prices stage=complete .*application=billing', proxy.log())
    assert 'hush' not in proxy.log()
