#!/usr/bin/python3
"""Fails when a file of src/ includes a header, or a library's header, that its layer may not use.

The table is src/README.md's; both must agree, and this file reads it from there.
usage: check.py PROJECT_ROOT
"""
import pathlib
import re
import sys

ROW = re.compile(r"^(\w+)/\s+\[([^\]]*)\]")
ALL_ABOVE = re.compile(r"^(\w+)/\s+\[all above\]")
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')

# Headers of libraries, and the layers that may name them.
LIBRARIES = {
    "yaml.h": {"config"},
    "sqlite3.h": {"usage", "shared"},
    "jansson.h": {"usage", "config", "logs", "app"},
    "uv.h": {"net", "proxy", "catalog", "app"},
    "openssl/": {"auth", "net"},
    "stringprep.h": {"auth"},
    "libpq-fe.h": {"net", "catalog", "shared", "fleet", "app"},
    "pg_query": {"rewrite"},
    "argp.h": {"app"},
    "microhttpd.h": {"admin"},
    "xxhash.h": {"base"},
}


def layers(readme):
    allowed, above = {}, []
    for line in readme.read_text().splitlines():
        if ALL_ABOVE.match(line):
            name, deps = ALL_ABOVE.match(line).group(1), list(above)
        elif ROW.match(line):
            name, deps = ROW.match(line).group(1), ROW.match(line).group(2).split()
        else:
            continue
        allowed[name] = set(deps) | {name}
        above.append(name)
    return allowed


def violation(layer, quote, header, allowed):
    if quote == '"':
        first = header.split("/")[0]
        if "/" not in header:
            return f'"{header}" does not name its layer'
        if first != "crossfade" and first not in allowed[layer]:
            return f"layer {layer} may not use layer {first}"
        return None
    for prefix, users in LIBRARIES.items():
        if header.startswith(prefix) and layer not in users:
            return f"layer {layer} may not use <{header}>"
    return None


def main():
    root = pathlib.Path(sys.argv[1])
    allowed = layers(root / "src" / "README.md")
    if len(allowed) < 5:
        sys.exit("src/README.md: no table of layers found")
    found, seen = [], 0
    for path in sorted((root / "src").glob("*/**/*.[ch]")):
        layer = path.relative_to(root / "src").parts[0]
        if layer not in allowed:
            found.append(f"{path}: layer {layer} is not in src/README.md")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                seen += 1
                problem = violation(layer, match.group(1), match.group(2), allowed)
                if problem:
                    found.append(f"{path}:{number}: {problem}")
    print("\n".join(found) if found else f"{seen} includes, all point downward")
    sys.exit(1 if found or not seen else 0)


main()
