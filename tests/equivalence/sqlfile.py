"""Files of SQL as cases.

A plain file: every statement is a case of its own. With lines `-- case: TITLE`
each such line begins a block, whose statements run one after another in one
transaction. In a block, lines like these say more:
    -- search_path: archive, public
    -- text              the statements up to the next line of this kind are sent as one text
    -- stdin             the comment lines that follow are the data of COPY FROM STDIN
psql's own commands, its variables and inline data are left out.
"""
import re

from compare import Case, Step

BLOCK = re.compile(r'^-- case:[ \t]*(.*)\n', re.M)
TOKEN = re.compile(r"""
    --[^\n]* | /\*.*?\*/ | [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
  | (?P<tag>\$(?:[A-Za-z_\x80-\U0010ffff][\w]*)?\$).*?(?P=tag) | [A-Za-z_\x80-\U0010ffff][\w$]* | \\[^\n]* | .""", re.X | re.S)


def statements(text):
    """Texts between semicolons that end a statement."""
    start, depth, atomic, last = 0, 0, 0, ''
    for token in TOKEN.finditer(text):
        word = token[0].lower()
        if word.startswith('\\'):
            yield text[start:token.start()]
            start = token.end()
        depth += (word == '(') - (word == ')')
        atomic += (word == 'atomic' and last == 'begin') + (atomic > 0 and word == 'case') - (atomic > 0 and word == 'end')
        if word == ';' and depth <= 0 and not atomic:
            yield text[start:token.start()]
            start, depth = token.end(), 0
        if not word.isspace():
            last = word
    yield text[start:]


def _worth(sql):
    return re.sub(r'--[^\n]*|/\*.*?\*/|\s', '', sql, flags=re.S)


def _plain(text, search_path):
    text = re.sub(r'(?im)^(copy\s[^;]*from\s+stdin[^;]*;)\n(.*?)^\\\.$', '', text, flags=re.S)
    return [Case(search_path, (Step(s.strip()),)) for s in statements(text) if _worth(s)]


def _block(title, text, search_path):
    found = re.search(r'(?m)^-- search_path:[ \t]*(.*)$', text)
    search_path = found[1].strip() if found else search_path
    parts = re.split(r'(?m)^-- (text|stdin)[ \t]*\n', re.sub(r'(?m)^-- search_path:.*\n', '', text))
    steps = [Step(s.strip()) for s in statements(parts[0]) if _worth(s)]
    for kind, part in zip(parts[1::2], parts[2::2]):
        if kind == 'text':
            steps.append(Step(part.strip()))
            continue
        data = re.findall(r'(?m)^-- ?(.*)$', part)
        steps[-1] = steps[-1]._replace(stdin=('\n'.join(data) + '\n').encode())
        rest = re.sub(r'(?m)^--.*$', '', part)
        steps += [Step(s.strip()) for s in statements(rest) if _worth(s)]
    return Case(search_path, tuple(steps), title)


def cases_of(path, search_path):
    return parse(path.read_text(errors='replace'), search_path)


def parse(text, search_path):
    parts = BLOCK.split(text)
    blocks = [_block(t, b, search_path) for t, b in zip(parts[1::2], parts[2::2])]
    return _plain(parts[0], search_path) + [b for b in blocks if b.steps]
