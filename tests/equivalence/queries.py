"""FROM and SELECT of random statements."""
import re

from expressions import AGGREGATES, CAST, KIND_OF, SCALARS, Expressions, Range, Scope, Star
from pairs import quoted


class Queries(Expressions):
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


def qualified(text):
    return '.' in text
