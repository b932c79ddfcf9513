"""What a session is: pid, key, parameters, and the server's own last words."""
import os
import signal
import subprocess
import time

import pytest

import raw
from raw import Raw, ServerError, query
from servers import PGBIN, wait_for


def opening(address, version=raw.PROTOCOL_3_0, packet=None, **params):
    """Every message of the startup, without what differs between any two sessions."""
    with Raw(address) as c:
        try:
            c.startup(version, packet, **params)
        except ServerError:
            pass
        return [(k, b if k != 'K' else len(b)) for k, b in c.opening]


def refusal(address, **params):
    got = opening(address, **params)
    assert got[-1][0] == 'E'
    return raw.error_fields(got[-1][1])


def test_pid_is_the_servers(ep):
    with Raw(ep.address).startup() as c:
        assert c.pid == int(c.value('select pg_backend_pid()'))
        assert len(c.key) == 4


def test_pid_seen_by_others_is_the_one_the_client_knows(ep, pg):
    with Raw(ep.address).startup(application_name='who') as c:
        out = pg.psql('-Atc', "select pid from pg_stat_activity where application_name = 'who'").stdout
        assert int(out) == c.pid


@pytest.mark.parametrize('params', [
    {}, {'user': 'app'}, {'user': 'app', 'database': 'other'}, {'user': 'with_defaults'},
    {'application_name': 'a b "c" \'d\' ü'}, {'client_encoding': 'LATIN1'}, {'client_encoding': 'UTF8'},
    {'DateStyle': 'German, DMY', 'TimeZone': 'Asia/Seoul', 'IntervalStyle': 'iso_8601'},
    {'search_path': '"$user", pg_catalog'}, {'work_mem': '12MB', 'statement_timeout': '4321'},
    {'extra_float_digits': '3'}, {'standard_conforming_strings': 'off'},
    {'options': '-c work_mem=7MB'}, {'options': '-c work_mem=7MB -cstatement_timeout=9s'},
    {'options': '--work_mem=7MB --application-name=dashes'},
    {'options': r'-c application_name=with\ space -c search_path=pg_catalog,\ public'},
    {'options': r'-c application_name=back\\slash'}, {'options': ''},
    {'options': '-c my.own=1 -c geqo=off'}, {'replication': 'false'}])
def test_startup_is_answered_as_directly(ep, pg, params):
    assert opening(ep.address, **params) == opening(pg.address, **params)


SETTINGS = ("select name, setting, source from pg_settings where source in ('client', 'session',"
            " 'user', 'database') order by name")


@pytest.mark.parametrize('params', [
    {'options': r'-c application_name=with\ space -c search_path=pg_catalog,\ public -c work_mem=7MB'},
    {'search_path': 'a, "b c"', 'work_mem': '12MB', 'lock_timeout': '5'},
    {'user': 'with_defaults', 'options': '-cgeqo=off'}, {'my.own': 'x'}])
def test_every_setting_reaches_the_session(ep, pg, params):
    def run(address):
        with Raw(address).startup(**params) as c:
            return c.ask(SETTINGS)
    assert run(ep.address) == run(pg.address)


@pytest.mark.parametrize('params', [
    {'database': 'no_such_db'}, {'user': 'no_such_role'}, {'user': 'no_login'},
    {'user': 'nobody_may'}, {'user': 'ssl_only'}, {'user': 'one_at_a_time'},
    {'user': 'app', 'database': 'no_one'}, {'user': ''}, {'database': 'ü' * 100},
    {'no_such_setting': '1'}, {'work_mem': 'lots'}, {'options': '-c'}, {'options': '-c work_mem=lots'},
    {'options': '-Z'}, {'options': '--nonsense'}, {'client_encoding': 'KLINGON'},
    {'replication': 'perhaps'}, {'user': 'app', 'replication': 'true'},
    {'options': '-c log_min_messages=debug5', 'user': 'app'}, {'port': '1'}, {'_pq': 'x'},
    {'user': 'postgres', 'database': 'template0'}, {'DateStyle': 'nonsense'}])
def test_refusals_are_the_servers_own(ep, pg, params):
    got = opening(ep.address, **params)
    assert got == opening(pg.address, **params)
    assert got[-1][0] == 'E'


def test_startup_without_a_user(ep, pg):
    packet = raw.startup_packet({'database': 'postgres'})
    assert opening(ep.address, packet=packet) == opening(pg.address, packet=packet)


def test_database_defaults_to_the_user(ep, pg):
    packet = raw.startup_packet({'user': 'postgres'})
    assert opening(ep.address, packet=packet) == opening(pg.address, packet=packet)


