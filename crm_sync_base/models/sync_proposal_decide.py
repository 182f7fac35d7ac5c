from decimal import Decimal

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError

from ..lib import clock, lines
from ..lib.ownership import print_of, same
from ..lib.planner import Draft


class SyncProposalDecide(models.Model):
    """Proposals are decided on: by somebody else than their author, once."""

    _inherit = "sync.proposal"

    # === Buttons ===#

    def action_approve(self):
        """Write what the source said, of one or of many; what is not valid any more stays.

        :raises AccessError: for the author of a change, and for who is no approver of it.
        :raises UserError: when none of them waits any more.
        """
        return self._report(*self._approve())

    def action_open_reject(self):
        """Ask why these are rejected."""
        return self._open_wizard("sync.proposal.reject.wizard", _("Reject"))

    def action_open_choose(self):
        """Show both values of a conflict, to choose one or write another."""
        self.ensure_one()
        return self._open_wizard("sync.proposal.choose.wizard", _("Which One Is Right?"))

    def _open_wizard(self, model, title):
        self._assert_may_decide()
        return {
            "type": "ir.actions.act_window",
            "name": title,
            "res_model": model,
            "view_mode": "form",
            "target": "new",
            "context": {"default_proposal_ids": self.ids},
        }

    # === Decisions ===#

    def _approve(self, note=""):
        """Apply what waits among these.

        :return: (applied, refreshed, failed) proposals.
        """
        pending = self._lock_pending()
        pending._assert_may_decide()
        sound, refreshed = pending.sudo()._look_again()
        wanted = {
            one: {name: one._restored(name, after) for name, (_before, after) in one.values.items()}
            for one in sound
        }
        failed = self.sudo()._apply_many(wanted)
        applied = sound - failed
        pending._settle(applied, "applied", note or _("Approved"))
        return applied, refreshed, failed

    def _reject(self, reason):
        """Keep Odoo's values; the same change is not proposed again.

        :return: what was rejected.
        """
        pending = self._lock_pending()
        pending._assert_may_decide()
        rejected = pending.sudo()
        pending._settle(rejected, "rejected", reason)
        rejected._agree()
        rejected._tell_source()
        return rejected

    def _choose(self, values, note=""):
        """Settle one conflict: write the given values, keep Odoo's of the other fields.

        :param values: `{field: value}`, the source's or what the person typed.
        :return: the conflict, or nothing when the record changed meanwhile: then it shows
            what Odoo has now and goes on waiting.
        :raises UserError: when a value cannot be written.
        """
        self.ensure_one()
        if not values:
            return self._reject(note or _("Odoo's value was kept"))
        pending = self._lock_pending()
        pending._assert_may_decide()
        sound, _refreshed = pending.sudo()._look_again()
        if not sound:
            return sound
        failed = self.sudo()._apply_many({sound: values})
        if failed:
            raise UserError(failed.trouble)
        pending._settle(sound, "applied", note or _("Chosen by a person"))
        sound._agree()
        theirs = {name: after for name, (_before, after) in sound.values.items()}
        if any(name not in values or not same(values[name], after) for name, after in theirs.items()):
            sound._tell_source()
        return sound

    # === Who may, and only once ===#

    def _lock_pending(self):
        """Return those of these that wait, locked: nobody else decides on them meanwhile.

        :raises UserError: when none does.
        """
        self.check_access("read")
        self.flush_recordset()
        self.env.cr.execute(
            "SELECT id FROM sync_proposal WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [list(self._ids)]
        )
        self.invalidate_recordset(flush=False)
        pending = self.exists().filtered(lambda one: one.state == "pending")
        if not pending:
            one = self.exists()[:1]
            states = dict(self._fields["state"]._description_selection(self.env))
            raise UserError(
                _("%(record)s: nothing to decide any more. It is: %(state)s (%(who)s).",
                  record=one.record_name or "", state=states.get(one.state, ""),
                  who=one.decided_by_id.name or _("by itself"))
            )
        return pending

    def _assert_may_decide(self):
        """Refuse the author, and who is no approver (four eyes; the database refuses, too).

        :raises AccessError: naming the first change that is not this user's to decide.
        """
        user = self.env.user
        own = self.filtered(lambda one: one._is_by(user))[:1]
        if own:
            raise AccessError(
                _("%s: you made this change yourself, so somebody else must decide on it.", own.record_name)
            )
        users = self._principals(user)
        for one in self:
            if one._principal(users) is None:
                raise AccessError(
                    _("%(record)s: only members of %(group)s decide on it.", record=one.record_name,
                      group=one.sudo().group_id.display_name or _("a group that was deleted"))
                )

    def _settle(self, proposals, state, decision):
        """Store whose decision it was, in one statement for each principal."""
        user = self.env.user
        users = self._principals(user)
        by_principal = {}
        for one in proposals:
            by_principal.setdefault(one._principal(users), []).append(one.id)
        for principal, ids in by_principal.items():
            self.sudo().browse(ids).write(
                {
                    "state": state,
                    "decided_by_id": user.id,
                    "on_behalf_of_id": principal.id if principal != user else False,
                    "decided_at": clock.now(),
                    "decision": decision,
                    "trouble": False,
                }
            )
        proposals.activity_ids.unlink()
        self._wake()

    # === Still valid? ===#

    def _look_again(self):
        """Compare with what Odoo has now.

        :return: (those that are as they were proposed, those with new values in Odoo).
            What has nothing left to change, or is past its time, is closed.
        """
        sound, refreshed = self.browse(), self.browse()
        late = self.filtered(lambda one: one.expires_at and one.expires_at <= clock.now())
        late._expire()
        for model, proposals in (self - late).grouped("model").items():
            records = self._present_records(model, proposals)
            for one in proposals:
                record = records.get(one.res_id)
                if record is None or one._is_as_proposed(record):
                    sound += one
                elif one._lists():
                    one._compare_anew()
                    refreshed += one
                elif one._refresh(record):
                    refreshed += one
        return sound, refreshed

    def _present_records(self, model, proposals):
        """Return `{id: record}` of what still exists, read together."""
        return {one.id: one for one in self.env[model].browse(proposals.mapped("res_id")).exists()}

    def _is_as_proposed(self, record):
        lists = self._lists()
        if any(self._lines_in_the_way(record, name) for name in lists):
            return False
        return all(
            same(self._present(record, name), self._restored(name, before))
            for name, (before, _after) in self.values.items() if name not in lists
        )

    def _lists(self):
        """Return the names of the fields of which the change tells line by line."""
        return [name for name, pair in self.values.items() if lines.is_pair(pair)]

    def _lines_in_the_way(self, record, name):
        """Return the lines that are not as they were when the change was proposed."""
        flow = self.flow_id
        handler = flow._handler("record")
        unit = handler._decided_unit(flow, self, {name: None})
        unit.rules, unit.record, unit.draft = flow.mapping_id._compiled(), record, Draft(self.external_id)
        handler._load_lines(flow, [unit])
        return handler._line_way(unit, name, *unit.line_states[name])[1]

    def _compare_anew(self):
        """Have the source's record looked at again: what its lines would change is not known otherwise.

        What it comes to replaces this proposal.
        """
        if self.job_id.kind == "undo":
            self._replace(_("Its lines were changed in Odoo meanwhile. Undo the run again to see what would go back."))
            return
        self.write({"refreshed_at": clock.now()})
        bindings = self.env["sync.binding"]._lookup(self.connection_id, self.remote_object, [self.external_id])
        self.env["sync.binding"]._forget_content([binding.id for binding in bindings.values()])
        self.env["sync.job"]._enqueue_documents(self.connection_id, self.remote_object, [self.external_id])

    def _refresh(self, record):
        """Show what Odoo has now; close what has nothing left to change.

        :return: whether it still waits.
        """
        values = {name: [self._stored(record, name), after] for name, (_before, after) in self.values.items()}
        if all(same(*(self._restored(name, one) for one in pair)) for name, pair in values.items()):
            self._replace(_("Odoo has these values already."))
            return False
        self.write({"values": values, "refreshed_at": clock.now(), "held_at": record.write_date,
                    "held_by": record.write_uid.name})
        return True

    def _present(self, record, name):
        return self.env["sync.handler.inbound"]._value_of(record, name)

    def _stored(self, record, name):
        value = self._present(record, name)
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        return list(value) if isinstance(value, tuple) else str(value)

    def _restored(self, name, value):
        """Return a stored value as planning takes it."""
        if lines.is_pair(self.values[name]):
            return value
        field = self.env[self.model]._fields[name]
        if value in (None, False, ""):
            return False if field.type == "boolean" else None
        if field.type in ("float", "monetary"):
            return Decimal(str(value))
        if field.type in ("many2many", "one2many"):
            return tuple(value)
        if field.type == "date":
            return fields.Date.to_date(value)
        if field.type == "datetime":
            return fields.Datetime.to_datetime(value)
        return value

    # === Effects ===#

    @api.model
    def _apply_many(self, wanted):
        """Write decided values through the handler of their flow.

        :param wanted: `{proposal: {field: value}}`.
        :return: those that could not be applied; they say why and go on waiting.
        """
        failed = self.browse()
        by_flow = {}
        for one, values in wanted.items():
            by_flow.setdefault(one.flow_id, {})[one] = values
        for flow, decided in by_flow.items():
            if flow.mode != "live":
                troubles = dict.fromkeys(decided, _("Its flow is not live. Go live with it, then approve again."))
            else:
                errors = flow._handler("record")._apply_decided(flow, decided)
                troubles = {one: error.message for one, error in errors.items()}
            for one, trouble in troubles.items():
                one.trouble = trouble
                failed += one
                if one._lists():
                    one._compare_anew()
        return failed

    def _agree(self):
        """Remember that a person settled what both sides say."""
        rows = []
        for model, proposals in self.grouped("model").items():
            records = self._present_records(model, proposals)
            for one in proposals:
                if one.res_id in records:
                    names = one.values.keys() - set(one._lists())
                    held = {name: self._present(records[one.res_id], name) for name in names}
                    prints = {name: [one.prints[name], print_of(value)] for name, value in held.items()}
                    rows.append((one.connection_id.id, one.remote_object, one.external_id, prints))
        self.env["sync.binding"]._agree_many(rows)

    def _tell_source(self):
        """Have live outbound flows tell the source what Odoo has, since it differs there."""
        grouped = self.grouped(lambda one: (one.connection_id, one.remote_object, one.model))
        for (connection, remote_object, model), proposals in grouped.items():
            flows = self.env["sync.flow"].search(
                [("connection_id", "=", connection.id), ("remote_object", "=", remote_object),
                 ("model", "=", model), ("direction", "=", "outbound"), ("mode", "=", "live")]
            )
            told = dict.fromkeys(proposals, flows.browse())
            for flow in flows:
                names = set(flow.mapping_id._outbound_rules().mapped("field_name"))
                mine = proposals.filtered(lambda one, names=names: names & one.values.keys())
                flow_records = self.env[model].browse(mine.mapped("res_id")).exists()
                self._tell(flow, flow_records)
                told.update({one: told[one] + flow for one in mine})
            for one, by in told.items():
                one.told = (
                    _("By the flow %s", ", ".join(by.mapped("name")))
                    if by
                    else _("No live flow writes this field to the source: correct it there.")
                )

    def _tell(self, flow, records):
        """Send records anew, although Odoo's values are the ones that were sent last."""
        bindings = self.env["sync.binding"]._for_records(flow.connection_id, flow.remote_object, records)
        self.env["sync.binding"].union(*bindings.values()).write({"fingerprint_out": False})
        self.env["sync.outbox"]._enqueue(flow, records.ids)

    def _report(self, applied, refreshed, failed):
        """Return a notification of what became of a decision on many."""
        parts = [_("%s applied.", len(applied))]
        if refreshed:
            parts.append(_("%s were changed in Odoo meanwhile: look at them again.", len(refreshed)))
        if failed:
            parts.append(_("%s could not be applied and wait, with the reason.", len(failed)))
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning" if refreshed or failed else "success",
                "message": " ".join(parts),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }
