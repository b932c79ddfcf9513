"""What crossfade aims at, as one row per aim, checked against the samples of a run.

An aim holds when the 95 % interval of the paired ratio reaches the bound. The
blind relay is a fair reference only in a run where it is no slower than HAProxy,
and added latency can only be compared where the reference added any.
"""
import fnmatch
from dataclasses import dataclass

from . import stats
from .series import added_latency, cpu, throughput
from .crossfade import TWO_WORKERS
from .targets import HAPROXY, PGBOUNCER, PGBOUNCER_FRESH, RELAY

FIGURES = {"throughput": throughput, "CPU": cpu,
           "added latency (p50)": lambda samples, workload, target: added_latency(samples, workload, target, "p50")}
ROUNDS_THAT_DECIDE = 15


@dataclass(frozen=True)
class Bound:
    workloads: str                    # a pattern of names
    target: str
    figure: str
    reference: str
    at_least: float = None
    at_most: float = None


BOUNDS = (
    Bound("select-*-16", "crossfade-rewrite", "throughput", PGBOUNCER, at_least=1.0),
    Bound("select-*-16", "crossfade-rewrite", "CPU", PGBOUNCER, at_most=1.0),
    Bound("select-*-16", "crossfade-empty", "CPU", RELAY, at_most=1.03),
    Bound("literals-16", "crossfade-rewrite", "CPU", PGBOUNCER, at_most=1.03),
    Bound("tpcb-8", "crossfade-rewrite", "throughput", PGBOUNCER, at_least=1.0),
    Bound("tpcb-8", "crossfade-rewrite", "CPU", PGBOUNCER, at_most=1.0),
    Bound("select-*-1", "crossfade-rewrite", "added latency (p50)", PGBOUNCER, at_most=1.0),
    Bound("copy-out", "crossfade-rewrite", "CPU", PGBOUNCER, at_most=0.65),
    Bound("copy-out", "crossfade-rewrite", "CPU", RELAY, at_most=1.1),
    Bound("wide-select", "crossfade-rewrite", "CPU", PGBOUNCER, at_most=0.65),
    Bound("wide-select", "crossfade-rewrite", "CPU", RELAY, at_most=1.1),
    Bound("select-*-64", TWO_WORKERS, "throughput", "crossfade-rewrite", at_least=1.0),
    Bound("select-*-64", TWO_WORKERS, "CPU", "crossfade-rewrite", at_most=1.1),
    Bound("connect", "crossfade-rewrite", "CPU", PGBOUNCER_FRESH, at_most=1.0),
)


def check_bounds(samples, workload):
    checked = [check(samples, workload.name, bound) for bound in BOUNDS
               if fnmatch.fnmatchcase(workload.name, bound.workloads)]
    return [row for row in checked if row]


def check(samples, workload, bound):
    values = FIGURES[bound.figure](samples, workload, bound.target)
    references = FIGURES[bound.figure](samples, workload, bound.reference)
    ratio = stats.paired_ratio(values, references) if values and references else None
    if not ratio:
        return None
    return {"target": bound.target, "figure": bound.figure, "reference": bound.reference, "ratio": ratio,
            "at_least": bound.at_least, "at_most": bound.at_most,
            "rounds": len(values), "holds": holds(bound, ratio),
            "not_judged": why_not(samples, workload, bound, references)}


def holds(bound, ratio):
    _, low, high = ratio
    return high >= bound.at_least if bound.at_least is not None else low <= bound.at_most


def why_not(samples, workload, bound, references):
    """Why the ratio says nothing, or None."""
    if bound.reference == RELAY and not relay_is_fair(samples, workload):
        return "the relay was slower than HAProxy in this run"
    if min(references) <= 0:
        return f"in some round {bound.reference} added less than the noise"
    return None


def relay_is_fair(samples, workload):
    own, other = throughput(samples, workload, RELAY), throughput(samples, workload, HAPROXY)
    return not own or not other or stats.paired_ratio(own, other)[2] >= 1.0
