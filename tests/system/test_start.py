"""What holds over a restart: stages that were changed meanwhile are judged, and the kill switch stays where it was."""
import json

import pytest

import moves
from servers import Console, wait_for

CONSOLE = 'console: {listen: [run]}\n'
TRANSFORM = """old: v10
new: v13
tables:
  public.prices: data.prices
  public.stocks:
    to: data.companies
    shape: {code: varchar(10), name: text}
    new_shape: {code: varchar(10), title: text}
    read: {name: title}
    write: {title: name}
"""


@pytest.fixture
def db(pg):
    moves.create(pg)
    pg.psql('-c', 'create table data.companies (code varchar(10) primary key, title text)',
            '-c', "insert into data.companies values ('1', 'one')", PGDATABASE='moves')
    return pg


@pytest.fixture
def proxy(db, make_proxy):
    return make_proxy(db, map_text=TRANSFORM, dbname='moves', config=CONSOLE)


def journal(proxy):
    path = proxy.dir / 'crossfade-journal.jsonl'
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def stages(proxy):
    with Console(proxy).connect() as c:
        return {r[1]: r[2] for r in c.execute('show flags').fetchall()}


def restart(proxy, flags=None):
    proxy.stop()
    if flags:
        proxy.flags_file.write_text(flags)
    proxy.start()


def count(proxy, table):
    done = proxy.psql('-Atc', f'select count(*) from {table}', PGDATABASE='moves')
    return done.stdout.strip() or done.stderr


def test_a_step_that_the_rules_allow_is_taken_and_journaled(proxy):
    restart(proxy, 'flags: {public.stocks: dualwrite}\n')
    assert stages(proxy)['public.stocks'] == 'dualwrite'
    last = [e for e in journal(proxy) if e.get('table')][-1]
    assert (last['table'], last['from'], last['to'], last['who'], last['outcome']) == (
        'public.stocks', 'old', 'dualwrite', 'start', 'done')
    before = len(journal(proxy))
    restart(proxy)
    assert len(journal(proxy)) == before and stages(proxy)['public.stocks'] == 'dualwrite'


def test_a_leap_is_held_until_it_is_forced_or_taken_back(proxy):
    restart(proxy, 'flags: {public.stocks: live}\n')
    assert stages(proxy)['public.stocks'] == 'old' and count(proxy, 'public.stocks') == '2', 'as before'
    said = proxy.wait_log('flags_held')
    assert 'public.stocks cannot go from stage old to live at once' in proxy.log(), said
    assert 'refused' in [e for e in journal(proxy) if e.get('table')][-1]['outcome']
    console = Console(proxy)
    done = console.psql('-c', 'RELOAD')
    assert done.returncode != 0 and 'at once' in done.stderr
    done = proxy.command('flags', '-c', proxy.config_file, 'set', 'public.stocks', 'live', '--force', '--reason', 'sure')
    assert done.returncode == 0, done.stderr
    assert count(proxy, 'public.stocks') == '1'
    restart(proxy)
    assert stages(proxy)['public.stocks'] == 'live' and count(proxy, 'public.stocks') == '1'


def test_without_a_console_the_log_says_how_to_force_it(db, make_proxy):
    proxy = make_proxy(db, map_text=TRANSFORM, dbname='moves')
    restart(proxy, 'flags: {public.stocks: live}\n')
    assert 'add `console: {listen: [run]}`, restart' in proxy.wait_log('flags_held.*').group()
    assert count(proxy, 'public.stocks') == '2'
    text = proxy.config_file.read_text()
    proxy.config_file.write_text(text + CONSOLE)
    restart(proxy)
    done = proxy.command('flags', '-c', proxy.config_file, 'set', 'public.stocks', 'live', '--force', '--reason', 'sure')
    assert done.returncode == 0, done.stderr
    proxy.config_file.write_text(text)
    restart(proxy)
    assert count(proxy, 'public.stocks') == '1', 'and it stays without one'


