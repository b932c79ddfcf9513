#!/usr/bin/python3
"""Holds the table of keys in docs/configuration.md in step with the program.

The lines between its two markers are what `crossfade config --markdown`
prints; with --write they are made anew. The page's YAML examples must load.
usage: configuration_page.py [--write] CROSSFADE PROJECT_ROOT
"""
import difflib
import pathlib
import re
import subprocess
import sys
import tempfile

BEGIN, END = "<!-- keys: begin", "<!-- keys: end"


def refresh(page, program, write):
    lines = page.read_text().splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith(BEGIN))
    end = next(i for i, line in enumerate(lines) if line.startswith(END))
    want = subprocess.run([program, "config", "--markdown"], capture_output=True, text=True,
                          check=True).stdout.splitlines()
    if len(want) < 12:
        sys.exit(f"crossfade config --markdown printed {len(want)} lines")
    if write:
        page.write_text("\n".join([*lines[:begin + 1], *want, *lines[end:]]) + "\n")
    elif lines[begin + 1:end] != want:
        print("\n".join(difflib.unified_diff(lines[begin + 1:end], want, page.name, "the program", "", "", 0, "")))
        sys.exit(f"{page.name} is behind: run tests/docs/configuration_page.py --write build/crossfade .")


def example(text, heading):
    """The first YAML block below a heading."""
    part = re.split(rf"^#+ {re.escape(heading)}$", text, maxsplit=1, flags=re.M)[1]
    return re.search(r"```yaml\n(.*?)```", part, re.S)[1]


def check_examples(text, program):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "crossfade.yaml").write_text(example(text, "Configuration"))
        (folder / "v10-to-v13.yaml").write_text(example(text, "The map"))
        (folder / "flags.yaml").write_text(example(text, "The flags"))
        (folder / "catalog.yaml").write_text(example(text, "A catalog without a server"))
        for command in (["serve", "--check", "-c", "crossfade.yaml"], ["config", "-c", "crossfade.yaml"],
                        ["rewrite", "-c", "crossfade.yaml", "--catalog", "catalog.yaml"]):
            done = subprocess.run([program, *command], cwd=folder, capture_output=True, text=True,
                                  input="select 1 from public.prices")
            if done.returncode:
                sys.exit(f"the page's examples fail in crossfade {command[0]}:\n{done.stderr}")


def main():
    write = sys.argv[1] == "--write"
    program = str(pathlib.Path(sys.argv[1 + write]).resolve())
    page = pathlib.Path(sys.argv[2 + write]) / "docs" / "configuration.md"
    refresh(page, program, write)
    check_examples(page.read_text(), program)
    print("docs/configuration.md has the program's keys, and its examples load")


main()
