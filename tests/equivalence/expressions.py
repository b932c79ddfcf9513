"""Names, values and expressions of random statements; what they may refer to."""
import re
from typing import NamedTuple

from pairs import quoted

KINDS = {
    'int': ('smallint', 'integer', 'bigint'), 'num': ('numeric', 'double precision', 'real'),
    'text': ('text', 'character varying', 'character'), 'date': ('date',), 'bool': ('boolean',),
    'json': ('jsonb', 'json'), 'ints': ('integer[]',),
}
KIND_OF = {type_name: kind for kind, types in KINDS.items() for type_name in types}
CAST = {'int': 'integer', 'num': 'numeric', 'text': 'text', 'date': 'date', 'bool': 'boolean', 'json': 'jsonb',
        'ints': 'integer[]'}
SCALARS = ('int', 'num', 'text', 'date', 'bool')
AGGREGATES = {'int': ('count(*)', 'sum({int})::integer', 'max({int})', 'count(distinct {text})'),
              'num': ('avg({num})', 'sum({num})', 'max({num})', 'min({num}) filter (where {bool})'),
              'text': ('max({text})', "string_agg({text}, ',' order by {text})", 'min({text})'),
              'date': ('max({date})', 'min({date})'), 'bool': ('bool_and({bool})', 'count(*) > 2')}
EXPRESSIONS = {
    'int': ('{int} + {int}', 'length({text})', 'coalesce({int}, {int})', 'case when {bool} then {int} else {int} end',
            '({int} % 7)', 'extract(year from {date})::integer', 'abs({int})', 'cardinality({ints})', '-{int}',
            'greatest({int}, {int})', '{date} - {date}', 'position({text} in {text})'),
    'num': ('{num} * 2', '{num} + {int}', 'round({num}, 1)', 'coalesce({num}, 0)', '{int}::numeric',
            'case when {bool} then {num} end', 'nullif({num}, {num})'),
    'text': ('upper({text})', "{text} || '-' || {text}", "coalesce({text}, 'none')", '{int}::text', 'substr({text}, 1, 3)',
             'case {int} when 1 then {text} else {text} end', "to_char({date}, 'YYYY-MM')", "{json} ->> 'i'",
             'concat({text}, {int}, {bool})', "format('%s', {text})", '{text} collate "C"', 'overlay({text} placing {text} from 1)'),
    'date': ('{date} + {int} % 100', 'coalesce({date}, {date})', 'least({date}, {date})', '({date} + interval \'1 day\')::date'),
    'bool': ('{int} = {int}', '{num} > {num}', '{text} = {text}', '{date} <= {date}', '{text} is not null', '{bool} and {bool}',
             '{bool} or {bool}', 'not {bool}', '{text} like {text} || \'%\'', '{int} between {int} and {int}', '{text} in ({text}, {text})',
             '{int} = any ({ints})', '{text} is distinct from {text}', '({int}, {text}) = ({int}, {text})', '{text} ~ \'^0\'',
             '{num} is null', '{json} ? \'i\''),
    'json': ("jsonb_build_object('i', {int})", 'to_jsonb({text})'),
    'ints': ('array[{int}, {int}]',),
}


class Range(NamedTuple):
    """One entry of FROM: how columns may be qualified, and which it has."""
    ref: str          # the name it is known by, decoded
    qualifiers: tuple
    columns: tuple    # of (name, kind)
    relation: object = None
    whole: str = None  # how to write the whole row


class Star(list):
    """One target that stands for several columns; those that others can name."""

    def __init__(self, text, columns):
        super().__init__([(text, '?', 'unnamed')])
        names = [c[0] for c in columns]
        self.width = len(names)
        self.columns = tuple(c for c in columns if names.count(c[0]) == 1)


class Scope:
    def __init__(self, ranges=(), outer=None, merged=()):
        self.ranges, self.outer, self.merged = list(ranges), outer, set(merged)

    def refs(self):
        return {r.ref for r in self.ranges}


def quoted_text(text):
    return "'" + text.replace("'", "''") + "'"


def simple_name(name):
    return re.fullmatch('[a-z_][a-z0-9_]*', name) and name not in ('order', 'select', 'both', 'left', 'right')


