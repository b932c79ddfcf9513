#!/usr/bin/python3
"""Fails when a link between the project's own Markdown files points nowhere, or docs/README.md misses a page.

usage: check_links.py PROJECT_ROOT
"""
import pathlib
import re
import sys

LINK = re.compile(r"\]\(([^)#\s]+)?(?:#([^)\s]+))?\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.S)


def anchors(text):
    """The names GitHub gives to headings."""
    found = set()
    for heading in re.findall(r"^#+ +(.*)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M):
        name = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        found.add(name)
    return found


def broken(path):
    text = path.read_text()
    for target, anchor in LINK.findall(CODE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        file = (path.parent / target).resolve() if target else path
        if not file.exists():
            yield f"{path}: {target} does not exist"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text()):
            yield f"{path}: {file.name} has no heading #{anchor}"


def unlisted(docs):
    index = docs / "README.md"
    linked = {target for target, _ in LINK.findall(index.read_text())}
    for path in sorted(docs.glob("*.md")):
        if path != index and path.name not in linked:
            yield f"{index} has no link to {path.name}"


def main():
    root = pathlib.Path(sys.argv[1])
    files = sorted([*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("src/**/*.md")])
    found = [problem for path in files for problem in broken(path)]
    found += unlisted(root / "docs")
    print("\n".join(found) if found else f"{len(files)} files, all links lead somewhere")
    sys.exit(1 if found or not files else 0)


main()
