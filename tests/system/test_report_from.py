"""`crossfade report --from`: uses found in a real server's logs, in pg_stat_statements and in files of SQL."""
import json
import os
import resource
import subprocess

import psycopg
import pytest
import servers

PREFIX = '%m [%p] %q%u@%d/%a/%h '
MAP = """old: v10
new: v13
tables:
  public.prices: data.prices
  public.stocks: data.stocks
"""
SETUP = """
create table prices (code text, close numeric); create table stocks (code text);
create schema archive; create table archive.prices (code text);
create role loader login; grant all on prices, stocks to loader;
create extension if not exists pg_stat_statements;
"""


@pytest.fixture(scope='module')
def logged():
    """A server that has logged everything in all three formats, and what was run on it."""
    server = servers.Postgres(log_statement='all', logging_collector='on', log_destination='stderr,csvlog,jsonlog',
                              log_directory='log', log_filename='all.log', log_line_prefix=PREFIX, log_timezone='UTC',
                              log_disconnections='on', shared_preload_libraries='pg_stat_statements', log_file_mode='0644')
    done = server.psql('-v', 'ON_ERROR_STOP=1', stdin=SETUP)
    assert done.returncode == 0, done.stderr
    run_statements(server)
    assert server.psql('-c', 'create database elsewhere').returncode == 0
    server.psql('-c', 'create table prices (a int)', '-c', 'select * from prices', PGDATABASE='elsewhere')
    server.stop()
    server.start()
    yield server
    server.destroy()


def run_statements(server):
    with psycopg.connect(server.dsn(user='loader', application_name='nightly, "etl"'), autocommit=True) as conn:
        for i in range(3):
            conn.execute("select close,\n\t'a \"quoted\" line'\n  from prices where code = %s", (f'secret-{i}',))
        conn.execute("insert into public.prices values ('LOG:  statement: select * from stocks', 1)", prepare=False)
        with pytest.raises(psycopg.Error):
            conn.execute('select nothing from stocks')
        with pytest.raises(psycopg.Error):
            conn.execute('selec from stocks')
        with conn.transaction():
            conn.execute('create temp table stocks (a int)')
            conn.execute('select * from stocks')
        conn.execute('drop table pg_temp.stocks')
    with psycopg.connect(server.dsn(application_name='archiver'), autocommit=True) as conn:
        conn.execute('set search_path = archive, public')
        conn.execute('select * from prices')
        conn.execute('select * from stocks')
        with conn.cursor().copy('copy public.prices to stdout') as copy:
            list(copy)
    with psycopg.connect(server.dsn(application_name='preparer'), autocommit=True) as conn:
        conn.execute('prepare p(text) as select code from prices p where code = $1')
        conn.execute('prepare never as delete from prices p where false')
        conn.execute("execute p('secret')")
        conn.execute("execute p('secret')")
        with pytest.raises(psycopg.Error):
            conn.execute('execute p(1, 2)')
        conn.execute('deallocate p')


@pytest.fixture
def report(logged, make_proxy):
    proxy = make_proxy(logged, start=False, map_text=MAP)

    def run(*args, expect=0, **kw):
        done = proxy.command('report', '-c', proxy.config_file, '--format', 'json', *args, **kw)
        assert done.returncode == expect, done.stderr
        return {t['table']: t for t in json.loads(done.stdout)['tables']} if expect == 0 else done
    run.proxy = proxy
    return run


def file_of(logged, name):
    return str(logged.data / 'log' / name)


def counts(table):
    """Of everybody but the set-up's psql."""
    return {(c['application'], c['user']): (c['ok'], c['errors']) for c in table['old']['clients']
            if c['application'] != 'psql'}


@pytest.mark.parametrize('place, args', [('all.log', ('--line-prefix', PREFIX)), ('all.csv', ()), ('all.json', ())])
def test_logs_of_a_server(report, logged, place, args):
    tables = report('--from', file_of(logged, place), *args)
    assert counts(tables['public.prices']) == {('nightly, "etl"', 'loader'): (4, 0), ('archiver', 'postgres'): (1, 0),
                                               ('preparer', 'postgres'): (3, 1)}
    prepared = {s['statement']: s['count'] for s in tables['public.prices']['old']['statements'] if 'prices p' in s['statement']}
    assert sorted(prepared.values()) == [1, 3]  # what nothing executes counts once
    stocks = counts(tables['public.stocks'])
    assert stocks[('archiver', 'postgres')] == (1, 0)
    assert stocks[('nightly, "etl"', 'loader')] == (0, 2)  # the temporary table of that name is none of ours
    statements = {s['statement'] for s in tables['public.prices']['old']['statements']}
    assert not [s for s in statements if 'secret' in s or 'LOG:' in s]
    addresses = {c['address'] for c in tables['public.prices']['old']['clients']}
    assert addresses == {'127.0.0.1'} or addresses == {'local'}


def test_an_execute_in_a_log_that_begins_later_is_what_the_server_says_it_ran(report, logged):
    lines = [line for line in open(file_of(logged, 'all.json')) if 'prepare p(text)' not in json.loads(line)['message']]
    tables = report('--from', 'jsonlog:-', stdin=''.join(lines))
    assert counts(tables['public.prices'])[('preparer', 'postgres')] == (3, 1)


