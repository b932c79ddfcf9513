"""The command line of bench/run.sh."""
import argparse
import fnmatch

from . import targets
from .workloads import all_workloads


def parser():
    p = argparse.ArgumentParser(
        prog="bench/run.sh",
        description="Measures crossfade beside a direct connection, PgBouncer, HAProxy and a blind TCP relay, all on "
                    "loopback against one throwaway PostgreSQL, in interleaved rounds. Needs nothing but Debian's "
                    "packages, which it installs.",
        epilog="Results: a table here, JSON in build/bench/results.json. Measure on a quiet machine, and trust "
               "ratios: they come from pairs of the same round. docs/performance.md says how to read them.")
    p.add_argument("--quick", action="store_true", help="2 rounds of 1 s on little data: does it work?")
    p.add_argument("--rounds", type=positive, metavar="N", help="interleaved rounds (default 5)")
    p.add_argument("--seconds", type=positive, metavar="S", help="length of one measurement (default 1)")
    p.add_argument("--few", type=positive, metavar="N", default=2,
                   help="rounds for what decides no aim (default 2)")
    p.add_argument("--clients", type=client_counts, metavar="N[,N…]",
                   help="clients of pgbench -S (default 16,1; with --all also 64)")
    p.add_argument("--only", action="append", metavar="WORKLOAD", default=[],
                   help="only this workload; a pattern such as 'select-*' works; may be repeated")
    p.add_argument("--all", action="store_true", help="also the workloads that the ordinary run leaves out")
    p.add_argument("--targets", type=target_names, metavar="NAME[,NAME…]", default=list(targets.TITLES),
                   help="only these (direct is always measured)")
    p.add_argument("--counts", action="store_true",
                   help="also count what time does not change: system calls (strace), instructions (callgrind), "
                        "memory per idle session")
    p.add_argument("--micro", action="store_true",
                   help="only count instructions of small pieces under callgrind; exit 1 when one is over its limit")
    p.add_argument("--list", action="store_true", help="print workloads and targets and exit")
    p.add_argument("--update-docs", action="store_true", help="write the table into docs/performance.md")
    return p


def parse(argv):
    options = parser().parse_args(argv)
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or 1
    options.clients = options.clients or ([64, 16, 1] if options.all else [16, 1])
    options.scale, options.bulk_rows = (1, 50_000) if options.quick else (10, 500_000)
    return options


def chosen_workloads(options):
    """--only finds every workload, also those with other numbers of clients than --clients."""
    if not options.only:
        return [w for w in all_workloads(options.clients) if options.all or w.in_default_run]
    known = all_workloads(sorted({1, 16, 64, *options.clients}, reverse=True))
    chosen = [w for w in known if any(fnmatch.fnmatchcase(w.name, pattern) for pattern in options.only)]
    for pattern in options.only:
        if not fnmatch.filter([w.name for w in known], pattern):
            parser().error(f"no workload {pattern}; --list names them")
    return chosen


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def client_counts(text):
    return [positive(word) for word in text.split(",")]


def target_names(text):
    names = text.split(",")
    for name in names:
        if name not in targets.TITLES:
            raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(targets.TITLES)}")
    return [name for name in targets.TITLES if name in names or name == targets.DIRECT]
