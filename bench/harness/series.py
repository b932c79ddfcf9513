"""One number per round, for one workload and target; empty where it was not measured."""
from . import targets


def throughput(samples, workload, target):
    return [sample.throughput for sample in samples.of(workload, target)]


def cpu(samples, workload, target):
    return [sample.cpu_us for sample in samples.of(workload, target) if sample.cpu_us is not None]


def added_latency(samples, workload, target, kind="avg"):
    """What the target adds to a direct connection's latency in the same round."""
    pairs = zip(samples.of(workload, target), samples.of(workload, targets.DIRECT))
    return [own.latency_us[kind] - direct.latency_us[kind] for own, direct in pairs
            if kind in own.latency_us and kind in direct.latency_us]


def latency(samples, workload, target, kind):
    return [sample.latency_us[kind] for sample in samples.of(workload, target) if kind in sample.latency_us]
