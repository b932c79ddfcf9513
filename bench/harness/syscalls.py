"""System calls of a proxy's process per transaction, counted by strace.

One client, so that every round trip is on its own; two runs of different length
are subtracted, which leaves out connecting and leaving. Of crossfade the threads
that serve sessions are counted: what the others do, they do once a second.
"""
import os
import signal
import subprocess
import time

SHORT_RUN, LONG_RUN = 200, 1200


def count(workload, targets):
    rows = [count_target(workload, target) for target in targets if target.child and workload.wants(target.name)]
    return {"name": workload.name, "title": workload.title, "targets": rows}


def count_target(workload, target):
    short_calls, short_units = traced_run(workload, target, SHORT_RUN)
    long_calls, long_units = traced_run(workload, target, LONG_RUN)
    per_unit = {name: (calls - short_calls.get(name, 0)) / (long_units - short_units)
                for name, calls in long_calls.items()}
    shown = {name: value for name, value in sorted(per_unit.items(), key=lambda item: -item[1]) if value >= 0.005}
    return {"name": target.name, "title": target.title, "total": sum(per_unit.values()), "calls": shown}


def traced_run(workload, target, transactions):
    output = workload.context.folder / "strace.txt"
    output.unlink(missing_ok=True)
    threads = serving_threads(target.child.pid)
    tracer = subprocess.Popen(["strace", "-c", "-o", str(output), *(word for tid in threads for word in ("-p", tid))],
                              stderr=subprocess.PIPE, text=True)
    try:
        for tid in threads:
            wait_until_attached(tracer, f"/proc/{target.child.pid}/task/{tid}/status")
        units = workload.run_transactions(target, transactions)
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        tracer.stderr.close()
    return parse_summary(output.read_text()), units


def serving_threads(pid):
    """Those called worker; a program without any has one thread for everything."""
    names = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm") as comm:
            names[tid] = comm.read()
    return [tid for tid, name in names.items() if name.startswith("worker")] or list(names)


def wait_until_attached(tracer, path, timeout_s=5.0):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and tracer.poll() is None:
        with open(path) as status:
            if f"TracerPid:\t{tracer.pid}\n" in status:
                return
        time.sleep(0.01)
    tracer.kill()
    raise RuntimeError(f"strace cannot attach: {tracer.stderr.read()}")


def parse_summary(text):
    """`% time  seconds  usecs/call  calls  [errors]  syscall`, closed by a line of the total."""
    calls = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) in (5, 6) and words[3].isdigit() and words[-1] != "total":
            calls[words[-1]] = int(words[3])
    return calls
