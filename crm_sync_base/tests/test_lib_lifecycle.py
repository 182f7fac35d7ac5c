from itertools import product

from odoo.tests import BaseCase, tagged

from ..lib.lifecycle import (
    ACTIVE,
    DRAFT,
    MOVES,
    NO_SUCH_MOVE,
    NOT_A_REVIEWER,
    NOT_REVIEWED,
    OWN_WORK,
    RETIRED,
    REVIEW,
    refusal,
)

ANNA, BEN = 1, 2


@tagged("post_install", "-at_install")
class TestLifecycle(BaseCase):
    def ask(self, before, after, actor=BEN, authors=(ANNA,), may_review=True, shipped=False, reviewed=False):
        return refusal(
            before, after, actor=actor, authors=authors, may_review=may_review, shipped=shipped,
            reviewed=reviewed,
        )

    def test_the_way_of_a_version(self):
        for before, after in ((DRAFT, REVIEW), (REVIEW, DRAFT), (REVIEW, ACTIVE), (ACTIVE, RETIRED)):
            self.assertEqual(self.ask(before, after), "", f"{before} → {after}")

    def test_every_other_move_is_refused(self):
        for move in product((DRAFT, REVIEW, ACTIVE, RETIRED), repeat=2):
            if move not in MOVES:
                self.assertEqual(self.ask(*move, shipped=True, reviewed=True), NO_SUCH_MOVE, move)

    def test_nobody_approves_what_he_wrote(self):
        self.assertEqual(self.ask(REVIEW, ACTIVE, actor=ANNA), OWN_WORK)
        self.assertEqual(self.ask(REVIEW, ACTIVE, actor=BEN, authors=(ANNA, BEN)), OWN_WORK)
        self.assertEqual(self.ask(REVIEW, ACTIVE, actor=ANNA, shipped=True), OWN_WORK)

    def test_only_reviewers_approve(self):
        self.assertEqual(self.ask(REVIEW, ACTIVE, may_review=False), NOT_A_REVIEWER)

    def test_only_what_is_shipped_skips_the_review(self):
        self.assertEqual(self.ask(DRAFT, ACTIVE), NOT_REVIEWED)
        self.assertEqual(self.ask(DRAFT, ACTIVE, shipped=True), "")

    def test_one_rolls_back_only_to_what_was_in_use_lawfully(self):
        self.assertEqual(self.ask(RETIRED, ACTIVE), NOT_REVIEWED)
        self.assertEqual(self.ask(RETIRED, ACTIVE, reviewed=True, actor=ANNA), "")
        self.assertEqual(self.ask(RETIRED, ACTIVE, shipped=True), "")
