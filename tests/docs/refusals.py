"""What the rewriter's source says when it refuses: messages and reasons, with … where a value stands.

A string counts when it is an argument of a function whose name speaks of refusing, or is the reason
that such a function is given by another (a sentence that is returned or assigned). Hints do not count.
"""
import re

STRING = r'"(?:[^"\\]|\\.)*"'
TOKEN = re.compile(rf'({STRING})|/\*.*?\*/|\'(?:[^\'\\]|\\.)\'', re.S)
CALL = re.compile(r'\b(\w+)\s*\(')
JOINED = re.compile(rf'{STRING}(?:\s*{STRING})*', re.S)


def text_of(literal):
    joined = ''.join(s[1:-1] for s in re.findall(STRING, literal))
    return re.sub(r'%(?:\.\*)?[a-z]+', '…', joined.replace('\\"', '"').replace('\\\\', '\\'))


def without_comments(source):
    return TOKEN.sub(lambda m: m.group(1) or ' ', source)


def arguments(source, start):
    """The text between the parenthesis at start and the one that closes it."""
    depth, at = 0, start
    while at < len(source):
        string = re.compile(STRING).match(source, at)
        if string:
            at = string.end()
            continue
        depth += {'(': 1, ')': -1}.get(source[at], 0)
        at += 1
        if depth == 0:
            break
    return source[start:at]


def is_sentence(text):
    return re.match(r'^[A-Z].* .*\.$', text) is not None


def is_code(text):
    return re.match(r'^[0-9A-Z]{5}$', text) or not re.search(r'[A-Za-z]{2}', text.replace('…', ''))


def refusals(source):
    source, found = without_comments(source), []
    hints = [m.span() for m in re.finditer(r'\berror_hint\s*\(', source)]
    hints = [(start, end - 1 + len(arguments(source, end - 1))) for start, end in hints]
    for call in CALL.finditer(source):
        if 'refuse' in call.group(1) or call.group(1) == 'error_detail':
            for literal in JOINED.findall(arguments(source, call.end() - 1)):
                found.append(text_of(literal))
    for literal in JOINED.finditer(source):
        inside_hint = any(start <= literal.start() < end for start, end in hints)
        if not inside_hint and is_sentence(text_of(literal.group())):
            found.append(text_of(literal.group()))
    return sorted({text for text in found if not is_code(text)})
