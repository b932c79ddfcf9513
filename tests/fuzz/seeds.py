#!/usr/bin/python3
"""Writes one seed per distinct kind of golden case into a folder: seeds.py tests/rewrite tests/fuzz/corpus/rewriter"""
import hashlib
import pathlib
import re
import sys

cases, folder = map(pathlib.Path, sys.argv[1:])
folder.mkdir(parents=True, exist_ok=True)
for path in sorted(cases.glob("*.case")):
    for block in re.split(r"^%case .*\n", path.read_text(), flags=re.M)[1:]:
        sql = re.split(r"^%", block, flags=re.M)[0].strip("\n").encode()
        if 0 < len(sql) < 2000:
            name = f"{path.stem}-{hashlib.sha256(sql).hexdigest()[:12]}"
            (folder / name).write_bytes(b"\0" + sql)
