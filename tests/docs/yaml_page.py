#!/usr/bin/python3
"""Holds the keys in crossfade.yaml(5) in step with the program's own table.

The lines between the two markers of the page are made from
`crossfade config --markdown`; with --write they are made anew.
usage: yaml_page.py [--write] CROSSFADE PROJECT_ROOT
"""
import difflib
import pathlib
import re
import subprocess
import sys
import textwrap

BEGIN, END = '.\\" keys: begin', '.\\" keys: end'


def table(program):
    """Rows of (key, value, default, reload, help)."""
    out = subprocess.run([program, "config", "--markdown"], capture_output=True, text=True, check=True).stdout
    rows = []
    for line in out.splitlines():
        if line.startswith("| `"):
            cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            rows.append((cells[0].strip("`"), *cells[1:]))
    if len(rows) < 10:
        sys.exit(f"crossfade config --markdown printed {len(rows)} keys")
    return rows


def prose(text):
    """Text as lines of mdoc, one sentence a line."""
    text = re.sub(r"`([^`]*)`", r"\\(oq\1\\(cq", text.replace("\\", "\\e")).replace("…", "...")
    lines = []
    for sentence in re.split(r"(?<=[.:;]) (?=[A-Z])", text):
        lines += textwrap.wrap(sentence, 78, break_long_words=False, break_on_hyphens=False)
    return ["\\&" + line if line[0] in ".'" else line for line in lines]


def item(row):
    key, value, default, reload, text = row
    facts = []
    if value:
        facts.append(f"Takes: {value}.")
    if default == "(required)":
        facts.append("Required.")
    elif default:
        facts.append(f"Default: {default}.")
    facts.append("A reload applies it." if reload == "yes" else "Needs a restart.")
    return [f".It Cm {key}", *prose(text), *prose(" ".join(facts))]


def keys(rows):
    lines = [BEGIN, ".Bl -tag -width Ds"]
    for row in rows:
        lines += item(row)
    return [*lines, ".El", END]


def main():
    write = sys.argv[1] == "--write"
    program, root = sys.argv[1 + write], pathlib.Path(sys.argv[2 + write])
    page = root / "docs" / "man" / "crossfade.yaml.5"
    lines = page.read_text().splitlines()
    begin, end = lines.index(BEGIN), lines.index(END)
    want = keys(table(program))
    if write:
        page.write_text("\n".join([*lines[:begin], *want, *lines[end + 1:]]) + "\n")
    elif lines[begin:end + 1] != want:
        print("\n".join(difflib.unified_diff(lines[begin:end + 1], want, "crossfade.yaml.5", "the program", "", "", 0, "")))
        sys.exit("crossfade.yaml(5) is behind: run tests/docs/yaml_page.py --write build/crossfade .")
    else:
        print("crossfade.yaml(5) has the program's keys")


main()
