"""`usage: {schema: …}`: the ledger in PostgreSQL, shared by several proxies, and in nobody's way."""
import json
import time

import psycopg
import pytest
import servers
from relay import CutsAtCommit

MAP = 'old: a\nnew: b\ntables: {public.items: data.items, public.bulk: data.bulk}\n'


@pytest.fixture
def ledger(pg, make_proxy):
    """A database for the ledger, and a maker of proxies that share it."""
    pg.psql('-c', 'drop database if exists ledger with (force)')
    pg.psql('-c', 'create database ledger')
    pg.psql('-c', 'create table items (id int, name text); create table bulk (n int); insert into items values (1)', PGDATABASE='ledger')

    def make(server=None, start=True, **kw):
        proxy = make_proxy(server or pg, map_text=MAP, dbname='ledger', start=False, **kw)
        text = proxy.config_file.read_text()
        proxy.config_file.write_text(text.replace('usage: usage.db', 'usage: {schema: crossfade}') +
                                     'limits: {usage_flush: 200ms}\n')
        if start:
            proxy.start()
        return proxy
    return make


def tables(proxy, *args):
    done = proxy.command('report', '-c', proxy.config_file, '--format', 'json', *args)
    assert done.returncode == 0, done.stderr
    return {t['table']: t for t in json.loads(done.stdout)['tables']}


def old_count(proxy, *args):
    return tables(proxy, *args)['public.items']['old']['count']


def use(proxy, times, application='app'):
    with psycopg.connect(proxy.dsn(dbname='ledger', application_name=application), autocommit=True) as conn:
        for i in range(times):
            conn.execute(f'select id, {i} from items where name = %s', (f'secret-{i}',))


def settle(proxy, count):
    def holds():
        done = proxy.report()
        if done.returncode == 2 and 'holds no usage ledger' in done.stderr:
            return False
        return old_count(proxy) == count
    servers.wait_for(holds, 60, f'{count} uses', pause=0.3)


def test_counts_of_two_proxies_add_up(pg, ledger):
    one, two = ledger(), ledger()
    use(one, 20, 'first')
    use(two, 30, 'second')
    settle(one, 50)
    table = tables(two)['public.items']
    assert {(c['application'], c['count']) for c in table['old']['clients']} == {('first', 20), ('second', 30)}
    assert sum(table['series']['hours']['old']) == 50
    assert table['stage'] == 'old' and table['in_map']
    one.stop()
    use(two, 5, 'second')
    settle(two, 55)
    done = two.report()
    ends = sorted(i['end'] for i in json.loads(done.stdout)['observed']['intervals'])
    assert ends == ['running', 'stopped']
    dsn = f'host=127.0.0.1 port={pg.port} user=postgres dbname=ledger'
    assert old_count(two, '--ledger', f'schema:crossfade {dsn}') == 55
    shown = pg.psql('-Atc', 'select sum(count), min(statement) from crossfade.usage', PGDATABASE='ledger').stdout
    assert shown.startswith('55|') and 'secret' not in shown
    one.start()


def test_restarts_go_on_counting(ledger):
    proxy = ledger()
    for _ in range(3):
        use(proxy, 7)
        proxy.stop()
        proxy.start()
    use(proxy, 1)
    settle(proxy, 22)


def test_a_run_that_was_killed_is_a_gap(ledger):
    proxy = ledger()
    use(proxy, 3)
    settle(proxy, 3)
    proxy.kill()
    time.sleep(1.2)
    proxy.start()

    def observed():
        found = json.loads(proxy.report().stdout)['observed']
        return [i['end'] for i in found['intervals']], [g['after'] for g in found['gaps']]
    servers.wait_for(lambda: observed() == (['broken_off', 'running'], ['broken_off']), 60, 'the gap is told', pause=0.3)


def test_a_time_in_which_the_kill_switch_was_off_is_a_gap(pg, ledger):
    """Nothing was counted, and what the server has says so while it lasts and afterwards."""
    proxy = ledger(config='console: {listen: [run], admins: [root]}\n')
    console = servers.Console(proxy)
    use(proxy, 3)
    settle(proxy, 3)

    def ends():
        return [i['end'] for i in json.loads(proxy.report().stdout)['observed']['intervals']]
    console.order('rewrite off')
    servers.wait_for(lambda: ends() == ['stopped'], 60, 'nobody observes', pause=0.2)
    use(proxy, 2)
    beat = 'select max(heartbeat_ms), max(stopped_ms) from crossfade.usage_observations'
    told = pg.psql('-Atc', beat, PGDATABASE='ledger').stdout
    time.sleep(1.1)  # some flushes: nothing may say that it was watched meanwhile
    assert pg.psql('-Atc', beat, PGDATABASE='ledger').stdout == told and ends() == ['stopped']
    console.order('rewrite on')
    use(proxy, 1)
    settle(proxy, 4)
    assert ends() == ['stopped', 'running']
    observed = json.loads(proxy.report().stdout)['observed']
    assert [g['after'] for g in observed['gaps']] == ['stopped'], observed


