"""AEGIS in both layouts: templates to copy databases from, and a picture of a
database's whole state in which both layouts look the same."""
import itertools
import subprocess
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[2]
AEGIS = ROOT / 'config' / 'aegis'
LAYOUTS = ('v10', 'v13')
ROLE = 'aegis'


class Databases:
    """Copies of AEGIS in one throwaway server, each made new and dropped after use."""

    def __init__(self, pg):
        self.pg = pg
        self.numbers = itertools.count(1)
        self.admin = psycopg.connect(pg.dsn(), autocommit=True)
        self._make_templates()

    def _make_templates(self):
        self.admin.execute(f'create role {ROLE} login')
        self.admin.execute(f'create role aegis_reader; grant aegis_reader to {ROLE}')
        self.admin.execute('create role crossfade login; grant pg_read_all_stats to crossfade')
        self.admin.execute(f'create database tpl_v10 owner {ROLE}')
        for name in ('v10.sql', 'data.sql'):
            self.load('tpl_v10', name)
        self.admin.execute(f'create database tpl_v13 template tpl_v10 owner {ROLE}')
        self.load('tpl_v13', 'move-core.sql')
        # Everything made in a copy has a larger OID than this.
        self.oids_below = self.admin.execute("select max(oid)::bigint from pg_database").fetchone()[0] + 1

    def load(self, dbname, name):
        done = self.pg.psql('-qv', 'ON_ERROR_STOP=1', '-f', str(AEGIS / name), PGDATABASE=dbname, PGUSER=ROLE)
        assert done.returncode == 0, f'{name}: {done.stderr}'

    def copy(self, layout):
        name = f'aegis_{layout}_{next(self.numbers)}'
        self.admin.execute(f'create database {name} template tpl_{layout} owner {ROLE} strategy file_copy')
        return name

    def drop(self, name):
        self.admin.execute(f'drop database {name} with (force)')

    def close(self):
        self.admin.close()

    def state(self, name):
        with psycopg.connect(self.pg.dsn(dbname=name), autocommit=True) as conn:
            # With both schemas in the path deparsed definitions name no schema.
            conn.execute('set search_path = public, data')
            return dict(_relations(conn)) | dict(_others(conn))


# The owner of an index or a sequence tells its place: it moves along.
RELATIONS = """
select c.oid, n.nspname, c.relname, c.relkind::text,
       coalesce(obj_description(c.oid, 'pg_class'), ''), coalesce(c.relacl::text, ''),
       coalesce(array_to_string(c.reloptions, ','), ''), c.relrowsecurity, o.relname
from pg_class c join pg_namespace n on n.oid = c.relnamespace
left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
     and d.refclassid = 'pg_class'::regclass and c.relkind = 'S'
left join pg_class o on o.oid = d.refobjid
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind in ('r', 'v', 'm', 'S')
order by 2, 3"""

COLUMNS = """
select attname, format_type(atttypid, atttypmod), attnotnull, attstattarget, attgenerated::text,
       coalesce(pg_get_expr(adbin, adrelid), ''), coalesce(col_description(attrelid, attnum), ''),
       coalesce(attacl::text, '')
from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
where attrelid = %s and attnum > 0 and not attisdropped order by attnum"""

BELONGINGS = """
select 'constraint', conname, pg_get_constraintdef(oid, true) from pg_constraint where conrelid = %(oid)s
union all select 'index', c.relname, pg_get_indexdef(i.indexrelid, 0, true)
  from pg_index i join pg_class c on c.oid = i.indexrelid where i.indrelid = %(oid)s
union all select 'trigger', tgname, pg_get_triggerdef(oid, true) from pg_trigger where tgrelid = %(oid)s and not tgisinternal
union all select 'rule', rulename, pg_get_ruledef(oid, true) from pg_rewrite where ev_class = %(oid)s
union all select 'policy', polname, pg_get_expr(polqual, polrelid) from pg_policy where polrelid = %(oid)s
union all select 'statistics', stxname, pg_get_statisticsobjdef_columns(oid) from pg_statistic_ext where stxrelid = %(oid)s
order by 1, 2"""


def _place(schema):
    """The core moved between these two; everything else stays where it is."""
    return 'public|data' if schema in ('public', 'data') else schema


def _relations(conn):
    for oid, schema, name, kind, *about in conn.execute(RELATIONS).fetchall():
        columns = conn.execute(COLUMNS, (oid,)).fetchall()
        things = conn.execute(BELONGINGS, {'oid': oid}).fetchall()
        yield (f'{_place(schema)}.{name}', (kind, tuple(about), tuple(columns), tuple(things),
                                            _contents(conn, schema, name, kind, columns)))


def _contents(conn, schema, name, kind, columns):
    if kind == 'S':
        return conn.execute(f'select last_value, is_called from "{schema}"."{name}"').fetchone()
    # The time of an insert is the one thing that may differ.
    wanted = ', '.join(f'"{c[0]}"' for c in columns if c[5] != 'now()') or "''"
    return conn.execute(f'select count(*), coalesce(sum(hashtextextended(row({wanted})::text, 0)), 0)'
                        f' from "{schema}"."{name}"').fetchone()


def _others(conn):
    """What is not a relation but could have landed in the wrong place."""
    functions = conn.execute("select proname from pg_proc p join pg_namespace n on n.oid = pronamespace"
                             " where nspname !~ '^pg_' and nspname <> 'information_schema' order by 1").fetchall()
    yield 'functions', tuple(functions)
