// Transfers through node-postgres with named statements, until standard input ends. Prints "ready" once all
// clients work, and at the end how many transfers each has done.
'use strict';
const { Client } = require('pg');

const [host, port, count] = process.argv.slice(2);
let stopping = false;

const statements = {
  debit: 'update accounts set balance = balance - $1, changes = changes + 1 where id = $2',
  credit: 'update public.accounts set balance = balance + $1, changes = changes + 1 where id = $2',
  book: 'insert into books (account, amount, note) values ($1, $2, $3)',
  look: 'select count(*)::int as n from public.accounts',
};

async function transfer(c, name, done) {
  const run = (statement, values) => c.query({ name: statement, text: statements[statement], values });
  const from = 1 + Math.floor(Math.random() * 99), to = from + 1 + Math.floor(Math.random() * (100 - from));
  const amount = Math.floor(Math.random() * 100);
  await c.query('begin');
  // Sent without waiting for each other: node-postgres queues them, each with its own Sync.
  const answers = await Promise.all([run('debit', [amount, from]), run('credit', [amount, to]),
    run('book', [from, -amount, null]), run('book', [to, amount, `${name}:${done + 1}`])]);
  if (answers.some((a) => a.rowCount !== 1)) throw new Error('not one row');
  // Unnamed, with parameters, and as a simple query
  const { rows } = await c.query('select balance from accounts where id = $1', [from]);
  if (rows.length !== 1) throw new Error('no account');
  if ((await run('look', [])).rows[0].n !== 100) throw new Error('not all accounts');
  await c.query('commit');
}

async function work(name, ready) {
  const c = new Client({ host, port: Number(port), user: 'app', database: 'bank', application_name: name });
  await c.connect();
  let done = 0;
  while (!stopping) {
    await transfer(c, name, done);
    if (++done === 1) ready();
  }
  await c.end();
  return `client ${name} ${done}`;
}

async function main() {
  let waiting = Number(count);
  const ready = () => { if (--waiting === 0) console.log('ready'); };
  process.stdin.on('end', () => { stopping = true; }).resume();
  const clients = [...Array(Number(count)).keys()].map((i) => work(`node-${i}`, ready));
  for (const line of await Promise.all(clients)) console.log(line);
}

main().then(() => process.exit(0), (e) => { console.error(e); process.exit(1); });
