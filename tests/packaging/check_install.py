#!/usr/bin/python3
"""Installs into an empty folder and holds that everything arrived, in its place, and that the samples are valid.

usage: check_install.py BUILD PREFIX FILE...   (FILE: relative to the prefix)
"""
import pathlib
import shutil
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


def check_samples(folder, prefix):
    """The installed program takes the installed samples, copied as their comments say."""
    top = folder / prefix.lstrip("/")
    examples = top / "share" / "crossfade" / "examples"
    etc = folder / "etc-crossfade"
    shutil.copytree(examples, etc)
    sample = (etc / "system" / "crossfade.yaml").read_text()
    state = "/var/lib/crossfade/"
    if state not in sample:
        yield "the system sample does not keep its ledger in the service's folder"
    (etc / "system.yaml").write_text(sample.replace(state, f"{etc}/"))
    for file in (etc / "crossfade.yaml", etc / "system.yaml"):
        done = subprocess.run([top / "bin" / "crossfade", "serve", "--check", "-c", file], capture_output=True, text=True)
        if done.returncode:
            yield f"sample {file.name}: {done.stderr}"


def main():
    build, prefix, *wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        install(build, name)
        found = list(problems(folder, prefix, wanted))
        count = sum(path.is_file() for path in folder.rglob("*"))
        found = found or list(check_samples(folder, prefix))
    print("\n".join(found) if found else f"{count} files installed, all in place")
    sys.exit(1 if found else 0)


main()
