"""Resident memory that an idle session adds to a proxy's process.

Counted first in a run, while nothing is left over from busier sessions that
later ones could take up, but after a few sessions and some seconds, so that
what a process sets up once is there. Each session has answered a query and
then sits idle.
"""
import contextlib
import time

from . import targets, wire
from .process import resident_kb, settle

FIRST_SESSIONS, SESSIONS = 20, 200
SET_UP_S = 3


def count(started, user):
    proxies = [target for target in started if target.child]
    with contextlib.ExitStack() as stack:
        for target in proxies:
            open_sessions(target, user, FIRST_SESSIONS, stack)
        time.sleep(SET_UP_S)
        return [{"name": target.name, "title": target.title, "session_kb": session_kb(target, user)}
                for target in proxies]


def session_kb(target, user):
    before_kb = resident_kb(target.child.pid)
    with contextlib.ExitStack() as stack:
        open_sessions(target, user, SESSIONS, stack)
        settle()
        return (resident_kb(target.child.pid) - before_kb) / SESSIONS


def open_sessions(target, user, count, stack):
    for _ in range(count):
        connection = stack.enter_context(wire.Connection(target.port, user, target.database,
                                                         tls=target.name in targets.TLS_ALONE))
        connection.query("SELECT abalance FROM pgbench_accounts WHERE aid = 1")
