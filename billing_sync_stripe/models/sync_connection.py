from odoo import _, api, fields, models
from odoo.addons.crm_sync_base.lib.errors import NotReady
from odoo.exceptions import UserError

JOURNAL_CODE = "STRP"


class SyncConnection(models.Model):
    """Adds Stripe to the providers, and where its money is booked."""

    _inherit = "sync.connection"

    provider = fields.Selection(
        selection_add=[("stripe", "Stripe")], ondelete={"stripe": "cascade"}
    )
    stripe_journal_id = fields.Many2one(
        "account.journal",
        domain="[('type', '=', 'bank'), ('company_id', '=', company_id)]",
        check_company=True,
        help="Payments, fees and payouts are booked here. The account of its inbound payment "
        "method is the clearing account: its balance is what Stripe still holds.",
    )
    stripe_clearing_account_id = fields.Many2one(
        "account.account", string="Clearing Account", compute="_compute_stripe_clearing_account_id"
    )
    stripe_fee_account_id = fields.Many2one(
        "account.account", string="Fees", check_company=True, help="Expense account of what Stripe keeps."
    )
    stripe_payout_account_id = fields.Many2one(
        "account.account",
        string="Payouts in Transit",
        check_company=True,
        help="Debited by a payout and cleared by the bank statement.",
    )
    stripe_suspense_account_id = fields.Many2one(
        "account.account",
        string="Suspense",
        check_company=True,
        help="Takes what a payout contains and nothing in Odoo explains: refunds, disputes, "
        "unknown movements. A person moves it from there.",
    )
    stripe_endpoint_id = fields.Char(string="Webhook Endpoint", readonly=True, copy=False)
    stripe_endpoint_account = fields.Char(readonly=True, copy=False)

    @api.depends("stripe_journal_id.inbound_payment_method_line_ids.payment_account_id")
    def _compute_stripe_clearing_account_id(self):
        for connection in self:
            connection.stripe_clearing_account_id = connection._stripe_method_line().payment_account_id

    def _stripe_method_line(self):
        """Return the inbound payment method of the Stripe journal that has a clearing account."""
        lines = self.stripe_journal_id.inbound_payment_method_line_ids
        return lines.filtered("payment_account_id")[:1]

    # === CRUD ===#

    @api.ondelete(at_uninstall=False)
    def _unlink_except_booked_payouts(self):
        """Payouts that were booked explain entries in the books: they stay."""
        booked = self.env["stripe.payout"].search(
            [("connection_id", "in", self.ids), ("move_id", "!=", False)], limit=1
        )
        if booked:
            raise UserError(
                _("%s has booked payouts. Archive the connection instead.", booked.connection_id.name)
            )

    # === Readiness ===#

    def _assert_stripe_accounts(self, *names):
        """Refuse to book while settings are missing.

        :param names: the fields that are needed besides journal and clearing account.
        :raises NotReady: naming all that is missing.
        """
        self.ensure_one()
        needed = ("stripe_journal_id", "stripe_clearing_account_id", *names)
        missing = [self._fields[name]._description_string(self.env) for name in needed if not self[name]]
        if missing:
            raise NotReady(
                _("%(name)s: settings are missing — %(missing)s.", name=self.name, missing=", ".join(missing)),
                problems=[self.env._("%s is not set", label) for label in missing],
                hint=_("Open the connection and press “Create Stripe Journal and Accounts”, or choose your own."),
            )

    # === Accounts ===#

    def action_create_stripe_accounts(self):
        """Create the journal and the accounts that are not chosen yet, in the connection's company."""
        for connection in self:
            scoped = connection.with_company(connection.company_id)
            scoped._create_missing_stripe_accounts()
            if not scoped.stripe_journal_id:
                scoped.stripe_journal_id = scoped._create_stripe_journal()
        return True

    def _create_missing_stripe_accounts(self):
        wanted = {
            "stripe_fee_account_id": (_("Stripe Fees"), "expense", False),
            "stripe_payout_account_id": (_("Stripe Payouts in Transit"), "asset_current", True),
            "stripe_suspense_account_id": (_("Stripe Suspense"), "asset_current", True),
        }
        for field, (name, account_type, reconcile) in wanted.items():
            if not self[field]:
                self[field] = self._stripe_account(name, account_type, reconcile)

    def _stripe_account(self, name, account_type, reconcile):
        """Return a new account next to those of its type in the company's chart."""
        Account = self.env["account.account"].with_company(self.company_id)
        domain = Account._check_company_domain(self.company_id)
        similar = Account.search([*domain, ("account_type", "=", account_type)], limit=1)
        similar = similar or Account.search(domain, limit=1)
        return Account.create(
            {
                "name": name,
                "code": Account._search_new_account_code(similar.code or "100000"),
                "account_type": account_type,
                "reconcile": reconcile,
                "company_ids": [fields.Command.set(self.company_id.ids)],
            }
        )

    def _create_stripe_journal(self):
        """Return a new journal whose inbound payments go to a clearing account.

        Neither has a currency of its own: they keep each of Stripe's settlement
        currencies apart by the currency of their lines.
        """
        clearing = self._stripe_account(_("Stripe Clearing"), "asset_current", True)
        journal = self.env["account.journal"].create(
            {
                "name": _("Stripe"),
                "type": "bank",
                "code": self._free_journal_code(),
                "company_id": self.company_id.id,
            }
        )
        journal.inbound_payment_method_line_ids.payment_account_id = clearing
        return journal

    def _free_journal_code(self):
        taken = set(
            self.env["account.journal"]
            .with_context(active_test=False)
            .search([("company_id", "=", self.company_id.id)])
            .mapped("code")
        )
        codes = [JOURNAL_CODE, *(f"{JOURNAL_CODE[:3]}{number}" for number in range(2, 100))]
        return next(code for code in codes if code not in taken)
