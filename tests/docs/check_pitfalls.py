#!/usr/bin/python3
"""Fails when a test that tests/pitfalls.md names does not exist, or a pitfall has none.

And when a test of tests/system/test_pitfalls.py is not in the table.
usage: check_pitfalls.py PROJECT_ROOT
"""
import pathlib
import re
import sys

FUNCTION = re.compile(r"(\w+\.py)::(\w+)(?:\[(.+)\])?")
UNIT = re.compile(r"(\w+)/(\w+)")
CASE = re.compile(r"(\w+\.case): (.+)")


def rows(text):
    """(pitfall, [names of tests]) of each row that is no heading."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 2 and not cells[0].startswith(("**", "what happened")):
            yield cells[0], re.findall(r"`([^`]+)`", cells[1])


def unit_tests(tests):
    text = "\n".join(path.read_text() for path in (tests / "unit").glob("**/*.c"))
    return set(re.findall(r"^Test\((\w+, \w+)", text, re.M))


def fault(name, tests, units):
    """What is wrong with the name of a test; None: it is there."""
    if match := FUNCTION.fullmatch(name):
        path = tests / "system" / match[1]
        text = path.read_text() if path.exists() else ""
        if not re.search(rf"^def {match[2]}\(", text, re.M):
            return f"{match[1]} has no function {match[2]}"
        return f"{match[1]} has no case {match[3]}" if match[3] and match[3] not in text else None
    if match := CASE.fullmatch(name):
        path = tests / "rewrite" / match[1]
        there = path.exists() and f"\n%case {match[2]}\n" in path.read_text()
        return None if there else f"{match[1]} has no case {match[2]!r}"
    if match := UNIT.fullmatch(name):
        return None if f"{match[1]}, {match[2]}" in units else f"no unit test {name}"
    return f"{name} is no name of a test"


def faults(root):
    tests = root / "tests"
    table, units, named = list(rows((tests / "pitfalls.md").read_text())), unit_tests(tests), set()
    if len(table) < 40:
        yield "the table is not where it was"
    for pitfall, names in table:
        named.update(names)
        if not names:
            yield f"no test: {pitfall}"
        for name in names:
            if why := fault(name, tests, units):
                yield f"{pitfall}: {why}"
    text = (tests / "system/test_pitfalls.py").read_text()
    mentioned = {match[2] for match in map(FUNCTION.fullmatch, named) if match}
    for function in re.findall(r"^def (test_\w+)", text, re.M):
        if function not in mentioned:
            yield f"test_pitfalls.py::{function} is not in the table"


def main():
    found = list(faults(pathlib.Path(sys.argv[1])))
    print("\n".join(found) if found else "every pitfall has its tests")
    sys.exit(1 if found else 0)


main()
