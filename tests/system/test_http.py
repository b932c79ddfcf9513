"""The http port and `crossfade status`, beside a proxy at work."""
import http.client
import re
import shutil
import signal
import subprocess

import pytest

import moves
from raw import Raw
from servers import free_port, wait_for

SAMPLE = re.compile(r'^(crossfade_\w+)(?:\{([^}]*)\})? ([0-9.]+)$')


def get(proxy, path, method='GET'):
    connection = http.client.HTTPConnection('127.0.0.1', proxy.http, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def metrics(proxy):
    answer, text = get(proxy, '/metrics')
    assert answer.status == 200
    found = {}
    for line in text.splitlines():
        if not line.startswith('#'):
            name, labels, value = SAMPLE.match(line).groups()
            key = (name, tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels or ''))))
            assert key not in found, line
            found[key] = float(value)
    return found


def of(samples, name, **labels):
    return samples.get((name, tuple(sorted(labels.items()))))


@pytest.fixture
def proxy(pg, make_proxy):
    moves.create(pg)
    port = free_port()
    proxy = make_proxy(pg, map_text=moves.MAP, dbname='moves',
                       config=f'limits: {{usage_flush: 200ms}}\nhttp: {{listen: 127.0.0.1:{port}}}\n')
    proxy.http = port
    return proxy


def status(proxy, *args):
    return proxy.command('status', '-c', proxy.config_file, *args)


def test_uses_appear_by_table_side_and_outcome(proxy):
    with Raw(proxy.address).startup(database='moves', application_name='billing') as c:
        for _ in range(3):
            c.ask('select 1 from prices limit 1')
        c.ask('select nix from prices')
        c.ask('select 1 from data.prices limit 1')
        labels = dict(database='moves', table='public.prices')

        def counted():
            samples = metrics(proxy)
            return sum(value for (name, _), value in samples.items() if name == 'crossfade_table_uses_total') >= 5
        wait_for(counted, 10, 'five uses', 0.2)
        samples = metrics(proxy)
        assert sum(of(samples, 'crossfade_table_uses_total', side='old', outcome=o, **labels) or 0
                   for o in ('unchanged', 'rewritten')) == 4
        assert sum(of(samples, 'crossfade_table_uses_total', side='new', outcome=o, **labels) or 0
                   for o in ('unchanged', 'rewritten')) == 1
        assert of(samples, 'crossfade_table_use_errors_total', side='old', **labels) == 1
        assert of(samples, 'crossfade_sessions') == 1
        assert of(samples, 'crossfade_ready') == 1
        assert of(samples, 'crossfade_usage_statements_total') == 5
        assert of(samples, 'crossfade_client_received_bytes_total') > 100
    rewritten = of(samples, 'crossfade_statements_total', outcome='rewritten')
    unchanged = of(samples, 'crossfade_statements_total', outcome='unchanged')
    assert rewritten + unchanged == 5
    wait_for(lambda: of(metrics(proxy), 'crossfade_sessions_closed_total', reason='client_terminated') or
             of(metrics(proxy), 'crossfade_sessions_closed_total', reason='client_closed'), 5, 'the session ended')
    text = get(proxy, '/metrics')[1]
    assert 'billing' not in text and '127.0.0.1' not in text and 'postgres' not in text


def test_tables_show_stage_place_and_drift(proxy):
    samples = metrics(proxy)
    labels = dict(database='moves', table='public.prices')
    before = of(samples, 'crossfade_table_stage', **labels)
    assert before == 0
    assert of(samples, 'crossfade_table_rows_in_new', **labels) in (0, 1)
    assert of(samples, 'crossfade_table_drift', **labels) == 0
    assert 0 <= of(samples, 'crossfade_facts_age_seconds', database='moves') < 10
    proxy.flags_file.write_text('flags: {public.prices: live}\n')
    proxy.wait_log('event=reload|reload ', proxy.reload())
    samples = metrics(proxy)
    assert of(samples, 'crossfade_table_stage', **labels) == 3
    assert of(samples, 'crossfade_table_drift', **labels) == 1


def test_metrics_are_what_prometheus_wants(proxy):
    promtool = shutil.which('promtool')
    if not promtool:
        pytest.skip('promtool is not installed')
    done = subprocess.run([promtool, 'check', 'metrics'], input=get(proxy, '/metrics')[1], text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_status_says_what_it_checked(proxy):
    done = status(proxy)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.splitlines() == [f'ok   process at 127.0.0.1:{proxy.http}: ok',
                                        f'ok   proxy at 127.0.0.1:{proxy.http}: ready']
    done = status(proxy, '--server')
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 3
    assert proxy.command('status', '-c', '/nowhere').returncode == 2
    assert status(proxy, 'extra').returncode == 2


def test_status_without_http_says_hello_to_the_proxy(pg, make_proxy):
    proxy = make_proxy(pg)
    done = status(proxy)
    assert done.returncode == 0, done.stdout
    assert done.stdout == f'ok   proxy at 127.0.0.1:{proxy.port}: answers\n'
    proxy.stop()
    done = status(proxy)
    assert done.returncode == 1 and done.stdout.startswith('FAIL proxy'), done.stdout
    proxy.start()


def test_draining_is_not_ready(proxy):
    with Raw(proxy.address).startup(database='moves') as c:
        c.ask('begin')
        assert get(proxy, '/readyz')[0].status == 200
        proxy.process.send_signal(signal.SIGTERM)
        proxy.wait_log('draining')
        answer, text = get(proxy, '/readyz')
        assert (answer.status, text.split(':')[0]) == (503, 'draining')
        assert get(proxy, '/healthz')[0].status == 200
        done = status(proxy)
        assert done.returncode == 1 and 'FAIL proxy' in done.stdout
        c.ask('rollback')
    proxy.process.wait(20)
    proxy.start()


def test_server_that_is_gone_is_told_on_request(victim, make_proxy):
    port = free_port()
    proxy = make_proxy(victim, config=f'http: {{listen: 127.0.0.1:{port}}}\n')
    proxy.http = port
    assert get(proxy, '/readyz?server=1')[0].status == 200
    victim.stop()
    assert get(proxy, '/readyz')[0].status == 200
    answer, text = get(proxy, '/readyz?server=1')
    assert answer.status == 503 and text.startswith('server: '), text
    done = status(proxy, '--server')
    assert done.returncode == 1 and 'FAIL server' in done.stdout
