"""docs/getting-started.md, done as a newcomer would: its files, its commands, in its order."""
import os
import re
import signal
import subprocess

import pytest

import servers

DOC = servers.ROOT / 'docs' / 'getting-started.md'
FILE = re.compile(r'`([\w-]+\.yaml)`[^`]*\Z')
ROWS = 7


def blocks():
    """(language, text, file): file is the name the paragraph before a YAML block gives."""
    text = DOC.read_text()
    found = []
    for match in re.finditer(r'^```(\w*)\n(.*?)^```$', text, re.M | re.S):
        before = text[:match.start()].rstrip().split('\n\n')[-1]
        name = FILE.search(before)
        found.append((match.group(1), match.group(2), name and name.group(1)))
    return found


def commands(pattern):
    """The documented command lines that match, so that a test fails when they change."""
    lines = [line.split('   #')[0].strip() for language, text, _ in blocks() if not language
             for line in text.splitlines()]
    found = [line for line in lines if re.search(pattern, line)]
    assert found, f'{DOC.name} has no command {pattern!r} any more'
    return found


class Newcomer:
    """A folder with the documented files, and a shell that runs the documented commands there."""

    def __init__(self, pg, folder):
        self.pg, self.folder, self.port = pg, folder, servers.free_port()
        self.server = None
        names = [name for language, text, name in blocks() if language == 'yaml']
        assert names == ['v10-to-v13.yaml', 'crossfade.yaml', 'flags.yaml'], names
        for language, text, name in blocks():
            if language == 'yaml':
                (folder / name).write_text(self.localised(text))

    def localised(self, text):
        text = text.replace('6432', str(self.port)).replace('5432', str(self.pg.port))
        return text.replace('host=127.0.0.1 dbname=aegis user=crossfade',
                            f'host=127.0.0.1 port={self.pg.port} dbname=aegis user=crossfade')

    def run(self, command, **kw):
        path = f'{servers.BINARY.parent}:{servers.PGBIN}:{os.environ["PATH"]}'
        env = self.pg.env(PATH=path, PGUSER='postgres')
        del env['PGHOST'], env['PGPORT']  # the commands say where
        return subprocess.run(['bash', '-c', self.localised(command)], cwd=self.folder, env=env, text=True,
                              capture_output=True, timeout=30, **kw)

    def psql(self, sql, port=6432):
        done = self.run(f"psql -XAt -h 127.0.0.1 -p {port} aegis -c '{sql}'")
        return done.stdout.strip() or done.stderr.strip()

    def serve(self):
        with open(self.folder / 'log', 'wb') as log:
            self.server = subprocess.Popen([str(servers.BINARY), 'serve'], cwd=self.folder, stderr=log)
        servers.wait_for(lambda: 'event=ready' in self.log(), what='ready')

    def log(self):
        return (self.folder / 'log').read_text()

    def stop(self):
        if self.server:
            self.server.send_signal(signal.SIGTERM)
            assert self.server.wait(20) == 0, self.log()
            assert not servers.SANITIZER.search(self.log()), self.log()


@pytest.fixture
def server_of_its_own(endpoint_kind):
    """The page makes the roles that other tests make, too."""
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')
    server = servers.Postgres()
    yield server
    server.destroy()


@pytest.fixture
def newcomer(server_of_its_own, tmp_path):
    pg = server_of_its_own
    assert pg.psql('-c', 'create database aegis').returncode == 0
    setup = f"""create role app login; create role crossfade login; create schema data;
        create table public.prices (code text, close numeric); alter table prices owner to app;
        insert into prices select '005930', i from generate_series(1, {ROWS}) i"""
    done = pg.psql('-v', 'ON_ERROR_STOP=1', '-c', setup, PGDATABASE='aegis')
    assert done.returncode == 0, done.stderr
    newcomer = Newcomer(pg, tmp_path)
    yield newcomer
    newcomer.stop()


def test_every_step_of_getting_started_works(newcomer):
    for command in commands(r'^crossfade serve --check$'):
        done = newcomer.run(command)
        assert done.returncode == 0, done.stderr
    newcomer.serve()
    for command in commands(r'^psql .* -p 6432 '):
        assert str(ROWS) in newcomer.run(command).stdout
    for command in commands(r'crossfade rewrite'):
        assert 'becomes public.prices' in newcomer.run(command).stdout
    servers.wait_for(lambda: 'data.prices' in newcomer.run(commands(r'^crossfade report$')[0]).stdout,
                     what='the report shows the use')

    for command in commands(r'^crossfade check --grants') + commands(r'^psql .* -f grants.sql'):
        done = newcomer.run(command)
        assert done.returncode == 0 and 'ERROR' not in done.stderr, done.stderr
    look, do, back = commands(r'^crossfade cutover')
    done = newcomer.run(look)
    assert done.returncode == 0 and 'SET SCHEMA data' in done.stdout, done.stdout + done.stderr
    for command, stage in ((do, 'live'), (back, 'old'), (do, 'live')):
        done = newcomer.run(command)
        assert done.returncode == 0 and 'Longest stall' in done.stdout, done.stdout + done.stderr
        assert f'public.prices: {stage}' in (newcomer.folder / 'flags.yaml').read_text()
        for table in ('prices', 'public.prices', 'data.prices'):
            assert newcomer.psql(f'SELECT count(*) FROM {table}') == str(ROWS)

    retire, = commands(r'^crossfade flags set')
    too_early = newcomer.run(retire)
    assert too_early.returncode == 1 and 'public.prices' in too_early.stderr, too_early.stderr
    done = newcomer.run(f'{retire} --force')
    assert done.returncode == 0, done.stderr
    refused = servers.wait_for(lambda: re.search(r'retired.*HINT.*data\.prices',
                                                 newcomer.psql('SELECT count(*) FROM public.prices'), re.S),
                               what='the old name is refused')
    assert refused
    assert newcomer.psql('SELECT count(*) FROM data.prices') == str(ROWS)


def test_the_mistake_that_is_shown_looks_as_shown(newcomer):
    shown, = [text for language, text, _ in blocks() if text.startswith('v10-to-v13.yaml:')]
    file = newcomer.folder / 'v10-to-v13.yaml'
    file.write_text(file.read_text().replace('public.prices', 'prices'))
    done = newcomer.run('crossfade serve --check')
    assert done.returncode == 2
    assert done.stderr == shown
