"""System calls of a proxy's process per transaction, counted by strace.

One client, so that every round trip is on its own; two runs of different length
are subtracted, which leaves out connecting and leaving.
"""
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
    tracer = subprocess.Popen(["strace", "-f", "-c", "-o", str(output), "-p", str(target.child.pid)],
                              stderr=subprocess.PIPE, text=True)
    try:
        wait_until_attached(tracer, target.child.pid)
        units = workload.run_transactions(target, transactions)
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        tracer.stderr.close()
    return parse_summary(output.read_text()), units


def wait_until_attached(tracer, pid, timeout_s=5.0):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and tracer.poll() is None:
        with open(f"/proc/{pid}/status") as status:
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
