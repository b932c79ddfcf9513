"""The rewriter, behind the pipe of rewrite_service.c."""
import os
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get('CROSSFADE_BUILD', ROOT / 'build')).resolve()
OUTCOMES = {b'u': 'unchanged', b'r': 'rewritten', b'x': 'refused', b's': 'needs search_path'}


class Rewritten(NamedTuple):
    outcome: str
    sql: str        # what is to be sent
    refusal: tuple  # sqlstate, position, message, detail, hint


class Died(Exception):
    """The rewriter ended, which is the worst thing it can do."""


class Service:
    def __init__(self):
        self.process = subprocess.Popen([str(BUILD / 'tests/equivalence/rewrite_service')],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.last = ''

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0, 'rewrite_service failed'

    def load(self, map_text, flags_text, dsn):
        self._ask('L', map_text, flags_text, dsn)

    def session(self, search_path, user, database):
        self._ask('N', search_path, user, database)

    def rewrite(self, sql, extended=False):
        self.last = sql
        answer = self._send((b'P' if extended else b'Q') + sql.encode())
        outcome, rest = OUTCOMES[answer[:1]], answer[1:]
        if outcome == 'refused':
            return Rewritten(outcome, None, tuple(rest.decode().split('\0')[:5]))
        return Rewritten(outcome, rest.decode() if outcome == 'rewritten' else sql, ())

    def keep(self):
        """The text that was rewritten last has succeeded."""
        self._send(b'K')

    def position(self, position):
        return struct.unpack('!I', self._send(b'M' + struct.pack('!I', position)))[0]

    def _ask(self, verb, *texts):
        return self._send(verb.encode() + b''.join(t.encode() + b'\0' for t in texts))

    def _send(self, request):
        pipe_in, pipe_out = self.process.stdin, self.process.stdout
        try:
            pipe_in.write(struct.pack('!I', len(request)) + request)
            pipe_in.flush()
            size = struct.unpack('!I', pipe_out.read(4))[0]
            answer = pipe_out.read(size)
        except (OSError, struct.error) as e:
            raise Died(f'{self.process.wait(20)}; the last text was: {self.last}') from e
        if answer[:1] != b'+':
            raise ValueError(answer[1:].decode())
        return answer[1:]
