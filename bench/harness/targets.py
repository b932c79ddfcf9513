"""What is compared: the server itself, three known relays, and crossfade in its settings.

Each runs as one process with one thread that moves bytes, on loopback, and all of
them stay up during the whole run; an idle one costs nothing.
"""
import contextlib
import os
import pathlib
import subprocess
import tempfile
from dataclasses import dataclass

from . import crossfade, wire
from .certificate import Certificate
from .cluster import MOVED, PLAIN
from .ports import free_port, wait_until_listening
from .process import Child

DIRECT = "direct"
PGBOUNCER, PGBOUNCER_FRESH, PGBOUNCER_TLS = "pgbouncer", "pgbouncer-fresh", "pgbouncer-tls"
HAPROXY, RELAY = "haproxy", "relay"
TLS_ALONE = (PGBOUNCER_TLS, crossfade.CROSSFADE_TLS)  # they take nothing else


@dataclass
class Target:
    name: str
    title: str
    port: int
    database: str = PLAIN
    child: Child = None
    console_user: str = None  # of one that keeps server connections

    def renew_connections(self, clients):
        """What is kept from the measurement before has processes at its other end whose caches and mappings of shared
        memory are warm: a third less CPU in the server. Everybody begins with new ones, and nobody opens them during
        the measurement: pgbench leaves the time for its own connections out, which the others' are part of."""
        if self.console_user:
            with self._connect("pgbouncer") as console:
                console.query("RECONNECT")
            with contextlib.ExitStack() as stack:
                for _ in range(clients):
                    stack.enter_context(self._connect(self.database)).query("SELECT 1")

    def _connect(self, database):
        return wire.Connection(self.port, self.console_user, database, tls=self.name in TLS_ALONE)


@dataclass
class Place:
    """Where a run keeps its files and what it connects to."""
    top: pathlib.Path
    build: pathlib.Path
    folder: pathlib.Path
    server_port: int
    user: str
    certificate: Certificate


TITLES = {
    DIRECT: "direct",
    PGBOUNCER: "PgBouncer",
    PGBOUNCER_FRESH: "PgBouncer, server connection opened anew",
    PGBOUNCER_TLS: "PgBouncer, TLS on both legs",
    HAPROXY: "HAProxy",
    RELAY: "blind relay",
    **{name: f"crossfade, {setting.title}" for name, setting in crossfade.SETTINGS.items()},
}

PGBOUNCER_INI = """[databases]
* = host=127.0.0.1 port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = session
auth_type = trust
auth_file = {folder}/users.txt
admin_users = {user}
max_client_conn = 5000
default_pool_size = 300
server_lifetime = {server_lifetime_s}
client_tls_sslmode = {tls}
client_tls_cert_file = {crt}
client_tls_key_file = {key}
server_tls_sslmode = {tls}
log_connections = 0
log_disconnections = 0
ignore_startup_parameters = extra_float_digits
"""

HAPROXY_CFG = """global
    nbthread 1
    maxconn 5000
defaults
    mode tcp
    option splice-auto
    timeout connect 10s
    timeout client 1h
    timeout server 1h
listen postgres
    bind 127.0.0.1:{port}
    server postgres 127.0.0.1:{server_port}
"""


def start(names, place, stack):
    """Starts what is named; returns the targets, and why those that are missing are."""
    targets, missing = [], {}
    for name in names:
        try:
            targets.append(start_one(name, place, stack))
        except Missing as why:
            missing[name] = str(why)
    return targets, missing


class Missing(Exception):
    """This target cannot be measured here; the others can."""


def start_one(name, place, stack):
    if name == DIRECT:
        return Target(name, TITLES[name], place.server_port)
    starter = {HAPROXY: start_haproxy, RELAY: start_relay}.get(
        name, start_pgbouncer if name.startswith(PGBOUNCER) else start_crossfade)
    port = free_port()
    child = starter(name, port, place, stack)
    stack.callback(child.stop)
    target = Target(name, TITLES[name], port, database_of(name), child,
                    place.user if name.startswith(PGBOUNCER) else None)
    wait_until_listening(port, child)
    check_answers(target, place)
    return target


def database_of(name):
    setting = crossfade.SETTINGS.get(name)
    return MOVED if setting and setting.rewrites else PLAIN


def check_answers(target, place):
    """A proxy that answers wrongly must not be timed."""
    try:
        with wire.Connection(target.port, place.user, target.database, tls=target.name in TLS_ALONE) as connection:
            rows = connection.query("SELECT count(*) FROM pgbench_branches")
    except (OSError, wire.ServerError) as error:
        target.child.check_alive()
        raise RuntimeError(f"{target.title} does not serve: {error}; see {target.child.log_path}") from error
    if int(rows[0][0]) < 1:
        raise RuntimeError(f"{target.title} answers wrongly: {rows}")


def start_pgbouncer(name, port, place, stack):
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="crossfade-bench-"))
    os.chmod(folder, 0o755)
    as_user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    certificate = place.certificate.copy_for(as_user, pathlib.Path(folder))
    ini = pathlib.Path(folder, "pgbouncer.ini")
    ini.write_text(PGBOUNCER_INI.format(port=port, server_port=place.server_port, folder=folder, user=place.user,
                                        tls="require" if name == PGBOUNCER_TLS else "disable",
                                        crt=certificate.crt, key=certificate.key,
                                        server_lifetime_s=0 if name == PGBOUNCER_FRESH else 3600))
    pathlib.Path(folder, "users.txt").write_text(f'"{place.user}" ""\n')
    return Child(name, ["/usr/sbin/pgbouncer", str(ini)], place.folder / f"{name}.log", as_user)


def start_haproxy(name, port, place, stack):
    cfg = place.folder / "haproxy.cfg"
    cfg.write_text(HAPROXY_CFG.format(port=port, server_port=place.server_port))
    return Child(name, ["/usr/sbin/haproxy", "-db", "-f", str(cfg)], place.folder / f"{name}.log")


def start_relay(name, port, place, stack):
    return Child(name, [str(place.build / "bench/relay"), str(port), str(place.server_port)],
                 place.folder / f"{name}.log")


def start_crossfade(name, port, place, stack):
    binary = place.build / "crossfade"
    if not binary.exists():
        raise Missing(f"{binary} is not built")
    config = crossfade.write_config(name, port, place)
    checked = subprocess.run([str(binary), "serve", "--check", "-c", str(config)], capture_output=True, text=True)
    if checked.returncode:
        raise RuntimeError(f"crossfade refuses {config}:\n{checked.stdout}{checked.stderr}")
    return Child(name, [str(binary), "serve", "-c", str(config)], place.folder / f"{name}.log")
