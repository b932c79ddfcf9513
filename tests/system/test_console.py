"""The console: crossfade answers PostgreSQL's protocol itself, for people and drivers."""
import json
import os
import socket
import subprocess

import psycopg
import pytest

import moves
import raw
import servers
from raw import Raw, ServerError
from servers import Console, wait_for
from test_clients_node_jdbc import node_path  # noqa: F401, a fixture

CONSOLE = 'console: {listen: [run], admins: [postgres], viewers: [nobody]}\n'

COLUMNS = {
    'TABLES': 'database table new_table kind stage rows_in drift group old_exists new_exists',
    'FLAGS': 'database table stage changed_at changed_by reason',
    'HISTORY': 'at who action database table from to outcome reason forced',
    'USAGE': 'database table side unchanged rewritten refused errors',
    'CLIENTS': 'session database user application address state waits_for connected_at bytes_received ruleset worker',
    'SERVERS': 'session database user server pid state transaction requests bytes_received worker',
    'STATS': 'name value',
    'CACHE': 'worker entries bytes hits recipe_hits misses evicted',
    'CONFIG': 'key value default reload',
    'BYPASS': 'database pid user application address kind since',
    'PAUSES': 'database table owner since until proxies missing waiting',
    'PROXIES': 'database proxy name version since lease_until live self standby map sessions address',
    'VERSION': 'version',
    'HELP': 'command description',
}


@pytest.fixture
def db(pg):
    moves.create(pg)
    return pg


@pytest.fixture
def proxy(db, make_proxy):
    return make_proxy(db, map_text=moves.MAP, dbname='moves', config=CONSOLE)


@pytest.fixture
def console(proxy):
    return Console(proxy)


@pytest.fixture(scope='module')
def calm(pg, endpoint_kind):
    """A console of tests that change nothing."""
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')
    moves.create(pg, 'calm')
    proxy = servers.Crossfade(pg, map_text=moves.MAP, dbname='calm', config=CONSOLE)
    console = Console(proxy)
    console.proxy = proxy
    yield console
    proxy.finish()


def rows(console, sql):
    with console.connect() as c:
        return c.execute(sql).fetchall()


def stats(console):
    return dict(rows(console, 'show stats'))


def journal(proxy):
    path = proxy.dir / 'crossfade-journal.jsonl'
    entries = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [e for e in entries if e['action'] != 'start']


def count(proxy, name='prices'):
    done = proxy.psql('-Atc', f'select count(*) from {name}', PGDATABASE='moves')
    return done.stdout.strip() or done.stderr


def two_tables(pg):
    pg.psql('-c', 'create table data.prices as select * from public.prices limit 7', PGDATABASE='moves')


# ---- clients ----

@pytest.mark.parametrize('what', COLUMNS)
def test_columns_are_those_of_the_documentation(calm, what):
    with calm.connect() as c:
        for binary in (False, True):
            with c.cursor(binary=binary) as cur:
                cur.execute(f'show {what}')
                assert [d.name for d in cur.description] == COLUMNS[what].split()
                cur.fetchall()


def test_psql(calm):
    done = calm.psql('-c', 'show version', '-c', '\\conninfo', '-c', 'show tables')
    assert done.returncode == 0 and 'public.prices' in done.stdout, done.stderr
    done = calm.psql('-c', 'show tabels')
    assert '42601' in done.stderr and 'Did you mean SHOW TABLES?' in done.stderr, done.stderr
    done = calm.psql('-c', 'set flag public.pricess to live')
    assert '42704' in done.stderr and 'Did you mean public.prices?' in done.stderr, done.stderr
    done = calm.psql('-Atc', 'show version; ; show version;')
    assert len(done.stdout.split()) == 2, (done.stdout, done.stderr)
    done = calm.psql('-c', 'show version', PGDATABASE='moves')
    assert done.returncode == 2 and 'dbname=crossfade' in done.stderr


def test_psycopg_extended_and_pipelined(calm):
    with psycopg.connect(calm.dsn()) as c:  # not autocommit: it sends BEGIN by itself
        for _ in range(7):  # prepared from the fifth on
            assert len(c.execute('show tables').fetchall()) == 2
        with c.pipeline():
            cursors = [c.execute('show version') for _ in range(5)]
        assert len({cur.fetchone() for cur in cursors}) == 1
        with pytest.raises(psycopg.errors.SyntaxError):
            c.execute('select 1')
        assert c.execute('show flags').fetchall()
        c.rollback()
    with calm.connect() as c:
        c.execute('set flag public.stocks to %s reason %s', ('old', "it's"))
        with pytest.raises(psycopg.errors.SyntaxError, match='lively'):
            c.execute('set flag public.stocks to %s', ('lively',))


