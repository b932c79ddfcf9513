"""bench/run.sh: starts everything, measures in rounds, prints, stores, stops everything."""
import contextlib
import datetime
import fcntl
import json
import os
import pathlib
import resource
import signal
import sys

from . import certificate, docs, machine, memory, micro, options, report, syscalls, targets
from .cluster import Cluster
from .measure import count_measurements, run_rounds
from .results import summarise
from .workloads import Context, all_workloads

TOP = pathlib.Path(__file__).resolve().parents[2]
COUNTED = ("select-simple-1", "select-extended-1", "select-prepared-1", "select-simple-16-tls")
OVERHEAD_S = 0.2  # of a measurement: the client starts and ends


def main(argv):
    chosen = options.parse(argv)
    workloads = options.chosen_workloads(chosen)
    if chosen.list:
        print_list()
        return 0
    build = pathlib.Path(os.environ.get("BUILD", TOP / "build")).resolve()
    if chosen.micro:
        rows = micro.run_all(str(build / "bench/micro/micro"))
        print(micro.as_text(rows))
        return 1 if micro.over_limit(rows) else 0
    folder = build / "bench" / "run"
    folder.mkdir(parents=True, exist_ok=True)
    allow_many_sockets()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with only_one_run(folder), contextlib.ExitStack() as stack:
        results = run(chosen, workloads, build, folder, stack)
    publish(results, chosen, build)
    return 0


def run(chosen, workloads, build, folder, stack):
    load = machine.load_average()
    say("PostgreSQL: starting and loading")
    shown = certificate.make(folder)
    cluster = Cluster(TOP, build / "bench" / "pg", chosen.scale, chosen.bulk_rows, shown)
    stack.callback(cluster.remove)
    cluster.start()
    cluster.load()
    place = targets.Place(TOP, build, folder, cluster.port, cluster.user, shown)
    names = [name for name in chosen.targets
             if name == targets.DIRECT or any(w.wants(name) for w in workloads)]
    started, missing = targets.start(names, place, stack)
    for name, why in missing.items():
        say(f"{name} is left out: {why}")
    context = Context(cluster, folder)
    idle = memory.count(started, cluster.user) if chosen.counts else []
    for workload in workloads:
        workload.prepare(context)
    measurements = count_measurements(workloads, started, chosen.rounds, chosen.few)
    say(f"{measurements} measurements, about {measurements * (chosen.seconds + OVERHEAD_S) / 60:.0f} minutes")
    samples = run_rounds(workloads, started, chosen.rounds, chosen.few, chosen.seconds, Progress(chosen.rounds))
    return {"date": datetime.date.today().isoformat(), "machine": machine.describe(cluster, build, load),
            "rounds": chosen.rounds, "few": chosen.few, "seconds": chosen.seconds, "missing": missing,
            "workloads": summarise(samples, workloads, {t.name: t.title for t in started}),
            "memory": idle, "syscalls": count_syscalls(context, started) if chosen.counts else [],
            "micro": micro.run_all(str(build / "bench/micro/micro")) if chosen.counts else []}


def count_syscalls(context, started):
    counted = []
    for workload in all_workloads([1]):
        if workload.name in COUNTED:
            say(f"strace: {workload.title}")
            workload.prepare(context)
            counted.append(syscalls.count(workload, started))
    return counted


def publish(results, chosen, build):
    print("\n" + report.whole_text(results))
    path = build / "bench" / "results.json"
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    say(f"written: {path}")
    if chosen.update_docs:
        docs.update(TOP / "docs", results)
        say("written: docs/performance.md")


class Progress:
    """One line per workload and round on stderr."""

    def __init__(self, rounds):
        self._rounds, self._last = rounds, None

    def __call__(self, number, workload, target):
        if (number, workload.name) != self._last:
            self._last = (number, workload.name)
            say(f"round {number + 1}/{self._rounds}: {workload.title}")


def print_list():
    print("workloads (* only with --all or --only):")
    for workload in all_workloads([64, 16, 1]):
        mark = " " if workload.in_default_run else "*"
        print(f"  {workload.name:20}{mark} {workload.title}")
    print("targets:")
    for name, title in targets.TITLES.items():
        print(f"  {name:20}  {title}")


@contextlib.contextmanager
def only_one_run(folder):
    with open(folder / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"bench: another run is using {folder}")
        yield


def allow_many_sockets():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except (RuntimeError, OSError) as error:
        sys.exit(f"bench: {error}")
