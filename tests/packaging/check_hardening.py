#!/usr/bin/python3
"""Fails when the program lost one of the protections that it is built with.

Position-independent, all relocations read-only before main, no executable
stack, canaries on the stack, and checked versions of libc's functions.
usage: check_hardening.py CROSSFADE
"""
import re
import subprocess
import sys


def readelf(option, program):
    return subprocess.run(["readelf", "-W", option, program], capture_output=True, text=True, check=True).stdout


def missing(program):
    if not re.search(r"Type:\s+DYN", readelf("-h", program)):
        yield "it is not position-independent (PIE)"
    segments = readelf("-l", program)
    if "GNU_RELRO" not in segments:
        yield "it has no RELRO segment"
    stack = re.search(r"GNU_STACK.*", segments)
    if not stack or "E" in stack.group().split()[-2]:
        yield "its stack is executable"
    if not re.search(r"\(FLAGS(_1)?\).*NOW", readelf("-d", program)):
        yield "symbols are bound lazily, so RELRO is partial"
    symbols = readelf("--dyn-syms", program)
    if "__stack_chk_fail" not in symbols:
        yield "no function has a stack protector"
    if not re.search(r"__(memcpy|snprintf|vsnprintf|read|recv|fprintf)_chk", symbols):
        yield "nothing is fortified"
    if re.search(r" RWE ", segments):
        yield "a segment is writable and executable"


def main():
    found = list(missing(sys.argv[1]))
    print("\n".join(found) if found else "all protections are in place")
    sys.exit(1 if found else 0)


main()
