import os
import tempfile
import time
import unittest

from harness.process import Child, ChildEnded, CpuMeter, resident_kb, settle

BURN = "import time; e = time.process_time() + 0.3\nwhile time.process_time() < e: pass\ntime.sleep(60)"
THREADS = ("import threading, time\ndef burn():\n e = time.thread_time() + 0.15\n while time.thread_time() < e: pass\n"
           " time.sleep(60)\n[threading.Thread(target=burn, daemon=True).start() for _ in range(2)]\ntime.sleep(60)")


class ChildTest(unittest.TestCase):
    def start(self, *command):
        log = tempfile.NamedTemporaryFile(delete=False)
        self.addCleanup(os.unlink, log.name)
        log.close()
        child = Child("child", list(command), log.name)
        self.addCleanup(child.stop)
        return child

    def used_by(self, program, expected_s):
        """Waits until the program has used what it should, and then whether it goes on."""
        child = self.start("/usr/bin/python3", "-c", program)
        meter = CpuMeter(child.pid)
        deadline = time.monotonic() + 20
        while meter.used_ns() / 1e9 < expected_s and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        settle()
        child.check_alive()
        return meter.used_ns() / 1e9, child

    def test_cpu_of_one_thread_is_counted(self):
        used_s, child = self.used_by(BURN, 0.25)
        self.assertTrue(0.25 < used_s < 1.0, used_s)
        self.assertGreater(resident_kb(child.pid), 1000)

    def test_cpu_of_threads_that_came_later_is_counted(self):
        used_s, _ = self.used_by(THREADS, 0.25)
        self.assertTrue(0.25 < used_s < 1.0, used_s)

    def test_sleeping_process_costs_nothing(self):
        child = self.start("sleep", "60")
        time.sleep(0.2)
        meter = CpuMeter(child.pid)
        time.sleep(0.2)
        self.assertLess(meter.used_ns(), 10_000_000)

    def test_child_that_ended_is_reported_with_its_last_words(self):
        child = self.start("sh", "-c", "echo no such port >&2; exit 3")
        with self.assertRaisesRegex(ChildEnded, "status 3:\nno such port"):
            for _ in range(200):
                child.check_alive()
                time.sleep(0.02)

    def test_stopped_child_is_gone(self):
        child = self.start("sh", "-c", "exec sleep 60")
        child.stop()
        self.assertFalse(os.path.exists(f"/proc/{child.pid}"))
