#!/usr/bin/python3
"""Installs, then builds and runs a program against the installed library, found by pkg-config.

usage: check_embed.py BUILD PREFIX SOURCE COMPILER...   (COMPILER with the options the library was built with)
"""
import os
import pathlib
import subprocess
import sys
import tempfile


def run(command, **kw):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **kw)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nexit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def main():
    build, prefix, source, *compiler = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", folder])
        top = pathlib.Path(folder) / prefix.lstrip("/")
        pc, = top.rglob("crossfade.pc")
        env = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent), "PKG_CONFIG_SYSROOT_DIR": folder}
        flags = run(["pkg-config", "--static", "--cflags", "--libs", "crossfade"], env=env).split()
        program = pathlib.Path(folder) / "embed"
        run([*compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-Wstrict-prototypes", "-pedantic", source,
             "-o", program, *flags])
        print(run([program]), end="")


main()
