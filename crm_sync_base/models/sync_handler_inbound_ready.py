from ast import literal_eval

from odoo import models

from ..lib.planner import Problem
from ..lib.readiness import RECORD, missing


class SyncHandlerInboundReady(models.AbstractModel):
    """Readiness rules of a flow: all that do not hold, for a whole batch."""

    _inherit = "sync.handler.inbound"

    def _check_readiness(self, env, flow, units):
        """Add what is not ready to `unit.draft.problems`; one query for each rule on records."""
        checks = [rule._compile() for rule in flow.readiness_ids]
        if not checks:
            return
        for unit in units:
            for message in missing(checks, unit.document.data, exists=unit.record is not None):
                unit.draft.problems.append(Problem(message))
        for check in checks:
            if check.kind == RECORD:
                self._check_linked(env, flow, check, units)

    def _check_linked(self, env, flow, check, units):
        """Ask a rule of the records that documents name; one that is being created comes later."""
        asked = {}
        for unit in units:
            linked = unit.draft.values.get(check.target)
            if check.concerns(unit.record is not None) and isinstance(linked, int) and linked:
                asked[unit] = linked
        if not asked:
            return
        linked = env[env[flow.model]._fields[check.target].comodel_name].browse(set(asked.values()))
        good = set(linked.filtered_domain(literal_eval(check.domain)).ids)
        for unit, record_id in asked.items():
            if record_id not in good:
                unit.draft.problems.append(Problem(check.message))