def test_a_locked_ledger_holds_up_nobody(pg, ledger):
    proxy = ledger()
    use(proxy, 1)
    settle(proxy, 1)
    with psycopg.connect(pg.dsn(dbname='ledger')) as locker:
        locker.execute('lock table crossfade.usage_uses in access exclusive mode')
        begin = time.monotonic()
        use(proxy, 200)
        assert time.monotonic() - begin < 10
        servers.wait_for(lambda: 'usage_store_failed' in proxy.log(), 60, 'the log says so', pause=0.2)
        use(proxy, 1)
    settle(proxy, 202)
    assert 'usage_store_recovered' in proxy.log()


def test_a_ledger_that_is_gone_is_made_anew(pg, ledger):
    proxy = ledger()
    use(proxy, 3)
    settle(proxy, 3)
    pg.psql('-c', 'drop schema crossfade cascade', PGDATABASE='ledger')
    use(proxy, 4)
    servers.wait_for(lambda: pg.psql('-Atc', "select to_regclass('crossfade.usage') is not null", PGDATABASE='ledger').stdout == 't\n',
                     60, 'made anew', pause=0.3)
    settle(proxy, 4)


@pytest.mark.full
def test_a_server_that_goes_away_loses_no_count(victim, ledger):
    victim.psql('-c', 'create database ledger')
    victim.psql('-c', 'create table items (id int, name text); create table bulk (n int)', PGDATABASE='ledger')
    proxy = ledger(server=victim)
    use(proxy, 5)
    settle(proxy, 5)
    victim.psql('-c', "create function crossfade.refuse() returns trigger language plpgsql as $$ begin raise 'full'; end $$;"
                'create trigger refuse before insert or update on crossfade.usage_uses execute function crossfade.refuse()',
                PGDATABASE='ledger')
    use(proxy, 6)
    servers.wait_for(lambda: 'usage_store_failed' in proxy.log(), 60, 'the log says so', pause=0.2)
    victim.stop('immediate')
    victim.start()
    victim.psql('-c', 'drop trigger refuse on crossfade.usage_uses', PGDATABASE='ledger')
    use(proxy, 7)
    settle(proxy, 18)


@pytest.mark.parametrize('fate', ['done', pytest.param('not done', marks=pytest.mark.full)])
def test_a_commit_without_an_answer_counts_once(pg, ledger, fate):
    cutter = CutsAtCommit(pg.address)
    proxy = ledger(admin=f'host=127.0.0.1 port={cutter.port} user=postgres dbname=ledger')
    use(proxy, 2)
    settle(proxy, 2)
    for _ in range(3):
        before = cutter.cuts
        cutter.armed = fate
        use(proxy, 10)
        servers.wait_for(lambda: cutter.cuts > before, 60, 'a cut', pause=0.1)
    settle(proxy, 32)
    cutter.listener.close()


def test_the_proxy_starts_without_its_ledger(pg, ledger):
    cutter = CutsAtCommit(pg.address)
    cutter.refuses = True
    proxy = ledger(admin=f'host=127.0.0.1 port={cutter.port} user=postgres dbname=ledger')
    use(proxy, 2)
    servers.wait_for(lambda: 'usage_store_failed' in proxy.log(), 60, 'the log says so', pause=0.2)
    cutter.refuses = False
    use(proxy, 2)
    settle(proxy, 4)
    cutter.listener.close()


def test_a_role_that_may_not_make_it_says_so(pg, ledger):
    pg.psql('-c', 'create role weak login')
    proxy = ledger(admin=f'host=127.0.0.1 port={pg.port} user=weak dbname=ledger')
    use(proxy, 1)
    servers.wait_for(lambda: 'usage_store_failed' in proxy.log(), 60, 'the log says so', pause=0.2)
    assert 'permission denied' in proxy.log()


def test_the_ledger_is_bounded(pg, ledger):
    proxy = ledger(start=False)
    proxy.config_file.write_text(proxy.config_file.read_text().replace('usage_flush: 200ms', 'usage_flush: 200ms, usage_statements: 10'))
    proxy.start()
    with psycopg.connect(proxy.dsn(dbname='ledger'), autocommit=True) as conn:
        for i in range(60):
            conn.execute(f'select id as c{i} from items')
            time.sleep(0.01)
    settle(proxy, 60)
    shown = pg.psql('-Atc', 'select count(*) from crossfade.usage_statements', PGDATABASE='ledger').stdout
    assert int(shown) <= 60
    statements = tables(proxy)['public.items']['old']['statements']
    assert '(other)' in {s['statement'] for s in statements}


