from dataclasses import replace
from datetime import datetime, timedelta
from unittest import TestCase

from ..lib import chain, spans
from ..lib.chain import Finding, Seal

NOON = datetime(2026, 3, 1, 12, 0, 0, 250)
DAY = 86400.0


def sealed(number, previous, texts, **more):
    """Return (seal, digests) over `{id: text}`."""
    found = {one: chain.digest(text) for one, text in texts.items()}
    ids = sorted(found)
    digests = chain.pack(ids, found)
    seal = Seal(
        number, chain.ROWS, spans.dump(spans.of_ids(ids)), "id,values", chain.root(digests), previous,
        sealed_at=NOON, first_at=NOON, last_at=NOON, **more,
    )
    return seal, digests


class TestSpans(TestCase):
    def test_a_set_is_the_same_after_a_round_trip(self):
        ids = [7, 1, 2, 3, 9, 8, 3]
        text = spans.dump(spans.of_ids(ids))
        self.assertEqual(text, "1-3 7-9")
        self.assertEqual(list(spans.ids(spans.load(text))), [1, 2, 3, 7, 8, 9])
        self.assertEqual(spans.size(spans.load(text)), 6)
        self.assertEqual(spans.load(""), [])

    def test_what_is_outside(self):
        self.assertEqual(list(spans.outside([1, 2, 5, 6, 9, 12], [(2, 5), (8, 10)])), [1, 6, 12])
        self.assertEqual(list(spans.outside([3], [])), [3])


class TestRows(TestCase):
    texts = {1: "one", 2: "two", 3: "three", 5: "five"}

    def check(self, texts, purgeable=False, **lies):
        seal, digests = sealed(1, chain.GENESIS, self.texts)
        found = {one: chain.digest(text) for one, text in texts.items()}
        self.rows = chain.check_rows(replace(seal, **lies), digests, found, purgeable)
        return self.rows.findings

    def test_nothing_was_touched(self):
        self.assertEqual(self.check(self.texts), [])
        self.assertEqual((self.rows.present, self.rows.removed), (4, 0))

    def test_a_column_that_was_lost_is_said(self):
        seal, digests = sealed(1, chain.GENESIS, self.texts)
        self.assertEqual(chain.check_rows(seal, digests, None, False).findings, [Finding(chain.UNREADABLE, 1)])

    def test_an_altered_change_is_named(self):
        self.assertEqual(self.check({**self.texts, 3: "Three"}), [Finding(chain.ALTERED, 1, 3)])

    def test_a_deleted_change_is_named(self):
        rest = {one: text for one, text in self.texts.items() if one != 2}
        self.assertEqual(self.check(rest), [Finding(chain.DELETED, 1, 2)])

    def test_two_changes_that_trade_places_are_named(self):
        traded = {**self.texts, 1: "two", 2: "one"}
        self.assertEqual(self.check(traded), [Finding(chain.ALTERED, 1, 1), Finding(chain.ALTERED, 1, 2)])

    def test_digests_that_were_adapted_do_not_fit_the_root(self):
        self.assertEqual(self.check(self.texts, root=chain.root(b"")), [Finding(chain.SEAL_ALTERED, 1)])

    def test_ids_that_were_taken_out_do_not_fit_the_digests(self):
        self.assertEqual(self.check(self.texts, ids="1-3"), [Finding(chain.SEAL_ALTERED, 1)])

    def test_retention_takes_all_of_a_seal_or_nothing(self):
        self.assertEqual(self.check({}, purgeable=True), [])
        self.assertEqual((self.rows.present, self.rows.removed), (0, 4))
        self.assertEqual(len(self.check({}, purgeable=False)), 4)
        self.assertEqual(len(self.check({1: "one"}, purgeable=True)), 3)

    def test_what_was_gone_before_it_was_sealed_is_told_for_ever(self):
        found = {1: chain.digest("one")}
        digests = chain.pack([1, 2], found)
        seal = replace(sealed(1, chain.GENESIS, {1: "", 2: ""})[0], root=chain.root(digests))
        self.assertEqual(chain.check_rows(seal, digests, found, False).findings, [Finding(chain.VANISHED, 1, 2)])
        found[2] = chain.digest("put back")
        self.assertEqual(chain.check_rows(seal, digests, found, False).findings, [Finding(chain.INSERTED, 1, 2)])


