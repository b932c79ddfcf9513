"""`serve --check`: every mistake has its file, line, column and message."""
import os
import re
import subprocess

import pytest

import servers

GOOD = {
    'crossfade.yaml': """listen: [127.0.0.1:{port}]
server: 127.0.0.1:5432
map: map.yaml
flags: flags.yaml
usage: usage.db
admin: {{dsn: "host=127.0.0.1 port=1 dbname=d"}}
""",
    'map.yaml': """old: v10
new: v13
tables:
  public.prices: data.prices
  public.stocks: data.stocks
""",
    'flags.yaml': """flags:
  public.prices: old
""",
}

# name: (file, text to find or None for the whole, replacement, line, column or None, words of the message)
BAD = {
    'unknown key': ('crossfade.yaml', 'usage:', 'usagee:', 5, 1, 'unknown key'),
    'unknown key deeper': ('crossfade.yaml', 'usage: usage.db', 'limits:\n  clinets: 5', 6, 3, 'unknown key'),
    'unknown key of the map': ('map.yaml', 'new: v13', 'new: v13\nfresh: yes', 3, 1, 'unknown key'),
    'duplicate key': ('crossfade.yaml', 'usage: usage.db', 'map: other.yaml', 5, 1, 'map'),
    'duplicate table': ('map.yaml', 'public.stocks:', 'public.prices:', 5, 3, 'public.prices'),
    'duplicate flag': ('flags.yaml', 'old', 'old\n  public.prices: live', 3, 3, 'public.prices'),
    'text for a number': ('crossfade.yaml', 'usage: usage.db', 'limits: {clients: many}', 5, 19, 'clients'),
    'list for a text': ('crossfade.yaml', 'map: map.yaml', 'map: [map.yaml]', 3, 6, 'is a list'),
    'text for a map': ('map.yaml', None, 'tables: all\n', 1, None, 'tables'),
    'number out of range': ('crossfade.yaml', 'usage: usage.db', 'workers: 1000000', 5, 10, 'workers'),
    'negative number': ('crossfade.yaml', 'usage: usage.db', 'limits: {clients: -1}', 5, 19, 'clients'),
    'unknown unit': ('crossfade.yaml', 'usage: usage.db', 'limits: {startup_timeout: 3 moons}', 5, 27,
                     'startup_timeout'),
    'unknown word': ('crossfade.yaml', 'usage: usage.db', 'log: {level: loud}', 5, 14, 'log.level'),
    'port out of range': ('crossfade.yaml', '127.0.0.1:5432', '127.0.0.1:70000', 2, 9, '70000'),
    'port that is no number': ('crossfade.yaml', '127.0.0.1:5432', '127.0.0.1:pg', 2, 9, 'pg'),
    'port 0 of a server': ('crossfade.yaml', '127.0.0.1:5432', '127.0.0.1:0', 2, 9, 'port'),
    'listen without anything': ('crossfade.yaml', '[127.0.0.1:{port}]', '[]', 1, None, 'listen'),
    'missing server': ('crossfade.yaml', 'server: 127.0.0.1:5432\n', '', 1, None, 'server'),
    'missing map key': ('crossfade.yaml', 'map: map.yaml\n', '', 1, None, 'map'),
    'missing map file': ('crossfade.yaml', 'map.yaml', 'absent.yaml', None, None, 'absent.yaml'),
    'missing flags file': ('crossfade.yaml', 'flags.yaml', 'absent.yaml', None, None, 'absent.yaml'),
    'directory for a map': ('crossfade.yaml', 'map.yaml', '.', None, None, ''),
    'tab': ('map.yaml', '  public.stocks', '\tpublic.stocks', 5, 1, None),
    'unclosed quote': ('map.yaml', 'data.stocks', '"data.stocks', None, None, ''),
    'unclosed bracket': ('crossfade.yaml', '[127.0.0.1:{port}]', '[127.0.0.1:{port}', None, None, ''),
    'unclosed brace': ('flags.yaml', None, 'flags: {public.prices: old\n', None, None, ''),
    'bad indentation': ('map.yaml', '  public.stocks', ' public.stocks', 5, None, ''),
    'two documents': ('map.yaml', 'tables:', '---\ntables:', None, None, ''),
    'empty file': ('map.yaml', None, '', 1, 1, ''),
    'empty configuration': ('crossfade.yaml', None, '', 1, 1, ''),
    'only a comment': ('map.yaml', None, '# nothing yet\n', 1, None, ''),
    'a list at the top': ('map.yaml', None, '- old: v10\n', 1, 1, ''),
    'control character': ('map.yaml', 'v10', 'v\x01', 1, None, ''),
    'not UTF-8': ('map.yaml', 'v10', b'v\xff', 1, None, ''),
    'zero byte': ('map.yaml', 'v10', 'v"\\0"'.encode().decode('unicode_escape'), 1, None, ''),
    'binary': ('map.yaml', None, bytes(range(256)) * 20, None, None, ''),
    'unknown stage': ('flags.yaml', 'old', 'lively', 2, 18, 'lively'),
    'stage in capitals': ('flags.yaml', 'old', 'LIVE', 2, 18, 'LIVE'),
    'table without a schema': ('map.yaml', 'public.stocks:', 'stocks:', 5, 3, 'schema'),
    'table with three parts': ('map.yaml', 'public.stocks:', 'a.b.c:', 5, 3, 'a.b.c'),
    'two tables become one': ('map.yaml', 'data.stocks', 'data.prices', 5, None, 'data.prices'),
    'a chain of tables': ('map.yaml', 'public.stocks: data.stocks', 'data.prices: third.prices', None, None,
                          'data.prices'),
    'a circle': ('map.yaml', 'public.stocks: data.stocks', 'data.prices: public.prices', None, None, 'prices'),
    'unknown key of a table': ('map.yaml', 'data.stocks', '{to: data.stocks, form: x}', 5, 36, 'form'),
    'table of a group unknown': ('map.yaml', 'old: v10', 'groups: {core: [public.nix]}\nold: v10', 1, None,
                                 'public.nix'),
    'column twice': ('map.yaml', 'data.stocks', '{to: data.stocks, columns: {a: c, b: c} }', 5, None, 'c'),
    'anchors that blow up': ('map.yaml', 'old: v10', 'bomb: [&a [x, x, x, x], &b [*a, *a, *a, *a], &c [*b, *b, *b,'
                             ' *b], &d [*c, *c, *c, *c], &e [*d, *d, *d, *d], [*e, *e, *e, *e]]\nold: v10', 1, None,
                             ''),
    'deep nesting': ('map.yaml', 'v10', '[' * 100000, 1, None, ''),
    'deep braces': ('map.yaml', 'v10', '{a: ' * 5000 + '}' * 5000, 1, None, ''),
    'tag': ('map.yaml', 'v10', '!!python/object v10', 1, None, ''),
    'merge key': ('map.yaml', 'old: v10', '<<: {old: v10}', 1, None, ''),
    'undefined environment variable': ('crossfade.yaml', 'port=1 dbname', 'port=1 password=${{NOT_SET_AT_ALL}} dbname',
                                       6, None, 'NOT_SET_AT_ALL'),
    'bad connection string': ('crossfade.yaml', 'host=127.0.0.1 port=1 dbname=d', 'host=127.0.0.1 nonsense=1', 6, None,
                              'connection string'),
}