def test_node_postgres(calm, node_path):
    script = """
const { Client } = require('pg');
(async () => {
  const c = new Client({host: process.argv[1], port: 7432, user: 'root', database: 'crossfade'});
  await c.connect();
  const simple = await c.query('show tables');
  const named = await c.query({name: 'a', text: 'show history $1', values: ['public.prices']});
  const again = await c.query({name: 'a', text: 'show history $1', values: ['public.stocks']});
  let code;
  try { await c.query('sho tables'); } catch (e) { code = e.code + ' ' + e.hint; }
  console.log(JSON.stringify([simple.rows[0].table, named.rows.length, again.rows.length, code]));
  await c.end();
})().catch(e => { console.error(e); process.exit(1); });
"""
    done = subprocess.run(['node', '-e', script, calm.host], capture_output=True, text=True, timeout=60,
                          env={**os.environ, 'NODE_PATH': node_path})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ['public.prices', 0, 0, '42601 Did you mean SHOW TABLES?']


def test_rows_in_portions_and_by_name(calm):
    with calm.raw() as c:
        c.send(raw.parse('show help', 's1') + raw.describe('S', 's1') + raw.bind(portal='p', name='s1')
               + raw.describe('P', 'p') + raw.execute('p', 3) + raw.execute('p', 3) + raw.execute('p') + raw.sync())
        kinds = [k for k, _ in c.until()]
        assert ''.join(kinds[:5]) == '1tT2T' and kinds.count('s') == 2 and kinds[-2:] == ['C', 'Z']
        assert kinds.count('D') > 20
        c.send(raw.execute('p') + raw.execute('p') + raw.sync())  # a Sync ends portals
        assert [k for k, _ in c.until()] == ['E', 'Z']
        c.send(raw.close('S', 's1') + raw.parse('', '') + raw.bind() + raw.describe('P') + raw.execute() + raw.sync())
        assert [k for k, _ in c.until()] == ['3', '1', '2', 'n', 'I', 'Z']


# ---- who may ----

def test_peer_authentication(console, proxy):
    assert console.psql('-c', 'show version', user='postgres').returncode == 0
    done = console.psql('-c', 'show version', user='daemon')
    assert done.returncode == 2 and 'daemon may not use the console' in done.stderr, done.stderr
    done = console.psql('-c', 'show version', user='nobody', PGUSER='postgres')
    assert done.returncode == 2 and 'peer authentication failed' in done.stderr, done.stderr
    proxy.config_file.write_text(proxy.config_file.read_text().replace('[nobody]', '[nobody, daemon]'))
    proxy.reload()
    wait_for(lambda: console.psql('-c', 'show version', user='daemon').returncode == 0, 10, 'daemon may look', 0.2)


def test_scram_over_tcp(make_proxy, db):
    port = servers.free_port()
    proxy = make_proxy(db, map_text=moves.MAP, dbname='moves', start=False, config=(
        f'console: {{listen: [run, "127.0.0.1:{port}"], admins: [alice], viewers: [bob], users_file: users}}\n'))
    db.psql('-c', "set password_encryption = 'scram-sha-256'", *(
        a for u in ('alice', 'bob', 'carl') for a in ('-c', f'drop role if exists {u}', '-c', f"create role {u} password 'pw-{u}'")))
    got = db.psql('-Atc', "select '\"' || rolname || '\" \"' || rolpassword || '\"' from pg_authid"
                          " where rolname in ('alice', 'bob', 'carl')")
    users = proxy.dir / 'users'
    users.write_text(got.stdout)
    users.chmod(0o600)
    proxy.start()

    def connect(user, password):
        return psycopg.connect(host='127.0.0.1', port=port, user=user, password=password, dbname='crossfade',
                               autocommit=True)
    with connect('alice', 'pw-alice') as c:
        c.execute('reload')
    with connect('bob', 'pw-bob') as c:
        assert c.execute('show version').fetchone()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            c.execute('reload')
    for user, password in (('alice', 'pw-bob'), ('nobody', 'x'), ('alice', '')):
        with pytest.raises(psycopg.OperationalError, match='password'):
            connect(user, password)
    with pytest.raises(psycopg.OperationalError, match='may not use the console'):
        connect('carl', 'pw-carl')
    users.write_text(got.stdout.replace('"carl"', '"dora"'))
    proxy.config_file.write_text(proxy.config_file.read_text().replace('viewers: [bob]', 'viewers: [bob, dora]'))
    Console(proxy).order('reload')
    with connect('dora', 'pw-carl') as c:
        assert c.execute('show version').fetchone()
    users.write_text('nonsense')
    assert Console(proxy).psql('-c', 'reload').returncode == 1
    connect('dora', 'pw-carl').close()


