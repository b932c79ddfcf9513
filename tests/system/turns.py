"""Turns for the workers of one run: a test marked `alone` waits for those that run and holds back the next ones."""
import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

VARIABLE = 'CROSSFADE_TEST_TURNS'  # where the locks are; the workers inherit it


def begin():
    os.environ[VARIABLE] = tempfile.mkdtemp(prefix='cf-turns-')


def end():
    shutil.rmtree(os.environ.pop(VARIABLE, ''), ignore_errors=True)


@contextlib.contextmanager
def turn(alone):
    folder = os.environ.get(VARIABLE)
    if not folder:
        yield
        return
    with open(Path(folder) / 'running', 'w') as running:
        # Who waits to be alone keeps the door shut, or it would wait for ever.
        with open(Path(folder) / 'door', 'w') as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