def test_a_move_is_not_completed_without_evidence_by_a_restart(proxy, db):
    moves.move(db, 'prices')
    restart(proxy, 'flags: {public.prices: live}\n')
    assert stages(proxy)['public.prices'] == 'live'
    restart(proxy, 'flags: {public.prices: complete}\n')
    assert stages(proxy)['public.prices'] == 'live' and count(proxy, 'public.prices') == '100'
    proxy.wait_log('cannot go to stage complete yet')


def test_the_first_start_takes_the_file_as_it_is(db, make_proxy):
    proxy = make_proxy(db, map_text=TRANSFORM, flags='flags: {public.stocks: live}\n', dbname='moves', config=CONSOLE)
    assert stages(proxy)['public.stocks'] == 'live'
    assert [(e['action'], e.get('table'), e.get('to')) for e in journal(proxy)] == [
        ('start', 'public.stocks', 'live'), ('start', None, None)]
    assert 'public.stocks' in proxy.command('flags', 'history', '-c', proxy.config_file).stdout


def test_the_kill_switch_stays_off_and_is_a_gap_in_the_ledger(proxy, db):
    console = Console(proxy)
    console.order("rewrite off reason 'in doubt'")
    wait_for(lambda: 'does not exist' in count(proxy, 'data.prices'), 20, 'passes', 0.1)
    restart(proxy)
    assert 'does not exist' in count(proxy, 'data.prices'), 'still off'
    proxy.wait_log('stays so until REWRITE ON')
    assert 'rewriting is OFF' in proxy.command('status', '-c', proxy.config_file).stdout
    console.order('rewrite on')
    wait_for(lambda: count(proxy, 'data.prices') == '100', 20, 'rewritten', 0.1)

    def gaps():
        return json.loads(proxy.report().stdout)['observed']['gaps']
    wait_for(lambda: gaps() and all(g['after'] == 'stopped' for g in gaps()), 15, 'a gap from OFF to ON', 0.2)
    restart(proxy)
    assert count(proxy, 'data.prices') == '100'


def test_the_kill_switch_does_not_outlast_a_move(proxy, db):
    Console(proxy).order('rewrite off')
    proxy.stop()
    moves.move(db, 'prices')
    proxy.start()
    wait_for(lambda: count(proxy, 'public.prices') == '100', 10, 'rewritten', 0.1)
    last = [e for e in journal(proxy) if e['action'] == 'rewrite'][-1]
    assert (last['who'], last['to']) == ('start', 'on') and 'public.prices' in last['reason']


def test_commands_read_stages_where_the_database_keeps_them(proxy, db):
    def configured(*args, stdin=None):
        return proxy.command(*args[:1], '-c', proxy.config_file, *args[1:], stdin=stdin)
    text = proxy.config_file.read_text()
    proxy.config_file.write_text(text.replace('flags: flags.yaml', 'flags: {schema: crossfade}'))
    statement = 'select name from public.stocks'
    assert configured('rewrite', stdin=statement).stdout == statement, 'no such schema yet: old'
    db.psql('-v', 'ON_ERROR_STOP=1', '-c', 'create schema crossfade',
            '-c', 'create table crossfade.stages (table_name text primary key, stage text not null)',
            '-c', "insert into crossfade.stages values ('public.stocks', 'live')", PGDATABASE='moves')
    try:
        done = configured('rewrite', stdin=statement)
        assert 'data.companies' in done.stdout, done.stderr
        report = json.loads(configured('report', '--format', 'json').stdout)
        assert {t['table']: t['stage'] for t in report['tables']}['public.stocks'] == 'live'
        assert configured('check').returncode in (0, 1)
        proxy.config_file.write_text(proxy.config_file.read_text().replace(f'port={db.port} user', 'port=1 user'))
        done = configured('rewrite', stdin=statement)
        assert done.returncode == 2 and done.stderr, done.stdout
    finally:
        proxy.config_file.write_text(text)
