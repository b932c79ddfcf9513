"""Certificates of the tests: two authorities, and what each has signed; servers and proxies that use them."""
import os
import shutil
import subprocess

from servers import Postgres, wait_for, work_dir


def _openssl(*args):
    subprocess.run(['openssl', *map(str, args)], check=True, capture_output=True)


class Authority:
    """Self-signed; `path` is what clients are told to trust."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.path, self.key = folder / f'{name}.crt', folder / f'{name}.key'
        _openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30',
                 '-keyout', self.key, '-out', self.path, '-subj', f'/CN={name}')

    def issue(self, name, subject, alt=None, days=30):
        """A Certificate below folder/name.{crt,key}."""
        made = Certificate(self.folder / f'{name}.crt', self.folder / f'{name}.key')
        request, extensions = self.folder / f'{name}.csr', self.folder / f'{name}.ext'
        extensions.write_text(f'subjectAltName={alt}\n' if alt else 'basicConstraints=CA:FALSE\n')
        _openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', made.key,
                 '-out', request, '-subj', subject)
        _openssl('x509', '-req', '-in', request, '-CA', self.path, '-CAkey', self.key, '-CAcreateserial',
                 '-days', days, '-out', made.crt, '-extfile', extensions)
        made.key.chmod(0o600)
        return made


class Certificate:
    def __init__(self, crt, key):
        self.crt, self.key = crt, key

    def install(self, folder, owner=None):
        """Copies with a mode that a server takes."""
        crt, key = folder / 'server.crt', folder / 'server.key'
        for source, target, mode in ((self.crt, crt, 0o644), (self.key, key, 0o600)):
            new = target.with_suffix('.new')
            shutil.copy(source, new)
            new.chmod(mode)
            if owner and os.geteuid() == 0:
                shutil.chown(new, owner, owner)
            new.rename(target)
        return Certificate(crt, key)


class Pki:
    def __init__(self):
        self.folder = work_dir('cfca-')
        self.authority = Authority(self.folder, 'authority')
        self.stranger = Authority(self.folder, 'stranger')
        names = 'DNS:localhost,IP:127.0.0.1'
        self.server = self.authority.issue('server', '/CN=localhost', names)
        self.renewed = self.authority.issue('renewed', '/CN=localhost', names)
        self.elsewhere = self.authority.issue('elsewhere', '/CN=db.example', 'DNS:db.example')
        self.strange = self.stranger.issue('strange', '/CN=localhost', names)
        self.client = self.authority.issue('client', '/CN=app')
        self.strange_client = self.stranger.issue('strange_client', '/CN=app')

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def use_certificate(server, certificate, pki):
    cert = certificate.install(server.data, 'postgres')
    server.set(ssl='on', ssl_cert_file=cert.crt, ssl_key_file=cert.key, ssl_ca_file=pki.authority.path)
    wait_for(lambda: server.psql('-Atc', 'show ssl', unix=True).stdout == 'on\n', what='ssl')


def client_tls(pki, mode='allow', certificate=None, **more):
    certificate = certificate or pki.server
    keys = {'mode': mode, 'cert': certificate.crt, 'key': certificate.key, **more}
    return 'client_tls: {' + ', '.join(f'{k}: {v}' for k, v in keys.items()) + '}\n'


def server_tls(mode, **more):
    return 'server_tls: {' + ', '.join(f'{k}: {v}' for k, v in {'mode': mode, **more}.items()) + '}\n'


def tls_server(pki, hba, sql):
    """For a fixture: a server with TLS, `hba` behind the unix socket's line."""
    server = Postgres()
    (server.data / 'pg_hba.conf').write_text('local all all trust\n' + hba)
    use_certificate(server, pki.server, pki)
    done = server.psql('-v', 'ON_ERROR_STOP=1', unix=True, stdin=sql)
    assert done.returncode == 0, done.stderr
    yield server
    server.destroy()
