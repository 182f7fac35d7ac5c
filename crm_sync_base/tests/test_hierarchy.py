from odoo.tests import tagged

from .common import SyncCase

RULES = [
    {"path": "Name", "field": "name", "required": True, "label": "Name"},
    {"field": "is_company", "transform": "constant", "argument": "true", "label": "Company"},
    {"path": "ParentId", "field": "parent_id", "transform": "reference", "argument": "Account", "label": "Parent"},
]


@tagged("post_install", "-at_install")
class TestHierarchy(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(RULES)

    def put(self, external_id, parent=None):
        self.remote.put("Account", external_id, Name=f"Company {external_id.upper()}", ParentId=parent)

    def arrive(self, *external_ids):
        self.notify("Account", *external_ids)
        self.run_lane()

    def partner(self, external_id):
        return self.env["sync.binding"].search([("external_id", "=", external_id)])._record()

    def job(self, external_id):
        return self.jobs(external_id=external_id).sorted("id")[-1]

    def test_a_deep_hierarchy_arrives_as_it_is(self):
        for level in range(12):
            self.put(f"l{level}", f"l{level + 1}" if level < 11 else None)
        self.arrive("l0")
        partner, depth = self.partner("l0"), 0
        while partner.parent_id:
            partner, depth = partner.parent_id, depth + 1
        self.assertEqual(depth, 11)
        self.assertEqual(partner, self.partner("l11"))

    def test_one_that_never_ends_is_refused(self):
        for level in range(40):
            self.put(f"l{level}", f"l{level + 1}")
        self.arrive("l0")
        self.assertEqual(self.job("l0").state, "failed")
        self.assertIn("more than 30 levels", self.job("l0").error_message)
        self.assertFalse(self.env["res.partner"].search_count([("name", "=like", "Company L%")]))

    def test_a_circle_is_refused_with_the_names_of_all(self):
        self.put("a", "b")
        self.put("b", "c")
        self.put("c", "a")
        self.arrive("a")
        self.assertIn("Account Company A → Account Company B → Account Company C → Account Company A",
                      self.job("a").error_message)
        self.assertFalse(self.env["res.partner"].search_count([("name", "=like", "Company _")]))

    def test_its_own_parent(self):
        self.put("a", "a")
        self.arrive("a")
        self.assertIn("Account Company A → Account Company A", self.job("a").error_message)

    def test_moves_that_turn_a_hierarchy_round(self):
        self.put("a")
        self.put("b", "a")
        self.put("c", "b")
        self.arrive("c")
        # A moves below its own grandchild. That C has left is not known yet.
        self.put("a", "c")
        self.arrive("a")
        job = self.job("a")
        self.assertEqual((job.state, job.error_code), ("pending", "transient"))
        self.assertIn("Account Company A → Company C → Company B → Account Company A", job.error_message)
        self.assertFalse(self.partner("a").parent_id)
        self.put("c")
        self.arrive("c")
        job.eta = "2000-01-01 00:00:00"
        self.run_lane()
        self.assertEqual(self.partner("a").parent_id, self.partner("c"))
        self.assertEqual(self.partner("b").parent_id, self.partner("a"))

    def test_who_never_leaves_is_for_a_person(self):
        self.put("a")
        self.put("b", "a")
        self.arrive("b")
        self.put("a", "b")
        self.arrive("a")
        for _attempt in range(3):
            self.job("a").eta = "2000-01-01 00:00:00"
            self.run_lane()
        self.assertEqual((self.job("a").state, self.job("a").error_code), ("failed", "not_ready"))

    def test_moves_within_one_batch(self):
        self.put("a")
        self.put("b", "a")
        self.put("c")
        self.arrive("a", "b", "c")
        self.put("b")
        self.put("a", "b")
        self.put("c", "a")
        self.arrive("c", "a", "b")
        for external_id in "abc":
            self.job(external_id).filtered(lambda job: job.state == "pending").eta = "2000-01-01 00:00:00"
        self.run_lane()
        self.assertEqual(self.partner("c").parent_id, self.partner("a"))
        self.assertEqual(self.partner("a").parent_id, self.partner("b"))
        self.assertFalse(self.partner("b").parent_id)
