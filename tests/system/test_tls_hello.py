"""What a server with TLS is told before anything else: the name, the protocol, the version; and that it is known."""
import socket
import ssl
import threading
import warnings

import pytest

import raw
from pki import client_tls, server_tls
from raw import Raw, i32, msg
from secure import Secure
from servers import wait_for

READY = msg('R', i32(0)) + msg('K', i32(77) + i32(78)) + msg('Z', b'I')


class Greeter:
    """Lets everybody in, through TLS, and remembers how each introduced itself."""

    def __init__(self, pki, newest=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pki.server.crt, pki.server.key)
        self.context.set_alpn_protocols(['postgresql'])
        self.context.sni_callback = self._named
        if newest:
            self.context.set_ciphers('ALL:@SECLEVEL=0')
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # nobody should speak these any more
                self.context.minimum_version, self.context.maximum_version = ssl.TLSVersion.TLSv1, newest
        self.names, self.met, self.failed, self.cancels, self.held = [], [], [], [], []
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _named(self, _tls, name, _context):
        self.names.append(name)

    def _accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        if s.recv(65536) != raw.request_packet(raw.SSL_REQUEST):
            s.close()
            return
        s.sendall(b'S')
        try:
            s = self.context.wrap_socket(s, server_side=True)
        except OSError as e:
            self.failed.append(e)
            return
        self.met.append((s.selected_alpn_protocol(), s.version(), s.session_reused))
        packet = s.recv(65536)
        if packet[4:8] == i32(raw.CANCEL_REQUEST):
            self.cancels.append(packet)
        else:
            s.sendall(READY)
            self.held.append(s)

    def close(self):
        self.listener.close()
        for s in self.held:
            s.close()


@pytest.fixture
def greeter(pki):
    made = []

    def make(**kw):
        made.append(Greeter(pki, **kw))
        return made[-1]
    yield make
    for server in made:
        server.close()


def test_a_server_is_called_by_its_name_and_its_protocol(make_proxy, pki, greeter):
    server = greeter()
    proxy = make_proxy(server_address=f'localhost:{server.port}', config=server_tls('verify-full', ca=pki.authority.path))
    for _ in range(2):
        with Raw(proxy.address) as c:
            c.startup()
    assert server.names == ['localhost', 'localhost']
    assert [met[:2] for met in server.met] == [('postgresql', 'TLSv1.3')] * 2
    assert [reused for _, _, reused in server.met] == [False, True], 'the second session resumes the first'


def test_an_address_is_no_name(make_proxy, pki, greeter):
    server = greeter()
    proxy = make_proxy(server_address=f'127.0.0.1:{server.port}', config=server_tls('require'))
    with Raw(proxy.address) as c:
        c.startup()
    assert server.names == [None]


def test_a_server_of_before_1_2_is_refused(make_proxy, pki, greeter):
    server = greeter(newest=ssl.TLSVersion.TLSv1_1)
    proxy = make_proxy(server_address=f'localhost:{server.port}', config=server_tls('require'))
    with Raw(proxy.address) as c, pytest.raises(raw.ServerError) as refused:
        c.startup()
    assert refused.value.fields['C'] == '08006'
    wait_for(lambda: server.failed, what='the server sees it end')
    assert not server.met


@pytest.mark.parametrize('kind', [Secure, Raw])
def test_any_proxy_of_a_fleet_passes_a_cancel_on(make_proxy, pki, greeter, kind):
    """The key is the server's own; the connection that carries it is as safe as the session's."""
    server = greeter()
    here, there = (make_proxy(server_address=f'localhost:{server.port}', config=client_tls(pki) + server_tls('require'))
                   for _ in range(2))
    with Secure(here.address) as c:
        c.startup()
        with kind(there.address) as other:
            other.send(c.cancel_packet())
            other.rest()
        wait_for(lambda: server.cancels == [c.cancel_packet()], what='the cancel request, byte for byte')
