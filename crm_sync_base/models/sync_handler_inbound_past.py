from odoo import models

from ..lib import ownership, undo
from ..lib.ownership import FieldPast, Memory
from ..lib.unit import plain


class SyncHandlerInboundPast(models.AbstractModel):
    """What is known of single fields: what was written last, and who changed it since.

    Read from what is stored anyway, the change ledger and the tracked values of Odoo's
    chatter, so that rules that need to know nothing cost nothing until somebody edits a
    record: the one who wrote it last says whether there is anything to look for.
    """

    _inherit = "sync.handler.inbound"

    def _pasts(self, env, flow, rules, units):
        """Return `{record id: {field: FieldPast}}` (two queries at most).

        Of fields whose newest value wins, and, of records that somebody else than the
        service user wrote last, of fields that the source owns.
        """
        newest = {rule.target for rule in rules if rule.conflict == "newest"}
        owned = {rule.target for rule in rules if rule.terms.is_sovereign}
        service = flow.connection_id.user_id
        # What is taken back or decided on by a person is nobody's offence.
        units = [unit for unit in units if not unit.undoes and not unit.decided]
        edited = [unit.record.id for unit in units if unit.record.sudo().write_uid != service] if owned else []
        ids = [unit.record.id for unit in units] if newest else edited
        names = newest | (owned if edited else set())
        if not ids or not names:
            return {}
        kinds = {name: env[flow.model]._fields[name].type for name in names}
        pasts = {}
        for record_id, name, value, moment in self._last_written(flow, ids, names):
            print_ = ownership.print_of(undo.typed(kinds[name], value))
            pasts.setdefault(record_id, {})[name] = FieldPast(print_, moment)
        for record_id, name, moment, person in self._last_tracked(env, flow, ids, names):
            known = pasts.setdefault(record_id, {}).get(name, FieldPast())
            # Messages count whole seconds.
            if known.written_at is None or moment >= known.written_at.replace(microsecond=0):
                pasts[record_id][name] = FieldPast(known.written, known.written_at, moment, person or "")
        return pasts

    def _last_written(self, flow, ids, names):
        """Return (record id, field, stored value, moment) of what documents wrote last (one query)."""
        self.env.cr.execute(
            """
            SELECT DISTINCT ON (c.res_id, v.key) c.res_id, v.key, v.value -> 1, c.create_date
              FROM sync_change c, jsonb_each(c.values) v
             WHERE c.model = %s AND c.res_id = ANY(%s) AND c.direction = 'inbound' AND c.verdict = 'applied'
               AND v.key = ANY(%s)
             ORDER BY c.res_id, v.key, c.id DESC
            """,
            [flow.model, ids, list(names)],
        )
        return self.env.cr.fetchall()

    def _last_tracked(self, env, flow, ids, names):
        """Return (record id, field, moment, name of the user) of tracked changes (one query)."""
        tracked = [name for name in names if getattr(env[flow.model]._fields[name], "tracking", None)]
        if not tracked:
            return []
        self.env.cr.execute(
            """
            SELECT DISTINCT ON (m.res_id, f.name) m.res_id, f.name, m.date, p.name
              FROM mail_message m
              JOIN mail_tracking_value t ON t.mail_message_id = m.id
              JOIN ir_model_fields f ON f.id = t.field_id
              LEFT JOIN res_users u ON u.id = m.create_uid
              LEFT JOIN res_partner p ON p.id = u.partner_id
             WHERE m.model = %s AND m.res_id = ANY(%s) AND f.name = ANY(%s)
             ORDER BY m.res_id, f.name, m.id DESC
            """,
            [flow.model, ids, tracked],
        )
        return self.env.cr.fetchall()

    def _memory(self, unit, past):
        """Besides what was agreed: what was written last, of fields that the source owns."""
        memory = {}
        for rule in unit.rules:
            known = past.get(rule.target) if rule.terms.is_sovereign else None
            if known is not None and known.written:
                memory[rule.target] = Memory(known.written, known.written)
        agreed = unit.binding.agreed if unit.binding else None
        return memory | {name: Memory(*prints) for name, prints in (agreed or {}).items()}

    def _moments(self, unit, past):
        """Return `{field: when Odoo's value was changed}`, under "" of those of which only the record's is known."""
        moments = {"": unit.record.write_date}
        for name, one in past.items():
            present = ownership.print_of(self._value_of(unit.record, name))
            moment = one.edited_at or (one.written_at if one.written == present else None)
            if moment:
                moments[name] = moment
        return moments

    def _spelling(self, unit):
        """Return `{field: prints}` of owned fields that Odoo spells in its own way.

        The ledger knows what was written, not what Odoo made of it. Without this, the
        difference would look like somebody's edit.
        """
        agreed = (unit.binding.agreed if unit.binding else None) or {}
        found = {}
        for rule in unit.rules:
            name = rule.target
            if rule.is_collection or name not in unit.changes or not rule.terms.is_sovereign:
                continue
            said, present = plain(unit.changes[name][1]), self._value_of(unit.record, name)
            if name in agreed or not ownership.same(said, present):
                found[name] = [ownership.print_of(said), ownership.print_of(present)]
        return found