@pytest.fixture
def check(tmp_path, endpoint_kind):
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')

    def run(**files):
        for name, text in GOOD.items():
            text = files.get(name, text)
            if isinstance(text, str):
                text = text.replace('{port}', str(servers.free_port())).replace('{{', '{').replace('}}', '}').encode()
            (tmp_path / name).write_bytes(text)
        return subprocess.run([str(servers.BINARY), 'serve', '--check', '-c', str(tmp_path / 'crossfade.yaml')],
                              capture_output=True, text=True, errors='replace', timeout=30, cwd='/')
    return run


def no_sanitizer_report(done):
    assert not servers.SANITIZER.search(done.stderr), done.stderr


def test_good_files_pass(check):
    done = check()
    assert (done.returncode, done.stderr) == (0, '')


@pytest.mark.parametrize('name', BAD)
def test_mistake_is_pointed_at(check, tmp_path, name):
    file, find, new, line, column, words = BAD[name]
    text = GOOD[file]
    if find is None:
        text = new
    else:
        assert find in text
        text = text.encode().replace(find.encode(), new, 1) if isinstance(new, bytes) else text.replace(find, new, 1)
    done = check(**{file: text})
    no_sanitizer_report(done)
    assert done.returncode == 2, done.stderr
    first = done.stderr.splitlines()[0]
    missing = re.match(r'missing \w+ file|directory', name)
    where = re.match(r'(/?[^:]+):(\d+):(\d+): (.+)', first)
    if missing and not where:
        assert str(words) in first
        return
    assert where, f'no file:line:column in {first!r}'
    if not missing:
        assert where[1].endswith('/' + file), first
    if line:
        assert int(where[2]) == line, first
    if column:
        assert int(where[3]) == column, first
    assert (words or '') in done.stderr
    assert len(done.stderr) < 4000


