"""Flags decide what a name becomes, and change under running sessions, all or nothing."""
import os
import time
from pathlib import Path

import pytest

import moves
from raw import Raw, ServerError
from servers import wait_for


@pytest.fixture
def db(pg):
    moves.create(pg)
    return pg


@pytest.fixture
def proxy(db, make_proxy):
    return make_proxy(db, map_text=moves.MAP, dbname='moves')


def count(ep, name, **kw):
    done = ep.psql('-Atc', f'select count(*) from {name}', PGDATABASE='moves', **kw)
    return done.stdout.strip() or done.stderr


def works(ep, name, rows=100):
    return count(ep, name) == str(rows)


def two_tables(pg):
    """Both exist, so that the flag alone decides; each tells which it is."""
    pg.psql('-c', 'create table data.prices as select * from public.prices limit 7', PGDATABASE='moves')


def test_old_and_new_names_before_the_move(proxy):
    assert works(proxy, 'public.prices') and works(proxy, 'data.prices') and works(proxy, 'prices')


def test_names_follow_a_move_that_happened_in_the_database(proxy, pg):
    moves.move(pg, 'prices')
    for name in ('public.prices', 'data.prices', 'prices'):
        wait_for(lambda: works(proxy, name), 10, name, 0.1)
    moves.move(pg, 'prices', back=True)
    for name in ('public.prices', 'data.prices', 'prices'):
        wait_for(lambda: works(proxy, name), 10, name, 0.1)


def write_and_hup(proxy, text):
    proxy.flags_file.write_text(text)
    return proxy.reload()


def replaced(proxy, text):
    new = proxy.flags_file.with_suffix('.new')
    new.write_text(text)
    mark = proxy.log_mark()
    os.rename(new, proxy.flags_file)
    return mark


@pytest.mark.parametrize('how', [write_and_hup, replaced])
def test_flag_flips_under_a_session(proxy, pg, how):
    two_tables(pg)
    with Raw(proxy.address).startup(database='moves') as c:
        wait_for(lambda: c.value('select count(*) from prices') == '100', 20, 'old at first', 0.1)
        how(proxy, moves.flags(prices='live'))
        wait_for(lambda: c.value('select count(*) from prices') == '7', 20, 'flipped', 0.05)
        how(proxy, moves.flags(prices='old'))
        wait_for(lambda: c.value('select count(*) from data.prices') == '100', 20, 'flipped back', 0.05)


def test_flag_flips_by_a_symlink_swap(db, make_proxy, pg):
    """As Kubernetes replaces a ConfigMap: ..data points to another folder."""
    two_tables(pg)
    proxy = make_proxy(db, map_text=moves.MAP, dbname='moves', start=False)
    for version, text in (('v1', moves.flags(prices='old')), ('v2', moves.flags(prices='live'))):
        (proxy.dir / 'config' / version).mkdir(parents=True)
        (proxy.dir / 'config' / version / 'flags.yaml').write_text(text)
    os.symlink('v1', proxy.dir / 'config/..data')
    os.symlink('..data/flags.yaml', proxy.dir / 'config/flags.yaml')
    proxy.config_file.write_text(proxy.config_file.read_text().replace('flags: flags.yaml', 'flags: config/flags.yaml'))
    proxy.start()
    assert works(proxy, 'prices')
    os.symlink('v2', proxy.dir / 'config/..new')
    os.rename(proxy.dir / 'config/..new', proxy.dir / 'config/..data')
    wait_for(lambda: works(proxy, 'prices', 7), 20, 'flipped', 0.1)


BAD = ['flags:\n  public.prices: lively\n', 'flags: [\n', '', 'flags:\n\tx: y\n',
       'flags:\n  public.prices: old\n  public.prices: live\n']


