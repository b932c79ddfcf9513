#!/usr/bin/python3
"""Fails when a global symbol of ours has the name of one that libpg_query exports.

libpg_query calls its own exported functions through the PLT, so a function of
ours with such a name would be called by the parser in place of its own.
usage: check_symbols.py LIBPG_QUERY FILE...   (static libraries and programs)
"""
import subprocess
import sys


def defined(path, *options):
    """The names of the global symbols that path defines."""
    out = subprocess.run(["nm", "--defined-only", "--extern-only", "--format=posix", *options, path],
                         capture_output=True, text=True, check=True).stdout
    names = set()
    for line in out.splitlines():
        fields = line.split()
        if len(fields) >= 2 and len(fields[1]) == 1:  # not the "libx.a[member.o]:" lines
            names.add(fields[0].split("@")[0])
    return names


# The linker defines these in every shared object.
LINKERS = {"_init", "_fini", "_edata", "_end", "__bss_start"}


def main():
    library, *files = sys.argv[1:]
    theirs = defined(library, "--dynamic") - LINKERS
    if not {"palloc", "list_copy", "errmsg"} <= theirs:
        sys.exit(f"{library}: does not look like libpg_query: {len(theirs)} symbols, no palloc")
    bad, checked = [], 0
    for path in files:
        ours = defined(path)
        if not path.endswith(".a"):
            ours |= defined(path, "--dynamic")
        checked += len(ours)
        bad += [f"{path}: {name} is also a symbol of libpg_query; give it its module's prefix"
                for name in sorted(ours & theirs)]
    print("\n".join(bad) if bad else f"{checked} symbols of {len(files)} files, none is libpg_query's")
    sys.exit(1 if bad or not checked else 0)


main()
