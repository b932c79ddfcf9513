#!/usr/bin/python3
"""The example program over libcrossfade.a does what its comment says, and the archive shows nothing but its API.

usage: check_embedded.py EXAMPLE LIBCROSSFADE
"""
import pathlib
import subprocess
import sys
import tempfile

MAP = ("old: v10\nnew: v13\ntables:\n  public.prices: data.prices\n  public.stocks: data.instruments\n"
       "  public.investor: {to: data.flow, columns: {code: stock_code}, shape: {code: text, n: int},\n"
       "    new_shape: {stock_code: text, n: int}}\n")
FLAGS = "flags:\n  public.prices: live\n  public.stocks: complete\n  public.investor: live\n"


def run(example, folder, sql, *values):
    done = subprocess.run([example, folder / "map.yaml", folder / "flags.yaml", sql, *values], capture_output=True, text=True)
    return done.returncode, done.stdout.strip(), done.stderr


def check(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: got {got!r}, wanted {wanted!r}")


def check_example(example):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "map.yaml").write_text(MAP)
        (folder / "flags.yaml").write_text(FLAGS)
        code, out, err = run(example, folder, "select close from prices")
        check("rewritten", (code, out), (0, "select close from data.prices"))
        check("explanation and uses", err, "prices is public.prices (search_path): data.prices [move]\n"
              "uses public.prices by its old name: select\n")
        code, out, err = run(example, folder, "select 'x', $2::regclass", "prices", "public.prices")
        check("parameters", (code, err.splitlines()[-1]), (0, "$2 is bound to data.prices"))
        code, out, err = run(example, folder, "select code from public.investor")
        check("columns", (code, out), (0, "select code from data.flow AS investor(code, n)"))
        code, out, err = run(example, folder, "do 'begin delete from public.prices; end'")
        check("notice", (code, "HINT:  Its rows are in data.prices" in err), (0, True))
        check("unchanged", run(example, folder, "select 1")[:2], (0, "select 1"))
        code, out, err = run(example, folder, "select * from public.stocks")
        check("refused", (code, out, "42P01" in err, "data.instruments" in err), (1, "", True, True))
        (folder / "map.yaml").write_text("tables: [")
        code, out, err = run(example, folder, "select 1")
        check("bad map", (code, "map.yaml:" in err), (2, True))


def check_symbols(library):
    out = subprocess.run(["nm", "--defined-only", "--extern-only", "--format=posix", library],
                         capture_output=True, text=True, check=True).stdout
    names = [line.split()[0] for line in out.splitlines() if len(line.split()) >= 2 and ":" not in line]
    strangers = [name for name in names if not name.startswith("crossfade_")]
    if strangers or not names:
        sys.exit(f"libcrossfade.a shows {strangers or 'nothing'}")


check_example(sys.argv[1])
check_symbols(sys.argv[2])
