// What node-postgres does with a server; prints one line a step, so that two runs can be compared.
'use strict';
const { Client, Pool } = require('pg');
const Cursor = require('pg-cursor');

const [host, port] = process.argv.slice(2);
const base = { host, port: Number(port), user: 'postgres', database: 'postgres' };
const say = (step, value) => console.log(step + ' ' + JSON.stringify(value));

async function connected(run, more = {}) {
  const client = new Client({ ...base, ...more });
  client.on('error', (e) => say('error event', e.code));
  await client.connect();
  try { return await run(client); } finally { await client.end(); }
}

async function failure(promise) {
  try { await promise; return 'no error'; } catch (e) {
    return { code: e.code, message: e.message, position: e.position, detail: e.detail, table: e.table };
  }
}

async function queries(c) {
  say('simple', (await c.query('select id, name, price, at from items where id < 3 order by id')).rows);
  const several = await c.query("select 1 as a; insert into bulk select 1, 'x' where false; select 2 as b");
  say('several', several.map((r) => [r.command, r.rowCount, r.rows]));
  say('parameters', (await c.query('select $1::int + 1 as n, $2::text as t, $3::jsonb as j',
    [41, 'grün', { a: [1, 2] }])).rows);
  say('array mode', (await c.query({ text: 'select 1, null, true', rowMode: 'array' })).rows);
  say('fields', (await c.query('select id, name from items limit 1')).fields.map((f) => [f.name, f.dataTypeID]));
  say('error', await failure(c.query('select nix from items')));
  say('error with parameters', await failure(c.query('select $1::int / 0', [1])));
  say('constraint', await failure(c.query("insert into items values (1, 'twice')")));
  say('after', (await c.query('select 5 as five')).rows);
}

async function prepared(c) {
  const named = { name: 'by-id', text: 'select name from items where id = $1' };
  for (let i = 1; i < 6; i++) say('prepared', (await c.query({ ...named, values: [i] })).rows);
  const many = await Promise.all([...Array(200).keys()].map((i) =>
    c.query({ name: 'add', text: 'select $1::int + $2::int as s', values: [i, i] })));
  say('queued', many.reduce((sum, r) => sum + r.rows[0].s, 0));
}

async function transactions(c) {
  await c.query('begin');
  await c.query("insert into bulk values (-100, 'node')");
  say('in', (await c.query('select count(*) from bulk where n = -100')).rows);
  say('failed', await failure(c.query('select 1/0')));
  say('aborted', await failure(c.query('select 1')));
  await c.query('rollback');
  say('out', (await c.query('select count(*) from bulk where n = -100')).rows);
}

async function cursors(c) {
  const cursor = c.query(new Cursor('select id from items where id > $1 order by id', [3]));
  const first = await cursor.read(5);
  say('cursor', first.map((r) => r.id));
  say('cursor', (await cursor.read(2)).map((r) => r.id));
  await cursor.close();
  say('after cursor', (await c.query('select 1 as one')).rows);
  const whole = c.query(new Cursor('select id from items order by id'));
  let n = 0, rows;
  while ((rows = await whole.read(33)).length) n += rows.length;
  say('cursor to its end', n);
  await whole.close();
}

async function notifications(c) {
  const got = new Promise((resolve) => c.on('notification', resolve));
  await c.query('listen node');
  await connected((other) => other.query("notify node, 'from another'"));
  const n = await got;
  say('notified', [n.channel, n.payload, n.processId !== c.processID]);
  say('pid', (await c.query('select pg_backend_pid() as p')).rows[0].p === c.processID);
}

async function notices(c) {
  const got = [];
  c.on('notice', (n) => got.push([n.severity, n.message]));
  await c.query("do $$ begin raise notice 'hello'; raise warning 'beware'; end $$");
  say('notices', got);
}

async function cancel(c) {
  const sleeping = failure(c.query('select pg_sleep(20)'));
  await new Promise((resolve) => setTimeout(resolve, 200));
  const net = require('net');
  const packet = Buffer.alloc(16);
  [16, 80877102, c.processID, c.secretKey].forEach((v, i) => packet.writeInt32BE(v, 4 * i));
  const where = host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
  await new Promise((resolve, reject) => {
    const s = net.connect(where, () => s.write(packet));
    s.on('close', resolve).on('error', reject).resume();
  });
  say('cancelled', await sleeping);
  say('after cancel', (await c.query('select 3 as three')).rows);
}

async function timeouts(c) {
  await c.query('set statement_timeout = 200');
  say('timeout', await failure(c.query('select pg_sleep(20)')));
  say('still there', (await c.query('select 4 as four')).rows);
}

async function pool() {
  const p = new Pool({ ...base, max: 6 });
  const all = await Promise.all([...Array(100).keys()].map((i) => p.query('select $1::int * 2 as n', [i])));
  say('pool', all.reduce((sum, r) => sum + r.rows[0].n, 0));
  await p.end();
}

async function big(c) {
  const text = 'x'.repeat(5 << 20);
  say('big', (await c.query('select length($1::text) as n, $1::text = $2::text as same', [text, text])).rows);
  say('many rows', (await c.query("select i, repeat('y', 100) from generate_series(1, 20000) i")).rowCount);
}

async function passwords() {
  for (const user of ['pw_plain', 'pw_md5', 'pw_scram']) {
    say(user, (await connected((c) => c.query('select current_user as u'), { user, password: 'secret' })).rows);
    say(user, await failure(connected(() => 0, { user, password: 'wrong' })));
  }
  say('no database', await failure(connected(() => 0, { database: 'nope' })));
}

(async () => {
  for (const step of [queries, prepared, transactions, cursors, notifications, notices, cancel, timeouts, big]) {
    await connected(step);
  }
  await pool();
  await passwords();
  say('done', true);
})().catch((e) => { console.error(e); process.exit(1); });