def test_near_its_bound_what_is_known_is_counted_on(pg, ledger):
    proxy = ledger(start=False)
    proxy.config_file.write_text(proxy.config_file.read_text().replace('usage_flush: 200ms', 'usage_flush: 200ms, usage_rows: 12'))
    proxy.start()

    def run(*names):
        with psycopg.connect(proxy.dsn(dbname='ledger'), autocommit=True) as conn:
            for name in names:
                conn.execute(f'select id as {name} from items')
    run('known')
    settle(proxy, 1)
    run(*[f'c{i}' for i in range(40)])
    settle(proxy, 41)
    run(*['known'] * 7, *[f'd{i}' for i in range(10)])
    settle(proxy, 58)
    table = tables(proxy)['public.items']
    counts = {s['statement']: s['count'] for s in table['old']['statements']}
    assert counts['SELECT id AS known FROM items'.lower()] == 8 and counts['(other)'] == 58 - 8 - (len(counts) - 2)
    rows = pg.psql('-Atc', 'select count(*), (select sum(count) from crossfade.usage_column_uses) from crossfade.usage_uses',
                   PGDATABASE='ledger').stdout.strip().split('|')
    assert int(rows[0]) <= 13 and int(rows[1]) == 58


def comparable(value):
    """A report without what differs from run to run; a forecaster that is behind leaves texts out."""
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in value.items()
                if k not in ('generated', 'observed', 'asked', 'series_from', 'in_map_since', 'text', 'next', 'forecast',
                             'forecast_reason') and
                not k.endswith(('_seen', '_seconds', 'from'))}
    # What was used equally often comes in the order of its last use.
    return sorted(map(comparable, value), key=json.dumps) if isinstance(value, list) else value


def differences(a, b, where=''):
    if type(a) is not type(b) or not isinstance(a, (dict, list)) or len(a) != len(b):
        return [] if a == b else [f'{where}: {a} != {b}']
    keys = a.keys() | b.keys() if isinstance(a, dict) else range(len(a))
    of = (lambda x, k: x.get(k)) if isinstance(a, dict) else (lambda x, k: x[k])
    return [d for k in keys for d in differences(of(a, k), of(b, k), f'{where}/{k}')]


def test_it_says_what_a_file_says(pg, ledger, make_proxy):
    shared = ledger()
    file = make_proxy(pg, map_text=MAP, dbname='ledger', config='limits: {usage_flush: 200ms}\n')
    for proxy in (shared, file):
        use(proxy, 3)
        with psycopg.connect(proxy.dsn(dbname='ledger', application_name='other'), autocommit=True) as conn:
            conn.execute('select * from items /*controller=\'c\',action=\'a\'*/')
            conn.execute('do $$ begin perform count(*) from items; end $$')
            conn.execute('insert into bulk (n) values (1)')
            with pytest.raises(psycopg.Error):
                conn.execute('select nothing from items')
    settle(shared, 6)
    servers.wait_for(lambda: old_count(file) == 6, 60, 'the file has all', pause=0.3)
    whole = []

    def all_is_there():
        whole[:] = [comparable(json.loads(proxy.report().stdout)) for proxy in (shared, file)]
        return whole[0] == whole[1] and any(t['next'] for t in tables(shared).values())
    try:
        servers.wait_for(all_is_there, 30, 'both know the same', pause=0.3)
    except AssertionError:
        assert differences(*whole) == []
        raise
    views = pg.psql('-Atc', "select count(*) from crossfade.usage_by_table, crossfade.usage_by_hour, crossfade.usage_by_column,"
                    ' crossfade.next_stage, crossfade.observed', PGDATABASE='ledger')
    assert int(views.stdout) > 0, views.stderr


def test_the_configuration_is_checked(ledger):
    proxy = ledger(start=False)
    text = proxy.config_file.read_text()

    def check(change):
        proxy.config_file.write_text(change(text))
        return proxy.command('serve', '--check', '-c', proxy.config_file)
    assert check(lambda t: t).returncode == 0
    done = check(lambda t: '\n'.join(line for line in t.split('\n') if not line.startswith('admin:')))
    assert done.returncode == 2 and 'needs an admin connection' in done.stderr
    assert check(lambda t: t.replace('{schema: crossfade}', '{schema: }')).returncode == 2
    assert check(lambda t: t.replace('{schema: crossfade}', '{schemas: x}')).returncode == 2
