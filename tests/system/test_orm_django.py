"""Django's program of a small model, unchanged, before and after its tables move."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

from orm import layouts  # noqa: F401 (a fixture)

pytest.importorskip('django')

DATABASE = 'orm_django'
PROGRAM = Path(__file__).parent / 'django_shop' / 'program.py'


def run(endpoint, database, *steps):
    done = subprocess.run([sys.executable, str(PROGRAM), str(endpoint.port), database, *steps],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def alike(layouts, *steps):  # noqa: F811
    through = run(layouts.proxy, layouts.name, *steps)
    assert through == run(layouts.pg, layouts.reference, *steps)
    return through


def test_the_program_works_before_after_and_back(layouts):  # noqa: F811
    assert 'Applying shop.0001_initial... OK' in alike(layouts, 'migrate')[0]
    for stage in ('old', 'live', 'old'):
        layouts.set_stage(stage)
        assert 'No migrations to apply' in alike(layouts, 'migrate', 'clear', 'work', 'query')[0]
        alike(layouts, 'introspect', 'inspectdb')


def test_tables_that_exist_are_not_made_again(layouts):  # noqa: F811
    """migrate --run-syncdb and --fake-initial look the tables up in the catalog."""
    alike(layouts, 'migrate')
    layouts.set_stage('live')
    for database in (layouts.name, layouts.reference):
        layouts.run(database, "delete from django_migrations where app = 'shop'")
    assert 'Applying shop.0001_initial... FAKED' in alike(layouts, 'fake_initial')[0]
    alike(layouts, 'work')


def test_a_foreign_key_comes_and_goes_after_the_move(layouts):  # noqa: F811
    alike(layouts, 'migrate')
    layouts.set_stage('live')
    name, _, left = alike(layouts, 'add_and_remove_foreign_key')[0]
    assert name.endswith('_fk_stocks_code') and name not in left


def test_a_retired_table_is_refused_clearly(layouts):  # noqa: F811
    run(layouts.proxy, layouts.name, 'migrate')
    layouts.set_stage('complete')
    assert run(layouts.proxy, layouts.name, 'query') == [
        ['42P01', 'table public.prices has been retired', 'Write data.prices instead.']]
