from odoo import models


class SyncPackageContent(models.AbstractModel):
    """Configuration packages carry the match ladders of flows."""

    _inherit = "sync.package.content"

    def _parts_of_flow(self, flow):
        return {**super()._parts_of_flow(flow), "ladder": self._ladder(flow)}

    def _ladder(self, flow):
        return self._rows(flow.match_step_ids, lambda step: f"{step.kind} {step.field_name or ''}".strip())

    def _problems(self, record, place):
        values = dict(record["values"])
        Step = self.env["sync.match.step"]
        problems = [
            f"{record['name']}: {problem}"
            for row in values.pop("ladder", ())
            for problem in self.env["sync.portable"]._vals(Step, self._bare(row), place)[1]
        ]
        return [*super()._problems({**record, "values": values}, place), *dict.fromkeys(problems)]

    def _apply(self, record, place, author, note):
        values = dict(record["values"])
        rows = values.pop("ladder", None)
        current = super()._apply({**record, "values": values}, place, author, note)
        # A package without ladders is older than they are, and says nothing of them.
        if rows is not None and rows != self._ladder(current):
            current.match_step_ids.unlink()
            Step = current.match_step_ids
            Step.create(
                [
                    {**self.env["sync.portable"]._vals(Step, self._bare(row), place)[0], "flow_id": current.id}
                    for row in rows
                ]
            )
        return current