@pytest.mark.parametrize('order', ['set flag public.prices to live', 'reload', 'rewrite off', 'pause', 'shutdown',
                                   'cutover public.prices', 'resume public.prices'])
def test_viewers_only_look(calm, order):
    assert calm.psql('-c', 'show tables', user='nobody').returncode == 0
    done = calm.psql('-c', order, user='nobody')
    assert done.returncode == 1 and '42501' in done.stderr, done.stderr
    assert calm.proxy.alive() and not journal(calm.proxy)


# ---- what is shown ----

def test_sessions_are_shown_from_both_sides(console, proxy, pg):
    with psycopg.connect(proxy.dsn(dbname='moves', application_name='shown')) as c:
        pid = c.execute('select pg_backend_pid()').fetchone()[0]
        with console.connect() as k:
            k.row_factory = psycopg.rows.dict_row
            client = [r for r in k.execute('show clients').fetchall() if r['application'] == 'shown'][0]
            server = [r for r in k.execute('show servers').fetchall() if r['session'] == client['session']][0]
        assert client['user'] == 'postgres' and client['database'] == 'moves' and client['state'] == 'idle'
        assert client['waits_for'] is None and client['bytes_received'] > 0
        assert server['pid'] == pid and server['transaction'] == 'in transaction'
        assert server['server'] == f'127.0.0.1:{pg.port}'
    wait_for(lambda: all(r[3] != 'shown' for r in rows(console, 'show clients')), 10, 'it is gone', 0.1)


def test_counters_and_uses(console, proxy):
    before = stats(console)
    assert before['phase'] == 'ready' and before['rewriting'] == 'on'
    assert count(proxy, 'data.prices') == '100'
    assert int(stats(console)['statements_rewritten']) == int(before['statements_rewritten']) + 1
    wait_for(lambda: ('moves', 'public.prices', 'new') in [r[:3] for r in rows(console, 'show usage')], 15, 'use', 0.2)


def test_sessions_that_come_past_the_proxy(console, proxy, pg):
    with psycopg.connect(pg.dsn(dbname='moves', application_name='direct')) as direct, \
            psycopg.connect(proxy.dsn(dbname='moves', application_name='through')):
        seen = rows(console, 'show bypass')
        assert [r[:4] for r in seen] == [('moves', direct.info.backend_pid, 'postgres', 'direct')]
        assert seen[0][5] == 'client backend' and seen[0][6] is not None


def test_secrets_are_not_shown(calm):
    config = dict((r[0], r[1]) for r in rows(calm, 'show config'))
    assert config['limits.idle_days'] == '35' and 'user=' not in config['admin.dsn']


# ---- stages ----

def test_a_flag_goes_through_to_running_sessions(console, proxy, pg):
    two_tables(pg)
    proxy.flags_file.write_text('# by hand\nflags:\n  public.stocks: old   # stays\n')
    with Raw(proxy.address).startup(database='moves') as c:
        assert c.value('select count(*) from prices') == '100'
        rows_before = len(journal(proxy))
        with console.connect() as k:
            k.execute("set flag public.prices to live reason 'tested'")
            assert c.value('select count(*) from prices') == '7'
            assert k.execute('show flags').fetchone()[2:] [0] == 'live'
            k.execute('set flag data.prices to old')
        assert c.value('select count(*) from prices') == '100'
    text = proxy.flags_file.read_text()
    assert text == '# by hand\nflags:\n  public.stocks: old   # stays\n  public.prices: old\n'
    entries = journal(proxy)[rows_before:]
    assert [(e['from'], e['to'], e['outcome'], e.get('reason')) for e in entries] == [
        ('old', 'live', 'done', 'tested'), ('live', 'old', 'done', None)]
    assert entries[0]['who'] == 'root' and entries[0]['database'] == 'moves'


def refused(console, sql):
    with console.connect() as k:
        with pytest.raises(psycopg.Error) as e:
            k.execute(sql)
    return e.value.diag


