from odoo import Command
from odoo.tests import tagged

from . import test_package


@tagged("post_install", "-at_install")
class TestMatchPackage(test_package.PackageCase):
    """The match ladder of a flow goes with it to another environment."""

    def test_a_ladder_is_carried_compared_and_applied(self):
        self.flow.action_customise_ladder()
        self.flow.match_step_ids[-1].bind_score = 99
        there = self.flow._match_ladder()
        made = self.export()
        self.flow.match_step_ids[-1].bind_score = 90
        self.flow.match_step_ids[1].unlink()
        brought = self.bring(made)
        self.assertTrue([path for _name, path in self.paths(brought) if "ladder" in path.lower()])
        self.approve(brought)
        self.assertEqual(self.flow._match_ladder(), there)
        self.assertFalse(self.bring(self.export()).line_ids, "equal ladders have no difference")

    def test_a_flow_without_steps_of_its_own_gets_them(self):
        self.flow.match_step_ids = [Command.create({"kind": "name", "field_name": "name", "bind_score": 97})]
        made = self.export()
        self.flow.match_step_ids.unlink()
        brought = self.bring(made)
        self.approve(brought)
        self.assertEqual(self.flow.match_step_ids.mapped("bind_score"), [97])
