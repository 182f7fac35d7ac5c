from odoo import _, models
from odoo.exceptions import RedirectWarning, UserError

from ..lib.declarations import Document


class SyncHandlerInboundMerge(models.AbstractModel):
    """Records that were merged at the provider: one golden record is left here, too.

    What the merged-away record was bound to goes on as the survivor, or, where the
    survivor is known as well, is archived and left to a person: documents that are
    posted in its name are never rewritten by the engine. No value is carried over, the
    survivor's own document brings them along the mapping.
    """

    _inherit = "sync.handler.inbound"

    # === Plan ===#

    def _screen_merged(self, flow, units):
        """Set aside what was merged away; the bindings are looked at once for a batch."""
        known = [unit.external_id for unit in units if not unit.binding]
        formers = self.env["sync.binding.former"]._of(flow.connection_id, flow.remote_object, known) if known else {}
        for unit in units:
            former = formers.get(unit.external_id)
            if self._survivor_id(flow, unit):
                self._plan_merge(flow, unit, former)
            elif former:
                self._meet_former(unit, former)
        self._screen_survivors(flow, units)

    def _screen_survivors(self, flow, units):
        """Let the records go first that a document says were merged into it (one query).

        A poll sees the survivor only; where it has a new id, it would be taken for a new
        record. The jobs of those that were merged away lead back to it.
        """
        absorbed = {
            unit: set(map(flow._remote().normalize_id, unit.document.merged_from)) - {unit.external_id}
            for unit in units
            if isinstance(unit.document, Document) and unit.document.merged_from and not unit.document.deleted
        }
        if not absorbed:
            return
        ids = sorted(set().union(*absorbed.values()))
        bound = self.env["sync.binding"]._lock(flow.connection_id, flow.remote_object, ids).keys()
        for unit, merged_from in absorbed.items():
            unit.absorbs = sorted(merged_from & bound)
            if unit.absorbs and not unit.binding and unit.is_open:
                unit.summary = _("Takes over from %s, which were merged into it", ", ".join(unit.absorbs))

    def _survivor_id(self, flow, unit):
        """Return the id of the record that a deleted one was merged into, or an empty text."""
        document = unit.document
        if not isinstance(document, Document) or not document.deleted or not document.merged_into:
            return ""
        survivor = flow._remote().normalize_id(document.merged_into)
        return survivor if survivor != unit.external_id else ""

    def _plan_merge(self, flow, unit, former):
        unit.merged_into = self._survivor_id(flow, unit)
        if unit.binding:
            unit.summary = _("Merged into %s at the provider", unit.merged_into)
        elif former:
            unit.summary = _("Merged into %s at the provider; it is one with it here already", unit.merged_into)
        else:
            unit.summary = _("Merged into %s at the provider; it was not known here", unit.merged_into)

    def _meet_former(self, unit, former):
        """A document that is one with another record here."""
        if not isinstance(unit.document, Document) or unit.document.deleted:
            return
        if former.merged_where == "remote":
            unit.restored = former  # restored at the provider: a record of its own again
            return
        unit.summary = _(
            "Merged in Odoo with %(record)s, which follows %(external)s; merge them at the provider, too",
            record=former.record_name or _("another record"),
            external=former.binding_id.external_id,
        )

    # === Apply ===#

    def _apply(self, env, units, registry):
        """Follow merges first: what is planned may belong to the survivor."""
        self._follow_merges(env, units)
        self._ask_for_absorbed(units)
        formers = [unit.restored.id for unit in units if unit.restored]
        if formers:
            self.env["sync.binding.former"].browse(formers).unlink()
        return super()._apply(env, units, registry)

    def _ask_for_absorbed(self, units):
        """Enqueue the records that were merged into others and are still bound."""
        for unit in units:
            if unit.absorbs and unit.error is None:
                self.env["sync.job"]._enqueue_documents(
                    unit.flow.connection_id,
                    unit.flow.remote_object,
                    unit.absorbs,
                    dict.fromkeys(unit.absorbs, unit.job.correlation_id),
                )

    def _follow_merges(self, env, units):
        """Let the bindings of merged-away records lead to their survivors.

        The oldest binding goes first: when nothing here is bound to the survivor yet,
        its record becomes the golden one.
        """
        merged = [unit for unit in units if unit.merged_into and unit.error is None]
        if not merged:
            return
        flow = merged[0].flow
        Binding = self.env["sync.binding"]
        Binding._lock(flow.connection_id, flow.remote_object, [unit.merged_into for unit in merged])
        bound = sorted((unit for unit in merged if unit.binding), key=lambda unit: unit.binding.id)
        for unit in bound:
            self._follow_merge(env, unit)
        # Whoever survived is to be seen as it is now.
        self.env["sync.job"]._enqueue_documents(
            flow.connection_id,
            flow.remote_object,
            [unit.merged_into for unit in bound],
            {unit.merged_into: unit.job.correlation_id for unit in bound},
        )

    def _follow_merge(self, env, unit):
        flow = unit.flow
        Binding, Former = self.env["sync.binding"], self.env["sync.binding.former"]
        binding = Binding.browse(unit.binding.id)
        record = env[flow.model].browse(binding.res_id).exists()
        unit.record = record or None
        survivor = Binding._lookup(flow.connection_id, flow.remote_object, [unit.merged_into]).get(unit.merged_into)
        if survivor == binding:
            # Both are one in Odoo already, and the other id has survived.
            Former._of(flow.connection_id, flow.remote_object, [unit.merged_into])[unit.merged_into].unlink()
            survivor = None
        if not survivor:
            binding._become(unit.merged_into, unit.job.correlation_id)
            unit.summary = _("Merged into %s at the provider; the Odoo record goes on as that", unit.merged_into)
            return
        Former._remember(
            binding, survivor, "remote", left_over=bool(record), correlation_id=unit.job.correlation_id
        )
        if record:
            self._retire(env, unit, record, survivor)

    def _retire(self, env, unit, record, survivor):
        """Archive what is left over, and ask a person to merge it in Odoo."""
        golden = env[survivor.model].browse(survivor.res_id).exists()
        archived = self._archive(record)
        if archived:
            self.env["sync.change"]._record_many([self._archived_change(unit, record)])
        unit.summary = _(
            "Merged into %(survivor)s at the provider; %(record)s was %(done)s, "
            "a person is asked to merge them in Odoo",
            survivor=golden.display_name or unit.merged_into,
            record=record.display_name,
            done=_("archived") if archived else _("left active, because it cannot be archived"),
        )
        if golden and "activity_ids" in golden._fields:
            golden.activity_schedule(
                "mail.mail_activity_data_todo",
                summary=_("Merge with %s", record.display_name),
                note=_(
                    "%(provider)s merged its record %(former)s into this one. In Odoo both are left, because only "
                    "you can decide what becomes of orders and entries in the name of %(record)s: "
                    "Governance → Merged Records → Merge in Odoo.",
                    provider=unit.flow.connection_id.name,
                    former=unit.external_id,
                    record=record.display_name,
                ),
                user_id=unit.flow._person_for("conflict").id,
            )

    @staticmethod
    def _archive(record):
        """Archive a record; return whether it was active and is not any more."""
        name = record._active_name
        if not name or not record[name]:
            return False
        try:
            with record.env.cr.savepoint():
                record[name] = False
                record.env.flush_all()
        except (RedirectWarning, UserError):
            record.invalidate_recordset()
            return False
        return True

    def _archived_change(self, unit, record):
        return {
            "job": unit.job,
            "flow": unit.flow,
            "mapping_id": unit.flow.mapping_id.id,
            "direction": "inbound",
            "operation": "update",
            "model": record._name,
            "res_id": record.id,
            "record_name": record.display_name,
            "remote_object": unit.flow.remote_object,
            "external_id": unit.external_id,
            "values": {record._active_name: [True, False]},
        }
