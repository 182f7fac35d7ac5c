"""Circles in hierarchies, as values."""

import random
import unittest

from ..lib.hierarchy import circles


class TestCircles(unittest.TestCase):
    def test_trees_have_none(self):
        self.assertEqual(circles({1: 2, 2: 3, 3: None, 4: 3, 5: 99}), [])
        self.assertEqual(circles({}), [])

    def test_each_is_found_once_in_its_order(self):
        self.assertEqual(circles({1: 2, 2: 3, 3: 1, 9: 1}), [(1, 2, 3)])
        self.assertEqual(circles({9: 1, 1: 2, 2: 1, 7: 7}), [(1, 2), (7,)])

    def test_any_graph(self):
        for seed in range(200):
            dice = random.Random(seed)
            nodes = range(dice.randint(1, 12))
            parents = {node: dice.choice([None, *nodes]) for node in nodes}
            found = circles(parents)
            for circle in found:
                following = [*circle[1:], circle[0]]
                self.assertEqual([parents[node] for node in circle], following)
            members = {node for circle in found for node in circle}
            for node in nodes:
                seen = set()
                while node is not None and node not in seen:
                    seen.add(node)
                    node = parents[node]
                if node is not None:
                    self.assertIn(node, members, "whoever never reaches the top ends in a circle that was found")