class TestLinks(TestCase):
    def setUp(self):
        super().setUp()
        self.first, _digests = sealed(1, chain.GENESIS, {1: "one"})
        self.second, _digests = sealed(2, self.first.hash(), {2: "two"})

    def check(self, seal, hash_=None, number=2, previous=None):
        previous = previous or self.first.hash()
        return [f.kind for f in chain.check_link(seal, hash_ or seal.hash(), number, previous, DAY)]

    def test_a_chain(self):
        self.assertEqual(self.check(self.second), [])

    def test_every_fact_of_a_seal_is_in_its_hash(self):
        other = {
            "number": 3, "kind": chain.PURGE, "ids": "2-3", "columns": "id", "root": "0", "previous": "0",
            "sealed_at": NOON + timedelta(seconds=1), "first_at": None, "last_at": None, "cutoff": NOON,
            "unvouched": 1,
        }
        self.assertEqual(set(other), set(Seal.__dataclass_fields__))
        hashes = {replace(self.second, **{name: value}).hash() for name, value in other.items()}
        self.assertEqual(len(hashes | {self.second.hash()}), len(other) + 1)

    def test_a_seal_that_was_altered(self):
        lie = replace(self.second, ids="2-3")
        self.assertEqual(self.check(lie, hash_=self.second.hash()), [chain.SEAL_ALTERED])

    def test_a_seal_that_is_missing_or_exchanged(self):
        self.assertEqual(self.check(self.second, number=3), [chain.SEAL_MISSING])
        self.assertEqual(self.check(self.second, previous="f" * 64), [chain.SEAL_MISSING])

    def test_sealing_a_day_late_is_worth_a_remark(self):
        late = replace(self.second, first_at=NOON - timedelta(days=2))
        self.assertEqual(self.check(late), [chain.LATE])
        self.assertIn(chain.LATE, chain.REMARKS)


class TestProof(TestCase):
    secret = b"s" * 32

    def check(self, seal, given, key=None, keyed=True, secrets=None):
        secrets = {chain.key_id(self.secret): self.secret} if secrets is None else secrets
        key = chain.key_id(self.secret) if key is None else key
        return [f.kind for f in chain.check_proof(seal, seal.hash(), key, given, secrets, keyed)]

    def test_who_has_no_key_cannot_make_a_seal(self):
        seal, _digests = sealed(1, chain.GENESIS, {1: "one"})
        right = chain.proof(self.secret, seal.hash())
        self.assertEqual(self.check(seal, right), [])
        self.assertEqual(self.check(seal, chain.proof(b"guess", seal.hash())), [chain.FORGED])
        self.assertEqual(self.check(seal, ""), [chain.FORGED])
        self.assertEqual(self.check(replace(seal, ids="9"), right), [chain.FORGED])

    def test_leaving_the_proof_out_does_not_help(self):
        seal, _digests = sealed(1, chain.GENESIS, {1: "one"})
        self.assertEqual(self.check(seal, "", key=""), [chain.UNVOUCHED])
        self.assertEqual(self.check(seal, "", key="", keyed=False), [])

    def test_a_key_that_is_gone_is_said(self):
        seal, _digests = sealed(1, chain.GENESIS, {1: "one"})
        self.assertEqual(self.check(seal, "x", secrets={}), [chain.KEY_GONE])

    def test_changes_that_nobody_vouched_for(self):
        seal, _digests = sealed(1, chain.GENESIS, {1: "one"}, unvouched=1)
        right = chain.proof(self.secret, seal.hash())
        self.assertEqual(self.check(seal, right), [chain.UNVOUCHED])
        self.assertEqual(self.check(seal, right, keyed=False), [])

    def test_a_note_is_for_one_set_at_one_moment(self):
        given = chain.proof(self.secret, chain.note("1-3", NOON))
        self.assertTrue(chain.proves(self.secret, chain.note("1-3", NOON), given))
        self.assertFalse(chain.proves(self.secret, chain.note("1-4", NOON), given))
        self.assertFalse(chain.proves(self.secret, chain.note("1-3", NOON + timedelta(seconds=1)), given))