class Expressions:
    """How names are spelled, and expressions of a kind over what a Scope has."""

    def __init__(self, relations, search_paths, choices, exact=False):
        self.c = choices
        self.exact = exact    # plans may differ: only what does not depend on the order of rows
        self.ordered = False  # all of the last row's columns decide about the order
        self.relations = relations
        self.path = self.c.pick(search_paths)
        schemas = [s.strip().strip('"') for s in self.path.split(',')]
        self.visible = {}
        for schema in schemas:
            for r in relations:
                if r.schema == schema:
                    self.visible.setdefault(r.name, r)
        self.mapped = [r for r in relations if r.mapped]
        self.aliases = 0
        self.ctes = []
        self.temps = set()
        self.params = None
        self.stdin = None

    # ---- spelling ----

    def gap(self):
        return ' ' if not self.c.chance(4) else self.c.pick((' /* prices */ ', '\n', ' -- from stocks\n', '\t', ' /* a /* nested */ */ '))

    def name(self, name):
        if not simple_name(name):
            return quoted(name) if not self.c.chance(15) else self.escaped(name)
        return self.c.weighted((92, name), (3, quoted(name)), (3, name.upper()), (2, self.escaped(name)))

    def escaped(self, name):
        i = self.c.below(len(name))
        return 'U&' + quoted(name[:i] + '\\%04X' % ord(name[i]) + name[i + 1:])

    def table(self, relation, qualify=None):
        """A reference to a relation that means it, given the search path."""
        hidden = self.visible.get(relation.name) is not relation or relation.name in self.temps \
            or any(relation.name == c.ref for c in self.ctes)
        if qualify is None:
            qualify = hidden or self.c.chance(40)
        if not qualify:
            return self.name(relation.name)
        dot = '.' if not self.c.chance(2) else ' . '
        text = self.name(relation.schema) + dot + self.name(relation.name)
        return '%DB%.' + text if self.c.chance(3) else text

    def alias(self, scope):
        taken = scope.refs() if scope else set()
        while True:
            self.aliases += 1
            if self.c.chance(30):
                name = self.c.pick(self.relations).name  # the name of another table, why not
            else:
                name = 'abcdefghijklmnopqrstuvwxyz'[self.aliases % 26] + (str(self.aliases // 26) if self.aliases > 25 else '')
            if name not in taken:
                return name

    # ---- values ----

    def literal(self, kind, column=None):
        samples = [s for s in column.samples if len(s) < 40] if column else []
        if samples and self.c.chance(85):
            value = self.c.pick(samples)
        else:
            value = {'int': lambda: str(self.c.below(20)), 'num': lambda: str(self.c.below(200) / 4 + 1),
                     'text': lambda: self.c.pick(('001001', 'x', 'KOSPI', 'sector 1', 'split', 'prices', "it's", '삼성', '001003')),
                     'date': lambda: f'2023-01-{self.c.below(9) + 1:02}', 'bool': lambda: self.c.pick(('true', 'false')),
                     'json': lambda: '{"i": %d}' % self.c.below(9), 'ints': lambda: '{%d,2}' % self.c.below(9)}[kind]()
        if self.params is not None and self.c.chance(30):
            self.params.append(value)
            bare = self.c.chance(15 if not column else 60)  # its type is that of its place
            return f'${len(self.params)}' if bare else f'${len(self.params)}::{CAST[kind]}'
        text = "'" + value.replace("'", "''") + "'"
        if kind in ('int', 'num') and re.fullmatch(r'\d+(\.\d+)?', value):
            return value if kind == 'int' or '.' in value else value + '.0'
        if kind == 'bool':
            return {'t': 'true', 'f': 'false'}.get(value, value)
        return f'{CAST[kind]} {text}' if kind == 'date' else f'{text}::{CAST[kind]}' if kind in ('json', 'ints') else text

    def columns_of(self, scope, kind):
        """Every way to write a column of that kind that is visible and not ambiguous."""
        found, hidden_names, hidden_refs = [], set(), set()
        while scope:
            names = [n for r in scope.ranges for n in {c[0] for c in r.columns}]
            refs = [r.ref for r in scope.ranges]
            for r in scope.ranges:
                qualified = [q for q in r.qualifiers if r.ref not in hidden_refs or '.' in q] \
                    if refs.count(r.ref) == 1 else [q for q in r.qualifiers if '.' in q]
                for name, has in r.columns:
                    if has != kind or [c[0] for c in r.columns].count(name) > 1:
                        continue
                    if name not in hidden_names and (names.count(name) == 1 or name in scope.merged) and name not in refs:
                        found.append((None, name))
                    found += [(q, name) for q in qualified]
            hidden_names.update(names)
            hidden_refs.update(refs)
            scope = scope.outer
        return found

    def column(self, scope, kind):
        found = self.columns_of(scope, kind)
        if not found:
            return None
        qualifier, name = self.c.pick(found)
        return self.name(name) if qualifier is None else f'{qualifier}.{self.name(name)}'

    def expr(self, kind, scope, depth=0):
        if kind not in EXPRESSIONS:
            return 'null'
        how = self.c.weighted((50, 'column'), (15, 'literal'), (35 if depth < 3 else 1, 'operator'),
                              (6 if depth < 2 else 0, 'subquery'), (2 if depth < 2 else 0, 'row'))
        if how == 'column':
            return self.column(scope, kind) or self.literal(kind)
        if how == 'operator':
            return self.fill(self.c.pick(EXPRESSIONS[kind]), scope, depth + 1)
        if how == 'subquery' and kind in SCALARS:
            return self.scalar_subquery(kind, scope, depth)
        if how == 'row' and kind in ('text', 'bool'):
            return self.whole_row(scope, kind) or self.literal(kind)
        if how == 'row' and kind == 'int':
            return self.about_table()
        return self.literal(kind)

    def fill(self, template, scope, depth):
        text = re.sub(r'\{(\w+)\}', lambda m: self.expr(m[1], scope, depth), template)
        return text if text.endswith(')') and text[0].isalpha() and text.count('(') == 1 else f'({text})'

    def whole_row(self, scope, kind='text'):
        whole = [r for r in scope.ranges if r.whole and r.columns and [x.ref for x in scope.ranges].count(r.ref) == 1]
        if not whole:
            return None
        rng = self.c.pick(whole)
        column = self.name(self.c.pick(rng.columns)[0])
        texts = ('{}::text', 'row_to_json({})::text', 'to_jsonb({})::text', '({} is null)::text', 'row({}.*)::text', '({}.*)::text',
                 f'({{}}).{column}::text', f'(to_jsonb({{}}) ->> {quoted_text(rng.columns[0][0])})')
        bools = ('({0} = {0})', '{} is not null', '({0} is not distinct from {0})', '({} is distinct from null)', '(row({0}.*) = row({0}.*))')
        return self.c.pick(texts if kind == 'text' else bools).format(rng.whole)

    def about_table(self):
        """Strings that name tables."""
        r = self.c.pick(self.mapped)
        text = (self.name(r.schema) + '.' if self.visible.get(r.name) is not r or r.name in self.temps or self.c.chance(50)
                else '') + self.name(r.name)
        text = text if 'U&' not in text else f'{quoted(r.schema)}.{quoted(r.name)}'
        if self.exact:  # another table has another number
            return self.c.pick((f"has_table_privilege('{text}', 'select')::integer", f"(pg_relation_size('{text}') > 0)::integer"))
        return self.c.pick((f"'{text}'::regclass::oid::integer % 1000", f"to_regclass('{text}')::oid::integer % 1000",
                            f"has_table_privilege('{text}', 'select')::integer", f"(pg_relation_size('{text}') > 0)::integer",
                            f"(select relnatts::integer from pg_class where oid = '{text}'::regclass)"))

    def scalar_subquery(self, kind, scope, depth):
        if kind == 'bool' and self.c.chance(70):
            how = self.c.weighted((40, 'exists'), (30, 'in'), (10, 'any'))
            if how == 'exists':
                return f'exists ({self.select(scope, depth + 1)[0]})'
            of = self.c.pick(('int', 'text', 'date'))
            text, _ = self.select(scope, depth + 1, want=[of])
            return f'{self.expr(of, scope, depth + 2)} {"in" if how == "in" else "<> all"} ({text})'
        text, _ = self.select(scope, depth + 1, want=[kind], scalar=True)
        return f'({text})'
