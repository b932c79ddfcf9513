"""Raw connections over TLS, by SSLRequest or directly."""
import ssl
import threading

import raw


def context(authority=None, cert=None, alpn=('postgresql',), newest=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED if authority else ssl.CERT_NONE
    if authority:
        made.load_verify_locations(authority)
    if cert:
        made.load_cert_chain(cert.crt, cert.key)
    if alpn:
        made.set_alpn_protocols(list(alpn))
    if newest:
        made.maximum_version = newest
    return made


class TlsSocket:
    """Like ssl.SSLSocket, but one thread may send while another receives."""

    def __init__(self, sock, tls, session=None):
        self.plain, self.lock, self.order = sock, threading.Lock(), threading.Lock()
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = tls.wrap_bio(self.incoming, self.outgoing, server_hostname='localhost', session=session)
        self._run(self.tls.do_handshake)

    def __getattr__(self, name):
        return getattr(self.plain if hasattr(self.plain, name) else self.tls, name)

    def _flush(self):
        with self.order:
            with self.lock:
                records = self.outgoing.read()
            if records:
                self.plain.sendall(records)

    def _step(self, step, *args):
        with self.lock:
            try:
                return step(*args), True
            except ssl.SSLWantReadError:
                return None, False

    def _run(self, step, *args):
        while True:
            result, done = self._step(step, *args)
            if self.outgoing.pending:
                self._flush()
            if done:
                return result
            data = self.plain.recv(65536)
            with self.lock:
                self.incoming.write(data) if data else self.incoming.write_eof()

    def sendall(self, data):
        for at in range(0, len(data), 65536):
            with self.order:
                with self.lock:
                    self.tls.write(data[at:at + 65536])
                    records = self.outgoing.read()
                self.plain.sendall(records)

    def recv(self, size):
        try:
            return self._run(self.tls.read, size)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b''

    def goodbye(self):
        self._step(self.tls.unwrap)
        self._flush()


class Secure(raw.Raw):
    """direct: the first byte is TLS's; else an SSLRequest comes first."""

    def __init__(self, address, tls=None, direct=False, session=None, **kw):
        super().__init__(address, **kw)
        if not direct:
            self.send(raw.request_packet(raw.SSL_REQUEST))
            answer = self.byte()
            if answer != b'S':
                raise raw.ServerError({'M': f'SSLRequest was answered {answer!r}'})
        self.sock = TlsSocket(self.sock, tls or context(), session)
