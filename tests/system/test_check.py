"""`crossfade check`: the map against the live database, and column lists filled in from there."""
import os

import pytest
import yaml

DATABASE = 'checked'
SCHEMA = """
create schema brain; create schema signals; create schema data; create schema "Odd, one";
create table public.prices (id serial primary key, code varchar(10), close numeric(12,2));
create table brain.results (id int, date date not null, code varchar(10), scores jsonb, "Odd, näme: #" text[], "null" int);
create table signals.scores (id int, date date, code varchar(10), momentum numeric(8,4), at timestamptz);
create table brain.events (id int, type text); create table signals.events (id int, event_type varchar(50));
create table brain.same (a int, b text); create table signals.same (a int, c text);
create table "Odd, one".t (a int); create table signals.t (a int, b point);
"""
MAP = """# The map of a test; every byte of it but the lists stays.
old: v10   # wörter
new: v13
tables:
  public.prices: data.prices           # a move keeps its columns
  brain.results:
    to: signals.scores                 # two tables
    # what the new code computes
    read: {scores: "jsonb_build_object('momentum', momentum)"}
    write: {momentum: "(scores->>'momentum')::numeric"}
    deprecated: [date]
    lossy: [at, '"Odd, näme: #"', '"null"']
  brain.events: {to: signals.events, columns: {type: event_type} , # renamed
    }
  brain.same: {to: signals.same, columns: {b: c}}
  '"Odd, one".t': signals.t   # short
groups: {all: [public.prices]}
"""


@pytest.fixture
def proxy(pg, make_proxy):
    pg.psql('-c', f'drop database if exists {DATABASE} with (force)')
    pg.psql('-c', f'create database {DATABASE}')
    done = pg.psql('-v', 'ON_ERROR_STOP=1', stdin=SCHEMA, PGDATABASE=DATABASE)
    assert done.returncode == 0, done.stderr
    return make_proxy(pg, dbname=DATABASE, start=False)


@pytest.fixture
def check(proxy):
    def run(*args, text=MAP):
        if text is not None:
            proxy.map_file.write_text(text)
        return proxy.command('check', '-c', proxy.config_file, *args)
    return run


def only_added(before, after):
    """Every character of before is in after, in order."""
    rest = iter(after)
    return all(c in rest for c in before)


def test_capture_fills_in_what_is_missing(check, proxy):
    done = check('--capture')
    after = yaml.safe_load(done.stdout)['tables']
    assert after['brain.results']['shape'] == {
        'id': 'integer', 'date': 'date', 'code': 'character varying(10)', 'scores': 'jsonb', '"Odd, näme: #"': 'text[]',
        '"null"': 'integer'}
    assert list(after['brain.results']['new_shape'].items()) == [
        ('id', 'integer'), ('date', 'date'), ('code', 'character varying(10)'), ('momentum', 'numeric(8,4)'),
        ('at', 'timestamp with time zone')]
    assert after['brain.events'] == {'to': 'signals.events', 'columns': {'type': 'event_type'},
                                     'shape': {'id': 'integer', 'type': 'text'},
                                     'new_shape': {'id': 'integer', 'event_type': 'character varying(50)'}}
    assert after['"Odd, one".t'] == {'to': 'signals.t', 'shape': {'a': 'integer'},
                                     'new_shape': {'a': 'integer', 'b': 'point'}}
    assert after['public.prices'] == 'data.prices' and after['brain.same'] == {'to': 'signals.same', 'columns': {'b': 'c'}}
    assert only_added(MAP, done.stdout) and proxy.map_file.read_text() == MAP
    assert '# two tables\n' in done.stdout and '# renamed\n' in done.stdout and 'signals.t, ' in done.stdout
    assert (done.returncode, done.stderr) == (0, '')


def test_a_map_that_does_not_fit_is_printed_but_not_written(check, proxy):
    text = MAP.replace('signals.t ', '{to: signals.t, read: {ghost: "1"}} ')
    done = check('--capture', text=text)
    assert done.returncode == 1 and 'map.yaml:' in done.stderr and 'ghost' in done.stderr
    assert 'new_shape: {a: integer, b: point}' in done.stdout
    done = check('--capture', '--write', text=text)
    assert done.returncode == 1 and 'left alone' in done.stderr and proxy.map_file.read_text() == text


