import threading
import time
from unittest.mock import patch

from odoo.tests import BaseCase, tagged

from ..lib.coalescer import Coalescer


def wait_until(condition, seconds=10.0):
    """Return whether `condition` became true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


@tagged("post_install", "-at_install")
class TestCoalescer(BaseCase):
    def test_requests_during_a_run_share_the_next_one(self):
        runs, gate, entered = [], threading.Event(), threading.Event()

        def run(key):
            runs.append(key)
            entered.set()
            gate.wait(10)

        coalescer = Coalescer(run, pause=0.0)
        coalescer.request("a")
        self.assertTrue(entered.wait(10))
        for _repeat in range(50):
            coalescer.request("a")
        gate.set()
        self.assertTrue(wait_until(lambda: not coalescer._busy))
        self.assertEqual(runs, ["a", "a"])

    def test_no_request_is_without_a_run_that_began_after_it(self):
        state = {"done": 0, "seen": 0}

        def run(_key):
            # As a lane does: everything that was done before the run began is seen.
            state["seen"] = state["done"]

        coalescer = Coalescer(run, pause=0.0)
        counter = threading.Lock()

        def worker():
            for _repeat in range(300):
                with counter:
                    state["done"] += 1
                coalescer.request("a")

        threads = [threading.Thread(target=worker) for _number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertTrue(wait_until(lambda: not coalescer._busy))
        self.assertEqual(state["seen"], 2400)

    def test_a_failed_run_does_not_stop_the_next(self):
        runs = []

        def run(key):
            runs.append(key)
            if len(runs) == 1:
                raise ValueError("no connection")

        coalescer = Coalescer(run, pause=0.0)
        with self.assertLogs("odoo.addons.crm_sync_base.lib.coalescer", "WARNING"):
            coalescer.request("a")
            self.assertTrue(wait_until(lambda: not coalescer._busy))
        coalescer.request("a")
        self.assertTrue(wait_until(lambda: len(runs) == 2))

    def test_without_a_thread_it_runs_at_once(self):
        runs = []
        with patch.object(threading.Thread, "start", side_effect=RuntimeError):
            Coalescer(runs.append, pause=0.0).request("a")
        self.assertEqual(runs, ["a"])

    def test_keys_do_not_wait_for_each_other(self):
        gate, runs = threading.Event(), []

        def run(key):
            if key == "slow":
                gate.wait(10)
            runs.append(key)

        coalescer = Coalescer(run, pause=0.0)
        coalescer.request("slow")
        coalescer.request("fast")
        self.assertTrue(wait_until(lambda: runs == ["fast"]))
        gate.set()
        self.assertTrue(wait_until(lambda: runs == ["fast", "slow"]))

    def test_a_child_process_starts_afresh(self):
        coalescer = Coalescer(lambda key: None, pause=0.0)
        coalescer._busy.add("a")
        coalescer._forget()
        self.assertFalse(coalescer._busy)