@pytest.mark.parametrize('how, bad', [(write_and_hup, bad) for bad in BAD] + [(replaced, BAD[0])])
def test_bad_flags_change_nothing_and_say_why(proxy, pg, bad, how):
    two_tables(pg)
    how(proxy, moves.flags(prices='live'))
    wait_for(lambda: works(proxy, 'prices', 7), 20, 'flipped', 0.1)
    mark = how(proxy, bad)
    if bad:  # an empty file may also mean: no flags; then the map decides
        proxy.wait_log(r'flags\.yaml', mark)
        assert works(proxy, 'prices', 7)
    how(proxy, moves.flags(prices='old'))
    wait_for(lambda: works(proxy, 'prices', 100), 20, 'good again', 0.1)


def test_bad_map_changes_nothing(proxy, pg):
    two_tables(pg)
    proxy.map_file.write_text(moves.MAP + '  public.prices: data.twice\n')
    proxy.flags_file.write_text(moves.flags(prices='live'))
    mark = proxy.reload()
    proxy.wait_log(r'map\.yaml', mark)
    assert works(proxy, 'prices', 100)  # not even the flags, which were good
    proxy.map_file.write_text(moves.MAP)
    proxy.reload()
    wait_for(lambda: works(proxy, 'prices', 7), 20, 'all good', 0.1)


def test_map_gains_a_table(proxy, pg):
    pg.psql('-c', 'create table data.later (i int)', PGDATABASE='moves')
    assert 'does not exist' in count(proxy, 'public.later')
    proxy.map_file.write_text(moves.MAP + '  public.later: data.later\n')
    proxy.reload()
    wait_for(lambda: works(proxy, 'public.later', 0), 20, 'the new entry', 0.1)


def test_many_reloads_in_a_row(proxy, pg):
    two_tables(pg)
    with Raw(proxy.address).startup(database='moves') as c:
        for i in range(40):
            write_and_hup(proxy, moves.flags(prices='live' if i % 2 else 'old'))
            assert c.value('select count(*) from prices') in ('7', '100')
        wait_for(lambda: c.value('select count(*) from prices') == '7', 20, 'the last one', 0.1)


def test_statements_prepared_after_a_flip_follow_it(proxy, pg):
    psycopg = pytest.importorskip('psycopg')
    two_tables(pg)

    def rows():
        with psycopg.connect(proxy.dsn(dbname='moves'), autocommit=True, prepare_threshold=0) as c:
            for _ in range(3):
                n = c.execute('select count(*) from prices where code = %s', ('005930',)).fetchone()[0]
            return n
    assert rows() == 100
    write_and_hup(proxy, moves.flags(prices='live'))
    wait_for(lambda: rows() == 7, 20, 'flipped', 0.05)
    write_and_hup(proxy, moves.flags(prices='old'))
    wait_for(lambda: rows() == 100, 20, 'flipped back', 0.05)


def test_another_database_is_untouched(proxy, pg):
    """The same names mean what they say there, before and after a flip."""
    moves.create(pg, 'elsewhere')
    write_and_hup(proxy, moves.flags(prices='live'))
    time.sleep(0.3)
    with Raw(proxy.address).startup(database='elsewhere') as c:
        assert c.value('select count(*) from public.prices') == '100'
        with pytest.raises(ServerError, match='data.prices'):
            c.value('select count(*) from data.prices')
    pg.psql('-c', 'drop database elsewhere with (force)')


def test_complete_refuses_the_old_name(proxy, pg):
    moves.move(pg, 'prices')
    proxy.stop()
    proxy.flags_file.write_text(moves.flags(prices='complete'))
    (proxy.dir / 'crossfade-journal.jsonl').unlink()  # else it would ask whether the old name is quiet
    proxy.start()

    def error():
        try:
            with Raw(proxy.address).startup(database='moves') as c:
                c.value('select  *  from public.prices')
        except ServerError as e:
            return e.fields
    fields = wait_for(lambda: (error() or {}).get('C') == '42P01' and error(), 20, 'refused', 0.1)
    assert 'public.prices' in fields['M'] and 'data.prices' in fields['H'] and fields['P'] == '17'
    assert works(proxy, 'data.prices')


