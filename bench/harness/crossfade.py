"""The settings crossfade is measured in, and the configuration files they need."""
from dataclasses import dataclass

from .cluster import MOVED_SCHEMA, PLAIN, MOVED, TABLES


@dataclass(frozen=True)
class Setting:
    title: str
    tables: tuple = ()
    rewrites: bool = False
    counts: bool = False
    workers: int = 1
    tls: bool = False


TWO_WORKERS = "crossfade-2-workers"
CROSSFADE_TLS = "crossfade-tls"

# (The map of "unmapped" names tables that no statement here does, so that every name is looked at in vain.)
SETTINGS = {
    "crossfade-empty": Setting("empty map"),
    "crossfade-unmapped": Setting("tables unmapped", tables=("prices", "stocks", "fundamentals"), counts=True),
    "crossfade-rewrite": Setting("rewriting, counted", tables=TABLES, rewrites=True, counts=True),
    TWO_WORKERS: Setting("rewriting, counted, 2 workers", tables=TABLES, rewrites=True, counts=True, workers=2),
    CROSSFADE_TLS: Setting("rewriting, counted, TLS on both legs", tables=TABLES, rewrites=True, counts=True, tls=True),
}

CONFIG = """listen: [127.0.0.1:{port}]
server: 127.0.0.1:{server_port}
workers: {workers}
map: {name}.map.yaml
flags: {name}.flags.yaml
usage: {usage}
admin: {{dsn: "host=127.0.0.1 port={server_port} user={user} dbname={database} sslmode=disable"}}
{tls}log: {{level: warning}}
"""
PLAIN_LEGS = "server_tls: {mode: disable}\n"
TLS_LEGS = "client_tls: {{mode: require, cert: {cert}, key: {key}}}\nserver_tls: {{mode: require}}\n"


def write_config(name, port, place):
    """Writes the configuration, map and flags of a setting and returns the first's path."""
    setting, folder = SETTINGS[name], place.folder
    usage = folder / f"{name}.usage.db"
    for old in folder.glob(f"{usage.name}*"):
        old.unlink()
    config = folder / f"{name}.yaml"
    config.write_text(CONFIG.format(
        port=port, server_port=place.server_port, workers=setting.workers, name=name, user=place.user,
        usage=usage.name if setting.counts else "off", database=MOVED if setting.rewrites else PLAIN,
        tls=TLS_LEGS.format(cert=place.certificate.crt, key=place.certificate.key) if setting.tls else PLAIN_LEGS))
    (folder / f"{name}.map.yaml").write_text(map_text(setting))
    (folder / f"{name}.flags.yaml").write_text(flags_text(setting))
    return config


def map_text(setting):
    entries = "".join(f"  public.{table}: {MOVED_SCHEMA}.{table}\n" for table in setting.tables)
    return "old: old\nnew: new\ntables:" + ("\n" + entries if entries else " {}\n")


def flags_text(setting):
    stage = "live" if setting.rewrites else "old"
    entries = "".join(f"  public.{table}: {stage}\n" for table in setting.tables)
    return "flags:" + ("\n" + entries if entries else " {}\n")
