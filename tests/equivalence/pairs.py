"""Pairs of databases: one in the old layout, one in the new, equal but for that.

A set (sets/NAME) is data: old.sql makes the old layout, move.sql turns a copy
of it into the new one, map.yaml is the map and set.yaml what a run may do.
"""
from pathlib import Path
from typing import NamedTuple

import psycopg
import yaml

HERE = Path(__file__).resolve().parent
SIDES = ('old', 'new')
OTHER = {'old': 'new', 'new': 'old'}
USER = 'postgres'


class Column(NamedTuple):
    name: str
    type: str
    generated: bool  # nobody may write it
    required: bool
    samples: tuple   # some values, as text


class Relation(NamedTuple):
    schema: str
    name: str
    kind: str        # as in pg_class.relkind
    columns: tuple
    key: tuple       # names of the columns of the primary key
    constraint: str  # its name
    mapped: bool


class Set:
    def __init__(self, name):
        folder = HERE / 'sets' / name
        self.name = name
        self.old_sql, self.move_sql, self.map_text = \
            ((folder / f).read_text() for f in ('old.sql', 'move.sql', 'map.yaml'))
        self.map = yaml.safe_load(self.map_text)
        self.about = {'columns_differ': False, 'read_only': [], 'left_out': [],
                      **yaml.safe_load((folder / 'set.yaml').read_text())}

    def flags(self, written):
        stage = self.about['stages'][written]
        return 'flags:\n' + ''.join(f'  {key}: {stage}\n' for key in self.map['tables']
                                    if self.is_served(key, stage))

    def is_served(self, key, stage):
        to = self.map['tables'][key]
        return stage == 'old' or (to if isinstance(to, str) else to.get('to')) != key


class Pair:
    """Both databases of a set in one server; the same number means the same table in both."""

    def __init__(self, pg, layout, tag=''):
        self.pg, self.layout = pg, layout
        self.names = {side: f'{layout.name}{tag}_{side}' for side in SIDES}
        self.admin = psycopg.connect(pg.dsn(), autocommit=True)
        self.made = 0
        self.make()

    def make(self):
        self.made += 1
        for side in SIDES:
            self.admin.execute(f'drop database if exists "{self.names[side]}" with (force)')
        self.admin.execute(f'create database "{self.names["old"]}"')
        self._load('old', self.layout.old_sql)
        self.admin.execute(f'create database "{self.names["new"]}" template "{self.names["old"]}"')
        self._load('new', self.layout.move_sql)
        # Everything made in a copy has a larger OID than this.
        self.oids_below = self.admin.execute('select max(oid)::bigint from pg_database').fetchone()[0] + 1

    def _load(self, side, sql):
        with psycopg.connect(self.dsn(side), autocommit=True) as conn:
            conn.execute(sql)

    def dsn(self, side, **more):
        return self.pg.dsn(dbname=self.names[side], user=USER, **more)

    def close(self):
        for side in SIDES:
            self.admin.execute(f'drop database "{self.names[side]}" with (force)')
        self.admin.close()

    def relations(self, side):
        """What a generator writes statements about, in the names of a side."""
        with psycopg.connect(self.dsn(side)) as conn:
            mapped, theirs = self._names_of(side), self._names_of(OTHER[side])
            return [_relation(conn, *row, mapped, self.layout.about['read_only'])
                    for row in conn.execute(RELATIONS).fetchall()
                    if self._is_written(row[1:3], mapped, theirs)]

    def _is_written(self, name, mapped, theirs):
        """Where both tables of an entry are there, code knows those of its own side."""
        return (name in mapped or name not in theirs) and '.'.join(name) not in self.layout.about['left_out']

    def _names_of(self, side):
        tables = self.layout.map['tables']
        new = [to if isinstance(to, str) else to['to'] for to in tables.values()]
        return {_plain(n) for n in (tables if side == 'old' else new) if n}


RELATIONS = """
select c.oid, n.nspname, c.relname, c.relkind::text from pg_class c join pg_namespace n on n.oid = relnamespace
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and relkind in ('r', 'p', 'v') order by c.oid"""
COLUMNS = """
select attname, format_type(atttypid, null), attgenerated <> '' or attidentity = 'a', attnotnull and not atthasdef and attidentity = ''
from pg_attribute where attrelid = %s and attnum > 0 and not attisdropped order by attnum"""
KEY = """
select attname, (select relname from pg_class where oid = indexrelid) from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
where i.indrelid = %s and i.indisprimary order by array_position(i.indkey::int2[], a.attnum)"""


def _plain(written):
    return tuple(part.strip('"') for part in written.split('.', 1))


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def _relation(conn, oid, schema, name, kind, mapped, read_only):
    table = f'{quoted(schema)}.{quoted(name)}'
    columns = []
    for column, type_name, generated, required in conn.execute(COLUMNS, (oid,)).fetchall():
        samples = conn.execute(f'select distinct {quoted(column)}::text from {table}'
                               f' where {quoted(column)} is not null order by 1 limit 8').fetchall()
        fixed = generated or f'{schema}.{name}.{column}' in read_only
        columns.append(Column(column, type_name, fixed, required, tuple(s[0] for s in samples)))
    key = conn.execute(KEY, (oid,)).fetchall()
    return Relation(schema, name, kind, tuple(columns), tuple(k[0] for k in key), key[0][1] if key else None,
                    (schema, name) in mapped)
