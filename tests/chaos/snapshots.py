"""Reads what the systems say: the sandbox's documents, Odoo's tables.

Odoo is read by SQL in one transaction and not through its own code: what is wrong there
must not be able to hide itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from .ledger import (
    Binding,
    Charge,
    Customer,
    Deal,
    Invoice,
    Job,
    Local,
    Order,
    Payment,
    Payout,
    Remote,
)

#: A lane whose job runs longer than this is asked whether it is at work.
RUNNING_SECONDS = 5.0

Documents = Callable[[str], list[dict[str, Any]]]


# ---------------------------------------------------------------------------
# Providers
# ---------------------------------------------------------------------------

def remote(admin: Any) -> Remote:
    """Return what all providers of a sandbox hold.

    :param admin: its admin API
    """

    def documents(kind: str) -> list[dict[str, Any]]:
        return admin.get("/documents", kind=kind)["documents"]

    return Remote(
        customers=(*_salesforce_customers(documents), *_hubspot_customers(documents)),
        deals=(*_salesforce_deals(documents), *_hubspot_deals(documents)),
        charges=tuple(_charges(documents)),
        payouts=tuple(_payouts(documents)),
        debtors=tuple(_debtors(documents)),
        deliveries=tuple(_deliveries(admin)),
    )


def _salesforce_customers(documents: Documents) -> Iterator[Customer]:
    for name, fields in (("Account", {"name": "Name", "phone": "Phone"}),
                         ("Contact", {"name": "Name", "phone": "Phone", "email": "Email"})):
        for doc in documents(f"salesforce/{name}"):
            if not doc["IsDeleted"]:
                values = {field: doc.get(path) or "" for field, path in fields.items()}
                yield Customer("salesforce", name, doc["Id"], values)


def _hubspot_customers(documents: Documents) -> Iterator[Customer]:
    for name in ("companies", "contacts"):
        for doc in documents(f"hubspot/{name}"):
            if doc["archived"]:
                continue
            said = doc["properties"]
            values = {"name": said.get("name") or "", "phone": said.get("phone") or ""}
            if name == "contacts":
                values.update(name=f"{said.get('firstname', '')} {said.get('lastname', '')}".strip(),
                              email=said.get("email") or "")
            yield Customer("hubspot", name, doc["id"], values)


def _salesforce_deals(documents: Documents) -> Iterator[Deal]:
    quotes = {doc["Id"]: doc for doc in documents("salesforce/Quote")}
    for doc in documents("salesforce/Opportunity"):
        if not doc["IsDeleted"] and doc.get("IsWon") and doc.get("SyncedQuoteId"):
            quote = quotes[doc["SyncedQuoteId"]]
            told = tuple(doc.get(f"Odoo_{name}__c") or "" for name in ("Order", "Invoice", "Payment_Status"))
            yield Deal("salesforce", "Opportunity", doc["Id"], Decimal(quote["GrandTotal"]),
                       quote["CurrencyIsoCode"], told)


def _hubspot_deals(documents: Documents) -> Iterator[Deal]:
    totals = {doc["id"]: Decimal(doc["properties"]["hs_quote_amount"]) for doc in documents("hubspot/quotes")}
    quote_of = {link["from_id"]: link["to_id"] for link in documents("hubspot/_association")
                if (link["from_type"], link["to_type"]) == ("0-3", "0-14")}
    for doc in documents("hubspot/deals"):
        said = doc["properties"]
        if not doc["archived"] and said.get("hs_is_closed_won") == "true":
            told = tuple(said.get(name) or "" for name in ("odoo_order", "odoo_invoice", "odoo_payment_status"))
            yield Deal("hubspot", "deals", doc["id"], totals[quote_of[doc["id"]]], said["deal_currency_code"], told)


def _charges(documents: Documents) -> Iterator[Charge]:
    for doc in documents("stripe/charge"):
        if doc["status"] == "succeeded":
            yield Charge(doc["id"], doc["amount"], doc["currency"].upper(),
                         (doc.get("metadata") or {}).get("odoo_ref", ""))


def _payouts(documents: Documents) -> Iterator[Payout]:
    for doc in documents("stripe/payout"):
        yield Payout(doc["id"], doc["amount"], doc["currency"].upper())


def _debtors(documents: Documents) -> Iterator[str]:
    for doc in documents("stripe/customer"):
        reference = (doc.get("metadata") or {}).get("odoo_ref")
        if reference and not doc.get("deleted"):
            yield reference


def _deliveries(admin: Any) -> Iterator[tuple[str, str]]:
    """Return provider and source id of everything that Odoo has answered with success."""
    for doc in admin.get("/webhooks", state="delivered"):
        if doc["attempts"] and doc["attempts"][-1]["accepted"]:
            for item in doc["items"]:
                if doc["vendor"] == "salesforce":
                    yield doc["vendor"], item["notification"]
                elif doc["vendor"] == "stripe":
                    yield doc["vendor"], item["event"]
                elif "objectId" in item:
                    # HubSpot's events have no id of their own that every repetition carries.
                    yield doc["vendor"], f"{item['subscriptionType']} {item['objectId']} {item['occurredAt']}"


# ---------------------------------------------------------------------------
# Odoo
# ---------------------------------------------------------------------------

def local(cursor: Any, first: dict[str, int]) -> Local:
    """Return what Odoo holds, in one moment.

    :param cursor: of a transaction at repeatable read
    :param first: table → the largest id before the scenario, see :func:`watermarks`
    """
    bindings = tuple(
        Binding((provider, remote_object, external_id), model, res_id)
        for provider, remote_object, external_id, model, res_id in _rows(cursor, """
            SELECT c.provider, b.remote_object, b.external_id, b.model, b.res_id
              FROM sync_binding b JOIN sync_connection c ON c.id = b.connection_id
             WHERE b.remote_deleted IS NOT TRUE""")
    )
    partners = {
        id_: {"name": name or "", "phone": phone or "", "email": email or ""}
        for id_, name, phone, email in _rows(cursor, "SELECT id, name, phone, email FROM res_partner WHERE active")
    }
    bound = {binding.res_id for binding in bindings if binding.model == "res.partner"}
    return Local(
        bindings=bindings,
        partners=partners,
        unbound=tuple(id_ for id_ in sorted(partners) if id_ > first["res_partner"] and id_ not in bound),
        orders=_orders(cursor, first),
        invoices=_invoices(cursor),
        payments=_payments(cursor, first),
        payout_amounts=tuple(_rows(cursor, "SELECT name, amount FROM stripe_payout")),
        jobs=tuple(_jobs(cursor)),
        open_exceptions=tuple(name for (name,) in _rows(
            cursor, "SELECT name FROM sync_exception WHERE state IN ('new', 'acknowledged')")),
        idle_crons=tuple(name for (name,) in _rows(cursor, """
            SELECT c.cron_name FROM sync_lane l JOIN ir_cron c ON c.id = l.cron_id WHERE l.active AND NOT c.active""")),
        events=frozenset(_rows(cursor, """
            SELECT c.provider, CASE c.provider WHEN 'hubspot'
                   THEN concat_ws(' ', e.event_type, e.external_id,
                                  (extract(epoch FROM e.occurred_at) * 1000)::bigint)
                   ELSE e.source_id END
              FROM sync_event e JOIN sync_connection c ON c.id = e.connection_id
             WHERE e.verdict = 'accepted'""")),
    )


def watermarks(cursor: Any) -> dict[str, int]:
    """Return the largest ids of the tables in which only the integration makes rows from now on."""
    return {table: _rows(cursor, f"SELECT COALESCE(max(id), 0) FROM {table}")[0][0]
            for table in ("res_partner", "sale_order", "account_payment")}


def _rows(cursor: Any, query: str, params: Any = None) -> list[tuple]:
    cursor.execute(query, params)
    return cursor.fetchall()


def _orders(cursor: Any, first: dict[str, int]) -> dict[int, Order]:
    invoices: dict[int, set[int]] = {}
    for order_id, move_id in _rows(cursor, """
            SELECT l.order_id, m.move_id
              FROM sale_order_line l
              JOIN sale_order_line_invoice_rel r ON r.order_line_id = l.id
              JOIN account_move_line m ON m.id = r.invoice_line_id"""):
        invoices.setdefault(order_id, set()).add(move_id)
    return {
        id_: Order(name, state, total, currency, source or "", tuple(sorted(invoices.get(id_, ()))))
        for id_, name, state, total, currency, source in _rows(cursor, """
            SELECT o.id, o.name, o.state, o.amount_total, c.name, o.q2c_source_total
              FROM sale_order o JOIN res_currency c ON c.id = o.currency_id WHERE o.id > %s""", [first["sale_order"]])
    }


def _invoices(cursor: Any) -> dict[int, Invoice]:
    return {
        id_: Invoice(name or "", state, total, residual, payment_state)
        for id_, name, state, total, residual, payment_state in _rows(cursor, """
            SELECT id, name, state, amount_total, amount_residual, payment_state
              FROM account_move WHERE move_type = 'out_invoice'""")
    }


def _payments(cursor: Any, first: dict[str, int]) -> dict[int, Payment]:
    settled: dict[int, set[int]] = {}
    for payment_id, move_id in _rows(cursor, """
            SELECT p.id, i.move_id
              FROM account_payment p
              JOIN account_move_line l ON l.move_id = p.move_id
              JOIN account_partial_reconcile r ON r.credit_move_id = l.id
              JOIN account_move_line i ON i.id = r.debit_move_id
              JOIN account_move m ON m.id = i.move_id AND m.move_type = 'out_invoice'
             WHERE p.id > %s""", [first["account_payment"]]):
        settled.setdefault(payment_id, set()).add(move_id)
    return {
        id_: Payment(amount, currency, tuple(sorted(settled.get(id_, ()))))
        for id_, amount, currency in _rows(cursor, """
            SELECT p.id, p.amount, c.name FROM account_payment p JOIN res_currency c ON c.id = p.currency_id
             WHERE p.id > %s""", [first["account_payment"]])
    }


def _jobs(cursor: Any) -> Iterator[Job]:
    """Yield what is not finished, and what failed."""
    alive = None
    for name, state, due, ran, cron_id, error in _rows(cursor, """
            SELECT j.name, j.state,
                   CASE WHEN d.id IS NULL AND f.paused IS NOT TRUE AND f.mode <> 'off'
                        THEN extract(epoch FROM timezone('utc', clock_timestamp()) - j.eta)::float ELSE -1 END,
                   extract(epoch FROM timezone('utc', clock_timestamp()) - j.started_at)::float,
                   l.cron_id, concat_ws(': ', j.error_code, j.error_message)
              FROM sync_job j
              JOIN sync_flow f ON f.id = j.flow_id
              LEFT JOIN sync_lane l ON l.id = j.lane_id
              LEFT JOIN sync_job d ON d.id = j.depends_on_id AND d.state IN ('pending', 'running')
             WHERE j.state IN ('pending', 'running', 'failed')"""):
        if state == "running" and (ran or 0) > RUNNING_SECONDS and alive is None:
            alive = _lanes_at_work(cursor)
        at_work = alive is None or state != "running" or (ran or 0) <= RUNNING_SECONDS or cron_id in alive
        yield Job(name, state, due, at_work, error or "")


def _lanes_at_work(cursor: Any) -> set[int]:
    """Return the scheduled actions of lanes that some worker holds right now.

    Odoo locks the row of a scheduled action while it runs. Asking locks it, too, for a
    moment in which it could not start; hence only when something has run for long.
    """
    every = {row[0] for row in _rows(cursor, "SELECT cron_id FROM sync_lane")}
    cursor.execute("SAVEPOINT ask")
    free = {row[0] for row in _rows(cursor, """
        SELECT id FROM ir_cron WHERE id IN (SELECT cron_id FROM sync_lane) FOR NO KEY UPDATE SKIP LOCKED""")}
    cursor.execute("ROLLBACK TO SAVEPOINT ask")
    return every - free
