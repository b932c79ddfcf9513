"""The http port and `crossfade status`, beside a proxy at work."""
import html.parser
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

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
        assert of(samples, 'crossfade_transactions_total') >= 5
        assert of(samples, 'crossfade_errors_total', reason='server') == 1
        assert of(samples, 'crossfade_errors_total', reason='refused') == 0
        parsed = of(samples, 'crossfade_parse_seconds_count')
        assert 3 <= parsed <= 10 and of(samples, 'crossfade_parse_seconds_bucket', le='+Inf') == parsed
        assert of(samples, 'crossfade_rewrite_cache_hits_total') + of(samples, 'crossfade_rewrite_cache_misses_total') >= 5
        assert of(samples, 'crossfade_rewrite_cache_bytes') > 0
    rewritten = of(samples, 'crossfade_statements_total', outcome='rewritten')
    unchanged = of(samples, 'crossfade_statements_total', outcome='unchanged')
    assert rewritten + unchanged == 5
    wait_for(lambda: of(metrics(proxy), 'crossfade_sessions_closed_total', reason='client_terminated') or
             of(metrics(proxy), 'crossfade_sessions_closed_total', reason='client_closed'), 5, 'the session ended')
    text = get(proxy, '/metrics')[1]
    assert 'billing' not in text and '127.0.0.1' not in text and 'postgres' not in text


def test_tables_show_stage_place_and_drift(proxy, pg):
    samples = metrics(proxy)
    labels = dict(database='moves', table='public.prices')
    before = of(samples, 'crossfade_table_stage', **labels)
    assert before == 0
    assert of(samples, 'crossfade_table_rows_in_new', **labels) in (0, 1)
    assert of(samples, 'crossfade_table_drift', **labels) == 0
    assert 0 <= of(samples, 'crossfade_facts_age_seconds', database='moves') < 10
    moves.move(pg, 'prices')  # and the flag still says old
    wait_for(lambda: of(metrics(proxy), 'crossfade_table_drift', **labels) == 1, 10, 'the drift is seen', 0.2)
    assert of(metrics(proxy), 'crossfade_table_rows_in_new', **labels) == 1
    assert of(metrics(proxy), 'crossfade_table_flips_total', **labels) == 0
    proxy.flags_file.write_text('flags: {public.prices: live}\n')
    proxy.wait_log('event=reload|reload ', proxy.reload())
    samples = metrics(proxy)
    assert of(samples, 'crossfade_table_stage', **labels) == 3
    assert of(samples, 'crossfade_table_drift', **labels) == 0
    assert of(samples, 'crossfade_table_flips_total', **labels) == 1


HOSTILE = '"</script><script>document.title=1</script><img src=x onerror=alert(1)>"'