def test_stages_go_forward_one_at_a_time(console, proxy, pg):
    two_tables(pg)
    assert 'the next one is live' in refused(console, 'set flag prices to complete').message_hint
    assert 'only' not in (refused(console, 'set flag prices to shadow').message_primary or '')
    mark = proxy.log_mark()
    proxy.flags_file.write_text(moves.flags(prices='complete'))
    proxy.reload()
    proxy.wait_log('reload_failed.*one at a time', mark)
    assert count(proxy) == '100'
    assert [e['outcome'][:7] for e in journal(proxy) if e['action'] == 'reload'] == ['refused']


def test_complete_waits_until_the_old_name_is_quiet(console, proxy, pg):
    moves.move(pg, 'prices')
    with console.connect() as k:
        k.execute('set flag prices to live')
        diag = refused(console, 'set flag prices to complete')
        assert 'public.prices' in diag.message_primary and 'crossfade report' in diag.message_hint
        assert 'needs a reason' in refused(console, 'set flag prices to complete force').message_primary
        k.execute("set flag prices to complete force reason 'asked everybody'")
        last = k.execute('show history prices').fetchone()
    assert last[5:7] == ('live', 'complete') and last[8:] == ('asked everybody', True)
    assert 'has been retired' in count(proxy, 'public.prices')
    with console.connect() as k:
        k.execute('set flag prices to live')
    assert count(proxy) == '100'


def test_no_stage_without_its_table(console, proxy, pg):
    diag = refused(console, "set flag prices to live force reason 'x'")
    assert 'cutover public.prices' in diag.message_hint, diag.message_hint
    mark = proxy.log_mark()
    proxy.flags_file.write_text(moves.flags(prices='live'))
    proxy.reload()
    proxy.wait_log('reload_failed', mark)
    moves.move(pg, 'prices')
    proxy.reload()  # the catalog was not polled yet: it is asked
    wait_for(lambda: rows(console, 'show tables')[0][4] == 'live', 10, 'live', 0.1)


def test_a_flags_file_that_cannot_be_written(console, proxy, pg):
    two_tables(pg)
    real = proxy.dir / 'elsewhere.yaml'
    proxy.flags_file.rename(real)
    os.symlink('/proc/version', proxy.flags_file)
    diag = refused(console, 'set flag prices to live')
    assert count(proxy) == '100', diag
    proxy.flags_file.unlink()
    assert 'line 0' not in (diag.message_detail or ''), diag.message_detail
    diag = refused(console, 'set flag prices to live')
    assert diag.message_primary.startswith('cannot read the file') and diag.message_detail == f'It is about the file {proxy.flags_file}.'
    real.rename(proxy.flags_file)
    with console.connect() as k:
        k.execute('set flag prices to live')
    assert count(proxy) == '7'


# ---- orders ----

def test_kill_switch(console, proxy, pg):
    assert count(proxy, 'data.prices') == '100'
    with console.connect() as k:
        k.execute("rewrite off reason 'in doubt'")
        wait_for(lambda: 'does not exist' in count(proxy, 'data.prices'), 20, 'passes', 0.1)
        assert stats(console)['rewriting'] == 'off'
        k.execute('rewrite on')
    wait_for(lambda: count(proxy, 'data.prices') == '100', 20, 'rewritten', 0.1)
    moves.move(pg, 'prices')
    wait_for(lambda: rows(console, 'show tables')[0][5] == 'new', 10, 'moved', 0.1)
    assert 'public.prices' in refused(console, 'rewrite off').message_primary
    assert count(proxy) == '100'
    assert [(e['to'], e['outcome'][:4]) for e in journal(proxy) if e['action'] == 'rewrite'] == [
        ('off', 'done'), ('on', 'done'), ('off', 'refu')]


def test_reload_with_a_broken_map(console, proxy):
    good = proxy.map_file.read_text()
    proxy.map_file.write_text(good + '  public.prices: data.twice\n')
    diag = refused(console, 'reload')
    assert 'public.prices' in diag.message_primary and 'map.yaml' in (diag.message_detail or ''), diag.message_primary
    assert count(proxy) == '100'
    proxy.map_file.write_text(good)
    with console.connect() as k:
        k.execute('reload')


