"""Every conversation gives the same bytes through the proxy as directly."""
import hashlib
import os
import random
import threading
import time

import pytest

import raw
from conversations import ALL, CLOSE
from raw import Raw, bind, copy_data, copy_done, execute, extended, parse, query, sync
from relay import Relay
from servers import Crossfade, PgBouncer, join, wait_for


def whole(client, data):
    client.send(data)


def one_by_one(client, data):
    client.send_slowly(data, 1)


def send_quietly(send, client, data):
    try:
        send(client, data)
    except OSError:
        pass  # the server may close before it has read all: what it said is compared


def in_random_pieces(client, data):
    dice = random.Random(len(data))
    at = 0
    while at < len(data):
        size = dice.choice([1, 2, 3, 4, 5, 6, 7, 11, 60, 500])
        client.send(data[at:at + size])
        at += size
        time.sleep(0.0002)


def converse(address, steps, send=whole, **startup):
    """The bytes that came back, message by message, and that the session still works."""
    with Raw(address) as c:
        c.startup(**startup)
        got = []
        for data, kind, count in steps:
            sender = threading.Thread(target=send_quietly, args=(send, c, data))
            sender.start()
            got.append(c.rest_messages() if kind == CLOSE else c.until(kind, count))
            join(sender)
        if kind != CLOSE:
            got.append(c.ask('select 42'))
            assert c.quiet(0.01), c.message()
        return got


@pytest.fixture(scope='module')
def expected(pg):
    known = {}

    def get(name):
        if name not in known:
            known[name] = converse(pg.address, ALL[name])
        return known[name]
    return get


@pytest.mark.parametrize('name', ALL)
def test_answers_are_those_of_the_server(ep, expected, name):
    assert converse(ep.address, ALL[name]) == expected(name)


def small(name):
    return sum(len(data) for data, _, _ in ALL[name]) < 1500


@pytest.mark.parametrize('name', filter(small, ALL))
def test_a_packet_for_every_byte_changes_nothing(ep, expected, name):
    assert converse(ep.address, ALL[name], one_by_one) == expected(name)


@pytest.mark.parametrize('name', ALL)
def test_packets_of_any_size_change_nothing(ep, expected, name):
    assert converse(ep.address, ALL[name], in_random_pieces) == expected(name)


@pytest.fixture(scope='module')
def dribbling(pg, endpoint_kind):
    """The endpoint in front of a server whose bytes arrive one by one."""
    relay = Relay(pg.address, size_to_client=1)
    if endpoint_kind == 'crossfade':
        proxy = Crossfade(pg, server_address=f'127.0.0.1:{relay.port}')
    elif endpoint_kind == 'pgbouncer':
        proxy = PgBouncer(relay)
    else:
        proxy = relay
    yield proxy
    if proxy is not relay:
        proxy.finish()
    relay.close()


@pytest.mark.parametrize('name', filter(small, ALL))
def test_a_server_whose_bytes_come_one_by_one_changes_nothing(dribbling, expected, name):
    if sum(len(b) for step in expected(name) for _, b in step) > 6000:
        pytest.skip('long answer')
    assert converse(dribbling.address, ALL[name]) == expected(name)


def test_unix_socket_gives_the_same_bytes(ep, expected):
    for name in ('hundreds of batches at once', 'copy in', 'error in parse', 'terminate behind work'):
        assert converse(ep.unix_address, ALL[name]) == expected(name)


def test_startup_packet_in_single_bytes(ep):
    with Raw(ep.address) as c:
        packet = raw.startup_packet({'user': 'app', 'database': 'postgres', 'application_name': 'slow'})
        sender = threading.Thread(target=c.send_slowly, args=(packet,))
        sender.start()
        _finish_startup(c)
        join(sender)
        assert c.value('show application_name') == 'slow'


def _finish_startup(c):
    kinds = [kind for kind, _ in c.until('Z')]
    assert kinds[0] == 'R' and kinds[-2:] == ['K', 'Z'] and set(kinds[1:-2]) == {'S'}


def test_query_in_the_same_packet_as_the_startup(ep, pg):
    def run(address):
        with Raw(address) as c:
            c.send(raw.startup_packet({'user': 'app', 'database': 'postgres'})
                   + query('select 1') + extended('select 2') + sync())
            opening = [(k, b) for k, b in c.until('Z') if k != 'K']
            return opening, c.until('Z', 2)
    assert run(ep.address) == run(pg.address)


def test_query_in_the_middle_of_copy_in_ends_the_session(ep):
    """PostgreSQL gives up on such a client; how much of its farewell arrives is up to TCP."""
    with Raw(ep.address).startup() as c:
        c.send(query('copy bulk from stdin') + copy_data(b'1\tx\n') + query('select 4711'))
        assert b'4711' not in c.rest()


# --- negotiation before the session

