"""Random statements over the tables of a layout, in the names of one side.

Statements are made so that most succeed: names resolve along the search path,
expressions have types, values come from the tables. Everything else about
them is as odd as SQL allows.
"""
import re

from changes import Changes
from choices import Choices
from compare import Case, Step
from expressions import Scope
from pairs import quoted


class Generator(Changes):
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


def generate(relations, search_paths, seed=None, replay=None, exact=False):
    """(case, decisions)"""
    choices = Choices(seed, replay)
    case = Generator(relations, search_paths, choices, exact).case()
    return case, choices.made
