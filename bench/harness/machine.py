"""What the figures were measured on."""
import os
import platform
import re
import subprocess


def load_average():
    """Runnable processes over the last minute: asked before the run starts its own."""
    return os.getloadavg()[0]


def describe(cluster, build, load):
    return {"load": load, "cores": len(os.sched_getaffinity(0)), "cpu": cpu_model(), "kernel": platform.release(),
            "versions": {name: version for name, version in {
                "PostgreSQL": cluster.version().split()[0],
                "PgBouncer": printed_version(["/usr/sbin/pgbouncer", "--version"]),
                "HAProxy": printed_version(["/usr/sbin/haproxy", "-v"]),
                "crossfade": printed_version([str(build / "crossfade"), "--version"])}.items() if version}}


def cpu_model():
    with open("/proc/cpuinfo") as f:
        found = re.search(r"^model name\s*:\s*(.+)$", f.read(), re.MULTILINE)
    return found[1] if found else platform.machine()


def printed_version(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except OSError:
        return None
    found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return found[0] if found else None
