#!/usr/bin/python3
"""Makes the pictures of the page from a made-up ledger, with headless Chromium.

usage: docs/images/make.py build/crossfade [FOLDER]
"""
import math
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

DAY = 86400
TABLES = [  # table, new name, stage, days since the flip (None: none), deprecated column
    ('public.prices', 'data.prices', 'live', 21, 'priority'), ('execution.orders', 'trading.orders', 'old', None, None),
    ('public.sector', 'data.sectors', 'complete', 9, None), ('public.market_index', 'data.market_index', 'old', None, None),
    ('public.stocks', 'data.stocks', 'live', 40, None)]
WHO = [('aegis', 'app', 'billing', '10.0.0.31', 'invoices', '/invoices/:id', 'show'), ('aegis', 'etl', 'loader', '10.0.0.12', '', '', ''),
       ('aegis', 'app', 'web', '10.0.0.40', 'orders', '/orders', 'index'), ('aegis', 'report', 'nightly', '10.0.0.9', '', '', '')]
# table index, side, kind, who, uses a day at first and now, statement, refused, columns
USES = [(0, 'old', 'select', 0, 900, 20, 'SELECT date, close FROM public.prices WHERE code = $1 AND date >= $2 ORDER BY date', 0, 'close code date'),
        (0, 'old', 'insert', 1, 700, 0, 'INSERT INTO public.prices (code, date, close, priority) VALUES ($1, $2, $3, $4)', 0, 'close code date priority'),
        (0, 'new', 'select', 2, 0, 1500, 'SELECT close FROM data.prices WHERE code = $1', 0, 'close code'),
        (1, 'old', 'select', 2, 500, 480, 'SELECT id, state FROM orders WHERE account = $1', 0, 'account id state'),
        (1, 'old', 'opaque', 1, 12, 12, 'DO $1', 0, ''),
        (2, 'old', 'select', 3, 60, 3, 'SELECT * FROM public.sector', 1, '*'),
        (2, 'new', 'select', 2, 10, 400, 'SELECT name FROM data.sectors WHERE id = $1', 0, 'id name'),
        (4, 'new', 'select', 2, 200, 900, 'SELECT name FROM data.stocks WHERE code = $1', 0, 'code name')]


def empty_ledger(program, folder):
    """The proxy makes one when it starts."""
    config = folder / 'crossfade.yaml'
    config.write_text(f'listen: ["{folder}"]\nserver: 127.0.0.1:1\nmap: map.yaml\nusage: usage.db\n')
    (folder / 'map.yaml').write_text('old: v10\nnew: v13\ntables: {}\n')
    proxy = subprocess.Popen([program, 'serve', '-c', config], stderr=subprocess.PIPE, text=True)
    for line in proxy.stderr:
        if 'event=ready' in line:
            break
    proxy.send_signal(signal.SIGTERM)
    proxy.communicate()
    return folder / 'usage.db'


def fill(db, now):
    start = now - 48 * DAY
    db.execute('DELETE FROM observations')
    db.execute("INSERT INTO observations (host, pid, version, started_ms, heartbeat_ms) VALUES ('db-proxy-1', 812, '0.1.0', ?, ?)",
               (start * 1000, now * 1000))
    for i, (table, new_name, stage, flipped, deprecated) in enumerate(TABLES, 1):
        db.execute('INSERT INTO entries (id, table_name, new_name, stage, declared_ms, deprecated) VALUES (?, ?, ?, ?, ?, ?)',
                   (i, table, new_name, stage, start * 1000, deprecated))
        if flipped:
            db.execute('INSERT INTO flips (entry, at_ms, from_stage, to_stage) VALUES (?, ?, ?, ?)',
                       (i, (now - flipped * DAY) * 1000, 'live' if stage == 'complete' else 'old', stage))
    db.executemany('INSERT INTO identities (database, user, application, address, controller, route, action)'
                   ' VALUES (?, ?, ?, ?, ?, ?, ?)', WHO)
    for number, one in enumerate(USES, 1):
        fill_use(db, now, number, *one)
    db.execute("INSERT INTO forecasts VALUES (5, 2, 'old', 'live', 'opaque', 'named in a function body or a string, which is not changed', 1)")
    db.execute("INSERT INTO forecasts VALUES (4, 2, 'old', 'live', 'fine', NULL, 1)")
    db.execute("INSERT INTO forecasts VALUES (1, 1, 'old', 'complete', 'refused', 'public.prices is gone: it is data.prices now', 1)")


def fill_use(db, now, number, table, side, kind, who, first, last, text, refused, columns):
    total, last_s = 0, 0
    db.execute('INSERT INTO statements VALUES (?, ?, ?)', (number, number, text))
    for day in range(47, -1, -1):
        share = 1 / (1 + math.exp((27 - day) / 4)) if first != last else 0
        count = round((first * share + last * (1 - share)) * random.uniform(0.85, 1.15))
        if not count:
            continue
        at = (now - day * DAY) // DAY * DAY if day else now // 3600 * 3600
        db.execute(f"INSERT INTO {'hours' if day < 2 else 'days'} VALUES (?, ?, ?, 0, ?, 0)",
                   (at, number, 0 if refused else count, count if refused else 0))
        total, last_s = total + count, now - 40 if not day else at + DAY - 600
    db.execute("INSERT INTO uses VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 0, ?, ?, ?, ?)",
               (number, table + 1, side, kind, who + 1, number, side == 'old' and TABLES[table][2] == 'live', refused,
                0 if refused else total, total if refused else 0, total, (now - 47 * DAY) * 1000, last_s * 1000))
    for column in columns.split():
        db.execute('INSERT OR REPLACE INTO column_uses VALUES (?, ?, ?, ?, ?, ?, ?)',
                   (table + 1, side, column, who + 1, total, (now - 47 * DAY) * 1000, last_s * 1000))
        db.execute('INSERT INTO statement_columns VALUES (?, ?, ?, ?)', (number, table + 1, side, column))


def shoot(page, picture, width, height, dark, scratch):
    subprocess.run(['chromium', '--headless=new', '--no-sandbox', '--disable-gpu', '--hide-scrollbars',
                    f'--user-data-dir={scratch}/profile-{width}', f'--window-size={width},{height}',
                    f'--blink-settings=preferredColorScheme={0 if dark else 1}', '--virtual-time-budget=3000',
                    f'--screenshot={picture}', page.as_uri()], check=True, capture_output=True, timeout=120)


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    target = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parent).resolve()
    random.seed(4)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with sqlite3.connect(empty_ledger(program, folder)) as db:
            fill(db, int(time.time()))
        html = subprocess.run([program, 'report', '--ledger', folder / 'usage.db', '--format', 'html'],
                              capture_output=True, text=True, check=True).stdout
        page = folder / 'page.html'
        page.write_text(html.replace('render();\n} else', "state.open.add('public.prices/old'); render();\n} else"))
        shoot(page, target / 'page.png', 1100, 1750, False, folder)
        shoot(page, target / 'page-phone-dark.png', 390, 1500, True, folder)


main()
