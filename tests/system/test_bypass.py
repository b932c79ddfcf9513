"""Sessions that come past the proxy are seen, those that come through it are not."""
import json
import os
import signal

import psycopg
import pytest
import servers

MAP = 'old: a\nnew: b\ntables: {public.items: data.items}\n'


@pytest.fixture
def watched(pg, make_proxy):
    def make(every='1s', **kw):
        proxy = make_proxy(pg, map_text=MAP, start=False, **kw)
        text = proxy.config_file.read_text()
        proxy.config_file.write_text(text.replace('admin: {', f'admin: {{sessions: {every}, '))
        proxy.start()
        return proxy
    return make


def bypass(proxy):
    return json.loads(proxy.report().stdout)['bypass']


def wait_for(proxy, condition):
    def holds():
        found = bypass(proxy)
        return found is not None and condition({(b['application'], b['user']): b['sessions'] for b in found})
    servers.wait_for(holds, 60, 'bypass', pause=0.3)


def test_direct_sessions_are_listed_and_ours_are_not(pg, watched):
    proxy = watched()
    with psycopg.connect(proxy.dsn(application_name='through')) as ours, \
            psycopg.connect(pg.dsn(application_name='nightly "etl"', user='app')), \
            psycopg.connect(pg.dsn(application_name='nightly "etl"', user='app')), \
            psycopg.connect(pg.dsn(dbname='other', application_name='elsewhere')):
        ours.execute('select 1')
        wait_for(proxy, lambda found: found.get(('nightly "etl"', 'app')) == 2)
        found = {b['application'] for b in bypass(proxy)}
        assert 'through' not in found and 'elsewhere' not in found and 'crossfade' not in found
    text = proxy.command('report', '-c', proxy.config_file).stdout
    assert 'nightly "etl"' in text


def test_sessions_of_another_proxy_are_no_bypass(pg, watched):
    pg.psql('-c', 'create schema crossfade')
    try:
        one, two = watched(), watched()
        with psycopg.connect(two.dsn(application_name='through two')) as c, psycopg.connect(pg.dsn(application_name='past')):
            c.execute('select 1')
            wait_for(one, lambda found: ('past', 'postgres') in found)
            assert 'through two' not in {b['application'] for b in bypass(one)}
            os.kill(two.pid, signal.SIGSTOP)  # what it said of its sessions stays true
            with psycopg.connect(pg.dsn(application_name='later')):
                wait_for(one, lambda found: ('later', 'postgres') in found)
            assert 'through two' not in {b['application'] for b in bypass(one)}
            os.kill(two.pid, signal.SIGCONT)
    finally:
        pg.psql('-c', 'drop schema crossfade cascade')


def test_a_role_without_privileges_sees_them_too(pg, watched):
    pg.psql('-c', 'create role looker login')
    proxy = watched(admin=f'host=127.0.0.1 port={pg.port} user=looker dbname=postgres')
    with psycopg.connect(pg.dsn(application_name='past')), psycopg.connect(proxy.dsn(application_name='through')) as ours:
        ours.execute('select 1')
        wait_for(proxy, lambda found: ('past', 'postgres') in found)
        assert 'through' not in {b['application'] for b in bypass(proxy)}


def test_a_table_that_a_function_names_is_blocked(pg, watched):
    proxy = watched('off')
    pg.psql('-c', 'create function reads_items() returns bigint language sql as $$ select count(*) from public.items $$')
    try:
        done = proxy.command('report', '-c', proxy.config_file, '--ready', 'public.items')
        assert done.returncode == 1 and 'function public.reads_items() names it' in done.stdout, done.stdout
    finally:
        pg.psql('-c', 'drop function reads_items()')


def test_nobody_looked(pg, watched):
    proxy = watched('off')
    with psycopg.connect(pg.dsn(application_name='past')):
        assert proxy.psql('-Atc', 'select 1').stdout == '1\n'
        assert bypass(proxy) is None