def test_a_parameter_given_twice(ep, pg):
    body = raw.i32(raw.PROTOCOL_3_0) + b''.join(
        raw.cstr(s) for s in ('user', 'app', 'database', 'postgres', 'application_name', 'one',
                              'application_name', 'two', ''))
    packet = raw.i32(len(body) + 4) + body
    assert opening(ep.address, packet=packet) == opening(pg.address, packet=packet)


def test_hundreds_of_parameters(ep, pg):
    params = {f'my.p{i}': 'v' * 10 for i in range(300)}
    got = opening(ep.address, **params)
    assert got == opening(pg.address, **params)
    assert got[-1][0] == 'Z'


# --- last words in the middle of a session

def last_words(address, disturb, **params):
    with Raw(address).startup(**params) as c:
        disturb(c)
        return [(k, raw.error_fields(b) if k in 'EN' else b) for k, b in c.rest_messages()]


def same_last_words(ep, pg, disturb, **params):
    got = last_words(ep.address, disturb, **params)
    assert got == last_words(pg.address, disturb, **params)
    return got


def test_pg_terminate_backend(ep, pg):
    got = same_last_words(ep, pg, lambda c: pg.psql('-c', f'select pg_terminate_backend({c.pid})'))
    assert got[-1][1]['C'] == '57P01'


def test_pg_terminate_backend_in_a_statement(ep, pg):
    def disturb(c):
        c.send(query('select pg_sleep(30)'))
        pg.wait_active(c.pid)
        pg.psql('-c', f'select pg_terminate_backend({c.pid})')
    assert same_last_words(ep, pg, disturb)[-1][1]['C'] == '57P01'


def test_idle_in_transaction_session_timeout(ep, pg):
    got = same_last_words(ep, pg, lambda c: c.ask('begin'), idle_in_transaction_session_timeout='150')
    assert got[-1][1]['C'] == '25P03'


def test_idle_session_timeout(ep, pg):
    got = same_last_words(ep, pg, lambda c: None, idle_session_timeout='150')
    assert got[-1][1]['C'] == '57P05'


def test_terminating_itself(ep, pg):
    def disturb(c):
        c.send(query('select pg_terminate_backend(pg_backend_pid())'))
    assert same_last_words(ep, pg, disturb)[-1][1]['C'] == '57P01'


def test_dropped_database(ep, pg):
    def disturb(c):
        pg.psql('-c', 'drop database doomed with (force)')
    answers = []
    for address in (ep.address, pg.address):
        pg.psql('-c', 'create database doomed')
        answers.append(last_words(address, disturb, database='doomed'))
    assert answers[0] == answers[1] and answers[0][-1][1]['C'] == '57P01'


# --- servers that go away or are full

def test_too_many_connections(make_endpoint, victim):
    victim.set(max_connections=8, superuser_reserved_connections=2, max_wal_senders=0)
    victim.stop()
    victim.start()
    victim.psql('-c', 'create role app login')
    ep = make_endpoint(victim)
    held = []
    try:
        with pytest.raises(ServerError):
            for _ in range(12):
                held.append(Raw(victim.address).startup(user='app'))
        assert refusal(ep.address, user='app')['C'] == '53300'
        # Which of two texts it is depends on sessions that come and go beside these.
        wait_for(lambda: refusal(ep.address, user='app') == refusal(victim.address, user='app'), what='the same refusal')
    finally:
        for c in held:
            c.sock.close()


def server_words(words):
    """Without what a proxy may add where the server went without a word."""
    return [w for w in words if 'F' in w[1] or w[1]['C'] != '08006']


def test_fast_shutdown(make_endpoint, victim):
    ep = make_endpoint(victim)
    answers = []
    for address in (victim.address, ep.address):
        answers.append(last_words(address, lambda c: victim.stop('fast')))
        victim.start()
        wait_for(lambda: ep.psql('-Atc', 'select 1').stdout == '1\n', 10, 'sessions after a restart', 0.2)
    assert answers[0] == answers[1] and answers[0][-1][1]['C'] == '57P01'


def test_immediate_shutdown(make_endpoint, victim):
    """PostgreSQL may or may not get its warning out."""
    ep = make_endpoint(victim)
    got = server_words(last_words(ep.address, lambda c: victim.stop('immediate')))
    assert not got or 'immediate shutdown' in got[-1][1]['M']


def test_smart_shutdown_lets_sessions_finish_and_refuses_new_ones(make_endpoint, victim):
    ep = make_endpoint(victim)
    with Raw(ep.address).startup() as c:
        os.kill(victim.postmaster_pid, signal.SIGTERM)
        time.sleep(0.3)
        assert c.value('select 5') == '5'
        got = refusal(ep.address)
        assert got == refusal(victim.address)
        assert got['C'] == '57P03'


