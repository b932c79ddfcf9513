"""Behind a load balancer that speaks the PROXY protocol the ledger knows the clients' addresses."""
import json
import socket
import struct

import pytest

import moves
from raw import Raw
from servers import wait_for

V2 = b'\r\n\r\n\0\r\nQUIT\n'


@pytest.fixture
def proxy(pg, make_proxy):
    moves.create(pg)
    return make_proxy(pg, map_text=moves.MAP, dbname='moves', config='limits: {usage_flush: 200ms}\n',
                      listen='[{address: "127.0.0.1:PORT", proxy_protocol: true}]')


def v2(command, family, body):
    return V2 + bytes([command, family]) + struct.pack('!H', len(body)) + body


def connect(proxy, header, pieces=1):
    """A session whose connection begins with the header, sent in so many pieces."""
    c = Raw(proxy.address)
    step = -(-len(header) // pieces)
    for at in range(0, len(header), step):
        c.send(header[at:at + step])
    return c


def addresses(proxy):
    tables = json.loads(proxy.report().stdout)['tables']
    return {who['address'] for t in tables if t['table'] == 'public.prices' for who in t['old']['clients']}


IPV6 = bytes.fromhex('20010db8000000000000000000000007')


HEADERS = [  # in so many pieces
    (b'PROXY TCP4 192.0.2.7 192.0.2.1 56324 5432\r\n', 1, '192.0.2.7'),
    (b'PROXY TCP6 2001:db8::9 2001:db8::1 56324 5432\r\n', 20, '2001:db8::9'),
    (b'PROXY UNKNOWN\r\n', 1, '127.0.0.1'),
    (v2(0x21, 0x11, bytes([198, 51, 100, 4, 127, 0, 0, 1]) + b'\x11\x11\x22\x22' + b'\4\0\1x'), 30, '198.51.100.4'),
    (v2(0x21, 0x21, IPV6 + IPV6 + b'\x11\x11\x22\x22'), 1, '2001:db8::7'),
    (v2(0x20, 0x00, b''), 1, '127.0.0.1'),
]


def test_the_client_is_who_the_header_says(proxy):
    for header, pieces, _ in HEADERS:
        with connect(proxy, header, pieces).startup(database='moves') as c:
            c.ask('select 1 from prices limit 1')
    body = struct.pack('!I', 196608) + b'user\0postgres\0database\0moves\0\0'
    with Raw(proxy.address) as c:  # header and first packet together
        c.send(b'PROXY TCP4 192.0.2.8 192.0.2.1 1 2\r\n' + struct.pack('!I', len(body) + 4) + body)
        c.until('Z')
        c.ask('select 1 from prices limit 1')
    want = {address for _, _, address in HEADERS} | {'192.0.2.8'}
    wait_for(lambda: addresses(proxy) == want, 10, f'the addresses {want}', 0.2)


WRONG = [b'PROXY TCP4 nonsense\r\n', v2(0x21, 0x11, b'short'), b'GET / HTTP/1.1\r\n\r\n', struct.pack('!II', 8, 80877103),
         V2 + b'\x21\x11\xff\xff', b'PROXY ' + b'x' * 5000]


def test_without_a_header_nobody_gets_in(proxy):
    for i, data in enumerate(WRONG):
        with socket.create_connection(proxy.address, 10) as s:
            s.sendall(data)
            answer = b''
            while more := s.recv(4096):
                answer += more
        assert answer[:1] == b'E' and b'PROXY protocol header' in answer, data
    wait_for(lambda: proxy.log().count('reason=startup_invalid') == len(WRONG), 10, 'the reasons')


def test_a_header_is_not_taken_where_it_was_not_asked_for(pg, make_proxy):
    proxy = make_proxy(pg)
    with socket.create_connection(proxy.address, 10) as s:
        s.sendall(b'PROXY TCP4 192.0.2.7 192.0.2.1 56324 5432\r\n')
        assert s.recv(4096)[:1] in (b'E', b'')
    proxy.wait_log('reason=startup_invalid')
    assert '192.0.2.7' not in proxy.log()
