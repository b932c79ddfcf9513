"""An end for a test that would wait for ever.

When its time is over, what it may be waiting for is ended: the processes it has started, and the sessions of the
throwaway servers. So its wait ends, it fails with what was going on then, and the next test runs.
"""
import os
import signal
import subprocess
import sys
import threading
import traceback
import weakref
from pathlib import Path

SERVERS = weakref.WeakSet()  # every servers.Postgres


def children(of):
    """{pid: parent} of all that descend from a process."""
    parents = {}
    for entry in Path('/proc').iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parents[int(entry.name)] = int((entry / 'stat').read_text().rsplit(')', 1)[1].split()[1])
        except (OSError, IndexError):
            pass  # it has ended meanwhile
    found, more = {}, {of}
    while more:
        more = {pid for pid, parent in parents.items() if parent in more and pid not in found}
        found.update((pid, parents[pid]) for pid in more)
    return found


def what_it_does(pid):
    """A process, and where each of its threads is in the kernel."""
    try:
        command = Path(f'/proc/{pid}/cmdline').read_text().replace('\0', ' ')
        threads = [' '.join((task / name).read_text().strip() for name in ('comm', 'wchan', 'syscall'))
                   for task in Path(f'/proc/{pid}/task').iterdir()]
    except OSError:
        return f'{pid} has ended'
    return '\n  '.join([f'{pid} {command}', *threads])


def stacks():
    names = {t.ident: t.name for t in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident():
            yield f'thread {names.get(ident)}:\n' + ''.join(traceback.format_stack(frame)[-8:])


class Deadline:
    """`with Deadline(seconds) as d:` … d.passed is what was going on when the time was over, or None."""

    def __init__(self, seconds):
        self.passed = None
        self.timer = threading.Timer(seconds, self._end)
        self.timer.daemon = True

    def __enter__(self):
        self.timer.start()
        return self

    def __exit__(self, *_):
        self.timer.cancel()

    def _end(self):
        mine = children(os.getpid())
        told = [*stacks(), *map(what_it_does, mine)]
        for server in list(SERVERS):
            told.append(self._end_sessions(server))
        self.passed = '\n'.join(told)
        for pid in mine:
            for number in (signal.SIGCONT, signal.SIGKILL):
                try:
                    os.kill(pid, number)
                except OSError:
                    pass

    @staticmethod
    def _end_sessions(server):
        try:
            return server.psql('-Atc', "select pid, state, wait_event, left(query, 200), pg_terminate_backend(pid) from "
                               "pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
                               timeout=20).stdout
        except (OSError, AttributeError, subprocess.SubprocessError) as e:
            return repr(e)
