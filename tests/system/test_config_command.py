"""`crossfade config`: what it prints can be used, and what it must not print is not there."""
import subprocess

import pytest

import servers


@pytest.fixture(autouse=True)
def only_crossfade(endpoint_kind):
    if endpoint_kind != 'crossfade':
        pytest.skip('about crossfade itself')


def config(*arguments, **options):
    done = subprocess.run([str(servers.BINARY), 'config', *arguments], text=True, timeout=20,
                          **{'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, **options})
    assert not servers.SANITIZER.search(done.stderr or ''), done.stderr
    return done


def test_the_printed_defaults_are_a_configuration_to_begin_with(tmp_path):
    defaults = config('--defaults')
    assert defaults.returncode == 0 and not defaults.stderr
    (tmp_path / 'crossfade.yaml').write_text(defaults.stdout)
    (tmp_path / 'v10-to-v13.yaml').write_text('tables: {}\n')
    checked = subprocess.run([str(servers.BINARY), 'serve', '--check'], cwd=tmp_path, capture_output=True,
                             text=True, timeout=30)
    assert (checked.returncode, checked.stderr) == (0, '')
    shown = config(cwd=tmp_path)
    assert shown.returncode == 0 and 'workers: auto' in shown.stdout


def test_connection_strings_are_hidden(tmp_path):
    file = tmp_path / 'c.yaml'
    file.write_text('listen: a:6432\nserver: b:5432\nmap: m\nadmin: {dsn: "host=h password=hush"}\n')
    file.chmod(0o600)
    shown = config('-c', file)
    assert shown.returncode == 0 and '(hidden)' in shown.stdout
    assert 'hush' not in shown.stdout + shown.stderr


def test_a_password_others_can_read_is_refused_without_printing_it(tmp_path):
    file = tmp_path / 'c.yaml'
    file.write_text('listen: a:6432\nserver: b:5432\nmap: m\nadmin: {dsn: "host=h password=hush"}\n')
    file.chmod(0o644)
    shown = config('-c', file)
    assert shown.returncode == 2 and shown.stderr.startswith(f'{file}:4:14: ') and 'chmod 600' in shown.stderr
    assert 'hush' not in shown.stdout + shown.stderr


@pytest.mark.parametrize('arguments', [['-c', '/no/such/file'], ['extra'], ['--nonsense'], []])
def test_bad_usage_and_bad_files_exit_with_2(arguments, tmp_path):
    done = config(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr and not done.stdout


def test_a_full_disk_is_said():
    with open('/dev/full', 'w') as full:
        done = config('--defaults', stdout=full)
    assert done.returncode == 1 and 'cannot write' in done.stderr
