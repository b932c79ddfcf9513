#!/usr/bin/python3
"""Holds docs/rewriting.md to the code: its examples are golden cases, each rule that --explain names has a
section and a case that shows it, and everything that is refused is listed.

usage: check_rules.py PROJECT_ROOT
"""
import pathlib
import re
import sys

from refusals import refusals

# Rules that no explanation of a golden case can show: their text is longer than a line.
WITHOUT_EXPLANATION = {"introspection"}
# Refusals of the proxy, beside those of the rewriter.
PROXY = ("statement is too long for crossfade", "crossfade cannot know what this statement's tables are")


def cases(folder):
    """title → [(text, {directive: value})]"""
    found = {}
    for path in sorted(folder.glob("*.case")):
        for part in re.split(r"^%case ", path.read_text(), flags=re.M)[1:]:
            title, _, rest = part.partition("\n")
            text, *directives = re.split(r"^%", rest, flags=re.M)
            values = {}
            for directive in directives:
                word, _, value = directive.partition("\n" if directive.startswith("out\n") else " ")
                # A blank line and a comment belong to what follows.
                value = re.sub(r"\n\n#.*", "", value, flags=re.S)
                values.setdefault(word.strip(), value.strip())
            found.setdefault(title, []).append((text.strip(), values))
    return found


def examples(page):
    for block in re.findall(r"^```sql\n(-- case: .*?)^```", page, flags=re.M | re.S):
        title, _, rest = block.partition("\n")
        text, mark, outcome = re.match(r"(.*?)\n-- (becomes\n|stays as it is|is refused: )(.*)", rest, re.S).groups()
        yield title[len("-- case: "):], text.strip(), mark.strip(), outcome.strip()


def example_fault(known, title, text, mark, outcome):
    if len(known.get(title, ())) != 1:
        return f"the example {title!r} is no golden case, or several"
    sql, values = known[title][0]
    want = {"becomes": values.get("out"), "stays as it is": "" if "unchanged" in values else None,
            "is refused:": values.get("refused")}[mark]
    if sql != text:
        return f"the example {title!r} begins otherwise in its case:\n  {sql}"
    if want != outcome:
        return f"the example {title!r} ends otherwise in its case:\n  {want}"
    return None


def rules(source):
    return re.findall(r'\[RULE_\w+\] = "([^"]+)"', source)


def rule_faults(names, page, known):
    section = page.partition("\n## The rules\n")[2].partition("\n## ")[0]
    headings = re.findall(r"^### (.+)$", section, flags=re.M)
    if sorted(headings) != sorted(names):
        yield f"the sections of The rules are {headings}, the rules {names}"
    shown = " ".join(values.get("explain", "") for same in known.values() for _, values in same)
    for name in names:
        if name not in WITHOUT_EXPLANATION and f"[{name}]" not in shown:
            yield f"no golden case has an explanation by the rule {name!r}"
    for part in re.split(r"^### ", section, flags=re.M)[1:]:
        name, _, body = part.partition("\n")
        if "-- case: " not in body and "above" not in body:
            yield f"the rule {name!r} has no example"


def template(text):
    """… may be written out."""
    return ".{1,40}".join(map(re.escape, text.split("…")))


def refusal_faults(sources, page):
    listed = re.sub(r"\s+", " ", page.partition("\n## What is refused\n")[2].partition("\n## ")[0])
    wanted = {text for source in sources for text in refusals(source.read_text()) if " " in text} | set(PROXY)
    if len(wanted) < 50:
        yield f"only {len(wanted)} refusals were found in the source"
    for text in sorted(wanted):
        # "INSERT has more …" is listed once for each of its two ends.
        if not re.search(template(text), listed):
            yield f"What is refused does not list: {text}"


def main():
    root = pathlib.Path(sys.argv[1])
    page = (root / "docs/rewriting.md").read_text()
    known = cases(root / "tests/rewrite")
    shown = list(examples(page))
    faults = [f for f in (example_fault(known, *example) for example in shown) if f]
    faults += rule_faults(rules((root / "src/rewrite/rule.c").read_text()), page, known)
    faults += refusal_faults(sorted((root / "src/rewrite").glob("*.c")), page)
    print("\n".join(faults) or f"{len(shown)} examples of docs/rewriting.md are golden cases, and all refusals are listed")
    sys.exit(bool(faults) or len(shown) < 15)


main()
