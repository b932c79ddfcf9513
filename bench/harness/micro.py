"""Instructions of small pieces of crossfade, counted by callgrind: the same on every quiet or busy machine.

Each case runs with two counts, and the difference leaves out its preparation.
"""
import re
import subprocess
import tempfile

FEW, MANY = 200, 1200
# At most so many instructions each; a case without a line here is only shown.
LIMITS = {"resolve": 1000, "token-filter": 200, "usage-count": 300_000,
          "rewrite-hit": 400, "rewrite-rows": 1_700_000, "rewrite-literals": 2060, "rewrite-unmapped": 400,
          "session-rewritten": 2700, "session-prepared": 3400, "session-empty": 1500}


class Failed(RuntimeError):
    pass


def run_all(program):
    return [dict(name=name, title=title, instructions=instructions(program, name), limit=LIMITS.get(name))
            for name, title in cases(program)]


def cases(program):
    listed = subprocess.run([program, "--list"], check=True, capture_output=True, text=True)
    return [line.split("\t", 1) for line in listed.stdout.splitlines()]


def instructions(program, name):
    return (collected(program, name, MANY) - collected(program, name, FEW)) / (MANY - FEW)


def collected(program, name, count):
    with tempfile.NamedTemporaryFile(prefix="crossfade-callgrind-") as output:
        done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={output.name}",
                               program, name, str(count)], capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise Failed(f"micro {name} failed:\n{done.stderr}")
    return int(found[1])


def over_limit(rows):
    return [row for row in rows if row["limit"] is not None and row["instructions"] > row["limit"]]


def as_text(rows):
    width = max(len(row["title"]) for row in rows)
    lines = [f"{'instructions per run'.ljust(width)}  {'counted':>10}  {'limit':>8}"]
    for row in rows:
        limit = f"{row['limit']:,}" if row["limit"] is not None else ""
        mark = "  over" if row in over_limit(rows) else ""
        lines.append(f"{row['title'].ljust(width)}  {row['instructions']:10,.0f}  {limit:>8}{mark}")
    return "\n".join(lines) + "\n"


def as_markdown(rows):
    lines = ["### Instructions, counted by callgrind", "", "| | instructions | limit |", "|---|---:|---:|"]
    return "\n".join(lines + [f"| {row['title']} | {row['instructions']:,.0f} | "
                              f"{'' if row['limit'] is None else format(row['limit'], ',')} |" for row in rows]) + "\n"
