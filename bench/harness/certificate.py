"""A self-signed certificate for the length of a run: the one that every TLS leg shows."""
import os
import pathlib
import shutil
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Certificate:
    crt: pathlib.Path
    key: pathlib.Path

    def copy_for(self, user, folder):
        """A program that gave up being root reads a copy of its own. No user: of who runs this."""
        copied = Certificate(folder / "server.crt", folder / "server.key")
        for source, copy in ((self.crt, copied.crt), (self.key, copied.key)):
            shutil.copy(source, copy)
            copy.chmod(0o600)
            if user and os.geteuid() == 0:
                shutil.chown(copy, user)
        return copied


def make(folder):
    made = Certificate(folder / "server.crt", folder / "server.key")
    made.key.unlink(missing_ok=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", str(made.key), "-out", str(made.crt)], check=True, capture_output=True)
    made.key.chmod(0o600)
    return made
