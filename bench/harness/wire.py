"""A client that costs as little as possible, so that bulk data measures the proxy and not the reader.

Results are not taken apart: the end of an answer is recognised by its last six
bytes, ReadyForQuery. That is safe for the text this benchmark stores, which has
no NUL bytes.
"""
import socket
import ssl
import struct

READY = (b"Z\0\0\0\x05I", b"Z\0\0\0\x05T", b"Z\0\0\0\x05E")
RECEIVE_BYTES = 256 * 1024
SSL_REQUEST = struct.pack("!ii", 8, 80877103)


class ServerError(RuntimeError):
    pass


class Connection:
    def __init__(self, port, user, database, timeout_s=60, tls=False):
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = None
        self.parameters = {}
        try:
            if tls:
                self._secure()
            self._start(user, database)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self._socket.sendall(b"X\0\0\0\x04")
        except OSError:
            pass
        self._socket.close()

    def query(self, sql):
        """Runs SQL with a small answer and returns its rows as lists of text."""
        self._socket.sendall(query_message(sql))
        return [data_row(body) for kind, body in self._messages() if kind == b"D"]

    def drain(self, sql):
        """Runs SQL, throws its answer away, and returns how many bytes it had."""
        self._socket.sendall(query_message(sql))
        return self._skip_to_ready()

    def copy_in(self, sql, messages, repeat):
        """COPY FROM STDIN of the prepared CopyData messages, sent `repeat` times over."""
        self._socket.sendall(query_message(sql))
        kind, body = self._message()
        if kind != b"G":
            raise ServerError(error_text(body))
        for _ in range(repeat):
            self._socket.sendall(messages)
        self._socket.sendall(b"c\0\0\0\x04")
        self._skip_to_ready()

    def exchange(self, messages):
        """Sends prepared messages that end in a Sync or Query and waits for the one answer."""
        self._socket.sendall(messages)
        return self._skip_to_ready()

    def _secure(self):
        """Whose certificate it is does not matter here: what is measured is the same."""
        self._socket.sendall(SSL_REQUEST)
        if self._socket.recv(1) != b"S":
            raise ServerError("TLS is not offered")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._socket = context.wrap_socket(self._socket)

    def _start(self, user, database):
        body = b"\0\3\0\0" + b"".join(word.encode() + b"\0" for word in
                                      ("user", user, "database", database, "application_name", "bench")) + b"\0"
        self._socket.sendall(struct.pack("!i", len(body) + 4) + body)
        for kind, message in self._messages():
            if kind == b"S":
                name, value = message[:-1].decode().split("\0")
                self.parameters[name] = value

    def _messages(self):
        """Every message up to ReadyForQuery; an ErrorResponse is raised once that has come."""
        error = None
        while True:
            kind, body = self._message(error)
            if kind == b"E":
                error = error_text(body)
            yield kind, body
            if kind == b"Z":
                break
        if error:
            raise ServerError(error)

    def _message(self, error=None):
        try:
            head = self._exactly(5)
            return head[:1], self._exactly(struct.unpack("!i", head[1:])[0] - 4)
        except EOFError:
            raise ServerError(error or "the connection was closed") from None

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            got = self._socket.recv(size - len(data))
            if not got:
                raise EOFError
            data += got
        return data

    def _skip_to_ready(self):
        total, last, first = 0, b"", b""
        self._buffer = self._buffer or bytearray(RECEIVE_BYTES)
        while True:
            got = self._socket.recv_into(self._buffer)
            if not got:
                raise ServerError("the connection was closed")
            total += got
            if not first:
                first = bytes(self._buffer[:min(got, 1024)])
            last = bytes(self._buffer[got - 6:got]) if got >= 6 else (last + self._buffer[:got])[-6:]
            if last in READY:
                break
        if first[:1] == b"E":
            raise ServerError(error_text(first[5:]))
        return total


def query_message(sql):
    body = sql.encode() + b"\0"
    return b"Q" + struct.pack("!i", len(body) + 4) + body


def copy_data(lines):
    return b"d" + struct.pack("!i", len(lines) + 4) + lines


def data_row(body):
    (count,), at, row = struct.unpack_from("!h", body), 2, []
    for _ in range(count):
        (size,) = struct.unpack_from("!i", body, at)
        at += 4
        row.append(None if size < 0 else body[at:at + size].decode())
        at += max(size, 0)
    return row


def error_text(body):
    fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return f"{fields.get(b'S', '')} {fields.get(b'C', '')}: {fields.get(b'M', '')}"