def test_flag_for_an_unknown_entry_warns(check):
    done = check(**{'flags.yaml': 'flags:\n  public.prices: old\n  public.nothing: live\n'})
    assert done.returncode == 0
    assert 'public.nothing' in done.stderr and 'flags.yaml:3:3' in done.stderr


@pytest.mark.parametrize('arguments', [
    ['serve', '--check', '-c', '/no/such/file.yaml'], ['serve', '--nonsense'], ['no-such-command'], [],
    ['serve', '--check', '-c'], ['serve', 'extra', '-c', '/dev/null'], ['report', '--format', 'xml']])
def test_bad_usage_exits_with_2(endpoint_kind, arguments, tmp_path):
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')
    done = subprocess.run([str(servers.BINARY), *arguments], capture_output=True, text=True, timeout=20, cwd=tmp_path)
    no_sanitizer_report(done)
    assert done.returncode == 2 and done.stderr.strip()


@pytest.mark.parametrize('name, key', [('map.yaml', 'map'), ('flags.yaml', 'flags')])
def test_a_file_that_is_not_there_is_said_with_the_key_that_names_it(check, tmp_path, name, key):
    done = check(**{'crossfade.yaml': GOOD['crossfade.yaml'].replace(name, 'absent.yaml')})
    assert done.returncode == 2 and f'HINT:  `{key}` in the configuration names it' in done.stderr


def test_a_pipe_without_a_writer_holds_up_nobody(check, tmp_path):
    check()
    os.mkfifo(tmp_path / 'pipe')
    done = check(**{'crossfade.yaml': GOOD['crossfade.yaml'].replace('map.yaml', 'pipe')})
    assert done.returncode == 2 and 'pipe: cannot read the file' in done.stderr


def test_a_configuration_through_a_pipe(check, tmp_path):
    check()
    done = subprocess.run(['bash', '-c', f'cd {tmp_path}; {servers.BINARY} serve --check -c <(sleep 0.2; sed "s,map.yaml,'
                           f'{tmp_path}/map.yaml,;s,flags.yaml,{tmp_path}/flags.yaml," crossfade.yaml)'],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def test_a_huge_file_is_refused(check):
    done = check(**{'map.yaml': 'old: v10\nnew: v13\ntables:\n' + '  a.b: c.d # padding\n' * 1000000})
    assert done.returncode == 2 and 'map.yaml' in done.stderr


def test_a_large_map_is_taken(check):
    tables = ''.join(f'  public.t{i}: data.t{i}\n' for i in range(5000))
    done = check(**{'map.yaml': 'old: v10\nnew: v13\ntables:\n' + tables, 'flags.yaml': 'flags: {}\n'})
    assert done.returncode == 0, done.stderr
