"""Where the drivers of other languages are: node-postgres and JDBC."""
import functools
import os
import shutil
import subprocess
from pathlib import Path

from servers import BUILD

JDBC = Path('/usr/share/java/postgresql.jar')
NODE_PATH = [p for p in (os.environ.get('NODE_PATH', ''), '/usr/share/nodejs') if p]
NODE_PACKAGES = ['node-pg', 'node-libpq', 'node-async', 'node-readable-stream', 'node-split2', 'node-xtend']


def has_pg(path):
    return subprocess.run(['node', '-e', 'require("pg"); require("pg-cursor")'], capture_output=True,
                          env={**os.environ, 'NODE_PATH': path}).returncode == 0


def unpacked_packages():
    """Where nodejs is not Debian's own, node-pg cannot be installed, but its files serve."""
    place = BUILD / 'node-pg'
    modules = place / 'root/usr/share/nodejs'
    if not modules.is_dir() and shutil.which('apt-get'):
        place.mkdir(parents=True, exist_ok=True)
        got = subprocess.run(['apt-get', 'download', *NODE_PACKAGES], cwd=place, capture_output=True, text=True)
        if got.returncode == 0:
            for deb in place.glob('*.deb'):
                subprocess.run(['dpkg-deb', '-x', deb, place / 'root'], check=True)
    return str(modules)


@functools.cache
def node_path():
    """The NODE_PATH with node-postgres; None: there is none."""
    if not shutil.which('node'):
        return None
    for path in NODE_PATH:
        if has_pg(path):
            return path
    path = unpacked_packages()
    return path if has_pg(path) else None


def has_jdbc():
    return bool(shutil.which('javac')) and JDBC.exists()
