"""A server program of the run: started, measured and ended by its pid."""
import os
import signal
import subprocess
import time


class Child:
    """Dies with the run even when the run is killed (setpriv keeps the pid: it replaces itself)."""

    def __init__(self, name, command, log_path, user=None):
        self.name, self.log_path = name, log_path
        prefix = ["setpriv", "--pdeathsig", "TERM"]
        if user:
            prefix += [f"--reuid={user}", f"--regid={user}", "--init-groups"]
        with open(log_path, "wb") as log:
            self._popen = subprocess.Popen(prefix + ["--"] + command, stdin=subprocess.DEVNULL,
                                           stdout=log, stderr=log, cwd="/")
        self.pid = self._popen.pid

    def check_alive(self):
        status = self._popen.poll()
        if status is not None:
            raise ChildEnded(f"{self.name} ended with status {status}:\n{tail(self.log_path)}")

    def stop(self):
        if self._popen.poll() is not None:
            return
        self._popen.send_signal(signal.SIGTERM)
        try:
            self._popen.wait(5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


class ChildEnded(RuntimeError):
    pass


def tail(path, lines=15):
    with open(path, errors="replace") as log:
        return "".join(log.readlines()[-lines:])


class CpuMeter:
    """CPU a process used since the meter was made, summed over its threads.

    schedstat counts nanoseconds per thread. A thread that ended takes its count
    with it, and some kernels have no schedstat; then stat's clock ticks, which
    include ended threads, have to do.
    """

    def __init__(self, pid):
        self._pid = pid
        self._threads = thread_ns(pid)
        self._ticks_ns = process_ticks_ns(pid)

    def used_ns(self):
        now = thread_ns(self._pid)
        if not now or not self._threads.keys() <= now.keys():
            return process_ticks_ns(self._pid) - self._ticks_ns
        return sum(now.values()) - sum(self._threads.values())


def thread_ns(pid):
    """Nanoseconds run by thread id; empty where the kernel does not count them."""
    counts = {}
    try:
        for tid in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{tid}/schedstat") as f:
                counts[tid] = int(f.read().split()[0])
    except OSError:
        return {}
    return counts if any(counts.values()) else {}


def process_ticks_ns(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def settle():
    """A thread's count is written when it leaves its core: lets the last one do so."""
    time.sleep(0.02)


def resident_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0
