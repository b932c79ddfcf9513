"""Reads v10.cases and v13.cases (the format is described at their top)."""
import json
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODES = ('simple', 'extended', 'prepared')


@dataclass
class Case:
    title: str
    line: int
    sql: str = ''
    stdin: bytes = None
    only: str = None
    params: list = None

    def runs_in(self, mode):
        if self.params is not None and mode == 'simple':
            return False
        return self.only in (None, mode)


@dataclass
class Group:
    name: str
    options: str = ''
    cases: list = field(default_factory=list)


def _directive(group, case, name, value):
    if name == 'options' and case is None:
        group.options = value
    elif name == 'only' and case and value in MODES:
        case.only = value
    elif name == 'params' and case:
        case.params = json.loads(value)
    else:
        raise ValueError(f'@{name} {value}: not known here')


def parse(text):
    groups, group, case = [], None, None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith('## '):
            group, case = Group(line[3:]), None
            groups.append(group)
        elif line.startswith('# '):
            case = Case(line[2:], number)
            group.cases.append(case)
        elif group is None:
            continue  # the explanation at the top
        elif line.startswith('@') and not (case and case.sql):
            _directive(group, case, *line[1:].partition(' ')[::2])
        elif line == '--- stdin':
            case.stdin = b''
        elif case is not None and case.stdin is not None:
            if line:
                case.stdin += line.encode() + b'\n'
        elif line and case is not None:
            case.sql += line + '\n'
        elif line:
            raise ValueError(f'line {number}: a statement without a title')
    for group in groups:
        for case in group.cases:
            case.sql = case.sql.rstrip('\n')
            if not case.sql:
                raise ValueError(f'line {case.line}: a title without a statement')
    return groups


def load(names):
    return parse((HERE / f'{names}.cases').read_text(encoding='utf-8'))
