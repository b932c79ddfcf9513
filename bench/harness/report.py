"""The results as a table for the terminal and as Markdown for the documentation."""
from . import aims, micro

QUIET_LOAD = 0.5
PICTURE_TEXT = "Each aim's figure and interval beside its bound; the table below has the numbers"
SHORT = {"pgbouncer": "PgB", "pgbouncer-fresh": "PgB", "pgbouncer-tls": "PgB", "haproxy": "HAP", "relay": "relay"}


def number(value, digits=None):
    if value is None:
        return ""
    if digits is None:
        digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 20 else 2
    return f"{value:,.{digits}f}"


def spread(figure):
    return f"±{figure['spread'] * 50:.0f}%" if figure else ""


def ratio(figure, reference):
    found = figure["ratios"].get(reference) if figure else None
    return f"{found[0]:.2f}" if found else ""


def columns(workload):
    """(heading, cell from a target's row) from left to right."""
    def ratios(key):
        return [(f"÷{SHORT[name]}", lambda row, name=name: ratio(row[key], name)) for name in workload["references"]]

    def latency(kind):
        return lambda row: number(row["added_latency_us"].get(kind), 0)

    unit = {"transaction": "tx", "MB": "MB"}[workload["unit"]]
    return [
        ("", lambda row: row["title"]),
        (f"{unit}/s", lambda row: number(row["throughput"]["median"])),
        ("spread", lambda row: spread(row["throughput"])), *ratios("throughput"),
        ("+avg µs", latency("avg")), ("+p50", latency("p50")), ("+p99", latency("p99")),
        (f"CPU µs/{unit}", lambda row: number(row["cpu_us"] and row["cpu_us"]["median"])),
        ("spread", lambda row: spread(row["cpu_us"])), *ratios("cpu_us"),
        ("RSS MB", lambda row: number(row["resident_mb"], 1)),
    ]


def grid(workload):
    """Headings and rows of text, without the columns that are empty throughout."""
    wanted = columns(workload)
    rows = [[cell(row) for _, cell in wanted] for row in workload["targets"]]
    filled = [i for i in range(len(wanted)) if i == 0 or any(row[i] for row in rows)]
    return [wanted[i][0] for i in filled], [[row[i] for i in filled] for row in rows]


def as_text(workload):
    headings, rows = grid(workload)
    widths = [max(len(line[i]) for line in [headings] + rows) for i in range(len(headings))]

    def line(cells):
        return "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                         for i, (cell, width) in enumerate(zip(cells, widths))).rstrip()
    return "\n".join([workload["title"], line(headings)] + [line(row) for row in rows]
                     + bound_lines(workload)) + "\n"


def as_markdown(workload):
    headings, rows = grid(workload)
    lines = [f"### {workload['title']}", "",
             "| " + " | ".join(headings) + " |", "|---" + "|---:" * (len(headings) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    bounds = bound_lines(workload)
    return "\n".join(lines + ([""] + ["- " + text.strip() for text in bounds] if bounds else [])) + "\n"


def bound_lines(workload):
    return [f"  aim: {describe(bound)}" for bound in workload["bounds"]]


def describe(bound):
    middle, low, high = bound["ratio"]
    reference = f" ÷ {bound['reference']}" if bound["reference"] else ""
    return (f"{bound['target']}, {bound['figure']}{reference} {limit(bound)}: "
            f"{middle:.2f} [{low:.2f}, {high:.2f}] {aims.verdict_of(bound)}")


def limit(bound):
    return f"≥ {bound['at_least']:,}" if bound["at_least"] is not None else f"≤ {bound['at_most']:,}"


def aims_grid(rows):
    found = []
    for row in rows:
        value = number(row["value"])
        if row["interval"]:
            value += " [" + ", ".join(number(end) for end in row["interval"]) + "]"
        found.append([row["title"], row["what"], limit(row), value, row["verdict"]])
    return found


def aims_as_text(rows):
    return "\n".join(["what must hold"] + ["  ".join(cells) for cells in aims_grid(rows)]) + "\n"


def aims_as_markdown(rows):
    lines = ["### What must hold", "", f"![{PICTURE_TEXT}](images/performance.svg)", "",
             "| workload | figure | bound | found [95 % interval] | |", "|---|---|---:|---:|---|"]
    return "\n".join(lines + ["| " + " | ".join(cells) + " |" for cells in aims_grid(rows)]) + "\n"


def syscalls_grid(syscalls):
    """Rows of target, total, and each call by falling number."""
    return [[row["title"], f"{row['total']:.2f}",
             ", ".join(f"{name} {count:.2f}" for name, count in row["calls"].items())] for row in syscalls["targets"]]


def syscalls_as_text(syscalls):
    rows = syscalls_grid(syscalls)
    width = max(len(row[0]) for row in rows)
    return "\n".join([f"system calls per transaction: {syscalls['title']}"]
                     + [f"{row[0].ljust(width)}  {row[1].rjust(6)}  {row[2]}" for row in rows]) + "\n"


def syscalls_as_markdown(syscalls):
    lines = [f"### System calls per transaction: {syscalls['title']}", "", "| | all | which |", "|---|---:|---|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in syscalls_grid(syscalls)]) + "\n"


def memory_as_text(rows):
    width = max(len(row["title"]) for row in rows)
    return "\n".join(["resident memory per idle session"]
                     + [f"{row['title'].ljust(width)}  {row['session_kb']:6.1f} kB" for row in rows]) + "\n"


def memory_as_markdown(rows):
    lines = ["### Resident memory per idle session", "", "| | kB |", "|---|---:|"]
    return "\n".join(lines + [f"| {row['title']} | {row['session_kb']:.1f} |" for row in rows]) + "\n"


def heading(results):
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (f"{machine['cores']} cores ({machine['cpu']}), Linux {machine['kernel']}; {versions}; "
            f"{results['rounds']} interleaved rounds of {results['seconds']} s"
            f"{fewer(results)}, {results['date']}."
            + busy_note(machine["load"]))


def fewer(results):
    return f" ({results['few']} for what decides no aim)" if results["few"] < results["rounds"] else ""


def busy_note(load):
    if load < QUIET_LOAD:
        return ""
    return (f" The machine was busy with other work (load average {load:.1f} when the run began): trust instructions "
            "and system calls, CPU ratios with care, throughput and latency hardly.")


def missing_lines(results):
    return [f"missing: {name}: {why}" for name, why in results["missing"].items()]


def whole_text(results):
    parts = [heading(results) + "\n"] + [as_text(workload) for workload in results["workloads"]]
    parts += [aims_as_text(rows)] if (rows := aims.collect(results)) else []
    parts += [memory_as_text(results["memory"])] if results["memory"] else []
    parts += [syscalls_as_text(syscalls) for syscalls in results["syscalls"]]
    parts += [micro.as_text(results["micro"])] if results["micro"] else []
    return "\n".join(parts + missing_lines(results))


def whole_markdown(results):
    parts = [heading(results) + "\n"]
    parts += [aims_as_markdown(rows)] if (rows := aims.collect(results)) else []
    parts += [as_markdown(workload) for workload in results["workloads"]]
    parts += [memory_as_markdown(results["memory"])] if results["memory"] else []
    parts += [syscalls_as_markdown(syscalls) for syscalls in results["syscalls"]]
    parts += [micro.as_markdown(results["micro"])] if results["micro"] else []
    return "\n".join(parts + [f"- {line}\n" for line in missing_lines(results)])
