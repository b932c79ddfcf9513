"""Everything that must hold, in one list: what rounds decided, and what was counted."""
from .bounds import ROUNDS_THAT_DECIDE

HOLDS, OPEN, MISSED = "holds", "open", "does not hold yet"
IDLE_SESSION_KB, HIT_INSTRUCTIONS = 8, 2000


def collect(results):
    rows = [measured(workload, bound) for workload in results["workloads"] for bound in workload["bounds"]]
    return rows + counted(results)


def row(title, what, value, verdict, at_least=None, at_most=None, interval=None):
    return {"title": title, "what": what, "value": value, "interval": interval, "verdict": verdict,
            "at_least": at_least, "at_most": at_most}


def measured(workload, bound):
    middle, low, high = bound["ratio"]
    return row(workload["title"], figure(workload, bound), middle, verdict_of(bound), bound["at_least"],
               bound["at_most"], (low, high))


def figure(workload, bound):
    titles = {target["name"]: target["title"] for target in workload["targets"]}
    own = titles.get(bound["target"], bound["target"])
    if not bound["reference"]:
        return f"{own}: {bound['figure']}"
    return f"{own}: {bound['figure']} ÷ {titles.get(bound['reference'], bound['reference'])}"


def verdict_of(bound):
    if bound["not_judged"]:
        return f"not judged: {bound['not_judged']}"
    if bound["rounds"] < ROUNDS_THAT_DECIDE:
        return f"{OPEN if bound['holds'] else MISSED} ({bound['rounds']} rounds; {ROUNDS_THAT_DECIDE} decide)"
    return HOLDS if bound["holds"] else MISSED


def at_most(title, what, value, limit):
    return row(title, what, value, HOLDS if value <= limit else MISSED, at_most=limit)


def counted(results):
    """Time does not change these, so that one count decides."""
    rows = []
    for memory in results["memory"]:
        if memory["name"] == "crossfade-rewrite":
            rows.append(at_most("an idle session, both legs", f"{memory['title']}: kB resident",
                                memory["session_kb"], IDLE_SESSION_KB))
    for syscalls in results["syscalls"]:
        totals = {target["name"]: target for target in syscalls["targets"]}
        if "relay" in totals and "crossfade-rewrite" in totals:
            own = totals["crossfade-rewrite"]
            rows.append(at_most(syscalls["title"], f"{own['title']}: system calls ÷ blind relay",
                                round(own["total"] / totals["relay"]["total"], 2), 1.0))
    rows += [at_most(micro["title"], "instructions, lexing included", micro["instructions"], HIT_INSTRUCTIONS)
             for micro in results["micro"] if micro["name"] == "rewrite-literals"]
    return rows
