"""Loopback ports for the servers of one run."""
import socket
import time


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_listening(port, child, timeout_s=10.0):
    """Returns once something accepts on the port; fails when the child ends first or time is up."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            child.check_alive()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{child.name} does not listen on port {port}; see {child.log_path}") from None
            time.sleep(0.02)