def test_ssl_and_gssenc_requests_are_answered_n(ep):
    requests = [[raw.SSL_REQUEST]]
    if ep.kind != 'direct':  # a server with Kerberos answers G
        requests += [[raw.GSSENC_REQUEST], [raw.SSL_REQUEST, raw.GSSENC_REQUEST],
                     [raw.GSSENC_REQUEST, raw.SSL_REQUEST]]
    for codes in requests:
        with Raw(ep.address) as c:
            for code in codes:
                c.send(raw.request_packet(code))
                assert c.byte() == b'N'
            c.startup()
            assert c.value('select 1') == '1'


def test_ssl_request_in_single_bytes(ep):
    with Raw(ep.address) as c:
        c.send_slowly(raw.request_packet(raw.SSL_REQUEST), pause=0.005)
        assert c.byte() == b'N'
        c.startup()


def test_bytes_right_behind_an_ssl_request_never_start_a_session(ep):
    """They may have been injected by somebody in the middle: PostgreSQL closes, too."""
    with Raw(ep.address) as c:
        c.send(raw.request_packet(raw.SSL_REQUEST)
               + raw.startup_packet({'user': 'app', 'database': 'postgres'}) + query('select 4711'))
        answer = c.rest()
        assert b'4711' not in answer and b'server_version' not in answer


def negotiate(address, version, **options):
    with Raw(address) as c:
        packet = raw.startup_packet({'user': 'app', 'database': 'postgres', **options}, version)
        c.startup(packet=packet, user='app')
        answer = [(k, b) for k, b in c.opening if k != 'K']
        return answer, len(c.key), c.value('select 1')


@pytest.mark.parametrize('version, options', [
    (raw.PROTOCOL_3_0, {}), (raw.PROTOCOL_3_2, {}), (raw.PROTOCOL_3_9999, {}),
    (raw.PROTOCOL_3_0, {'_pq_.test': 'on'}), (raw.PROTOCOL_3_2, {'_pq_.a': '1', '_pq_.b': ''}),
    (raw.PROTOCOL_3_9999, {'_pq_.test_protocol_negotiation': 'on'})])
def test_protocol_negotiation_is_the_servers(ep, pg, version, options):
    got = negotiate(ep.address, version, **options)
    assert got == negotiate(pg.address, version, **options)
    if version != raw.PROTOCOL_3_0 or options:
        assert sum(kind == 'v' for kind, _ in got[0]) == 1


@pytest.mark.parametrize('version', [0, 1 << 16, 2 << 16, 4 << 16, 0x7fff0000])
def test_other_major_versions_are_refused(ep, version):
    with Raw(ep.address) as c:
        c.send(raw.startup_packet({'user': 'app', 'database': 'postgres'}, version))
        answer = c.rest()
        if answer[1:2] == b'\0':  # PostgreSQL speaks to clients of 2003 in their own way
            fields = raw.error_fields(answer[5:])
            assert (fields['S'], fields['C']) == ('FATAL', '0A000') and 'protocol' in fields['M']
        assert answer.startswith(b'E') and b'unsupported frontend protocol' in answer


# --- cancel

def sleeper(ep, seconds=30, **params):
    c = Raw(ep.address).startup(**params)
    c.send(query(f'select pg_sleep({seconds})'))
    return c


def test_cancel_reaches_the_right_session_only(ep, pg):
    sessions = [sleeper(ep, 1.5) for _ in range(6)]
    for session in (sessions[2], sessions[4]):
        pg.wait_active(session.pid)
    raw.send_cancel(ep.address, sessions[2].cancel_packet())
    raw.send_cancel(ep.unix_address, sessions[4].cancel_packet())
    answers = [[k for k, _ in c.until()] for c in sessions]
    for c in sessions:
        c.sock.close()
    assert ['E' in a for a in answers] == [False, False, True, False, True, False]


def test_cancel_with_a_wrong_key_changes_nothing(ep):
    c = sleeper(ep, 0.6)
    time.sleep(0.1)
    wrong = raw.request_packet(raw.CANCEL_REQUEST, raw.i32(c.pid) + bytes(4))
    assert raw.send_cancel(ep.address, wrong) == b''
    unknown = raw.request_packet(raw.CANCEL_REQUEST, raw.i32(1) + c.key)
    assert raw.send_cancel(ep.address, unknown) == b''
    assert 'E' not in [k for k, _ in c.until()]
    c.sock.close()


def test_cancel_sent_to_the_server_directly_works_too(ep, pg):
    c = sleeper(ep)
    pg.wait_active(c.pid)
    raw.send_cancel(pg.address, c.cancel_packet())
    assert raw.error_fields(dict(c.until())['E'])['C'] == '57014'
    c.sock.close()


def test_late_cancel_does_not_hit_anyone(ep):
    with Raw(ep.address).startup() as c:
        packet = c.cancel_packet()
        c.send(raw.terminate())
        c.rest()
    other = sleeper(ep, 0.5)
    raw.send_cancel(ep.address, packet)
    assert 'E' not in [k for k, _ in other.until()]
    other.sock.close()


