#!/usr/bin/python3
"""Installs into an empty folder and holds that everything arrived, in its place.

usage: check_install.py BUILD PREFIX FILE...   (FILE: relative to the prefix)
"""
import pathlib
import subprocess
import sys
import tempfile


def install(build, folder):
    done = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", folder],
                          capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def problems(folder, prefix, wanted):
    top = folder / prefix.lstrip("/")
    for name in wanted:
        path = top / name
        if not path.is_file():
            yield f"{name} was not installed"
        elif not path.stat().st_size:
            yield f"{name} is empty"
    for path in folder.rglob("*"):
        if path.is_file() and top not in path.parents:
            yield f"{path.relative_to(folder)} is outside {prefix}: an update would overwrite it"
        if path.is_file() and path.suffix in (".build", ".pyc", ".in"):
            yield f"{path.relative_to(folder)} does not belong on a system"


def main():
    build, prefix, *wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        install(build, name)
        found = list(problems(folder, prefix, wanted))
        count = sum(path.is_file() for path in folder.rglob("*"))
    print("\n".join(found) if found else f"{count} files installed, all in place")
    sys.exit(1 if found else 0)


main()
