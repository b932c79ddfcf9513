"""A PostgreSQL client that speaks bytes.

Drivers tidy up what they receive; these tests compare what a server really
sent.  `Raw` is one connection, the functions below it build messages, and
nothing here knows about proxies.
"""
import hashlib
import os
import socket
import struct
import time

TIMEOUT = float(os.environ.get('CROSSFADE_TEST_TIMEOUT', '20'))
PROTOCOL_3_0 = 196608
PROTOCOL_3_2 = 196610
PROTOCOL_3_9999 = 3 << 16 | 9999
SSL_REQUEST = 80877103
GSSENC_REQUEST = 80877104
CANCEL_REQUEST = 80877102


class Closed(Exception):
    """The peer closed the connection where a message was expected."""


def i16(n):
    return struct.pack('!h', n)


def i32(n):
    return struct.pack('!i', n)


def cstr(s):
    return (s.encode() if isinstance(s, str) else s) + b'\0'


def msg(kind, body=b''):
    return kind.encode() + i32(len(body) + 4) + body


def startup_packet(params, version=PROTOCOL_3_0):
    body = i32(version) + b''.join(cstr(k) + cstr(v) for k, v in params.items()) + b'\0'
    return i32(len(body) + 4) + body


def request_packet(code, rest=b''):
    return i32(8 + len(rest)) + i32(code) + rest


def query(sql):
    return msg('Q', cstr(sql))


def parse(sql, name='', types=()):
    return msg('P', cstr(name) + cstr(sql) + i16(len(types)) + b''.join(i32(t) for t in types))


def bind(params=(), portal='', name='', formats=(), result_formats=()):
    body = cstr(portal) + cstr(name) + i16(len(formats)) + b''.join(i16(f) for f in formats)
    body += i16(len(params))
    for p in params:
        if p is None:
            body += i32(-1)
        else:
            p = p.encode() if isinstance(p, str) else p
            body += i32(len(p)) + p
    return msg('B', body + i16(len(result_formats)) + b''.join(i16(f) for f in result_formats))


def describe(kind, name=''):
    return msg('D', kind.encode() + cstr(name))


def close(kind, name=''):
    return msg('C', kind.encode() + cstr(name))


def execute(portal='', rows=0):
    return msg('E', cstr(portal) + i32(rows))


def sync():
    return msg('S')


def flush():
    return msg('H')


def copy_data(data):
    return msg('d', data)


def copy_done():
    return msg('c')


def copy_fail(why):
    return msg('f', cstr(why))


def function_call(oid, args, formats=(), result_format=0):
    body = i32(oid) + i16(len(formats)) + b''.join(i16(f) for f in formats) + i16(len(args))
    for a in args:
        body += i32(-1) if a is None else i32(len(a)) + a
    return msg('F', body + i16(result_format))


def terminate():
    return msg('X')


def extended(sql, params=(), name='', portal='', rows=0):
    """Parse, Bind, Describe and Execute, as drivers send them; no Sync."""
    return (parse(sql, name) + bind(params, portal, name) + describe('P', portal)
            + execute(portal, rows))


def error_fields(body):
    """ErrorResponse or NoticeResponse payload -> {'S': 'ERROR', 'C': ...}."""
    return {f[:1].decode(): f[1:].decode('utf-8', 'replace') for f in body.split(b'\0') if f}


def data_row(body):
    (n,) = struct.unpack_from('!h', body)
    at, out = 2, []
    for _ in range(n):
        (size,) = struct.unpack_from('!i', body, at)
        at += 4
        if size < 0:
            out.append(None)
        else:
            out.append(body[at:at + size])
            at += size
    return out