def test_shutdown_waits_for_clients(console, proxy):
    with Raw(proxy.address).startup(database='moves') as busy, Raw(proxy.address).startup(database='moves') as idle:
        busy.ask('begin')
        with console.connect() as k:
            assert k.execute('shutdown wait_for_clients').statusmessage == 'SHUTDOWN'
            assert idle.rest_messages()[-1][0] == 'E'
            assert busy.value('select 1') == '1'
            assert dict(k.execute('show stats').fetchall())['phase'] == 'draining'
            busy.ask('commit')
            assert proxy.process.wait(10) == 0
            with pytest.raises(psycopg.Error, match='crossfade ends'):
                k.execute('show version')
    assert not os.path.exists(console.path)
    proxy.start()


def test_shutdown_at_once(console, proxy):
    with Raw(proxy.address).startup(database='moves') as c:
        c.ask('begin')
        with console.connect() as k:
            k.execute('shutdown')
        assert proxy.process.wait(10) == 0
        assert c.rest_messages()[-1][0] == 'E'
    proxy.start()


# ---- the command line ----

def test_flags_command(console, proxy, pg):
    two_tables(pg)

    def flags(*args, status=0):
        done = proxy.command('flags', '-c', proxy.config_file, *args)
        assert done.returncode == status, (done.stdout, done.stderr)
        return done.stdout + done.stderr
    assert flags('history') == 'nothing yet\n'
    said = flags('set', 'public.prices', 'live', '--reason', "it's time")
    assert said.startswith('public.prices is at stage live\n') and 'public.prices: at stage live. Longest stall' in said
    assert count(proxy) == '7'
    lines = flags('list').splitlines()
    assert lines[0].split()[:3] == ['database', 'table', 'stage'] and "it's time" in lines[1]
    assert [r['stage'] for r in json.loads(flags('list', '--format', 'json'))] == ['live', 'old']
    assert 'crossfade report' in flags('set', 'prices', 'complete', status=1)
    assert 'Did you mean live?' in flags('set', 'prices', 'lives', status=2)
    assert 'Did you mean public.prices?' in flags('set', 'public.price', 'live', status=2)
    flags('set', 'prices', 'complete', status=2, *['--force'])
    flags('set', 'prices', 'complete', '--force', '--reason', 'really')
    history = json.loads(flags('history', 'prices', '--format', 'json'))
    assert [(h['to'], h['forced']) for h in history] == [('complete', True), ('complete', False), ('live', False)]
    assert 'set needs' in flags('set', 'prices', status=2)
    dsn = console.dsn()
    assert 'complete' in proxy.command('flags', '--console', dsn, 'list').stdout
    done = proxy.command('flags', '--console', 'host=/nonexistent', 'list')
    assert done.returncode == 1 and 'cannot reach the console' in done.stderr


def test_status_asks_the_console(console, proxy):
    done = proxy.command('status', '-c', proxy.config_file)
    assert done.returncode == 0 and f'run:{console.port}: ready' in done.stdout, done.stdout
    with console.connect() as k:
        k.execute('rewrite off')
    assert 'rewriting is OFF' in proxy.command('status', '--console', console.dsn()).stdout
    assert proxy.command('status', '--console', 'host=/nonexistent').returncode == 1


# ---- hostile input ----

def test_what_no_client_should_send(calm):
    for data in (b'', b'\0', b'GET / HTTP/1.1\r\n\r\n', raw.startup_packet({'user': 'root'})[:9], os.urandom(300),
                 raw.request_packet(raw.SSL_REQUEST) * 2, raw.request_packet(raw.CANCEL_REQUEST, raw.i32(1) + raw.i32(2)),
                 raw.startup_packet({'user': 'root', 'database': 'crossfade', 'replication': 'true'}),
                 raw.startup_packet({'user': 'root', 'database': 'crossfade'}, 4 << 16)):
        with Raw(calm.path) as c:
            c.send(data)
            c.sock.shutdown(socket.SHUT_WR)
            c.rest()
    with calm.raw() as c:
        for body in (raw.msg('B', b'x'), raw.msg('E'), raw.msg('D', b'X'), raw.msg('F', b''), raw.msg('d', b'x')):
            with calm.raw() as other:
                other.send(body + raw.sync())
        c.send(raw.query('show ' + 'x' * 70000))
        assert raw.error_fields(c.rest_messages()[-1][1])['C'] == '08P01'
    assert rows(calm, 'show version')


def test_too_many_connections(calm):
    kept = [calm.raw() for _ in range(32)]
    try:
        with pytest.raises((ServerError, raw.Closed), match='too many|closed'):
            calm.raw()
    finally:
        for c in kept:
            c.sock.close()
    wait_for(lambda: calm.psql('-c', 'show version').returncode == 0, 10, 'room again', 0.2)
