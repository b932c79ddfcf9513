"""Turns samples into the figures that are printed and stored: plain dicts and lists, ready for JSON."""
from . import stats, targets
from .bounds import check_bounds
from .series import added_latency, cpu, throughput


def summarise(samples, workloads, titles):
    return [summary_of_workload(samples, workload, titles) for workload in workloads
            if samples.targets_of(workload.name)]


def summary_of_workload(samples, workload, titles):
    measured = samples.targets_of(workload.name)
    names = [name for name in titles if name in measured]
    if workload.tls:
        titles = {**titles, **{name: f"{titles[name]}, passes TLS through" for name in (targets.HAPROXY, targets.RELAY)
                               if name in titles}}
    return {"name": workload.name, "title": workload.title, "unit": workload.unit,
            "references": list(workload.references),
            "targets": [summary_of_target(samples, workload, name, titles[name]) for name in names],
            "bounds": check_bounds(samples, workload)}


def summary_of_target(samples, workload, name, title):
    own = samples.of(workload.name, name)
    row = {"name": name, "title": title, "rounds": len(own),
           "throughput": figure(samples, workload, name, throughput),
           "cpu_us": figure(samples, workload, name, cpu), "resident_mb": None,
           "added_latency_us": {}}
    if name != targets.DIRECT:
        row["resident_mb"] = stats.median([sample.resident_mb for sample in own])
        row["added_latency_us"] = {kind: stats.median(values) for kind in ("avg", "p50", "p99")
                                   if (values := added_latency(samples, workload.name, name, kind))}
    return row


def figure(samples, workload, name, series):
    """Median, spread, and the ratios to the references as [median, low, high]."""
    values = series(samples, workload.name, name)
    if not values:
        return None
    ratios = {}
    for reference in workload.references:
        others = series(samples, workload.name, reference)
        if others and reference != name:
            rounds = min(len(values), len(others))  # what is measured less often is so from the first round on
            ratios[reference] = stats.paired_ratio(values[:rounds], others[:rounds])
    return {"median": stats.median(values), "spread": stats.spread(values), "ratios": ratios, "values": values}