class Raw:
    """One connection.  `address` is (host, port) or the path of a unix socket."""

    def __init__(self, address, timeout=TIMEOUT, rcvbuf=None):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(timeout)
        self.sock.connect(address)
        if family == socket.AF_INET:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address = address
        self.buffer = bytearray()
        self.parameters = []
        self.pid = None
        self.key = None
        self.opening = []  # every message until the first ReadyForQuery

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def send_slowly(self, data, size=1, pause=0.0002):
        """One packet per `size` bytes: the pause keeps the kernel from joining them."""
        for at in range(0, len(data), size):
            self.sock.sendall(data[at:at + size])
            if pause:
                time.sleep(pause)

    def _fill(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise Closed(bytes(self.buffer))
        self.buffer += data

    def take(self, n):
        while len(self.buffer) < n:
            self._fill()
        out = bytes(self.buffer[:n])
        del self.buffer[:n]
        return out

    def byte(self):
        """The one-byte answer to SSLRequest and GSSENCRequest."""
        return self.take(1)

    def message(self):
        """The next message as (type letter, payload)."""
        head = self.take(5)
        (size,) = struct.unpack_from('!i', head, 1)
        return chr(head[0]), self.take(size - 4)

    def until(self, kind='Z', count=1):
        """Messages up to and including the `count`th one of type `kind`."""
        out = []
        while count:
            out.append(self.message())
            if out[-1][0] == kind:
                count -= 1
        return out

    def rest(self, limit=1 << 26):
        """Everything until the peer closes; a reset counts as a close."""
        try:
            while len(self.buffer) < limit:
                self._fill()
        except (Closed, ConnectionError):
            pass
        out = bytes(self.buffer)
        self.buffer.clear()
        return out

    def rest_messages(self):
        """The messages until the peer closes; a broken tail is kept as ('?', bytes)."""
        data, out = self.rest(), []
        while data:
            if len(data) < 5:
                return out + [('?', data)]
            (size,) = struct.unpack_from('!i', data, 1)
            if size < 4 or len(data) < size + 1:
                return out + [('?', data)]
            out.append((chr(data[0]), data[5:size + 1]))
            data = data[size + 1:]
        return out

    def quiet(self, seconds=0.3):
        """True when nothing arrives for a while."""
        if self.buffer:
            return False
        before = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            self._fill()
            return False
        except (TimeoutError, socket.timeout):
            return True
        finally:
            self.sock.settimeout(before)

    def startup(self, version=PROTOCOL_3_0, packet=None, password='', **params):
        """Start a session up to its first ReadyForQuery; answers plain and md5 requests."""
        params.setdefault('user', 'postgres')
        params.setdefault('database', 'postgres')
        self.send(packet or startup_packet(params, version))
        while True:
            kind, body = self.message()
            self.opening.append((kind, body))
            if kind == 'R':
                self._authenticate(body, params['user'], password)
            elif kind == 'S':
                name, value, _ = body.split(b'\0')
                self.parameters.append((name.decode(), value.decode()))
            elif kind == 'K':
                self.pid, self.key = struct.unpack('!i', body[:4])[0], body[4:]
            elif kind == 'E':
                raise ServerError(error_fields(body))
            elif kind == 'Z':
                return self

    def _authenticate(self, body, user, password):
        (how,) = struct.unpack_from('!i', body)
        if how == 3:
            self.send(msg('p', cstr(password)))
        elif how == 5:
            inner = hashlib.md5((password + user).encode()).hexdigest().encode()
            self.send(msg('p', cstr('md5' + hashlib.md5(inner + body[4:8]).hexdigest())))
        elif how != 0:
            raise NotImplementedError(f'authentication request {how}')

    def ask(self, sql):
        """Simple query; every message up to ReadyForQuery."""
        self.send(query(sql))
        return self.until()

    def value(self, sql):
        """The first column of the first row, as text."""
        for kind, body in self.ask(sql):
            if kind == 'E':
                raise ServerError(error_fields(body))
            if kind == 'D':
                got = data_row(body)[0]
                return None if got is None else got.decode()
        return None

    def cancel_packet(self):
        return request_packet(CANCEL_REQUEST, i32(self.pid) + self.key)


class ServerError(Exception):
    def __init__(self, fields):
        super().__init__(f"{fields.get('S')} {fields.get('C')}: {fields.get('M')}")
        self.fields = fields


def send_cancel(address, packet):
    """What PQcancel does: one packet, then wait for the close."""
    with Raw(address) as c:
        c.send(packet)
        return c.rest()
