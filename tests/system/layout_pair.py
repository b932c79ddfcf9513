"""Two databases with the same rows: `lay_old` in the old layout, for a direct
connection, and `lay_new`, where the tables have moved, for the proxy.  What a
client is told must be the same in both.
"""
import raw

MAP = """old: v10
new: v13
tables:
  public.prices: data.prices
  public.stocks: data.instruments
  public.investor:
    to: data.investor_flow
    columns: {foreigner: foreign_net}
  public.gone: {to: null, reason: starts afresh}
"""

FLAGS = 'flags: {public.prices: live, public.stocks: live, public.investor: live}\n'

OTHER = """
create schema elsewhere; create schema app;
create table elsewhere.prices (code text, close int); insert into elsewhere.prices values ('elsewhere', -1);
create table app.prices (code text, close int); insert into app.prices values ('app', -2);
create function set_path(p text) returns void language plpgsql as
  $$ begin perform set_config('search_path', p, false); end $$;
create procedure path_by_call(p text) language plpgsql as
  $$ begin perform set_config('search_path', p, false); end $$;
"""

TABLES = """
create schema if not exists {schema};
create table {prices} (code varchar(10), date date, close int not null check (close < 1000000),
  primary key (code, date));
create table {stocks} (code varchar(10) primary key, name text not null, seq serial);
create table {investor} (code varchar(10) primary key, {foreigner} int not null check ({foreigner} > -1000));
alter table {prices} add foreign key (code) references {stocks} on delete restrict;
alter table {stocks} rename constraint {stocks_name}_pkey to stocks_pk;
alter table {investor} rename constraint {investor_name}_pkey to investor_pk;
alter table {investor} rename constraint {investor_name}_{foreigner}_check to investor_check;
insert into {stocks} values ('005930', 'Samsung Electronics'), ('000660', 'SK hynix');
insert into {prices} select '005930', '2024-01-01'::date + i, 70000 + i from generate_series(0, 9) i;
insert into {investor} values ('005930', 5), ('000660', 7);
"""

OLD = dict(schema='public', prices='public.prices', stocks='public.stocks', investor='public.investor',
           foreigner='foreigner', stocks_name='stocks', investor_name='investor')
NEW = dict(schema='data', prices='data.prices', stocks='data.instruments', investor='data.investor_flow',
           foreigner='foreign_net', stocks_name='instruments', investor_name='investor_flow')


def create(pg, more=''):
    for name, layout in (('lay_old', OLD), ('lay_new', NEW)):
        for sql in (f'drop database if exists {name} with (force)', f'create database {name}'):
            done = pg.psql('-c', sql)
            assert done.returncode == 0, done.stderr
        done = pg.psql('-v', 'ON_ERROR_STOP=1', stdin=TABLES.format(**layout) + OTHER + more.format(**layout),
                       PGDATABASE=name)
        assert done.returncode == 0, done.stderr


def told(kind, body):
    """A message without what may differ: identifiers of tables, the server's source lines."""
    if kind in 'EN':
        fields = raw.error_fields(body)
        return kind, {k: v for k, v in fields.items() if k not in 'FLR'}
    if kind == 'T':
        names, at = [], 2
        for _ in range(int.from_bytes(body[:2], 'big')):
            end = body.index(b'\0', at)
            names.append((body[at:end].decode('utf-8', 'replace'), body[end + 7:end + 19]))
            at = end + 19
        return kind, names
    if kind == 'A':
        return kind, body[4:]  # without the pid
    return kind, body


def told_all(messages):
    return [told(kind, body) for kind, body in messages]


class Pair:
    """One connection to the old layout and one through the proxy to the new one, told the same."""

    def __init__(self, pg, proxy, **params):
        self.direct = raw.Raw(pg.address).startup(database='lay_old', **params)
        self.proxied = raw.Raw(proxy.address).startup(database='lay_new', **params)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.direct.sock.close()
        self.proxied.sock.close()

    def both(self, data, syncs=1):
        out = []
        for c in (self.direct, self.proxied):
            c.send(data)
            out.append(told_all(c.until('Z', syncs)))
        return out

    def same(self, data, syncs=1):
        """Sends bytes to both; returns what both were told."""
        direct, proxied = self.both(data, syncs)
        assert proxied == direct, data
        return direct

    def ask(self, sql):
        return self.same(raw.query(sql))

    def values(self, sql):
        return [raw.data_row(body) for kind, body in self.ask(sql) if kind == 'D']
