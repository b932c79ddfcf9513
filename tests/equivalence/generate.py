"""Random statements over the tables of a layout, in the names of one side.

Statements are made so that most succeed: names resolve along the search path,
expressions have types, values come from the tables. Everything else about
them is as odd as SQL allows.
"""
import re
from typing import NamedTuple

from choices import Choices
from compare import Case, Step
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


class Generator:
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

    # ---- FROM ----

    def base_relation(self):
        pool = self.mapped if not self.c.chance(20) else self.relations
        return self.c.pick(pool)

    def base_range(self, scope, relation=None, target=False):
        relation = relation or self.base_relation()
        text = self.table(relation)
        columns = tuple((c.name, KIND_OF.get(c.type, 'other')) for c in relation.columns)
        is_table = relation.kind != 'v'
        if is_table and self.c.chance(4):
            text = 'only ' + (text if not self.c.chance(30) else f'({text})')
        elif is_table and self.c.chance(3):
            text += ' *'
        taken = scope.refs()
        same_name = relation.name in taken
        same_table = any(r.relation is relation for r in scope.ranges)
        if same_table or (same_name and any(r.ref == relation.name and r.relation is None for r in scope.ranges)) \
                or self.c.chance(45):
            alias = self.alias(scope)
            renamed = columns
            tail = ''
            if not target and self.c.chance(12):
                news = [f'k{i}' for i in range(self.c.below(len(columns)) + 1)]
                renamed = tuple((n, k) for n, (_, k) in zip(news, columns)) + columns[len(news):]
                tail = f' ({", ".join(news)})'
            spelled = self.name(alias)
            text += (' as ' if target or self.c.chance(60) else self.gap()) + spelled + tail
            rng = Range(alias, (self.name(alias),), renamed, None, spelled)
        else:
            qualifiers = (self.name(relation.name), f'{self.name(relation.schema)}.{self.name(relation.name)}',
                          f'%DB%.{self.name(relation.schema)}.{self.name(relation.name)}')
            bare = not same_name
            whole = self.name(relation.name) if bare and relation.name not in [c[0] for r in scope.ranges for c in r.columns] \
                and relation.name not in [c[0] for c in columns] else None
            rng = Range(relation.name, qualifiers if bare else qualifiers[1:], columns, relation, whole)
        if is_table and not target and self.c.chance(2):
            text += f' tablesample {self.c.pick(("system", "bernoulli"))} (100) repeatable (3)'
        return text, rng

    def from_item(self, scope, outer, depth, lateral_ok=True):
        how = self.c.weighted((70, 'table'), (10 if self.ctes else 0, 'cte'), (12 if depth < 3 else 0, 'subquery'),
                              (6 if depth < 3 and lateral_ok and scope.ranges else 0, 'lateral'), (3, 'values'), (3, 'function'),
                              (3 if depth < 3 else 0, 'join'))
        if how == 'table':
            return self.base_range(scope)
        if how == 'cte':
            cte = self.c.pick(self.ctes)
            if cte.ref in scope.refs() or self.c.chance(40):
                alias = self.alias(scope)
                return f'{self.name(cte.ref)} as {self.name(alias)}', Range(alias, (self.name(alias),), cte.columns, None, self.name(alias))
            return self.name(cte.ref), Range(cte.ref, (self.name(cte.ref),), cte.columns, None, None)
        if how == 'join':
            return self.aliased_join(scope, outer, depth)
        alias = self.alias(scope)
        spelled = self.name(alias)
        if how == 'values':
            rows = ', '.join(f'({self.literal("int")}, {self.literal("text")})' for _ in range(self.c.below(3) + 1))
            return f'(values {rows}) as {spelled} (n, code)', Range(alias, (spelled,), (('n', 'int'), ('code', 'text')), None, spelled)
        if how == 'function':
            return f'generate_series(1, {self.c.below(4) + 1}) as {spelled} (n)', Range(alias, (spelled,), (('n', 'int'),), None, None)
        inner_outer = Scope(scope.ranges, outer, scope.merged) if how == 'lateral' else outer
        text, columns = self.select(inner_outer, depth + 1)
        return ('lateral ' if how == 'lateral' else '') + f'({text}) as {spelled}', Range(alias, (spelled,), columns, None, spelled)

    def aliased_join(self, scope, outer, depth):
        """( … JOIN … ) AS alias hides what is inside of it."""
        text, inner = self.from_clause(None, 3)
        text = self.join(text, inner, None, 3).replace(',', ' cross join', 1) if len(inner.ranges) == 1 else text
        if ' join ' not in text:
            return self.base_range(scope)
        alias = self.alias(scope)
        return f'({text}) as {self.name(alias)}', Range(alias, (self.name(alias),), self.star_of(inner).columns, None, None)

    def from_clause(self, outer, depth, most=3):
        scope = Scope(outer=outer)
        text, rng = self.from_item(scope, outer, depth)
        scope.ranges.append(rng)
        for _ in range(self.c.weighted((55, 0), (32, 1), (13, 2)) if depth < 3 else 0):
            if len(scope.ranges) >= most:
                break
            text = self.join(text, scope, outer, depth)
        return text, scope

    def join(self, left, scope, outer, depth):
        how = self.c.weighted((35, 'on'), (20, ','), (12, 'left'), (8, 'using'), (5, 'natural'), (5, 'right'), (4, 'full'), (5, 'cross'))
        right, rng = self.from_item(scope, outer, depth, lateral_ok=how in (',', 'cross', 'on', 'left'))
        before = Scope(scope.ranges, outer, scope.merged)
        left_names = [n for r in scope.ranges for n, _ in r.columns]
        common = [c for c in rng.columns if left_names.count(c[0]) == 1 and [x[0] for x in rng.columns].count(c[0]) == 1
                  and c in [x for r in scope.ranges for x in r.columns] and c[1] in SCALARS]
        if how in ('using', 'natural') and not common:
            how = 'on'
        if how == 'natural' and any(left_names.count(c[0]) > 1 or (c[0] in left_names and c not in common) for c in rng.columns):
            how = 'using'
        scope.ranges.append(rng)
        gap = self.gap()
        if how == ',':
            return f'{left},{gap}{right}'
        if how == 'cross':
            return f'{left} cross join {right}'
        if how == 'natural':
            scope.merged.update(c[0] for c in common)
            return f'{left} natural {self.c.pick(("", "left ", "inner "))}join {right}'
        if how == 'using':
            chosen = [self.c.pick(common)[0]]
            scope.merged.update(chosen)
            return f'{left} {self.c.pick(("", "left ", "full "))}join {right} using ({self.name(chosen[0])})'
        if how == 'full':
            kind = self.c.pick(('text', 'int'))
            only_right = Scope([rng])
            a, b = self.column(Scope(before.ranges), kind), self.column(Scope(only_right.ranges), kind)
            if not a or not b or rng.ref in before.refs() or not qualified(a) or not qualified(b):
                return f'{left} cross join {right}'
            return f'{left} full join {right} on {a} = {b}'
        condition = self.join_condition(before, rng, scope)
        word = {'on': self.c.pick(('join', 'inner join')), 'left': 'left join', 'right': 'right outer join'}[how]
        return f'{left} {word}{gap}{right} on {condition}'

    def join_condition(self, before, rng, scope):
        kind = self.c.pick(('text', 'int'))
        level = Scope(scope.ranges, None, scope.merged)
        if self.c.chance(75):
            mine = [x for x in self.columns_of(level, kind) if x[0] in rng.qualifiers]
            theirs = [x for x in self.columns_of(level, kind) if x[0] and x[0] not in rng.qualifiers]
            if mine and theirs:
                (a, x), (b, y) = self.c.pick(mine), self.c.pick(theirs)
                return f'{a}.{self.name(x)} = {b}.{self.name(y)}'
        return self.expr('bool', Scope(scope.ranges, scope.outer, scope.merged), 2)

    # ---- SELECT ----

    def with_clause(self, outer, depth):
        """(text, what to restore). CTEs bear names of tables now and then."""
        saved = list(self.ctes)
        if not self.c.chance(22 if depth == 0 else 5):
            return '', saved
        recursive = self.c.chance(20)
        parts, added = [], []
        for _ in range(self.c.below(2) + 1):
            name = self.c.pick(self.relations).name if self.c.chance(45) else f'w{len(self.ctes)}'
            if name in [c.ref for c in added]:
                continue
            if recursive and self.c.chance(50):
                parts.append(f'{self.name(name)} (n, code) as (select 1, {self.literal("text")} union all select n + 1, code from {quoted(name)} where n < 4)')
                columns = (('n', 'int'), ('code', 'text'))
            elif recursive:
                # Its own name means itself from here on.
                self.ctes = [c for c in self.ctes if c.ref != name] + [Range(name, (quoted(name),), (), None)]
                text, columns = self.select(None, depth + 1)
                if re.search(re.escape(quoted(name)), text):
                    continue
                parts.append(f'{self.name(name)} as ({text})')
            elif depth == 0 and self.c.chance(15):
                text, columns = self.dml(depth + 1, returning=True)
                parts.append(f'{self.name(name)} as ({text})')
            else:
                text, columns = self.select(outer if depth else None, depth + 1)
                hint = self.c.pick(('', '', 'materialized ', 'not materialized '))
                parts.append(f'{self.name(name)} as {hint}({text})')
            cte = Range(name, (quoted(name),), tuple(columns), None)
            self.ctes = [c for c in self.ctes if c.ref != name] + [cte]
            added.append(cte)
        if not parts:
            self.ctes = saved
            return '', saved
        return f'with {"recursive " if recursive else ""}{", ".join(parts)} ', saved

    def select(self, outer=None, depth=0, want=None, scalar=False):
        """(text, columns); want: the kinds of its columns."""
        with_text, saved = self.with_clause(outer, depth)
        how = self.c.weighted((86, 'plain'), (10 if depth < 3 and not scalar else 0, 'set'), (2 if not want else 0, 'table'), (2, 'values'))
        if how == 'set':
            text, columns = self.set_operation(outer, depth, want)
        elif how == 'table':
            relation = self.base_relation()
            text = 'table ' + self.table(relation)
            self.ordered = False
            columns = tuple((c.name, KIND_OF.get(c.type, 'other')) for c in relation.columns)
        elif how == 'values' and not scalar:
            kinds = want or ['int', 'text']
            rows = ', '.join('(' + ', '.join(self.typed(k, self.expr(k, Scope(outer=outer), 2)) for k in kinds) + ')' for _ in range(self.c.below(2) + 1))
            self.ordered = False
            text, columns = f'values {rows}', tuple((f'column{i + 1}', k) for i, k in enumerate(kinds))
        else:
            text, columns = self.plain_select(outer, depth, want, scalar)
        self.ctes = saved
        return with_text + text, columns

    def typed(self, kind, text):
        return f'({text})::{CAST[kind]}'

    def set_operation(self, outer, depth, want):
        kinds = want or [self.c.pick(SCALARS) for _ in range(self.c.below(3) + 1)]
        a, columns = self.plain_select(outer, depth + 1, kinds)
        b, _ = self.select(outer, depth + 1, kinds)
        if ' order by ' in a.lower() or ' limit ' in a.lower():
            a = f'({a})'
        word = self.c.pick(('union all', 'union', 'except', 'intersect', 'except all'))
        self.ordered = False
        tail = ' order by 1' if self.c.chance(30) and not any(k == 'other' for k in kinds) else ''
        return f'{a} {word} ({b}){tail}', columns

    def plain_select(self, outer, depth, want=None, scalar=False):
        from_text, scope = self.from_clause(outer, depth, most=3 if depth < 2 else 2)
        grouped = self.c.weighted((80, ''), (8, 'all'), (9, 'group'), (3, 'sets'))
        if grouped:
            targets, tail = self.grouped(scope, depth, want, grouped)
        else:
            targets, tail = self.targets(scope, depth, want, scalar), ''
        words = ['select']
        if not grouped and not scalar and self.c.chance(6) and all(k in SCALARS for _, _, k in targets):
            words.append('distinct')
        words.append(', '.join(t for t, _, _ in targets))
        words.append('from' + self.gap() + from_text)
        if self.c.chance(50):
            words.append('where ' + self.expr('bool', scope, depth + 1))
        words.append(tail)
        if scalar:
            words.append('order by 1 limit 1' if self.exact else 'limit 1')
        else:
            words.append(self.order_and_limit(scope, depth, targets, grouped or 'distinct' in words))
        if self.exact and self.ordered and words[-1].startswith('order by 1') and not grouped and 'distinct' not in words and self.c.chance(15):
            words.insert(1, 'distinct on (1)')
        columns = targets.columns if isinstance(targets, Star) else tuple((n, k) for _, n, k in targets)
        return ' '.join(w for w in words if w), columns

    def targets(self, scope, depth, want, scalar):
        if not want and self.c.chance(20):
            return self.star(scope)
        kinds = want or [self.c.pick(SCALARS) for _ in range(self.c.below(4) + 1)]
        targets = []
        for i, kind in enumerate(kinds):
            text = self.window(kind, scope, depth) if depth < 2 and not scalar and self.c.chance(5) else self.expr(kind, scope, depth)
            text = self.typed(kind, text) if want and kind in CAST else text
            if not scalar and (depth or self.c.chance(40)):
                name = f'c{i}' if not self.c.chance(20) else self.c.pick(('prices', 'stocks', 'notes', 'code', 'data'))
                if name in [t[1] for t in targets]:
                    name = f'c{i}'
                targets.append((f'{text} as {self.name(name)}', name, kind))
            else:
                targets.append((text, f'?{i}', 'unnamed'))
        return targets

    def star(self, scope):
        starred = [r for r in scope.ranges if [x.ref for x in scope.ranges].count(r.ref) == 1]
        if starred and self.c.chance(50):
            r = self.c.pick(starred)
            return Star(f'{self.c.pick(r.qualifiers)}.*', r.columns)
        return self.star_of(scope)

    def star_of(self, scope):
        merged = scope.merged
        columns, seen = [], set()
        for r in scope.ranges:
            for c in r.columns:
                if c[0] in merged:
                    if c[0] in seen:
                        continue
                    seen.add(c[0])
                columns.append(c)
        return Star('*', columns)

    def window(self, kind, scope, depth):
        over = f'over (partition by {self.expr("text", scope, 2)} order by {self.expr("date", scope, 2)}, {self.expr("int", scope, 2)})'
        return {'int': f'count(*) {over}', 'num': f'sum({self.expr("num", scope, 2)}) {over}',
                'text': f'max({self.expr("text", scope, 2)}) {over}', 'date': f'max({self.expr("date", scope, 2)}) {over}',
                'bool': f'bool_or({self.expr("bool", scope, 2)}) {over}'}[kind if kind in SCALARS else 'int']

    def grouped(self, scope, depth, want, how):
        kinds = want or [self.c.pick(SCALARS) for _ in range(self.c.below(3) + 1)]
        level = Scope(scope.ranges, None, scope.merged)
        keys, tail = [], ''
        if how != 'all':
            for kind in ('text', 'int', 'date'):
                column = self.column(level, kind)
                if column and (not keys or self.c.chance(50)):
                    keys.append((kind, column))
        whole = [r for r in scope.ranges if r.relation and r.relation.key and r.qualifiers]
        if how == 'group' and whole and not scope.merged and self.c.chance(25):  # the key covers the rest of its table
            rng = self.c.pick(whole)
            keys = [(KIND_OF.get(c.type), f'{rng.qualifiers[0]}.{self.name(c.name)}')
                    for c in sorted(rng.relation.columns, key=lambda c: c.name not in rng.relation.key)
                    if c.name in rng.relation.key or KIND_OF.get(c.type)]
            tail = 'group by ' + ', '.join(text for _, text in keys[:len(rng.relation.key)])
        elif keys:
            texts = [k[1] for k in keys]
            tail = 'group by ' + (', '.join(texts) if how == 'group' else
                                  self.c.pick((f'rollup ({", ".join(texts)})', f'cube ({", ".join(texts)})', f'grouping sets (({", ".join(texts)}), ())')))
        if keys:
            if self.c.chance(25):
                tail += ' having ' + self.fill(self.c.pick(('count(*) > 1', 'max({int}) is not null', 'min({text}) < max({text})')), scope, 2)
        targets = []
        for i, kind in enumerate(kinds):
            kind = kind if kind in AGGREGATES else 'int'
            same = [k[1] for k in keys if k[0] == kind]
            text = self.c.pick(same) if same and self.c.chance(50) else self.fill(self.c.pick(AGGREGATES[kind]), scope, 2)
            text = self.typed(kind, text) if want else text
            targets.append((f'{text} as c{i}', f'c{i}', kind))
        return targets, tail

    def total_order(self, targets):
        """An ORDER BY of all columns, so that LIMIT means the same rows for any plan."""
        count = sum(t.width if isinstance(t, Star) else 1 for t in (targets if not isinstance(targets, Star) else [targets]))
        if not count or not self.c.chance(30):
            return ''
        text = 'order by ' + ', '.join(str(i + 1) for i in range(count))
        self.ordered = True
        return text + (f' limit {self.c.below(12) + 3}' if self.c.chance(60) else '')

    def order_and_limit(self, scope, depth, targets, closed):
        text = ''
        self.ordered = False
        if self.exact and self.c.chance(60):
            return self.total_order(targets)
        if self.c.chance(30):
            if closed or self.c.chance(40):
                simple = [i for i, t in enumerate(targets) if t[2] in SCALARS]
                text = f'order by {self.c.pick(simple) + 1}' if simple and not any(t[0].endswith('*') for t in targets) else ''
            else:
                text = f'order by {self.expr(self.c.pick(SCALARS), scope, 2)} {self.c.pick(("", "desc", "nulls first"))}'
                self.ordered = False
                text = re.sub(r"order by (-?[\d.]+|'[^']*'|true|false|null)( |$)", r'order by 1 + 1\2', text)
        if not self.exact and (len(scope.ranges) > 1 and depth < 2 or self.c.chance(20)):
            text += f' limit {self.c.below(12) + 3}'
        if depth == 0 and not closed and self.c.chance(4) and len(scope.ranges) == 1 and scope.ranges[0].relation \
                and scope.ranges[0].relation.kind == 'r':
            text += self.c.pick((' for update', ' for share of ' + self.name(scope.ranges[0].ref), ' for no key update nowait'))
        return text

    # ---- DML ----

    def writable(self):
        return self.c.pick([r for r in self.mapped if r.kind in 'rp'] if not self.c.chance(8) else
                           [r for r in self.relations if r.kind in 'rp'])

    def value_for(self, relation, column, scope, fresh=False):
        kind = KIND_OF.get(column.type)
        if kind is None or column.generated:
            return 'default'
        if fresh and column.name not in relation.key and not column.required and self.c.chance(6):
            return 'default'
        if fresh and column.name in relation.key:
            if kind == 'int':
                return str(100 + self.c.below(9000))
            if kind == 'date':
                return f"date '2023-0{self.c.below(9) + 1}-{self.c.below(28) + 1:02}'"
            if kind == 'text' and column.name != 'code' or relation.name == 'stocks':
                return f"'n{self.c.below(1000)}'"
        if kind == 'text' and column.type != 'text':
            return self.literal(kind, column)
        return self.literal(kind, column) if column.required or fresh or not scope or self.c.chance(50) else self.expr(kind, scope, 2)

    def dml(self, depth=0, returning=False):
        how = self.c.weighted((30, self.insert), (30, self.update), (20, self.delete), (12 if depth == 0 else 0, self.merge))
        saved = list(self.ctes)
        with_text, keep = ('', saved) if depth else self.with_clause(None, 0)
        text, columns = how(depth, returning)
        self.ctes = keep
        return with_text + text, columns

    def returning(self, scope, always):
        if not always and not self.c.chance(45):
            return '', ()
        own = Scope(scope.ranges)
        if self.c.chance(30):
            first = scope.ranges[0]
            star = self.c.pick([f'{q}.*' for q in first.qualifiers or (first.ref,)] + ['*'] * (len(scope.ranges) == 1))
            return f' returning {star}', first.columns
        kinds = [self.c.pick(SCALARS) for _ in range(self.c.below(3) + 1)]
        return ' returning ' + ', '.join(f'{self.expr(k, own, 2)} as r{i}' for i, k in enumerate(kinds)), \
            tuple((f'r{i}', k) for i, k in enumerate(kinds))

    def insert(self, depth, returning):
        relation = self.writable()
        text, rng = self.insert_target(relation)
        scope = Scope([rng])
        columns = [c for c in relation.columns if not c.generated and (c.required or c.name in relation.key or self.c.chance(60))
                   and KIND_OF.get(c.type)]
        columns = columns or [c for c in relation.columns if KIND_OF.get(c.type)][:1]
        how = self.c.weighted((60, 'values'), (30, 'select'), (2, 'defaults'))
        names = f'({", ".join(self.name(c.name) for c in columns)}) '
        if how != 'defaults' and self.c.chance(18):
            names, columns = '', self.first_columns(relation)
        if how == 'defaults':
            body, columns = 'default values', columns[:1]
        elif how == 'values' or any(c.generated for c in columns):
            rows = ', '.join('(' + ', '.join(self.value_for(relation, c, None, True) for c in columns) + ')'
                             for _ in range(self.c.below(3) + 1))
            body = f'{names}values {rows}'
        else:
            body = names + self.insert_source(relation, columns, depth)
        conflict = self.on_conflict(relation, columns, rng) if relation.key and self.c.chance(60) else ''
        back, back_columns = self.returning(scope, returning)
        return f'insert into{self.gap()}{text} {body}{conflict}{back}', back_columns

    def first_columns(self, relation):
        """What a row without a list of columns can be."""
        least = max(i for i, c in enumerate(relation.columns) if c.required or c.name in relation.key or not i) + 1
        return list(relation.columns[:least + self.c.below(len(relation.columns) - least + 1)])

    def insert_target(self, relation):
        text = self.table(relation)
        columns = tuple((c.name, KIND_OF.get(c.type, 'other')) for c in relation.columns)
        if self.c.chance(30):
            alias = self.alias(None)
            return f'{text} as {self.name(alias)}', Range(alias, (quoted(alias),), columns, None, None)
        return text, Range(relation.name, (self.name(relation.name), f'{self.name(relation.schema)}.{self.name(relation.name)}'), columns, relation)

    def insert_source(self, relation, columns, depth):
        """A query whose keys are new: taken from the table itself, changed; or of another table, as it fits."""
        if self.c.chance(60) or any(KIND_OF.get(c.type) not in SCALARS for c in columns):
            text, rng = self.base_range(Scope(), relation)
            scope = Scope([rng])
            targets = []
            for c in columns:
                kind = KIND_OF.get(c.type)
                original = [f'{q}.{quoted(n)}' for q in rng.qualifiers[:1] for (n, k), rc in zip(rng.columns, relation.columns) if rc.name == c.name]
                value = original[0] if original else 'null'
                if c.name in relation.key and kind in ('int', 'date'):
                    value += ' + 1000'
                elif c.name in relation.key and kind == 'text' and (c.name != 'code' or relation.name == 'stocks'):
                    value = f"'z' || left({value}, 8)"
                targets.append(value)
            where = f' where {self.expr("bool", scope, 1)}' if self.c.chance(40) else ''
            return f'select {", ".join(targets)} from {text}{where}'
        text, _ = self.select(None, depth + 1, want=[KIND_OF.get(c.type, 'text') for c in columns])
        return text

    def on_conflict(self, relation, columns, rng):
        keys = ', '.join(self.name(k) for k in relation.key)
        free = [c for c in columns if c.name not in relation.key]
        if not free or self.c.chance(50):
            named = f' on conflict on constraint {quoted(relation.constraint)} do nothing'
            return self.c.pick((' on conflict do nothing', f' on conflict ({keys}) do nothing',
                                f' on conflict ({keys}) do nothing' if self.exact and self.c.chance(70) else named))
        c = self.c.pick(free)
        value = self.c.pick((f'excluded.{self.name(c.name)}', f'{rng.qualifiers[-1]}.{self.name(c.name)}', self.value_for(relation, c, None)))
        where = f' where {self.expr("bool", Scope([rng]), 1)}' if self.c.chance(25) else ''
        if len(free) > 1 and self.c.chance(25):
            some = free[:self.c.below(len(free) - 1) + 2]
            names = ', '.join(self.name(f.name) for f in some)
            values = ', '.join(f'excluded.{self.name(f.name)}' for f in some)
            return f' on conflict ({keys}) do update set ({names}) = {self.c.pick(("", "row"))}({values}){where}'
        return f' on conflict ({keys}) do update set {self.name(c.name)} = {value}{where}'

    def assignments(self, relation, scope):
        free = [c for c in relation.columns if not c.generated and c.name not in relation.key and c.name not in ('id',) and KIND_OF.get(c.type)]
        free = free or [c for c in relation.columns if KIND_OF.get(c.type)]
        chosen = []
        for _ in range(self.c.below(2) + 1):
            c = self.c.pick(free)
            if c not in chosen:
                chosen.append(c)
        values = [self.value_for(relation, c, None if c.type.startswith('character') else scope) for c in chosen]
        if self.c.chance(6):
            names = (self.name(c.name) for c in chosen)
            return ', '.join(f'{n} = {v}' for n, v in zip(names, ['default'] + values[1:]))
        if len(chosen) > 1 and self.c.chance(50):
            names = ', '.join(self.name(c.name) for c in chosen)
            if self.c.chance(50):
                casts = ', '.join(f'({v})::{c.type}' for v, c in zip(values, chosen))
                source = f' from {self.base_range(Scope())[0]}{" order by 1, 2" if self.exact else ""} limit 1' if self.c.chance(30) else ''
                return f'({names}) = (select {casts}{source})'
            return f'({names}) = {self.c.pick(("", "row "))}({", ".join(values)})'
        return ', '.join(f'{self.name(c.name)} = {v}' for c, v in zip(chosen, values))

    def update(self, depth, returning):
        relation = self.writable()
        text, rng = self.base_range(Scope(), relation, target=True)
        scope = Scope([rng])
        more = ''
        if self.c.chance(30):
            other, other_range = self.from_item(scope, None, 2, lateral_ok=False)
            scope.ranges.append(other_range)
            more = f' from {other}'
        body = self.assignments(relation, Scope([rng]) if more else scope)
        where = f' where {self.expr("bool", scope, 1)}' if self.c.chance(75) else ''
        if more and where:
            where = f' where {self.join_condition(None, scope.ranges[1], scope)}'
        back, columns = self.returning_of(rng, returning) if more else self.returning(scope, returning)
        return f'update{self.gap()}{text} set {body}{more}{where}{back}', columns

    def returning_of(self, rng, always):
        if not always and not self.c.chance(40):
            return '', ()
        return f' returning {rng.qualifiers[0]}.*', rng.columns

    def delete(self, depth, returning):
        relation = self.writable()
        text, rng = self.base_range(Scope(), relation, target=True)
        scope = Scope([rng])
        more = ''
        if self.c.chance(30):
            other, other_range = self.from_item(scope, None, 2, lateral_ok=False)
            scope.ranges.append(other_range)
            more = f' using {other}'
        where = f' where {self.expr("bool", scope, 1)}' if not more else f' where {self.join_condition(None, scope.ranges[1], scope)}'
        back, columns = self.returning_of(rng, returning) if more else self.returning(scope, returning)
        return f'delete from{self.gap()}{text}{more}{where}{back}', columns

    def merge(self, depth, returning):
        relation = self.c.pick([r for r in self.mapped if r.kind in 'rp' and r.key])
        text, rng = self.base_range(Scope(), relation, target=True)
        text = re.sub(r' \*$', '', text)
        scope = Scope([rng])
        source, other = self.from_item(scope, None, 2, lateral_ok=False)
        scope.ranges.append(other)
        clauses = []
        if self.c.chance(70):
            clauses.append(f'when matched then update set {self.assignments(relation, Scope([rng]))}')
        if self.c.chance(30):
            clauses.insert(0, f'when matched and {self.expr("bool", scope, 2)} then delete')
        if not clauses or self.c.chance(40):
            columns = [c for c in relation.columns if (c.required or c.name in relation.key) and not c.generated]
            names = f' ({", ".join(self.name(c.name) for c in columns)})'
            if self.c.chance(25):
                names, columns = '', self.first_columns(relation)
            clauses.append(f'when not matched and {self.literal("bool")} then insert{names} values '
                           f'({", ".join(self.value_for(relation, c, None, True) for c in columns)})')
        on = self.join_condition(None, other, scope)
        return f'merge into{self.gap()}{text} using {source} on {on} {" ".join(clauses)}', ()

    # ---- whole statements ----

    def copy(self):
        relation = self.base_relation()
        columns = [c for c in relation.columns if not c.generated]
        how = self.c.weighted((40, 'to'), (30, 'query'), (10 if self.exact else 30, 'from'))
        some = [c for c in columns if self.c.chance(60)]
        listed = f' ({", ".join(self.name(c.name) for c in some)})' if some else ''
        if how == 'query':
            text, _ = self.select()
            return f'copy ({text}) to stdout' + self.c.pick(('', ' csv header', " with (format csv, delimiter ';')"))
        if how == 'to' or relation.kind == 'v':
            if relation.kind in 'pv' or relation.name in ('latest',):
                return f'copy (select * from {self.table(relation)}) to stdout'
            return f'copy {self.table(relation)}{listed} to stdout' + self.c.pick(('', ' (format csv, header)', ' csv'))
        chosen = [c for c in columns if c.required or c.name in relation.key or c.samples]
        rows = []
        for i in range(self.c.below(3) + 1):
            row = []
            for c in chosen:
                kind, value = KIND_OF.get(c.type), (self.c.pick(c.samples) if c.samples else '\\N')
                if c.name in relation.key:
                    value = {'int': str(500 + i), 'date': f'2023-11-{i + 1:02}'}.get(kind, value)
                    if kind == 'text' and (c.name != 'code' or relation.name == 'stocks'):
                        value = f'q{i}'
                row.append(value)
            rows.append('\t'.join(row))
        self.stdin = ('\n'.join(rows) + '\n').encode()
        return f'copy {self.table(relation)} ({", ".join(self.name(c.name) for c in chosen)}) from stdin'

    def utility(self):
        relation = self.writable()
        table = self.table(relation)
        text, _ = self.select(None, 1)
        n = self.c.below(1000)
        self.ordered = False
        index = f'create index on {table} ({self.name(relation.columns[0].name)}, {self.name(relation.columns[-1].name)}); select count(*) from {table}'
        if self.exact and self.c.chance(80):  # what is made like a table, or from one for good, is seldom served
            return self.c.pick((f'lock table {table} in share mode', f'create temp table t{n} as {text}; select count(*) from t{n}',
                                f'declare c{n} cursor for {text}; fetch all from c{n}; close c{n}', f'truncate {table} cascade',
                                f'prepare p{n} as {text}; execute p{n}; deallocate p{n}', f'analyze {table}', index,
                                f'comment on column {table}.{self.name(relation.columns[0].name)} is null'))
        return self.c.pick((
            f'lock table {table} in share mode', f'create temp table t{n} as {text}; select count(*) from t{n}',
            f'create temp view v{n} as {text}; select * from v{n}', f'prepare p{n} as {text}; execute p{n}; deallocate p{n}',
            f'declare c{n} cursor for {text}; fetch {"all" if self.exact else "3"} from c{n}; close c{n}',
            f'select * into temp t{n} from {table}; select * from t{n}',
            f'create temp table {quoted(relation.name)} (like {table}); insert into {quoted(relation.name)} select * from '
            f'{quoted(relation.schema)}.{quoted(relation.name)}; select count(*) from {quoted(relation.name)}; '
            f'select count(*) from {quoted(relation.schema)}.{quoted(relation.name)}',
            f'savepoint s; delete from {table} where false; rollback to s; select count(*) from {table}',
            f'create temp table t{n} (like {table} including defaults); select * from t{n}',
            f'explain (costs off, format json) select 1 where exists (select 1 from {table}) and false',
            f'truncate {table} cascade', f'analyze {table}',
            f'create temp table t{n} (x {table}); select (x).* from t{n}',
            index,
        ))

    def broken(self):
        """Errors have positions, too."""
        text, _ = self.select()
        relation = self.base_relation()
        return self.c.pick((
            f'select nosuch from {self.table(relation)}', f'select {self.table(relation, True)}.nosuch from {self.table(relation)}',
            f'select 1 from {self.table(relation)} x, {self.table(relation)} x', f'{text} nosuch nosuch',
            f"select 'é삼' as a, nosuch({self.column(Scope([self.base_range(Scope(), relation)[1]]), 'text')}) from {self.table(relation)}",
            f'update {self.table(relation)} set nosuch = 1', f'insert into {self.table(relation)} (nosuch) values (1)',
            f'select * from {self.table(relation)} join nosuch using (code)',
            f'insert into {self.table(relation)} select * from {self.table(relation)} where 1',
        ))

    def one(self):
        how = self.c.weighted((52, lambda: self.select()[0]), (32, lambda: self.dml()[0]), (6, self.copy), (6, self.utility), (3, self.broken))
        return how()

    def case(self):
        if self.c.chance(12):
            self.params = []
            text = self.select()[0] if not self.c.chance(40) else self.dml()[0]
            return Case(self.path, (Step(text, tuple(self.params), prepared=self.c.chance(60), ordered=self.is_ordered(text)),))
        text = self.one()
        if self.stdin is None and self.c.chance(5):
            self.temps.clear()
            text += ';' + self.gap() + (self.select()[0] if not self.c.chance(40) else self.dml()[0])
            self.ordered = False
        return Case(self.path, (Step(text, None, self.stdin, ordered=self.is_ordered(text)),))

    def is_ordered(self, text):
        """Whether the last order that was written is the statement's, and decides about all of it."""
        if not self.exact:
            return None
        return self.ordered and re.match('(select|with)', text) is not None and re.search(r'order by [\d, ]+( limit \d+)?$', text) is not None


def qualified(text):
    return '.' in text


def generate(relations, search_paths, seed=None, replay=None, exact=False):
    """(case, decisions)"""
    choices = Choices(seed, replay)
    case = Generator(relations, search_paths, choices, exact).case()
    return case, choices.made
