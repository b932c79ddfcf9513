#!/usr/bin/python3
"""Equivalence by hand: `equivalence.py random --count 20000 --seed 7`,
`equivalence.py file statements.sql`. README.md explains both."""
import argparse
import random
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'system'), str(HERE.parent / 'aegis')]

import servers  # noqa: E402
from compare import Comparison, Direct, ThroughProxy  # noqa: E402
from golden import golden_runs  # noqa: E402
from pairs import OTHER, Pair, Set  # noqa: E402
from run import describe, run_cases, run_random  # noqa: E402
from service import Service  # noqa: E402
from sqlfile import cases_of  # noqa: E402

SERVER = dict(max_parallel_workers_per_gather=0, synchronize_seqscans='off', jit='off', max_connections=60)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('what', choices=('random', 'file', 'golden'))
    parser.add_argument('files', nargs='*')
    parser.add_argument('--set', default='moves', help='the layouts and the map: a folder of sets/')
    parser.add_argument('--count', type=int, default=2000)
    parser.add_argument('--seed', default=str(random.randrange(1 << 32)))
    parser.add_argument('--written', choices=('old', 'new', 'both'), default='both', help="whose names the statements use")
    parser.add_argument('--proxy', action='store_true', help='through crossfade itself')
    parser.add_argument('--no-shrink', action='store_true')
    parser.add_argument('--stop-after', type=int, default=20, metavar='FAILURES')
    return parser.parse_args()


def route(pair, written, service, through_proxy):
    if not through_proxy:
        return Direct(pair, written, service)

    def start():
        return servers.Crossfade(pair.pg, map_text=pair.layout.map_text, flags=pair.layout.flags(written),
                                 dbname=pair.names[OTHER[written]])
    return ThroughProxy(pair, written, start)


def show(number, case, difference):
    print(f'{"-" * 70}\nnumber {number}: {describe(case, difference)}', flush=True)


def run_side(pair, written, service, options):
    comparison = Comparison(pair, written, route(pair, written, service, options.proxy))
    try:
        if options.what == 'file':
            path = pair.layout.about['search_paths'][written][0]
            cases = [c for f in options.files for c in cases_of(Path(f), path)]
            return run_cases(comparison, cases, options.stop_after, show)
        return run_random(comparison, options.count, options.seed, not options.no_shrink, options.stop_after, show)
    finally:
        comparison.close()


def main():
    options = arguments()
    pg = servers.Postgres(**SERVER)
    service = Service()
    failed = False
    try:
        if options.what == 'golden':
            runs = golden_runs(pg, service)
            print('\n\n'.join([*runs.failures, str(runs)]))
            return bool(runs.failures)
        pair = Pair(pg, Set(options.set))
        for written in ('old', 'new') if options.written == 'both' else (options.written,):
            print(f'== {written} names, seed {options.seed}')
            start = time.monotonic()
            tally = run_side(pair, written, service, options)
            print(f'{tally}\n  {time.monotonic() - start:.0f} s; fresh copies were made {pair.made - 1} times')
            problems = tally.guards(pair.layout.about['refusals']) if options.what == 'random' else []
            for problem in problems:
                print('  ' + problem)
            failed = failed or bool(problems) or bool(tally.failures)
        pair.close()
    finally:
        service.close()
        pg.destroy()
    return failed


if __name__ == '__main__':
    sys.exit(main())