@pytest.mark.parametrize('packet', [
    raw.i32(12) + raw.i32(raw.CANCEL_REQUEST) + raw.i32(5), raw.i32(8) + raw.i32(raw.CANCEL_REQUEST),
    raw.i32(16) + raw.i32(raw.CANCEL_REQUEST) + raw.i32(5),
    raw.i32(10000) + raw.i32(raw.CANCEL_REQUEST) + bytes(9992)])
def test_broken_cancel_requests_are_closed(ep, packet):
    with Raw(ep.address) as c:
        c.send(packet)
        c.sock.shutdown(1)
        c.rest()


# --- things at any time

def test_notifications_reach_an_idle_client(ep, pg):
    with Raw(ep.address).startup() as c, Raw(pg.address).startup() as other:
        c.ask('listen news')
        other.ask("notify news, 'grün'")
        kind, body = c.message()
        assert (kind, body) == ('A', raw.i32(other.pid) + b'news\0gr\xc3\xbcn\0')
        c.ask("notify news, 'mine'")
        assert c.quiet(0.05)


def test_parameter_status_comes_when_the_server_reloads(ep, pg):
    with Raw(ep.address).startup() as c:
        pg.psql('-c', "alter system set timezone = 'Asia/Seoul'", '-c', 'select pg_reload_conf()')
        try:
            wait_for(lambda: ('S', b'TimeZone\0Asia/Seoul\0') in c.ask('select 1'), what='new time zone')
        finally:
            pg.psql('-c', 'alter system reset timezone', '-c', 'select pg_reload_conf()')
        wait_for(lambda: 'S' in dict(c.ask('select 1')), what='old time zone')


@pytest.mark.alone
def test_notices_arrive_while_the_statement_still_runs(ep):
    with Raw(ep.address).startup() as c:
        began = time.monotonic()
        c.send(query('select slow_raise(1.0)'))
        assert c.until('N')[-1][0] == 'N'
        assert time.monotonic() - began < 0.9
        c.until()


@pytest.mark.alone
def test_rows_arrive_while_the_statement_still_runs(ep, pg):
    """Nothing is held back until CommandComplete."""
    with Raw(ep.address).startup() as c:
        began = time.monotonic()
        c.send(query("select repeat('x', 20000), pg_sleep(0.3) from generate_series(1, 4)"))
        assert c.message()[0] == 'T' and c.message()[0] == 'D'
        assert time.monotonic() - began < 1.0
        c.until()


def test_a_batch_is_not_held_back_until_sync(ep):
    """The server works on what came, and a waiting client is not needed for that."""
    with Raw(ep.address).startup() as c:
        c.send(parse("select pg_notify('x','y')") + bind() + execute() + raw.flush())
        c.until('C')
        c.send(sync())
        c.until()


# --- size

def test_a_parameter_of_forty_megabytes(ep):
    big = os.urandom(20 << 20).hex()
    with Raw(ep.address, timeout=60).startup() as c:
        threading.Thread(target=c.send, args=(
            parse('select length($1::text), md5($1)') + bind([big]) + execute() + sync(),)).start()
        rows = [raw.data_row(b) for k, b in c.until() if k == 'D']
    assert rows == [[b'%d' % (40 << 20), hashlib.md5(big.encode()).hexdigest().encode()]]


def test_a_query_of_three_megabytes(ep, pg):
    sql = "select length('%s') -- %s" % ('x' * (1 << 20), 'y' * (2 << 20))
    for address in (pg.address, ep.address):
        with Raw(address, timeout=60).startup() as c:
            assert c.value(sql) == str(1 << 20)


def test_a_row_of_a_hundred_megabytes(ep):
    with Raw(ep.address, timeout=60).startup() as c:
        c.send(query("select repeat('0123456789', 10 * 1024 * 1024)"))
        row = [b for k, b in c.until() if k == 'D'][0]
        assert len(row) == 6 + (100 << 20) and row[-10:] == b'0123456789'


def test_every_length_around_the_buffer_sizes(ep):
    """Message ends fall on every place of whatever buffers there are."""
    with Raw(ep.address, timeout=60).startup() as c:
        for base in (4096, 8192, 16384, 32768, 65536, 131072):
            for size in range(base - 24, base + 24):
                c.send(parse('select $1::text') + bind(['v' * size]) + execute() + sync())
                row, = [raw.data_row(b) for k, b in c.until() if k == 'D']
                assert row == [b'v' * size]


def test_every_query_length_around_the_buffer_sizes(ep):
    with Raw(ep.address, timeout=60).startup() as c:
        for base in (4096, 8192, 16384, 65536):
            for size in range(base - 16, base + 16):
                sql = "select '%s'" % ('v' * (size - 9))
                assert len(c.value(sql)) == size - 9


def test_copy_in_of_many_small_messages(ep):
    with Raw(ep.address, timeout=60).startup() as c:
        c.ask('begin; delete from bulk')
        data = b''.join(copy_data(b'%d\tv\n' % i) for i in range(100000))
        c.send(query('copy bulk from stdin'))
        threading.Thread(target=c.send, args=(data + copy_done(),)).start()
        c.until()
        assert c.value('select count(*), sum(n) from bulk') == '100000'
        c.ask('rollback')

