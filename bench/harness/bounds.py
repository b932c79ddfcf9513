"""What crossfade aims at, as one row per aim, checked against the samples of a run.

An aim holds when the 95 % interval of the paired ratio (or of the figure itself)
reaches the bound. The blind relay is a fair reference only in a run where it is
no slower than HAProxy, and added latency can only be compared where the
reference added any.
"""
import fnmatch
from dataclasses import dataclass

from . import stats
from .series import added_latency, cpu, latency, throughput
from .crossfade import TWO_WORKERS
from .targets import DIRECT, HAPROXY, PGBOUNCER, PGBOUNCER_FRESH, RELAY


def beside_long_ms(samples, workload, target):
    return [(busy - alone) / 1000 for busy, alone in zip(latency(samples, workload, target, "p99"),
                                                         latency(samples, workload, target, "p99 alone"))]


ADDED_LATENCY = "added latency (p50)"
FIGURES = {"throughput": throughput, "CPU": cpu,
           ADDED_LATENCY: lambda samples, workload, target: added_latency(samples, workload, target, "p50"),
           "ms added to p99": beside_long_ms}
ROUNDS_THAT_DECIDE = 15


@dataclass(frozen=True)
class Bound:
    workloads: str                    # a pattern of names
    target: str
    figure: str
    reference: str = None             # None: the figure itself is bounded, and no ratio
    at_least: float = None
    at_most: float = None


BOUNDS = (
    Bound("select-*-16", "crossfade-rewrite", "throughput", PGBOUNCER, at_least=1.0),
    Bound("select-*-16", "crossfade-rewrite", "CPU", PGBOUNCER, at_most=1.0),
    Bound("select-*-16", "crossfade-empty", "CPU", RELAY, at_most=1.03),
    Bound("literals-16", "crossfade-rewrite", "CPU", PGBOUNCER, at_most=1.03),
    Bound("tpcb-8", "crossfade-rewrite", "throughput", PGBOUNCER, at_least=1.0),
    Bound("tpcb-8", "crossfade-rewrite", "CPU", PGBOUNCER, at_most=1.0),
    Bound("select-*-1", "crossfade-rewrite", ADDED_LATENCY, PGBOUNCER, at_most=1.0),
    Bound("copy-out", "crossfade-rewrite", "CPU", PGBOUNCER, at_most=0.65),
    Bound("copy-out", "crossfade-rewrite", "CPU", RELAY, at_most=1.1),
    Bound("wide-select", "crossfade-rewrite", "CPU", PGBOUNCER, at_most=0.65),
    Bound("wide-select", "crossfade-rewrite", "CPU", RELAY, at_most=1.1),
    Bound("select-*-64", TWO_WORKERS, "throughput", "crossfade-rewrite", at_least=1.0),
    Bound("select-*-64", TWO_WORKERS, "CPU", "crossfade-rewrite", at_most=1.1),
    Bound("connect", "crossfade-rewrite", "CPU", PGBOUNCER_FRESH, at_most=1.0),
    Bound("beside-long", "crossfade-rewrite", "ms added to p99", at_most=5.0),
)


def bounds_of(workload):
    return [bound for bound in BOUNDS if fnmatch.fnmatchcase(workload, bound.workloads)]


def decides(workload, target):
    """Whether an aim of this workload is judged by what this target does."""
    for bound in bounds_of(workload):
        judged = {bound.target, bound.reference}
        judged |= {DIRECT} if bound.figure == ADDED_LATENCY else set()
        judged |= {HAPROXY} if bound.reference == RELAY else set()
        if target in judged:
            return True
    return False


def check_bounds(samples, workload):
    checked = [check(samples, workload.name, bound) for bound in bounds_of(workload.name)]
    return [row for row in checked if row]


def check(samples, workload, bound):
    values = FIGURES[bound.figure](samples, workload, bound.target)
    references = FIGURES[bound.figure](samples, workload, bound.reference) if bound.reference else [1.0] * len(values)
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
