from ast import literal_eval

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain

from ..lib.lines import Gate

#: what can be gated by name; `_category_fields` says which fields each of them means
CATEGORIES = [
    ("tax", "Tax"),
    ("legal_entity", "Legal entity"),
    ("payment_terms", "Payment terms"),
    ("price", "Prices"),
    ("billing", "Billing"),
    ("bank", "Bank data"),
    ("custom", "Fields of my choice"),
]


class SyncApprovalRule(models.Model):
    """Which changes from other systems wait for an approval, and whose."""

    _name = "sync.approval.rule"
    _description = "Approval Rule"
    _inherit = ["mail.thread"]
    _order = "sequence, id"

    name = fields.Char(required=True, translate=True, tracking=True)
    sequence = fields.Integer(default=10, help="The first rule that fits decides.")
    active = fields.Boolean(default=True, tracking=True)
    company_id = fields.Many2one("res.company", index=True, help="Empty: all companies.")
    connection_ids = fields.Many2many(
        "sync.connection", string="Connections", help="Changes from these only. Empty: from any."
    )
    category = fields.Selection(CATEGORIES, default="custom", required=True, tracking=True)
    model_id = fields.Many2one(
        "ir.model", string="Only Records Of", ondelete="cascade", tracking=True,
        help="Needed for a condition. Empty: all models that the category knows.",
    )
    field_ids = fields.Many2many(
        "ir.model.fields", string="Fields", help="Empty: all fields that the category means."
    )
    field_names = fields.Char(compute="_compute_field_names", string="Holds Back")
    domain = fields.Char(
        string="Condition", default="[]", tracking=True, help="Only records that meet it."
    )
    threshold = fields.Monetary(
        tracking=True,
        help="Changes of records with less money at stake pass without an approval. Records of "
        "which it is not known always wait. In the company's currency.",
    )
    currency_id = fields.Many2one("res.currency", compute="_compute_currency_id")
    group_id = fields.Many2one(
        "res.groups", string="Approvers", required=True, tracking=True, ondelete="restrict",
        default=lambda self: self.env.ref("crm_sync_base.group_sync_approver"),
        help="Any member but the change's own author may decide.",
    )
    expiry_days = fields.Integer(
        string="Expires After (days)", default=14, tracking=True,
        help="What nobody has decided by then is not applied any more. 0: never expires.",
    )
    pending_count = fields.Integer(compute="_compute_pending_count", string="Waiting")

    _sane = models.Constraint(
        "CHECK (expiry_days >= 0 AND threshold >= 0)", "Days and thresholds are not negative."
    )

    @api.depends("company_id")
    @api.depends_context("company")
    def _compute_currency_id(self):
        for rule in self:
            rule.currency_id = (rule.company_id or self.env.company).currency_id

    @api.depends("category", "field_ids", "model_id")
    def _compute_field_names(self):
        for rule in self:
            rule.field_names = ", ".join(
                f"{self.env[model]._description}: "
                + ", ".join(self.env[model]._fields[name]._description_string(self.env) for name in names)
                for model, names in rule._fields_by_model().items()
            )

    def _compute_pending_count(self):
        counts = dict(
            self.env["sync.proposal"]._read_group(
                [("rule_id", "in", self.ids), ("state", "=", "pending")], ["rule_id"], ["__count"]
            )
        )
        for rule in self:
            rule.pending_count = counts.get(rule, 0)

    # === Constraints ===#

    @api.constrains("category", "field_ids", "model_id", "domain")
    def _check_rule(self):
        for rule in self:
            if not rule._fields_by_model():
                raise ValidationError(
                    _("%s: choose the fields whose changes wait for an approval.", rule.name)
                )
            try:
                conditions = rule._conditions()
                if conditions and not rule.model_id:
                    raise ValidationError(_("%s: choose the model that the condition is about.", rule.name))
                if conditions:
                    Domain(conditions).validate(self.env[rule.model_id.model])
            except (ValueError, SyntaxError, TypeError) as error:
                raise ValidationError(
                    _("%(rule)s: the condition cannot be read: %(error)s", rule=rule.name, error=error)
                ) from None

    @api.constrains("group_id")
    def _check_group(self):
        approvers = self.env.ref("crm_sync_base.group_sync_approver")
        for rule in self:
            if approvers not in rule.group_id.all_implied_ids | rule.group_id:
                raise ValidationError(
                    _("%(group)s does not include the rights of %(approvers)s: its members could not "
                      "see what they are to decide.", group=rule.group_id.display_name,
                      approvers=approvers.display_name)
                )

    # === What is gated ===#

    @api.model
    def _category_fields(self, category):
        """Return `{model: field names}` that a category means; other modules add theirs."""
        return {
            "tax": {"res.partner": ("vat",)},
            "legal_entity": {
                "res.partner": ("name", "is_company", "parent_id", "company_registry", "country_id"),
            },
            "bank": {
                "res.partner": ("bank_ids",),
                "res.partner.bank": ("acc_number", "partner_id", "bank_id", "allow_out_payment"),
            },
        }.get(category, {})

    def _fields_by_model(self):
        """Return `{model: names}` of the fields whose changes this rule holds back."""
        self.ensure_one()
        found = {}
        for field in self.field_ids:
            found.setdefault(field.model, []).append(field.name)
        if not found:
            found = {
                model: [name for name in names if name in self.env[model]._fields]
                for model, names in self._category_fields(self.category).items()
                if model in self.env
            }
        wanted = self.model_id.model
        return {model: names for model, names in found.items() if names and wanted in (False, model)}

    def _conditions(self):
        return literal_eval(self.domain or "[]")

    @api.model
    def _gates(self, flow, records, targets=(), said=dict):
        """Return which changes of some records wait for an approval, and by which rules.

        A constant number of queries for the whole batch.

        :param records: the records that documents of a flow are about to change.
        :param targets: their fields that hold lines.
        :param said: returns `{record id: (amount, currency code)}` of what the documents
            say they are worth, as far as that is known.
        :return: `{record id: {field: rule id}}`, and the same of lines as
            `{record id: {field that holds them: [lines.Gate]}}`.
        """
        rules = self._of_flow(flow)
        if not rules:
            return {}, {}
        staked = rules._staked(flow, records, said)
        fields_, line_gates = {}, {}
        for rule in rules:
            by_model = rule._fields_by_model()
            mine = records.sudo().filtered(lambda record, rule=rule: record.id in staked[rule])
            for record in mine.filtered_domain(rule._conditions()) if records._name in by_model else ():
                gates = fields_.setdefault(record.id, {})
                for name in by_model[records._name]:
                    gates.setdefault(name, rule.id)
            for target in targets:
                names = by_model.get(records._fields[target].comodel_name)
                for record, line_ids in rule._gated_lines(mine, target) if names else ():
                    gate = Gate(rule.id, frozenset(names), line_ids)
                    line_gates.setdefault(record.id, {}).setdefault(target, []).append(gate)
        return fields_, line_gates

    def _gated_lines(self, records, target):
        """Yield each record with the ids of its lines that meet the condition, None for all."""
        conditions = self._conditions()
        # Taken from the records' own field, the lines of all are read together.
        meeting = set(records[target].filtered_domain(conditions)._ids) if conditions else ()
        for record in records:
            yield record, frozenset(meeting.intersection(record[target]._ids)) if conditions else None

    @api.model
    def _of_flow(self, flow):
        """Return the rules that hold for a flow, the first to decide first (one query)."""
        rules = self.sudo().search([("company_id", "in", (False, flow.company_id.id))])
        return rules.filtered(lambda rule: not rule.connection_ids or flow.connection_id in rule.connection_ids)

    def _staked(self, flow, records, said):
        """Return `{rule: ids of the records with enough money at stake for it}`.

        What counts is the larger of what a record is worth and what its document says.
        """
        limited = any(self.mapped("threshold"))
        amounts, claimed = (records.sudo()._sync_amounts(), said()) if limited else ({}, {})
        staked = {}
        for rule in self:
            worths = {record.id: [amounts.get(record.id), claimed.get(record.id)] for record in records}
            staked[rule] = {
                res_id for res_id, (worth, claim) in worths.items()
                if not rule.threshold or rule._is_at_stake(flow, worth)
                or (claim is not None and rule._is_at_stake(flow, claim))
            }  # fmt: skip
        return staked

    def _is_at_stake(self, flow, worth):
        """Whether a record's money reaches the threshold; unknown money does."""
        if worth is None:
            return True
        job = self.env["sync.job"].with_company(flow.company_id)
        amount = job._in_company_currency(*worth)
        return amount is None or abs(float(amount)) >= self.threshold

    def action_open_pending(self):
        """Open the changes that wait for this rule."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_proposal")
        return dict(action, domain=[("rule_id", "=", self.id)])
