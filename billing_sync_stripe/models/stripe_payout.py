from decimal import Decimal

from odoo import _, api, fields, models

from ..lib import const, payout_entry
from ..lib.money import to_ledger

STATUS = [
    ("pending", "Pending"),
    ("in_transit", "In Transit"),
    ("paid", "Paid"),
    ("failed", "Failed"),
    ("canceled", "Cancelled"),
    ("other", "Other"),
]
RECONCILIATION = [
    ("in_progress", "In Progress"),
    ("completed", "Completed"),
    ("not_applicable", "Not Applicable"),
    ("other", "Other"),
]


class StripePayout(models.Model):
    """One payout of Stripe's to the bank, with everything it is made of."""

    _name = "stripe.payout"
    _description = "Stripe Payout"
    _inherit = ["mail.thread", "sync.record.mixin"]
    _order = "arrival_date desc, id desc"
    _check_company_auto = True

    name = fields.Char(string="Payout", required=True, readonly=True, index=True)
    connection_id = fields.Many2one(
        "sync.connection", required=True, readonly=True, ondelete="cascade", index=True
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    currency_id = fields.Many2one("res.currency", required=True, readonly=True)
    amount = fields.Monetary(readonly=True, help="What reaches the bank; negative when Stripe debits it.")
    status = fields.Selection(STATUS, required=True, readonly=True, index=True, tracking=True)
    reconciliation_status = fields.Selection(
        RECONCILIATION,
        string="Breakdown",
        readonly=True,
        help="Whether Stripe has finished saying what the payout is made of.",
    )
    is_automatic = fields.Boolean(
        readonly=True, help="Stripe cannot say what a payout made by hand is made of."
    )
    arrival_date = fields.Date(readonly=True, index=True)
    trace = fields.Char(string="Bank Reference", readonly=True, help="What the bank statement shows.")
    failure_code = fields.Char(readonly=True)

    # === Contents ===#
    line_ids = fields.One2many("stripe.payout.line", "payout_id", string="Contents", readonly=True)
    gross = fields.Monetary(compute="_compute_totals", store=True, help="Of all movements, before fees.")
    fee = fields.Monetary(string="Fees", compute="_compute_totals", store=True)
    line_count = fields.Integer(compute="_compute_totals", store=True)
    unbooked_count = fields.Integer(
        string="Charges Not Booked",
        compute="_compute_totals",
        store=True,
        help="Charges in this payout that are not a payment in Odoo yet.",
    )

    # === Books ===#
    move_id = fields.Many2one(
        "account.move", string="Journal Entry", readonly=True, copy=False, check_company=True
    )
    reversal_move_id = fields.Many2one(
        "account.move", string="Reversal", readonly=True, copy=False, check_company=True
    )
    booking = fields.Selection(
        [
            ("waiting", "Waiting"),
            ("booked", "Booked"),
            ("by_hand", "By Hand"),
            ("reversed", "Reversed"),
            ("nothing", "Nothing to Book"),
        ],
        compute="_compute_booking",
        store=True,
        index=True,
    )

    _name_unique = models.UniqueIndex("(connection_id, name)", "A payout is kept once.")

    # === Computes ===#

    @api.depends("line_ids.gross", "line_ids.fee", "line_ids.category", "line_ids.payment_id")
    def _compute_totals(self):
        for payout in self:
            lines = payout.line_ids
            payout.gross = sum(lines.mapped("gross"))
            payout.fee = sum(line.fee - (line.gross if line.category == "fee" else 0.0) for line in lines)
            payout.gross -= sum(line.gross for line in lines if line.category == "fee")
            payout.line_count = len(lines)
            payout.unbooked_count = len(
                lines.filtered(lambda line: line.category == "charge" and not line.payment_id)
            )

    @api.depends("move_id", "reversal_move_id", "status", "is_automatic")
    def _compute_booking(self):
        for payout in self:
            if payout.reversal_move_id:
                payout.booking = "reversed"
            elif payout.move_id:
                payout.booking = "booked"
            elif payout.status in ("failed", "canceled"):
                payout.booking = "nothing"
            else:
                payout.booking = "waiting" if payout.is_automatic else "by_hand"

    # === Booking ===#

    def _book(self, plan):
        """Store the contents of a payout and post its entry.

        :param plan: the `PayoutPlan`; checked, so it adds up.
        """
        self.ensure_one()
        self.line_ids._store(self, plan.movements)
        self.move_id = self._post_entry(
            payout_entry.entry_lines(plan), _("Stripe payout %s", self.name), self._book_date()
        )
        if plan.unknown:
            self.message_post(
                body=_(
                    "Stripe used kinds of movements that are not known here, their money is in suspense: %s",
                    ", ".join(plan.unknown),
                )
            )
        self._reconcile_clearing()

    def _book_date(self):
        """Return the day on which the money arrived, but none in the future."""
        today = fields.Date.context_today(self)
        return min(self.arrival_date or today, today)

    def _reverse(self):
        """Book that the bank refused a payout that was booked: Stripe has the money again."""
        self.ensure_one()
        amount = Decimal(repr(self.amount))
        lines = (
            payout_entry.EntryLine(payout_entry.TRANSIT, const.BANK, -amount, 1),
            payout_entry.EntryLine(payout_entry.CLEARING, const.PAYOUT_REVERSAL, amount, 1),
        )
        self.reversal_move_id = self._post_entry(
            lines, _("Stripe payout %s came back", self.name), fields.Date.context_today(self)
        )

    def _post_entry(self, lines, label, date):
        """Create and post one entry in the Stripe journal.

        :param lines: `EntryLine` values that add up to zero.
        """
        company_currency = self.company_id.currency_id
        rate = Decimal(1)
        if self.currency_id != company_currency:
            rate = Decimal(
                repr(
                    self.env["res.currency"]._get_conversion_rate(
                        self.currency_id, company_currency, self.company_id, date
                    )
                )
            )
        balances = payout_entry.convert(lines, rate, company_currency.decimal_places)
        move = self.env["account.move"].create(
            {
                "move_type": "entry",
                "journal_id": self.connection_id.stripe_journal_id.id,
                "company_id": self.company_id.id,
                "date": date,
                "ref": label,
                "line_ids": [
                    fields.Command.create(self._line_vals(line, balance))
                    for line, balance in zip(lines, balances)
                ],
            }
        )
        move.action_post()
        return move

    def _line_vals(self, line, balance):
        accounts = self._accounts()
        return {
            "name": self._line_label(line),
            "account_id": accounts[line.account].id,
            "currency_id": self.currency_id.id,
            "amount_currency": float(to_ledger(line.amount, self.currency_id.decimal_places)),
            "balance": float(balance),
        }

    def _accounts(self):
        """Return `{word of the plan: account}`."""
        connection = self.connection_id
        return {
            payout_entry.TRANSIT: connection.stripe_payout_account_id,
            payout_entry.CLEARING: connection.stripe_clearing_account_id,
            payout_entry.FEES: connection.stripe_fee_account_id,
            payout_entry.SUSPENSE: connection.stripe_suspense_account_id,
        }

    def _line_label(self, line):
        labels = {
            const.BANK: _("Payout %s", self.trace or self.name),
            const.CHARGE: _("Charges (%s)", line.count),
            const.REFUND: _("Refunds (%s)", line.count),
            const.DISPUTE: _("Disputes (%s)", line.count),
            const.FEE: _("Fees (%s)", line.count),
            const.PAYOUT_REVERSAL: _("Payout that came back"),
            const.OTHER_PAYOUT: _("Payouts made by hand (%s)", line.count),
        }
        return labels.get(line.bucket) or _("Not explained (%s)", line.count)

    # === Reconciliation ===#

    def _reconcile_clearing(self):
        """Match what entered the clearing account with what the payouts took out of it."""
        for payout in self:
            clearing = payout.connection_id.stripe_clearing_account_id
            if clearing.reconcile:
                payout._clearing_lines(clearing).reconcile()

    def _clearing_lines(self, clearing):
        lines = self.line_ids
        returned = lines.filtered(lambda line: line.category == "payout_reversal").mapped("source_id")
        earlier = self.search([("connection_id", "=", self.connection_id.id), ("name", "in", returned)])
        moves = self.move_id | lines.payment_id.move_id | lines.fee_move_id | earlier.reversal_move_id
        return moves.line_ids.filtered(
            lambda line: line.account_id == clearing
            and line.currency_id == self.currency_id
            and line.parent_state == "posted"
            and not line.reconciled
        )

    # === Actions ===#

    def action_open_payments(self):
        """Open the payments that this payout contains."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": _("Payments of %s", self.name),
            "res_model": "account.payment",
            "view_mode": "list,form",
            "domain": [("id", "in", self.line_ids.payment_id.ids)],
            "context": {"create": False},
        }

    def action_open_entry(self):
        """Open the journal entries of this payout."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": _("Journal Entries of %s", self.name),
            "res_model": "account.move",
            "view_mode": "list,form",
            "domain": [("id", "in", (self.move_id | self.reversal_move_id).ids)],
            "context": {"create": False},
        }
