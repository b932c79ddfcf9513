"""One workload against one target, with what it cost the target's process."""
import threading
from dataclasses import dataclass, field

from .bounds import decides
from .process import CpuMeter, resident_kb, settle


@dataclass
class Sample:
    throughput: float                 # units per second
    cpu_us: float = None              # of the proxy process, per unit
    resident_mb: float = None
    latency_us: dict = field(default_factory=dict)


def measure(workload, target, seconds):
    target.renew_connections(workload.clients)
    if not target.child:
        outcome = workload.run(target, seconds)
        return Sample(outcome.units / outcome.seconds, latency_us=outcome.latency_us)
    resident = []
    half_time = threading.Timer(seconds / 2, lambda: resident.append(resident_kb(target.child.pid)))
    settle()
    meter = CpuMeter(target.child.pid)
    half_time.start()
    try:
        outcome = workload.run(target, seconds)
    finally:
        half_time.cancel()
        target.child.check_alive()
    settle()
    used_us = meter.used_ns() / 1000
    return Sample(outcome.units / outcome.seconds, used_us / outcome.units,
                  (resident or [resident_kb(target.child.pid)])[0] / 1024, outcome.latency_us)


class Samples:
    """All samples of a run, by workload and target, in the order of the rounds."""

    def __init__(self):
        self._lists = {}

    def add(self, workload, target, sample):
        self._lists.setdefault((workload, target), []).append(sample)

    def of(self, workload, target):
        return self._lists.get((workload, target), [])

    def targets_of(self, workload):
        return [target for name, target in self._lists if name == workload]


def takes_part(workload, target_name, number, few):
    """What decides an aim is measured in every round, the rest only in the first ones."""
    return workload.wants(target_name) and (number < few or decides(workload.name, target_name))


def count_measurements(workloads, targets, rounds, few):
    return sum(takes_part(workload, target.name, number, few)
               for number in range(rounds) for workload in workloads for target in targets)


def run_rounds(workloads, targets, rounds, few, seconds, progress):
    """Interleaved: in each round every workload meets its targets, each time in another order."""
    samples = Samples()
    for number in range(rounds):
        for workload in workloads:
            wanted = [target for target in targets if takes_part(workload, target.name, number, few)]
            if not wanted:
                continue
            turn = number % len(wanted)
            order = wanted[turn:] + wanted[:turn]
            for target in order if number % 2 == 0 else reversed(order):
                progress(number, workload, target)
                samples.add(workload.name, target.name, measure(workload, target, seconds))
    return samples
