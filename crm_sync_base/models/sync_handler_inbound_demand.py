from odoo import _, models

from ..lib.errors import Ambiguous

#: kinds of runs that go through a whole object: there, existing records are looked for
FIRST_LOADS = ("load", "dry_run", "execution")


class SyncHandlerInboundDemand(models.AbstractModel):
    """Flows that do not create every record: what is in Odoo already is bound all the same.

    A first load looks for the record of each document, as for any flow; so does whatever
    comes of a document that a person was asked about. What is nobody's record is set aside
    as long as nothing that is written needs it.
    """

    _inherit = "sync.handler.inbound"

    def _seek(self, flow, units, as_prerequisite):
        """Mark the units that are looked for although they may not be created (a query at most)."""
        for unit in units:
            unit.sought = False
        if flow._may_create(as_prerequisite):
            return
        unbound = [unit for unit in units if not unit.binding]
        others = [unit.external_id for unit in unbound if unit.job.run_id.kind not in FIRST_LOADS]
        known = self.env["sync.match"]._decisions(flow, others) if others else {}
        for unit in unbound:
            unit.sought = unit.job.run_id.kind in FIRST_LOADS or unit.external_id in known

    def _follow_decision(self, unit, decision, free):
        """Besides: a person who says that it is a new record needs it."""
        if decision.state == "create" and unit.flow._may_create(needed=True):
            unit.sought = False
        return super()._follow_decision(unit, decision, free)

    def _match(self, env, flow, units):  # pylint: disable=missing-return
        """Besides: where nothing is ever created, what is nobody's record is set aside at once."""
        super()._match(env, flow, units)
        if not flow._may_create(needed=True):
            for unit in units:
                if unit.sought and unit.is_open and unit.record is None and not self._carries_out(unit.job):
                    self._set_aside(unit)

    def _set_aside_unneeded(self, units):
        """Set aside what was looked for, is in Odoo under no guise, and is needed by nothing.

        What keeps such a document from being written is of no interest yet. An approved
        plan says itself what is created.
        """
        idle = {
            unit.key: unit
            for unit in units
            if unit.sought and unit.record is None and not unit.summary
            and not isinstance(unit.error, Ambiguous) and not self._carries_out(unit.job)
        }  # fmt: skip
        stack = [unit for unit in units if unit.is_open and unit.key not in idle] if idle else []
        while stack:
            stack += [need for need in stack.pop().needs if idle.pop(need.key, None)]
        for unit in idle.values():
            self._set_aside(unit)

    def _set_aside(self, unit):
        unit.error, unit.operation, unit.changes, unit.needs = None, "", {}, []
        unit.brought, unit.match = (), None
        unit.verdict, unit.summary = "not_needed", _("Not needed in Odoo yet; nothing to do")
