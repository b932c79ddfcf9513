"""A TCP relay that misbehaves on purpose: small pieces, pauses, stops, cuts."""
import socket
import threading
import time

from raw import query


def end(*sockets):
    for s in sockets:
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Relay:
    """Between a proxy and its server.  `size_to_client` cuts the server's bytes into pieces;
    `hold` stops reading the proxy's bytes until it is cleared."""

    kind = 'relay'

    def __init__(self, target, size_to_client=None, pause=0.0001):
        self.target, self.size, self.pause = target, size_to_client, pause
        self.hold, self.refuses = threading.Event(), False
        self.open, self.muted = [], {}
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=64)
        self.host, self.port = self.listener.getsockname()
        self.address = (self.host, self.port)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.refuses:
                client.close()
                continue
            try:
                server = socket.create_connection(self.target, 30)
                server.settimeout(None)
                for s in (client, server):
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                client.close()
                continue
            self.open += [client, server]
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, a, b, to_server):
        try:
            while data := self._next(a, to_server):
                if a in self.muted:
                    self.muted[a](data)
                elif not self.pass_on(a, b, data, to_server):
                    break
        except OSError:
            pass
        end(a, b)

    def _next(self, a, to_server):
        while to_server and self.hold.is_set():
            time.sleep(0.02)
        return a.recv(65536)

    def pass_on(self, a, b, data, to_server):
        """False: their connection ends."""
        if to_server and self.breaks_off(a, b, data):
            return False
        size = len(data) if to_server or not self.size else self.size
        for at in range(0, len(data), size):
            b.sendall(data[at:at + size])
            if size < len(data):
                time.sleep(self.pause)
        return True

    def breaks_off(self, client, server, data):
        """Whether a connection ends when this comes from the client."""
        return False

    def cut(self):
        """Every connection ends at once."""
        end(*self.open)
        for s in self.open:
            s.close()
        self.open.clear()

    def close(self):
        self.listener.close()
        self.cut()


class CutsAtCommit(Relay):
    """Armed with 'done' or 'not done', the next COMMIT gets to the server, or not, and its answer to nobody."""

    def __init__(self, target, armed=None):
        self.armed, self.cuts = armed, 0
        super().__init__(target)

    def breaks_off(self, client, server, data):
        if not self.armed or not data.endswith(query('COMMIT')):
            return False
        if self.armed == 'done':
            answered = threading.Event()
            self.muted[server] = lambda data: b'COMMIT\0' in data and answered.set()
            server.sendall(data)
            assert answered.wait(60)
        client.shutdown(socket.SHUT_RDWR)
        self.armed = None
        self.cuts += 1
        return True