def test_capture_writes_in_one_step(check, proxy):
    text = MAP.replace("  '\"Odd, one\".t': signals.t   # short\n", '')
    proxy.map_file.write_text(text)
    os.chmod(proxy.map_file, 0o640)
    real = proxy.map_file.rename(proxy.dir / 'real.yaml')
    proxy.map_file.symlink_to(real)
    before = real.stat()
    done = check('--capture', '--write', text=None)
    assert (done.returncode, done.stderr) == (0, '') and '4 column lists' in done.stdout
    assert proxy.map_file.is_symlink() and real.stat().st_ino != before.st_ino
    assert real.stat().st_mode == before.st_mode and only_added(text, real.read_text())
    assert sorted(p.name for p in proxy.dir.glob('real*')) == ['real.yaml']
    assert check(text=None).stderr == ''
    written = real.read_text()
    done = check('--capture', '--write', text=None)
    assert done.returncode == 0 and '0 column lists' in done.stdout and real.read_text() == written


@pytest.mark.parametrize('newline', ['\n', ''])
def test_block_style_without_a_line_below(check, newline):
    done = check('--capture', text='old: a\nnew: b\ntables:\n  brain.events:\n      columns: {type: event_type}\n'
                                   '      to: signals.events' + newline)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)['tables']['brain.events']['new_shape']['id'] == 'integer'


def test_windows_line_ends_and_a_byte_order_mark(check):
    text = '\ufeffold: a\r\nnew: b\r\ntables:\r\n  brain.events:\r\n    to: signals.events # x\r\n    columns: {type: event_type}\r\n'
    done = check('--capture', text=text)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)['tables']['brain.events']['shape'] == {'id': 'integer', 'type': 'text'}


def test_a_map_that_agrees(check, pg):
    text = MAP.replace("  '\"Odd, one\".t': signals.t   # short\n", '')
    pg.psql('-c', 'alter table signals.events alter event_type type text', PGDATABASE=DATABASE)
    done = check(text=text)
    assert (done.returncode, done.stderr) == (0, '') and f'agrees with database {DATABASE}' in done.stdout


@pytest.mark.parametrize('entry, message', [
    ('public.nowhere: data.nowhere', '5:3: there is neither a table public.nowhere nor data.nowhere'),
    ('public.prices: {to: data.prices, columns: {price: cost}}',
     '5:46: table public.prices has no column price, which is in `columns`'),
    ('brain.events: {to: signals.events, columns: {type: kind}}',
     '5:48: table signals.events has no column kind, which is in `columns`'),
    ('public.prices: {to: data.prices, deprecated: [old]}',
     '5:3: table public.prices has no column old, which is in `deprecated`'),
    ('brain.events: {to: signals.events, shape: {id: bigint, type: text}, new_shape: {id: int, event_type: varchar(50)},'
     ' columns: {type: event_type}}', '5:46: column id of brain.events is integer, not bigint'),
    ('brain.events: {to: signals.events, shape: {id: int}, read: {id: id}, lossy: [event_type]}',
     '5:3: column type of brain.events is missing in `shape`'),
    ('brain.results: {to: signals.scores, write: {moment: "1"}}',
     '5:47: table signals.scores has no column moment, which is in `write`'),
])
def test_what_does_not_hold_is_said_with_its_place(check, entry, message):
    done = check(text=f'old: v10\nnew: v13\n\ntables:\n  {entry}\n')
    assert done.returncode == 1, done.stderr
    assert f'map.yaml:{message}' in done.stderr


def test_exit_codes(check, proxy):
    assert check('--write').returncode == 2
    assert check('--database', 'nope').returncode == 2
    assert check('--nope').returncode == 2
    assert check(text='tables: [').returncode == 2
    proxy.config_file.write_text(proxy.config_file.read_text().replace(f'dbname={DATABASE}', 'dbname=not_there'))
    done = check()
    assert done.returncode == 1 and 'not_there' in done.stderr