def test_error_position_is_that_of_the_original(proxy, pg):
    moves.move(pg, 'prices')
    wait_for(lambda: works(proxy, 'public.prices'), 10, 'moved', 0.1)
    sql = "select 'ä€😀', nix\n from public.prices"
    with Raw(proxy.address).startup(database='moves') as c:
        with pytest.raises(ServerError) as e:
            c.value(sql)
        assert e.value.fields['P'] == str(sql.index('nix') + 1)


def test_large_statement_is_rewritten_or_refused_never_sent_as_it_is(proxy, pg):
    moves.move(pg, 'prices')
    wait_for(lambda: works(proxy, 'public.prices'), 10, 'moved', 0.1)
    with Raw(proxy.address, timeout=60).startup(database='moves') as c:
        for size in (1000, 1 << 16, 1 << 20, 8 << 20):
            try:
                assert c.value(f"select count(*) from prices where code <> '{'x' * size}'") == '100'
            except ServerError as e:
                assert e.fields['C'] in ('54000', '0A000'), e
        assert c.value('select count(*) from prices') == '100'


def test_a_table_made_by_the_session_shadows_at_once(proxy):
    """Its DDL counts before the catalog was read again, and is undone by a rollback."""
    import psycopg
    with psycopg.connect(proxy.dsn(dbname='moves'), autocommit=True, prepare_threshold=None) as session:
        def rows():
            return session.execute('select count(*) from prices').fetchone()[0]
        session.execute('create schema shadow')
        for _ in range(3):
            session.execute('create table shadow.prices (code text)')
            session.execute('set search_path = shadow, public')
            assert rows() == 0
            session.execute('drop table shadow.prices')
            assert rows() == 100
            session.execute('begin')
            session.execute('create table prices (code text)')
            assert rows() == 0
            session.execute('rollback')
            assert rows() == 100
            session.execute('reset search_path')


WILDCARD = 'old: public\nnew: data\ntables: {"public.*": "data.*"}\n'


@pytest.fixture
def wild(pg, make_proxy):
    """All tables by a wildcard, and a catalog that is polled far too seldom to tell of any change."""
    pg.psql('-c', 'drop database if exists wild', '-c', 'create database wild')
    pg.psql('-c', 'create schema data', PGDATABASE='wild')
    proxy = make_proxy(pg, map_text=WILDCARD, dbname='wild', start=False)
    text = proxy.config_file.read_text()
    proxy.config_file.write_text(text.replace('dbname=wild"}', 'dbname=wild", poll: 600s}'))
    proxy.start()
    return proxy


def test_own_ddl_that_names_nothing_mapped_counts_at_once(wild):
    with Raw(wild.address).startup(database='wild') as c:
        assert c.value('select 1') == '1'
        for make, name in (('create table data.fresh as select 7 as n', 'fresh'),
                           ('create table data.later (n int default 7)', 'later')):
            c.ask(make)
            c.ask('insert into data.later default values')
            assert c.value(f'select n from public.{name}') == '7', name
        with pytest.raises(ServerError, match='0A000'):  # it holds mapped tables now
            c.value('alter schema data rename to attic')
        assert c.value('select n from public.fresh') == '7'


def test_temporary_tables_do_not_have_the_catalog_read(wild, pg):
    def looks():  # with so long a poll each of them connects
        return Path(pg.about['PGLOG']).read_text(errors='replace').count('database=wild application_name=crossfade')
    with Raw(wild.address).startup(database='wild', application_name='the test') as c:
        assert c.value('select 1') == '1'
        time.sleep(1)
        before = looks()
        for i in range(5):
            c.ask(f'create temp table scratch_{i} as select 1 as n')
            time.sleep(0.1)
            assert before and looks() == before, 'made'
            c.ask(f'drop table scratch_{i}')
            time.sleep(0.1)
            assert looks() == before, 'dropped'
        c.ask('create table data.lasting (n int)')
        assert c.value('select count(*) from public.lasting') == '0'
        assert looks() != before
