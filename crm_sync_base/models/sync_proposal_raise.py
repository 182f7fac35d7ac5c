import json
from collections import Counter
from datetime import timedelta

from odoo import _, api, models
from odoo.fields import Domain
from odoo.tools import email_normalize

from ..lib import clock, lines
from ..lib.ownership import print_of
from ..lib.unit import plain


class SyncProposalRaise(models.Model):
    """Proposals come into being: for a whole batch, in a constant number of queries."""

    _inherit = "sync.proposal"

    @api.model
    def _rejections(self, flow, record_ids):
        """Return `{record id: {(field, print of the value): "rejected"}}` (one query).

        What was approved later than it was rejected is not refused any more.
        """
        self.flush_model(["state", "prints"])
        self.env.cr.execute(
            """
            SELECT res_id, state, prints FROM sync_proposal
             WHERE flow_id = %s AND model = %s AND res_id = ANY(%s) AND state IN ('applied', 'rejected')
             ORDER BY decided_at, id
            """,
            [flow.id, flow.model, list(record_ids)],
        )
        found = {}
        for res_id, state, prints in self.env.cr.fetchall():
            known = found.setdefault(res_id, {})
            for pair in prints.items():
                if state == "rejected":
                    known[pair] = "rejected"
                else:
                    known.pop(pair, None)
        return found

    @api.model
    def _raise_for(self, flow, units):
        """Raise what waits for a person after a batch; what waits already stays as it is.

        A proposal whose source says something else by now is replaced, one whose source
        came back to Odoo's value is withdrawn.

        :param units: applied units whose records were there before.
        """
        if not units:
            return
        by_id = {unit.external_id: unit for unit in units}
        wanted, outdated = self._news(flow, units)
        if outdated:
            self.browse(outdated)._replace(_("The source says something else by now."))
        if wanted:
            self._insert(flow, by_id, wanted)
        if wanted or outdated:
            self._wake()

    @api.model
    def _news(self, flow, units):
        """Return what is to be asked for, and what need not be asked for any more (one query).

        Each unit says afterwards how many proposals it leads to that do not wait already.

        :return: (what `_wanted` says, ids of the proposals that it makes needless).
        """
        by_id = {unit.external_id: unit for unit in units}
        wanted, outdated = self._wanted(flow, units), []
        for proposal_id, external_id, kind, rule_id, prints, values in self._pending_rows(flow, list(by_id)):
            key = (external_id, kind, rule_id)
            if key in wanted and wanted[key]["prints"] == prints and self._tells_as_much(values, wanted[key]):
                del wanted[key]
            else:
                outdated.append(proposal_id)
        asks = Counter(external_id for external_id, _kind, _rule_id in wanted)
        for unit in units:
            unit.asks = asks[unit.external_id]
        return wanted, outdated

    @staticmethod
    def _tells_as_much(values, spec):
        """Whether lines that wait are still those that would be proposed now; plain values are looked at again."""
        return all(
            values[name] == json.loads(json.dumps(pair, default=str))
            for name, pair in spec["values"].items() if lines.is_pair(pair)
        )

    def _pending_rows(self, flow, external_ids):
        self.flush_model(["state", "prints", "values"])
        self.env.cr.execute(
            """
            SELECT id, external_id, kind, rule_id, prints, values FROM sync_proposal
             WHERE flow_id = %s AND external_id = ANY(%s) AND state = 'pending'
            """,
            [flow.id, external_ids],
        )
        return self.env.cr.fetchall()

    def _wanted(self, flow, units):
        """Return `{(external id, kind, rule id): {"values", "prints", "reason"}}`."""
        wanted = {}
        handler = self.env["sync.handler.inbound"]
        for unit in units:
            decisions = unit.decisions
            lists = {rule.target for rule in handler._collections(unit)}
            for kind, pile in (("approval", decisions.held), ("conflict", decisions.asked)):
                for name, (before, after) in pile.items():
                    gated = kind == "approval" and decisions.verdicts[name].reason == "approval"
                    rule_id = decisions.rules.get(name, unit.situation.gates.get(name)) if gated else None
                    found = wanted.setdefault(
                        (unit.external_id, kind, rule_id), {"values": {}, "prints": {}}
                    )
                    if name in lists:
                        found["values"][name] = lines.exactly((before, after))
                        found["prints"][name] = handler._line_print(unit, name)
                    else:
                        found["values"][name] = [plain(before), plain(after)]
                        found["prints"][name] = print_of(plain(after))
        return wanted

    def _insert(self, flow, by_id, wanted):
        now = clock.now()
        records = self.env[flow.model].sudo().browse([by_id[key[0]].record.id for key in wanted])
        facts = {
            "rules": {rule.id: rule for rule in self.env["sync.approval.rule"].sudo().browse(
                {key[2] for key in wanted if key[2]}
            )},
            "amounts": records._sync_amounts(),
            "names": {record.id: record.display_name for record in records},
            "authors": self._authors([by_id[key[0]] for key in wanted]),
        }
        rows = [self._proposal_row(flow, by_id[key[0]], key, spec, facts, now) for key, spec in wanted.items()]
        columns = list(rows[0])
        self.env.cr.execute_values(
            # pylint: disable=sql-injection
            f"INSERT INTO sync_proposal ({', '.join(columns)}) VALUES %s",
            [tuple(row.values()) for row in rows],
            page_size=1000,
        )
        self.invalidate_model(flush=False)

    def _proposal_row(self, flow, unit, key, spec, facts, now):
        external_id, kind, rule_id = key
        rule = facts["rules"].get(rule_id)
        group = rule.group_id if rule else self.env.ref(self._default_group(kind))
        worths = (facts["amounts"].get(unit.record.id), unit.flow._handler("record")._document_amount(unit))
        days = rule.expiry_days if rule else 0
        situation = unit.situation
        return {
            "kind": kind,
            "state": "pending",
            "state_order": 0,
            "model": flow.model,
            "res_id": unit.record.id,
            "record_name": facts["names"][unit.record.id],
            "values": json.dumps(spec["values"], default=str),
            "prints": json.dumps(spec["prints"]),
            # What the record is worth, or is to be worth.
            "amount": max(unit.job._amount_vals(worth)["amount_at_risk"] for worth in worths),
            "flow_id": flow.id,
            "connection_id": flow.connection_id.id,
            "company_id": flow.company_id.id,
            "mapping_id": flow.mapping_id.id or None,
            "job_id": unit.job.id or None,
            "remote_object": flow.remote_object,
            "external_id": external_id,
            "correlation_id": unit.job.correlation_id or None,
            "rule_id": rule_id,
            "reason": self._why(kind, rule),
            "group_id": group.id,
            "author_id": facts["authors"].get(unit, (None, None))[0],
            "author_email": facts["authors"].get(unit, (None, None))[1],
            "requested_at": now,
            "said_at": situation.said_at,
            "held_at": situation.held_moment(""),
            "held_by": situation.held_by or None,
            "expires_at": now + timedelta(days=days) if days else None,
            "create_date": now,
            "create_uid": self.env.uid,
            "write_date": now,
            "write_uid": self.env.uid,
        }

    @api.model
    def _default_group(self, kind):
        """Return who decides where no approval rule says it."""
        return {
            "approval": "crm_sync_base.group_sync_approver",
            "conflict": "crm_sync_base.group_sync_operator",
        }[kind]

    def _why(self, kind, rule):
        if kind == "conflict":
            return _("Changed in Odoo and at the source since they last agreed")
        return rule.name if rule else _("The field is protected in this state of the record")

    def _authors(self, units):
        """Return `{unit: (user id or None, e-mail or None)}` of those who made the changes.

        Whoever edited the document; else whom the source names, and the user here who has
        that address as e-mail or login (one query). Units of unknown authors are left out.
        """
        authors, emails = {}, {}
        for unit in units:
            if unit.job.source == "edited":
                authors[unit] = (unit.job.create_uid.id, None)
            elif unit.document is not None:
                email = email_normalize(unit.document.changed_by)
                if email:
                    emails[unit] = email
        users = self._users_by_email(set(emails.values()))
        authors.update({unit: (users.get(email), email) for unit, email in emails.items()})
        return authors

    def _users_by_email(self, emails):
        """Return `{e-mail: user id}`, whatever the case in which logins are written."""
        if not emails:
            return {}
        # `=ilike` reads _ and % as wildcards: what it finds too much is left aside below.
        logins = Domain.OR(Domain("login", "=ilike", email) for email in sorted(emails))
        users = self.env["res.users"].sudo().search(Domain("email_normalized", "in", list(emails)) | logins)
        by_login = {user.login.lower(): user.id for user in users}
        by_email = {user.email_normalized: user.id for user in users if user.email_normalized}
        return {email: (by_email | by_login)[email] for email in emails & (by_email | by_login).keys()}

    def _replace(self, why):
        """Close proposals that nobody needs to decide any more."""
        self.sudo().write({"state": "replaced", "decision": why, "decided_at": clock.now()})
        self.sudo().activity_ids.unlink()
        self.flush_recordset()

    def _wake(self):
        """Have somebody asked, right after the commit."""
        self.env.ref("crm_sync_base.ir_cron_proposal").sudo()._trigger()
