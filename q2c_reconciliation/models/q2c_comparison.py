import logging

from odoo import _, api, fields, models
from odoo.addons.crm_sync_base.lib.errors import Bug, SyncError
from odoo.addons.q2c_sale.lib import facts
from odoo.exceptions import UserError
from odoo.tools import SQL
from psycopg2 import Error as DatabaseError

from ..lib.compare import Statement, Verdict, compare
from ..lib.spelling import Words, spell_row

_logger = logging.getLogger(__name__)

VERDICTS = [("equal", "Equal"), ("different", "Different"), ("incomplete", "Incomplete")]

#: facts whose values are keys of a selection field of the order, `q2c_` and their name
WORDS = ("order_status", "invoice_status", "payment_status")


class Q2cComparison(models.Model):
    """One look at a deal in all systems at once; kept as it was."""

    _name = "q2c.comparison"
    _description = "Deal Comparison"
    _order = "date desc, id desc"

    # === Deal ===#
    order_id = fields.Many2one(
        "sale.order", string="Sales Order", readonly=True, index=True, ondelete="set null"
    )
    order_name = fields.Char(string="Order", required=True, readonly=True, help="As it was called then.")
    partner_id = fields.Many2one(
        "res.partner", string="Customer", related="order_id.partner_id", store=True
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    correlation_id = fields.Char(readonly=True, index=True)

    # === Result ===#
    date = fields.Datetime(required=True, readonly=True, default=fields.Datetime.now)
    user_id = fields.Many2one(
        "res.users", string="Asked By", readonly=True, default=lambda self: self.env.user
    )
    verdict = fields.Selection(VERDICTS, required=True, readonly=True, index=True)
    difference_count = fields.Integer(string="Differences", readonly=True)
    unread_count = fields.Integer(
        string="Systems Not Read", readonly=True, help="Systems that know the deal and could not be asked."
    )
    pending_count = fields.Integer(
        string="Jobs Under Way",
        readonly=True,
        help="Jobs of this deal that were not done yet: what they carry may differ until then.",
    )
    line_ids = fields.One2many("q2c.comparison.line", "comparison_id", string="Facts", readonly=True)
    is_latest = fields.Boolean(
        string="Latest of Its Deal", compute="_compute_is_latest", search="_search_is_latest"
    )

    # === Systems ===#
    systems = fields.Char(readonly=True, help="Those that know the deal.")
    crm_name = fields.Char(string="CRM", readonly=True)
    crm_reference = fields.Char(string="CRM Reference", readonly=True)
    crm_url = fields.Char(string="CRM Address", readonly=True)
    billing_name = fields.Char(string="Billing", readonly=True)
    billing_reference = fields.Char(readonly=True)
    billing_url = fields.Char(string="Billing Address", readonly=True)

    # === Computes ===#

    @api.depends("order_name", "verdict")
    @api.depends_context("lang")
    def _compute_display_name(self):
        words = dict(self._fields["verdict"]._description_selection(self.env))
        for comparison in self:
            comparison.display_name = f"{comparison.order_name or ''}: {words.get(comparison.verdict, '')}"

    def _compute_is_latest(self):
        latest = self.search([("id", "in", self.ids), ("is_latest", "=", True)])
        for comparison in self:
            comparison.is_latest = comparison in latest

    def _search_is_latest(self, operator, value):
        if operator != "in":
            return NotImplemented
        newest = SQL(
            "(SELECT DISTINCT ON (company_id, COALESCE(order_id, -id)) id FROM %s"
            " ORDER BY company_id, COALESCE(order_id, -id), date DESC, id DESC)",
            SQL.identifier(self._table),
        )
        return [("id", "in" if True in value else "not in", newest)]

    # === Comparing ===#

    @api.model
    def _compare(self, order):
        """Ask every system what it says of a deal, and keep the result.

        The remote systems are read before anything is written, so no lock is held
        meanwhile.

        :param order: one `sale.order` that the user may read.
        :return: the new comparison; a system that could not be read is a line of it.
        """
        order.ensure_one()
        order.check_access("read")
        # What the user may see of an order is all of it: facts of invoices, too.
        statements = self._statements(order.sudo().with_company(order.company_id))
        values = self._values(order.sudo(), compare(statements))
        return self.sudo().create(values).with_env(self.env)

    def _statements(self, order):
        """Return a `Statement` of each system that knows the order, Odoo's among them."""
        found = {role: [] for role in facts.ROLES}
        for connection in self._connections(order):
            role = connection._connector()._deal_role()
            statement = role and self._ask(connection, role, order)
            if statement:
                found[role].append(statement)
        own = order._q2c_facts()
        found[facts.ERP].append(Statement(facts.ERP, own.system, own))
        return [statement for role in facts.ROLES for statement in found[role]]

    def _connections(self, order):
        return order.env["sync.connection"].search([("company_id", "=", order.company_id.id)])

    def _ask(self, connection, role, order):
        """Return what the system of a connection says, None when it does not know the order.

        One system that fails, in whatever way, must not hide what the others say.
        """
        try:
            connector = connection._connector()
            with connector._guard(connection, connector._endpoint("", "read"), urgent=True):
                told = connector._deal_facts(connection, order)
        except DatabaseError:
            raise
        except (SyncError, UserError) as error:
            return Statement(role, connection.name, problem=str(error))
        except Exception as error:  # noqa: BLE001 (shown and logged, without values)
            self._log_bug(connection, error)
            problem = _("unexpected %s, see the server's log", type(error).__name__)
            return Statement(role, connection.name, problem=problem)
        return Statement(role, told.system, told) if told else None

    def _log_bug(self, connection, error):
        """Log where a bug happened, without values: they may be personal data."""
        bug = Bug(type(error).__name__)
        bug.__cause__ = error
        where = self.env["sync.job"]._safe_trace(bug)
        _logger.warning("Reading a deal of %s failed:\n%s", connection.display_name, where)

    # === Writing ===#

    def _values(self, order, comparison):
        """Return the values of a new record for the result of `compare`."""
        story = order._sync_correlations().get(order.id)
        return {
            "order_id": order.id,
            "order_name": order.name,
            "company_id": order.company_id.id,
            "correlation_id": story,
            "verdict": comparison.verdict.value,
            "difference_count": comparison.count(Verdict.DIFFERENT),
            "unread_count": sum(not statement.is_read for statement in comparison.statements),
            "pending_count": self._pending(story),
            "systems": ", ".join(statement.system for statement in comparison.statements),
            **self._role_values(comparison, facts.CRM),
            **self._role_values(comparison, facts.BILLING),
            "line_ids": [
                fields.Command.create(line) for line in self._line_values(comparison)
            ],
        }

    def _pending(self, story):
        """Return how many jobs of a story are not done yet."""
        waiting = [("correlation_id", "=", story), ("state", "in", ("pending", "running"))]
        return self.env["sync.job"].sudo().search_count(waiting) if story else 0

    def _role_values(self, comparison, role):
        """Return name, references and first known address of the systems of one role."""
        statements = [one for one in comparison.statements if one.role == role]
        told = [one.facts for one in statements if one.facts]
        return {
            f"{role}_name": ", ".join(one.system for one in statements),
            f"{role}_reference": ", ".join(filter(None, (one.reference for one in told))),
            f"{role}_url": next(filter(None, (one.url for one in told)), False),
        }

    def _line_values(self, comparison):
        words = self._words()
        for number, row in enumerate(comparison.rows):
            texts = spell_row(comparison, row, words)
            yield {
                "sequence": number,
                "fact": row.fact,
                "verdict": row.verdict.value,
                **{f"{role}_value": text for role, text in texts.items()},
            }

    def _words(self):
        """Return how values are written, in the user's language."""
        currencies = self.env["res.currency"].sudo().with_context(active_test=False).search([])
        order_fields = self.env["sale.order"]._fields
        return Words(
            unread=_("could not be read: %s"),
            read=_("read"),
            deleted=_("deleted"),
            present=_("there"),
            empty=_("(empty)"),
            yes=_("yes"),
            no=_("no"),
            facts={fact: dict(order_fields[f"q2c_{fact}"]._description_selection(self.env)) for fact in WORDS},
            digits={currency.name: currency.decimal_places for currency in currencies},
        )

    # === Actions ===#

    def action_compare_again(self):
        """Ask the systems again; what was found before stays."""
        self.ensure_one()
        return self._compare(self.order_id)._action_open()

    def _action_open(self):
        return {
            "type": "ir.actions.act_window",
            "name": _("Deal Comparison"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
        }

    def action_open_order(self):
        """Open the sales order."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "sale.order",
            "res_id": self.order_id.id,
            "view_mode": "form",
        }

    def action_open_trace(self):
        """Open the whole story of the deal."""
        self.ensure_one()
        return self.env["sync.trace"]._action(self.correlation_id or self.order_name)

    def action_open_crm(self):
        """Open the deal in the CRM."""
        return {"type": "ir.actions.act_url", "url": self.crm_url, "target": "new"}

    def action_open_billing(self):
        """Open the charge in the billing system."""
        return {"type": "ir.actions.act_url", "url": self.billing_url, "target": "new"}

    def action_open_jobs(self):
        """Open the jobs of the deal that are not done."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": _("Jobs of %s", self.order_name),
            "res_model": "sync.job",
            "view_mode": "list,form",
            "domain": [("correlation_id", "=", self.correlation_id)],
        }