class Page(html.parser.HTMLParser):
    """What a browser would load, run and show."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.data, self.current = [], set(), {}, None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        self.current = attrs.get('type', tag) if tag == 'script' else tag
        if 'id' in attrs:
            assert attrs['id'] not in self.ids
            self.ids.add(attrs['id'])

    def handle_endtag(self, tag):
        self.current = None

    def handle_data(self, data):
        self.data[self.current] = self.data.get(self.current, '') + data


def check_page(text):
    page = Page(text)
    scripts = [attrs for tag, attrs in page.tags if tag == 'script']
    assert len(scripts) == 2 and [s.get('type') for s in scripts] == ['application/json', None]
    for tag, attrs in page.tags:
        assert not any(name.startswith('on') for name in attrs), attrs
        assert tag not in ('iframe', 'object', 'embed', 'img', 'base', 'form')
        assert 'src' not in attrs and attrs.get('href', '#')[0] in '#d', attrs  # nothing from elsewhere
        if tag in ('input', 'button'):
            assert attrs.get('type') in ('search', 'button')
    for mark in re.findall(r'aria-labelledby="([^"]+)"', text):
        assert mark in page.ids
    assert dict(page.tags)['html'] == {'lang': 'en'}
    assert 'innerHTML' not in text and 'document.write' not in text and 'eval(' not in text
    for name in re.findall(r"byId\('([^']+)'\)", text):
        assert name in page.ids
    return page


def use_hostile_text(proxy):
    with Raw(proxy.address).startup(database='moves', application_name='<b onclick=1>&') as c:
        c.ask(f'select close as {HOSTILE} from prices limit 1')
        c.ask('select close from data.prices limit 1')

    def seen():
        return [t for t in json.loads(proxy.report().stdout)['tables'] if t['old']['count'] and t['new']['count']]
    wait_for(seen, 10, 'the uses in the ledger', 0.2)


def test_page_stands_alone(proxy):
    answer, text = get(proxy, '/')
    assert answer.status == 200
    nonce = re.search(r"script-src 'nonce-(\w{32})'", answer.getheader('Content-Security-Policy')).group(1)
    page = check_page(text)
    assert page.data.get('application/json', '') == ''
    assert [a['nonce'] for t, a in page.tags if t in ('style', 'script') and 'type' not in a] == [nonce, nonce]


def test_page_gets_what_the_report_says(proxy):
    use_hostile_text(proxy)
    time.sleep(5)  # the port keeps a report for so long
    answer, text = get(proxy, '/report.json')
    assert (answer.status, answer.getheader('Content-Type')) == (200, 'application/json')
    served, printed = json.loads(text), json.loads(proxy.report().stdout)
    for report in (served, printed):
        for table in report['tables']:
            table.pop('verdict')  # speaks of seconds
    assert served['tables'] == printed['tables']
    prices = next(t for t in served['tables'] if t['table'] == 'public.prices')
    for part, length in (('hours', 48), ('days', 35)):
        for which in ('old', 'new'):
            counts = prices['series'][part][which]
            assert len(counts) == length and sum(counts) == prices[which]['count'] == 1 and sum(counts[-2:]) == 1


def test_page_judges_as_the_report_does(pg, proxy):
    def both():
        there = {t['table']: (t['verdict']['code'], t['blockers']) for t in json.loads(proxy.report().stdout)['tables']}
        here = json.loads(get(proxy, '/report.json')[1])
        assert [one['error'] for one in here['asked']] == [None]
        return there, {t['table']: (t['verdict']['code'], t['blockers']) for t in here['tables']}
    pg.psql('-c', 'create function reads_prices() returns bigint language sql as $$ select count(*) from public.prices $$',
            PGDATABASE='moves')
    there, here = both()
    assert there == here and here['public.prices'] == ('blocked', ['function public.reads_prices()'])


def test_page_says_when_the_database_cannot_be_asked(victim, make_proxy):
    moves.create(victim)
    port = free_port()
    proxy = make_proxy(victim, map_text=moves.MAP, dbname='moves', config=f'http: {{listen: 127.0.0.1:{port}}}\n')
    proxy.http = port
    assert json.loads(get(proxy, '/report.json')[1])['asked'][0]['error'] is None
    victim.stop('immediate')

    def asked():
        return json.loads(get(proxy, '/report.json')[1])['asked'][0]
    wait_for(lambda: asked()['error'], 60, 'the page says so', 0.5)
    assert asked()['answered'] and get(proxy, '/healthz')[0].status == 200
    victim.start()


def test_report_as_one_file(proxy):
    use_hostile_text(proxy)
    done = proxy.command('report', '-c', proxy.config_file, '--format', 'html')
    assert done.returncode == 0, done.stderr
    page = check_page(done.stdout)
    tables = json.loads(page.data['application/json'])['tables']
    prices = next(t for t in tables if t['table'] == 'public.prices')
    assert HOSTILE in prices['old']['statements'][0]['statement']
    assert prices['old']['clients'][0]['application'] == '<b onclick=1>&'


# What only a browser can tell: whether the page is too wide, and controls that a screen reader could not name.
MEASURE = """<script nonce="NONCE">
const root = document.documentElement;
for (const box of document.querySelectorAll('details')) box.open = true;
root.dataset.overflow = root.scrollWidth - innerWidth;
root.dataset.unnamed = [...document.querySelectorAll('a, button, input, summary, svg, [role=region]')].filter(node =>
  !(node.textContent.trim() || node.getAttribute('aria-label') || (node.labels && node.labels.length))).length;
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get('CROSSFADE_BROWSER'), reason='CROSSFADE_BROWSER names no Chromium')
@pytest.mark.parametrize('width', [390, 1280])
@pytest.mark.parametrize('served', [True, False])
def test_page_in_a_browser(proxy, tmp_path, width, served):
    use_hostile_text(proxy)
    wait_for(lambda: any(t['next'] for t in json.loads(proxy.report().stdout)['tables']), 20, 'a forecast', 0.5)
    url = f'http://127.0.0.1:{proxy.http}/'
    if not served:
        file = tmp_path / 'report.html'
        html_text = proxy.command('report', '-c', proxy.config_file, '--format', 'html').stdout
        file.write_text(html_text.replace('</body>', MEASURE.replace('NONCE', re.search(r'nonce-(\w{32})', html_text)[1]) + '</body>'))
        url = file.as_uri()
    picture = Path(os.environ.get('CROSSFADE_PICTURES') or tmp_path) / f'page-{width}-{"served" if served else "file"}.png'
    browser = [os.environ['CROSSFADE_BROWSER'], '--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars',
               f'--user-data-dir={tmp_path}/profile', f'--window-size={width},1600', '--virtual-time-budget=5000']
    shot = subprocess.run([*browser, f'--screenshot={picture}', url], capture_output=True, text=True, timeout=120)
    assert shot.returncode == 0 and picture.stat().st_size > 10000, shot.stderr
    done = subprocess.run([*browser, '--dump-dom', url], capture_output=True, text=True, timeout=120)
    assert 'Content Security Policy' not in done.stderr, done.stderr
    dom = done.stdout
    assert dom.count('<article') == len(json.loads(proxy.report().stdout)['tables'])
    assert '<title>crossfade: which old names are still used</title>' in dom  # the statement did not run
    body = dom[:dom.index('<script type="application/json"')]
    assert '<img' not in body and '<b ' not in body and '&lt;/script&gt;' in body and '<svg' in body
    for section in ('board', 'list', 'refused', 'flips', 'bypass', 'watch'):
        assert re.search(rf'id="{section}"[^>]*><', body), f'{section} is empty'
    assert 'Nothing was refused.' in body and 'No stage has changed.' in body and 'Its statements at stage live' in body
    if not served:  # nothing is wider than the screen: what is, scrolls in its own box
        assert int(re.search(r'data-overflow="(-?\d+)"', dom)[1]) <= 0
        assert re.search(r'data-unnamed="0"', dom)
    assert 'cannot be loaded' not in re.sub(r'<script.*?</script>', '', body, flags=re.S)


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
