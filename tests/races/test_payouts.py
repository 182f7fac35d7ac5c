"""A payout of Stripe's and a charge of it, booked at the same moment by two workers."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

CREATED = 1_790_000_000
AMOUNT, FEE = 10_000, 320  # in cents


class Stripe:
    """What Stripe says of one charge and the payout in which its money left.

    :param number: tells them from those of other tests, whose entries stay in the books.
    """

    def __init__(self, number: str, reference: str):
        self.charge_id, self.payout_id = f"ch_{number}", f"po_{number}"
        balance = self._transaction(f"txn_{number}", AMOUNT, FEE, "charge", self.charge_id)
        own = self._transaction(f"txn_own_{number}", FEE - AMOUNT, 0, "payout", self.payout_id)
        self.documents = {
            self.charge_id: {
                "id": self.charge_id, "object": "charge", "amount": AMOUNT, "amount_captured": AMOUNT,
                "amount_refunded": 0, "balance_transaction": balance, "captured": True, "created": CREATED,
                "currency": "usd", "customer": "cus_1", "disputed": False, "paid": True,
                "payment_intent": f"pi_{number}", "status": "succeeded", "metadata": {"odoo_ref": reference},
            },
            self.payout_id: {
                "id": self.payout_id, "object": "payout", "amount": AMOUNT - FEE, "arrival_date": CREATED + 172_800,
                "automatic": True, "currency": "usd", "reconciliation_status": "completed", "status": "paid",
                "trace_id": {"status": "supported", "value": "TRACE"}, "balance_transactions": [balance, own],
            },
        }  # fmt: skip

    @staticmethod
    def _transaction(id_, amount, fee, category, source):
        return {
            "id": id_, "object": "balance_transaction", "amount": amount, "available_on": CREATED + 172_800,
            "created": CREATED, "currency": "usd", "description": None, "exchange_rate": None, "fee": fee,
            "fee_details": [{"amount": fee, "currency": "usd", "type": "stripe_fee"}] if fee else [],
            "net": amount - fee, "reporting_category": category, "source": source, "status": "available",
            "type": category,
        }  # fmt: skip

    def read(self, _connection, _object_name, external_ids):
        """Return documents, in place of the connector's method."""
        from odoo.addons.crm_sync_base.lib.declarations import Document

        return [Document(one, self.documents[one]) for one in external_ids]


@pytest.fixture
def account(world):
    """The id of a connection to Stripe whose payments and payouts are live."""

    def create(env):
        connection = env["sync.connection"].create({"name": "Stripe", "provider": "stripe"})
        connection._store_credentials({"secret_key": "sk_test_of_nobody"})
        connection.action_connect()
        connection.action_create_stripe_accounts()
        flows = env["sync.flow.template"]._install(connection)
        flows.write({"poll": False, "mode": "off"})
        flows.filtered(lambda flow: flow.code in ("payments", "payouts")).mode = "live"
        return connection.id

    def authenticate(connection):
        from odoo.addons.crm_sync_base.lib.declarations import RemoteAccount

        return RemoteAccount(f"acct_{connection.id}", "Stripe", is_production=False)

    stripe = "sync.connector.stripe"
    with world.broken(stripe, "_authenticate", staticmethod(authenticate)):
        with world.broken(stripe, "_setup", staticmethod(lambda _connection: None)):
            account = world.do(create)
    yield account
    world.stage.clear()
    world.do(lambda env: env["sync.connection"].browse(account).write({"active": False}))


@pytest.fixture
def stripe(world, account):
    """What Stripe says of an invoice that was charged."""

    def invoice(env):
        move = env["account.move"].create(
            {
                "move_type": "out_invoice",
                "partner_id": env.company.partner_id.id,
                "currency_id": env.ref("base.USD").id,
                "invoice_line_ids": [(0, 0, {"name": "Service", "price_unit": AMOUNT / 100, "tax_ids": [(5,)]})],
            }
        )
        move.action_post()
        uuid = env["sync.connection"]._database_uuid()[:8]
        return str(move.id), f"{uuid}/account.move/{move.id}"

    number, reference = world.do(invoice)
    return Stripe(number, reference)


@contextmanager
def saying(world, stripe):
    """Have the connector read what Stripe says."""
    with world.broken("sync.connector.stripe", "_read", staticmethod(stripe.read)):
        yield


def tell(world, account, remote_object, external_id):
    """Have Odoo be told of an object."""
    world.do(
        lambda env: env["sync.job"]._enqueue_documents(
            env["sync.connection"].browse(account), remote_object, [external_id]
        )
    )


def book_at_once(world, account, stripe, charge_first):
    """Book both at the same moment; check that the payout is complete and nothing stays in between."""
    both = [("charge", stripe.charge_id), ("payout", stripe.payout_id)]
    with saying(world, stripe):
        one, other = both if charge_first else reversed(both)
        tell(world, account, *one)
        first = world.worker_until("worked")
        tell(world, account, *other)
        second = world.worker_until("claimed")
        world.finish(second)
        world.finish(first)
        world.stage.run_through()
        for _again in range(2):
            world.pass_time(5)
            world.work()
    assert world.stage.query("SELECT DISTINCT state FROM sync_job") == [("done",)], world.ledger()
    [row] = world.stage.query(
        """
        SELECT p.booking, p.unbooked_count, l.payment_id IS NOT NULL, l.fee_move_id IS NOT NULL
          FROM stripe_payout p JOIN stripe_payout_line l ON l.payout_id = p.id AND l.category = 'charge'
         WHERE p.name = %s
        """,
        [stripe.payout_id],
    )
    assert row == ("booked", 0, True, True)
    assert world.do(lambda env: left_between(env["sync.connection"].browse(account))) == []


def left_between(connection):
    """Return what is in suspense, or entered or left the clearing account without its counterpart."""
    lines = connection.env["account.move.line"].search(
        [
            ("journal_id", "=", connection.stripe_journal_id.id),
            ("parent_state", "=", "posted"),
            "|",
            ("account_id", "=", connection.stripe_suspense_account_id.id),
            "&",
            ("account_id", "=", connection.stripe_clearing_account_id.id),
            ("reconciled", "=", False),
        ]
    )
    return lines.mapped("display_name")


ORDERS = pytest.mark.parametrize("charge_first", [True, False], ids=["charge first", "payout first"])


@ORDERS
def test_a_payout_and_its_charge_find_each_other(world, account, stripe, charge_first):
    """The second waits for the first, begins again and sees it."""
    book_at_once(world, account, stripe, charge_first)


@ORDERS
def test_otherwise_they_would_miss_each_other(world, account, stripe, charge_first):
    """Neither sees what the other has not committed, and nobody looks again."""
    with world.broken("stripe.payout.line", "_meet", lambda *_args: None), pytest.raises(AssertionError):
        book_at_once(world, account, stripe, charge_first)