def test_all_formats_say_the_same(report, logged):
    def whole(*args):
        tables = report(*args)
        return {name: [(s['statement'], s['kind'], s['ok'], s['errors']) for s in t['old']['statements']]
                for name, t in tables.items()}
    text = whole('--from', 'stderr:' + file_of(logged, 'all.log'), '--line-prefix', PREFIX)
    assert text == whole('--from', 'csvlog:' + file_of(logged, 'all.csv')) == whole('--from', 'jsonlog:' + file_of(logged, 'all.json'))
    assert text['public.prices']


def test_the_log_says_when_it_was_watched(report, logged):
    done = report.proxy.command('report', '-c', report.proxy.config_file, '--format', 'json', '--from', file_of(logged, 'all.json'))
    observed = json.loads(done.stdout)['observed']['intervals']
    assert len(observed) == 1 and observed[0]['host'] == '(log)' and observed[0]['from'] <= observed[0]['until']
    assert 'of other databases are left out' in done.stderr and 'uses of mapped tables' in done.stderr


def test_pg_stat_statements(report, logged):
    tables = report('--from', 'pg_stat_statements')
    users = {c['user'] for c in tables['public.prices']['old']['clients']}
    assert users == {'loader', 'postgres'}
    assert sum(s['count'] for s in tables['public.prices']['old']['statements'] if 'from prices where' in s['statement']) == 3
    dsn = f'host=127.0.0.1 port={logged.port} user=loader dbname=postgres'
    done = report.proxy.command('report', '-c', report.proxy.config_file, '--from', 'pg_stat_statements:' + dsn)
    assert done.returncode == 0 and 'hidden' in done.stderr


def test_a_tree_of_sql_files(report, tmp_path):
    (tmp_path / 'jobs' / 'deep').mkdir(parents=True)
    (tmp_path / '.git').mkdir()
    (tmp_path / '.git' / 'x.sql').write_text('select * from prices;')
    (tmp_path / 'jobs' / 'a.sql').write_text("\\set x 1\nselect ';' from prices; -- from stocks\nselect 2;\n"
                                             'copy stocks from stdin;\nselect from prices;\n\\.\nselect 3')
    (tmp_path / 'jobs' / 'deep' / 'b.SQL').write_text('set search_path = nowhere; select * from public.prices where a = :x')
    (tmp_path / 'notes.txt').write_text('select * from prices')
    tables = report('--from', tmp_path)
    assert {c['application'] for c in tables['public.prices']['old']['clients']} == {'jobs/a.sql', 'jobs/deep/b.SQL'}
    assert {c['application'] for c in tables['public.stocks']['old']['clients']} == {'jobs/a.sql'}
    assert counts(tables['public.prices'])[('jobs/a.sql', '')] == (1, 0)


def test_a_file_is_one_session(report, tmp_path):
    (tmp_path / 'a.sql').write_text('set search_path = archive; select * from prices;')
    (tmp_path / 'b.sql').write_text('select code from prices; create temp table stocks (a int); select a from stocks;\n'
                                    'prepare p as select close from public.prices; execute p; execute p;')
    tables = report('--from', tmp_path)
    assert counts(tables['public.prices']) == {('b.sql', ''): (3, 0)}
    assert tables['public.stocks']['old']['count'] == 0


def test_standard_input_and_damaged_logs(report, logged):
    text = open(file_of(logged, 'all.log'), errors='replace').read()
    whole = report('--from', 'stderr:-', '--line-prefix', PREFIX, stdin=text)
    cut = report('--from', 'stderr:-', '--line-prefix', PREFIX, stdin='half an entry\n' + text[:-40])
    assert counts(whole['public.prices']) == counts(cut['public.prices'])


def test_mistakes_are_said(report, logged, tmp_path):
    done = report('--from', file_of(logged, 'all.log'), '--line-prefix', '<%u>', expect=2)
    assert 'no line of it can be read' in done.stderr and 'SHOW log_line_prefix' in done.stderr
    assert '%y is no escape' in report('--from', file_of(logged, 'all.log'), '--line-prefix', '%y', expect=2).stderr
    assert 'No such file' in report('--from', tmp_path / 'not_there', expect=2).stderr
    assert 'do not go together' in report('--from', tmp_path, '--ledger', tmp_path / 'x', expect=2).stderr
    assert 'not configured' in report('--from', tmp_path, '--database', 'nope', expect=2).stderr
    assert not list(tmp_path.parent.glob('crossfade-report-*'))


def test_nothing_is_left_behind(report, logged, tmp_path):
    os.environ['TMPDIR'] = str(tmp_path)
    try:
        report('--from', file_of(logged, 'all.json'))
    finally:
        del os.environ['TMPDIR']
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_memory_is_bounded_on_a_huge_log(report):
    """45 MB of distinct statements, in the address space of a small container."""
    command = [servers.BINARY, 'report', '-c', report.proxy.config_file, '--format', 'json', '--from', 'stderr:-']
    limit = 700 << 20
    reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    line = "2026-11-20 17:12:27.123 UTC [%d] LOG:  statement: select c%d, '%s' from prices\n"
    filler = 'x' * 1400
    for chunk in range(30):
        reader.stdin.write(''.join(line % (i % 5000, chunk * 1000 + i, filler) for i in range(1000)).encode())
    out, err = reader.communicate(timeout=300)
    assert reader.returncode == 0, err[-2000:]
    table, = [t for t in json.loads(out)['tables'] if t['table'] == 'public.prices']
    assert table['old']['count'] == 30000
