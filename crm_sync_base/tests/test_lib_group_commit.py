import itertools
import threading

from odoo.tests import BaseCase, tagged

from ..lib.group_commit import GroupCommit

WAIT = 20  # seconds; only a failing test takes so long


@tagged("post_install", "-at_install")
class TestGroupCommit(BaseCase):
    def setUp(self):
        super().setUp()
        self.rounds, self.errors, self.results = [], {}, {}
        self.entered, self.gate = threading.Event(), threading.Event()

    def commit(self, items):
        """Commit, but only the first round waits at the gate."""
        if not self.entered.is_set():
            self.entered.set()
            self.assertTrue(self.gate.wait(WAIT))
        if "bad" in items:
            raise ValueError("bad")
        self.rounds.append(list(items))
        return [f"{item} is done" for item in items]

    def submit_all(self, group, items, first="first"):
        """Submit `first`; while it is being committed, the others."""

        def submit(item):
            try:
                self.results[item] = group.submit("key", item, self.commit)
            except ValueError as error:
                self.errors[item] = str(error)

        threads = [threading.Thread(target=submit, args=(first,))]
        threads[0].start()
        self.assertTrue(self.entered.wait(WAIT))
        threads += [threading.Thread(target=submit, args=(item,)) for item in items]
        for thread in threads[1:]:
            thread.start()
        while len(group._waiting["key"]) < len(items):
            pass
        self.gate.set()
        for thread in threads:
            thread.join(WAIT)
            self.assertFalse(thread.is_alive(), "somebody is still waiting")

    def test_who_is_alone_waits_for_nobody(self):
        self.gate.set()
        GroupCommit().submit("key", "one", self.commit)
        self.assertEqual(self.rounds, [["one"]])

    def test_what_comes_during_a_round_is_the_next_one(self):
        self.submit_all(GroupCommit(), ["a", "b", "c", "d"])
        self.assertEqual(self.rounds[0], ["first"])
        self.assertCountEqual(self.rounds[1], ["a", "b", "c", "d"])
        self.assertEqual(len(self.rounds), 2)
        self.assertEqual(self.results, {item: f"{item} is done" for item in ("first", "a", "b", "c", "d")})

    def test_a_round_has_a_limit_and_nobody_is_forgotten(self):
        items = [f"item {number}" for number in range(25)]
        self.submit_all(GroupCommit(limit=10), items)
        self.assertEqual([len(items) for items in self.rounds], [1, 10, 10, 5])
        self.assertCountEqual(list(itertools.chain(*self.rounds[1:])), items)

    def test_one_that_fails_fails_alone(self):
        self.submit_all(GroupCommit(), ["a", "bad", "c"])
        self.assertEqual(self.errors, {"bad": "bad"})
        self.assertEqual(self.results.keys(), {"first", "a", "c"})
        self.assertCountEqual(list(itertools.chain(*self.rounds)), ["first", "a", "c"])

    def test_a_failed_round_leaves_the_next_one_free(self):
        self.gate.set()
        group = GroupCommit()
        with self.assertRaises(ValueError):
            group.submit("key", "bad", self.commit)
        group.submit("key", "good", self.commit)
        self.assertEqual(self.rounds, [["good"]])

    def test_keys_do_not_wait_for_each_other(self):
        group = GroupCommit()
        thread = threading.Thread(target=group.submit, args=("slow", "first", self.commit))
        thread.start()
        self.assertTrue(self.entered.wait(WAIT))
        group.submit("other", "second", self.commit)
        self.assertEqual(self.rounds, [["second"]])
        self.gate.set()
        thread.join(WAIT)
        self.assertEqual(self.rounds, [["second"], ["first"]])
