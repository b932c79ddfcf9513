"""Resident memory that an idle session adds to a proxy's process.

Counted first in a run, while nothing is left over from busier sessions that
later ones could take up. Each session has answered a query and then sits idle.
"""
import contextlib

from . import wire
from .process import resident_kb, settle

SESSIONS = 200


def count(targets, user):
    return [{"name": target.name, "title": target.title, "session_kb": session_kb(target, user)}
            for target in targets if target.child]


def session_kb(target, user):
    open_session(target, user).close()
    settle()
    before_kb = resident_kb(target.child.pid)
    with contextlib.ExitStack() as stack:
        for _ in range(SESSIONS):
            stack.enter_context(open_session(target, user))
        settle()
        return (resident_kb(target.child.pid) - before_kb) / SESSIONS


def open_session(target, user):
    connection = wire.Connection(target.port, user, target.database)
    connection.query("SELECT abalance FROM pgbench_accounts WHERE aid = 1")
    return connection
