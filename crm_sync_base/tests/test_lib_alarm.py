import subprocess
import sys
import threading
import time
import unittest

from ..lib import worker
from ..lib.alarm import Alarm


class TestAlarm(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.rung = []
        self.event = threading.Event()
        self.alarm = Alarm(self.ring)

    def ring(self, key):
        self.rung.append((key, time.monotonic()))
        self.event.set()

    def test_the_earliest_moment_counts(self):
        start = time.monotonic()
        self.alarm.after("db", 30)
        self.alarm.after("db", 0.05)
        self.alarm.after("db", 60)
        self.assertTrue(self.event.wait(5))
        self.assertLess(self.rung[0][1] - start, 5)

    def test_it_can_be_set_again_after_it_rang(self):
        for _round in range(2):
            self.event.clear()
            self.alarm.after("db", 0)
            self.assertTrue(self.event.wait(5))
        self.assertEqual([key for key, _moment in self.rung], ["db", "db"])


class TestWorker(unittest.TestCase):
    def test_this_process_lives(self):
        self.assertTrue(worker.lives(worker.identity()))

    def test_a_process_that_ended_does_not(self):
        folder = worker.__file__.rpartition("/")[0]
        code = f"import sys; sys.path.insert(0, {folder!r}); import worker; print(worker.identity())"
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual(ended.stdout.count(":"), 3)
        self.assertFalse(worker.lives(ended.stdout.strip()))

    def test_a_process_id_that_was_given_to_another_one_does_not(self):
        host, pid, started, thread = worker.identity().rsplit(":", 3)
        self.assertFalse(worker.lives(f"{host}:{pid}:{int(started) - 1}:{thread}"))

    def test_two_threads_of_a_process_are_two_workers(self):
        others = []
        thread = threading.Thread(target=lambda: others.append(worker.identity()))
        thread.start()
        thread.join()
        self.assertNotEqual(others, [worker.identity()])
        self.assertEqual(others[0].rpartition(":")[0], worker.process())

    def test_what_cannot_be_read_does_not(self):
        for text in (None, "", "a", "a:b:c", "a:b:c:d"):
            self.assertFalse(worker.lives(text))
