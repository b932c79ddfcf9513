#!/usr/bin/python3
"""`crossfade rewrite` without any server: options, output, exit codes.

usage: check_command.py CROSSFADE
"""
import os
import pathlib
import subprocess
import sys
import tempfile

MAP = "old: v10\nnew: v13\ntables:\n  public.prices: data.prices\n  public.stocks: data.instruments\n"
CATALOG = ("server_version: 150004\nschemas: [app]\nrelations:\n  data.prices: table\n  app.prices: table\n"
           "  data.prices_id_seq: {kind: sequence, owned_by: data.prices}\n")
LIVE = ["--stage", "public.prices=live"]
failures = []


def run(sql, *options):
    done = subprocess.run([sys.argv[1], "rewrite", "--map", "map.yaml", *options], input=sql.encode(),
                          capture_output=True)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def check(what, holds, got):
    if not holds:
        failures.append(f"{what}: {got}")


def main():
    got = run("select 1 from prices\n")
    check("without a stage everything is old", got == (0, "select 1 from prices\n", ""), got)
    got = run("select 1 from prices", *LIVE)
    check("a stage", got == (0, "select 1 from data.prices", ""), got)
    got = run("select 1 from data.prices", *LIVE, "--stage", "public.prices=old")
    check("the last stage wins", got == (0, "select 1 from public.prices", ""), got)
    got = run("select 1 from prices", *LIVE, "--search-path", "app, public")
    check("without a catalog only the map has tables", got[1] == "select 1 from data.prices", got)
    got = run("select 1 from prices", *LIVE, "--search-path", "app, public", "--catalog", "catalog.yaml")
    check("the catalog has another table", got[1] == "select 1 from prices", got)
    got = run("select nextval('public.prices_id_seq')", "--catalog", "catalog.yaml")
    check("the catalog decides, and sequences follow", got[1] == "select nextval('data.prices_id_seq')", got)
    got = run("select 1\n from x, prices p", *LIVE, "--explain")
    check("explain", got == (0, "-- 2:10 prices is public.prices (search_path); becomes data.prices [move]\n"
                             "select 1\n from x, data.prices p", ""), got)
    got = run("drop table prices", "--explain")
    check("explain a refusal", got[0] == 1 and got[1] ==
          "-- 1:12 prices is public.prices (search_path); is not sent [refused]\n", got)
    got = run("select 1", "--explain")
    check("explain nothing", got == (0, "-- names nothing of the map\nselect 1", ""), got)
    got = run("select 1;\ndrop table prices")
    check("refused", got[0] == 1 and got[1] == "" and got[2].startswith("<stdin>:2:12: DROP of mapped table") and
          "HINT:" in got[2], got)
    got = run("\0select 1 from prices", *LIVE)
    check("a NUL", got[0] in (0, 1), got)
    deep = "select 1 from prices where 1" + "+1" * 7000 + " > 0"
    got = run(deep, *LIVE)
    check("as deep as the limits allow", got == (0, deep.replace("prices", "data.prices"), ""), got[2])
    got = run("select 1 from prices where 1" + "+1" * 100000 + " > 0", *LIVE)
    check("too deep", got[0] == 1 and "deeply nested" in got[2], got[2])
    for what, options in {"a bad stage": ["--stage", "public.prices=gone"],
                          "a stage without schema": ["--stage", "prices=live"],
                          "a missing catalog": ["--catalog", "none.yaml"],
                          "an argument": ["select 1"],
                          "map and configuration": ["-c", "x.yaml"]}.items():
        got = run("select 1", *options)
        check(what, got[0] == 2 and got[2], got)


with tempfile.TemporaryDirectory() as folder:
    (pathlib.Path(folder) / "map.yaml").write_text(MAP)
    (pathlib.Path(folder) / "catalog.yaml").write_text(CATALOG)
    sys.argv[1] = str(pathlib.Path(sys.argv[1]).resolve())
    os.chdir(folder)
    main()
    os.chdir("/")
print("\n".join(failures) or "all hold")
sys.exit(bool(failures))
