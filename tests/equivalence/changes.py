"""INSERT, UPDATE, DELETE, MERGE and COPY with random parts."""
import re

from expressions import KIND_OF, SCALARS, Range, Scope
from pairs import quoted
from queries import Queries


class Changes(Queries):
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

    def changed(self, clause):
        """The table to change, how it is written, its range, what the statement reads, and the clause for the rest of that."""
        relation = self.writable()
        text, rng = self.base_range(Scope(), relation, target=True)
        scope = Scope([rng])
        more = ''
        if self.c.chance(30):
            other, other_range = self.from_item(scope, None, 2, lateral_ok=False)
            scope.ranges.append(other_range)
            more = f' {clause} {other}'
        return relation, text, rng, scope, more

    def update(self, depth, returning):
        relation, text, rng, scope, more = self.changed('from')
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
        _, text, rng, scope, more = self.changed('using')
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
