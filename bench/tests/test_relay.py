"""The relay is the floor of every comparison, so it must be right before it is fast."""
import hashlib
import os
import random
import socket
import subprocess
import threading
import time
import unittest

from harness.ports import free_port

RELAY = os.environ["RELAY"]


def receive_all(sock, pause_s=0.0):
    digest, size = hashlib.sha256(), 0
    while chunk := sock.recv(65536):
        digest.update(chunk)
        size += len(chunk)
        if pause_s and size % 7 == 0:
            time.sleep(pause_s)
    return size, digest.hexdigest()


def fingerprint(data):
    return len(data), hashlib.sha256(data).hexdigest()


class RelayTest(unittest.TestCase):
    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(10)
        self.port = free_port()
        self.relay = subprocess.Popen([RELAY, str(self.port), str(self.server.getsockname()[1])])
        self.addCleanup(self.stop)

    def stop(self):
        self.relay.kill()
        self.relay.wait()
        self.server.close()

    def connect(self):
        deadline = time.monotonic() + 5
        while True:
            try:
                client = socket.create_connection(("127.0.0.1", self.port), timeout=10)
                break
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        peer, _ = self.server.accept()
        peer.settimeout(10)
        self.addCleanup(client.close)
        self.addCleanup(peer.close)
        return client, peer

    def test_bytes_pass_unchanged_in_both_directions_at_once(self):
        client, peer = self.connect()
        up, down = random.randbytes(9_000_001), random.randbytes(11_000_003)

        def send(sock, data):
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)

        senders = [threading.Thread(target=send, args=a) for a in ((client, up), (peer, down))]
        received = {}
        readers = [threading.Thread(target=lambda n=n, s=s: received.update({n: receive_all(s, 0.001)}))
                   for n, s in (("up", peer), ("down", client))]
        for thread in senders + readers:
            thread.start()
        for thread in senders + readers:
            thread.join(30)
        self.assertEqual(received, {"up": fingerprint(up), "down": fingerprint(down)})

    def test_last_bytes_arrive_although_the_reader_closed_its_own_direction_first(self):
        client, peer = self.connect()
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(client.recv(1), b"")
        data = random.randbytes(8_000_000)
        sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
        sender.start()
        time.sleep(0.2)
        self.assertEqual(receive_all(peer), fingerprint(data))
        sender.join(10)

    def test_slow_reader_stops_the_reading_of_its_peer(self):
        client, peer = self.connect()
        client.settimeout(0.5)
        with self.assertRaises(TimeoutError):
            client.sendall(bytes(256 * 1024 * 1024))
        with open(f"/proc/{self.relay.pid}/status") as status:
            resident_kb = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        self.assertLess(resident_kb, 16 * 1024)

    def test_reset_by_one_side_reaches_the_other(self):
        client, peer = self.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        self.assertEqual(peer.recv(1), b"")

    def test_refused_server_closes_the_client_and_the_relay_lives_on(self):
        client, peer = self.connect()
        self.server.close()
        late = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        self.addCleanup(late.close)
        try:
            self.assertEqual(late.recv(1), b"")
        except ConnectionResetError:
            pass
        client.sendall(b"still here")
        self.assertEqual(peer.recv(16), b"still here")

    def test_one_message_costs_nothing_while_idle(self):
        client, peer = self.connect()
        client.sendall(b"x")
        peer.recv(1)
        before = os.times().elapsed
        with open(f"/proc/{self.relay.pid}/schedstat") as f:
            ran_ns = int(f.read().split()[0])
        time.sleep(0.3)
        with open(f"/proc/{self.relay.pid}/schedstat") as f:
            self.assertLess(int(f.read().split()[0]) - ran_ns, 20_000_000, before)
