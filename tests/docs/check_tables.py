#!/usr/bin/python3
"""Holds docs/operations.md and docs/troubleshooting.md in step with the code.

Every close reason of src/proxy/close_reason.c has a row with its meaning,
and every event that the code logs above debug has one; no row is left over.
Every message that troubleshooting.md explains is in the code.
usage: check_tables.py PROJECT_ROOT
"""
import pathlib
import re
import sys

REASON = re.compile(r'\[CLOSE_\w+\]\s*=\s*\{\s*"(\w+)",\s*"((?:[^"\\]|\\.)*)"')
# From the name of a logging function up to its first field: level and event, or a choice of two.
CALL = re.compile(r"\b(?:LOG|log_[a-z]+|[a-z]+_log)\(((?:(?!LOG_(?:STR|SLICE|INT|UINT)|[;{]).)*)", re.S)


def rows(text, heading):
    """{first cell without backticks: second cell} of the table below heading."""
    match = re.search(rf"^#+ {re.escape(heading)}$(.*?)(?=^#|\Z)", text, re.M | re.S)
    if not match:
        sys.exit(f"docs/operations.md: no heading {heading!r}")
    found = {}
    for line in match.group(1).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `") and len(cells) >= 2:
            found[cells[0].strip("`")] = cells[1]
    return found


def events(root):
    """The names of the events that are logged above debug."""
    found = set()
    for path in (root / "src").glob("**/*.c"):
        for head in CALL.findall(path.read_text()):
            if "LOG_DEBUG" not in head:
                found |= set(re.findall(r'"([a-z][a-z_]+)"', head))
    return found


def compare(what, code, docs):
    for name in sorted(set(code) - set(docs)):
        yield f"{what} {name} is in the code, not in docs/operations.md"
    for name in sorted(set(docs) - set(code)):
        yield f"{what} {name} is in docs/operations.md, not in the code"


# Messages of the server that troubleshooting.md explains too.
SERVERS = ("no pg_hba.conf entry", "relation ")


def strings(root):
    """All string literals of the code, neighbours joined, as one text."""
    text = "\n".join(path.read_text() for path in sorted((root / "src").glob("**/*.c")))
    return re.sub(r'"\s*"', "", text).replace('\\"', '"')


def unknown_messages(root):
    """Messages of troubleshooting.md with a part that no string of the code has."""
    code = strings(root)
    for message in re.findall(r"^### `(.*)`$", (root / "docs" / "troubleshooting.md").read_text(), re.M):
        if message.startswith(SERVERS):
            continue
        for part in message.split("…"):
            if len(part.strip()) > 2 and part.strip(" :,") not in code:
                yield f"docs/troubleshooting.md explains `{message}`; the code has no `{part.strip()}`"


def main():
    root = pathlib.Path(sys.argv[1])
    text = (root / "docs" / "operations.md").read_text()
    reasons = dict(REASON.findall((root / "src" / "proxy" / "close_reason.c").read_text()))
    described = rows(text, "Why a session ended")
    found = list(compare("close reason", reasons, described))
    found += [f"close reason {name}: docs/operations.md says {described[name]!r}, the code {meaning!r}"
              for name, meaning in reasons.items() if name in described and described[name] != meaning]
    logged = events(root)
    found += compare("event", logged, rows(text, "Events"))
    found += unknown_messages(root)
    print("\n".join(found) if found else f"{len(reasons)} close reasons and {len(logged)} events are documented")
    sys.exit(1 if found or not reasons or not logged else 0)


main()