def test_killed_session_process(make_endpoint, victim):
    """SIGKILL: PostgreSQL restarts all of its processes; the victim's own client gets no word."""
    ep = make_endpoint(victim)

    def kill_own(c):
        os.kill(c.pid, signal.SIGKILL)
    got = last_words(ep.address, kill_own)
    assert not got or got[-1][1]['C'] in ('08006', '57P02')
    wait_for(lambda: victim.psql('-Atc', 'select 1').stdout == '1\n', 15, 'server back', 0.2)
    with Raw(victim.address).startup() as other:
        got = server_words(last_words(ep.address, lambda c: os.kill(other.pid, signal.SIGKILL)))
    assert not got or got[-1][1]['C'] == '57P02'  # PostgreSQL does not always get its warning out
    wait_for(lambda: ep.psql('-Atc', 'select 1').stdout == '1\n', 15, 'server back', 0.2)


# --- replication

def test_identify_system(ep, pg):
    def run(e, how):
        dsn = e.dsn(replication=how)
        return e.psql('-Atd', dsn, '-c', 'IDENTIFY_SYSTEM').stdout.split('|')[:2]
    for how in ('database', 'true'):
        assert run(ep, how) == run(pg, how) and len(run(ep, how)) == 2


def test_replication_session_takes_sql_and_commands_as_directly(ep, pg):
    def run(address):
        with Raw(address).startup(replication='database') as c:
            return [c.ask(q) for q in ('select 1', 'SHOW server_version', 'NONSENSE')]
    assert run(ep.address) == run(pg.address)


def program(name, *args, **kw):
    return subprocess.run([str(PGBIN / name), *map(str, args)], capture_output=True, text=True,
                          timeout=90, **kw)


def test_pg_basebackup(ep, tmp_path):
    done = program('pg_basebackup', '-D', tmp_path / 'b', '-X', 'stream', '-c', 'fast', '-d',
                   ep.dsn(), env=ep.env())
    assert done.returncode == 0, done.stderr
    checked = program('pg_verifybackup', tmp_path / 'b')
    assert checked.returncode == 0, checked.stderr


def test_pg_receivewal(ep, pg, tmp_path):
    process = subprocess.Popen([str(PGBIN / 'pg_receivewal'), '-D', str(tmp_path), '-d', ep.dsn(), '-n',
                                '-s', '1', '-v'], stderr=subprocess.PIPE, text=True, env=ep.env())
    def has_file():
        # A server that does nothing writes nothing, and at a segment's start there is nothing to send.
        pg.psql('-c', 'create table w as select 1; drop table w')
        return list(tmp_path.iterdir()) or process.poll() is not None
    try:
        wait_for(has_file, 30, 'a WAL file', pause=0.5)
        pg.psql('-c', 'create table w as select 1; drop table w; select pg_switch_wal()')
        wait_for(lambda: [f for f in tmp_path.iterdir() if f.suffix != '.partial'], 30, 'a whole WAL file')
    finally:
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=20)[1]
    assert process.returncode == 0, errors


def test_pg_recvlogical(ep, pg, tmp_path):
    out = tmp_path / 'changes'
    base = ['-d', ep.dsn(dbname='postgres'), '--slot', 'changes']
    assert program('pg_recvlogical', *base, '--create-slot', env=ep.env()).returncode == 0
    try:
        pg.psql('-c', 'set synchronous_commit = on', '-c', "insert into bulk values (-77, 'seen')", '-c',
                'delete from bulk where n = -77')
        end = pg.psql('-Atc', 'select pg_current_wal_lsn()').stdout.strip()
        pg.psql('-c', 'create table w2 as select 1; drop table w2')
        done = program('pg_recvlogical', *base, '--start', '-f', out, '--endpos', end, '-F', '0',
                       env=ep.env())
        assert done.returncode == 0, done.stderr
    finally:
        wait_for(lambda: program('pg_recvlogical', *base, '--drop-slot', env=ep.env()).returncode == 0,
                 10, 'slot dropped', 0.3)
    assert "table public.bulk: INSERT: n[integer]:-77 t[text]:'seen'" in out.read_text()


def test_copy_both_ended_by_the_client(ep, pg):
    """CopyDone in both directions, then the session goes on."""
    def run(address):
        with Raw(address).startup(replication='true') as c:
            system = c.ask('IDENTIFY_SYSTEM')
            where = raw.data_row(dict(system)['D'])[2].decode()
            c.send(query(f'START_REPLICATION PHYSICAL {where}'))
            assert c.message()[0] == 'W'
            c.send(raw.copy_done())
            kinds = [k for k, _ in c.until('Z') if k != 'd']
            return kinds, c.ask('SHOW server_version')
    assert run(ep.address) == run(pg.address)
