"""What the account contains at the start."""

from __future__ import annotations

from . import catalog, settings
from .account import Account

#: The same codes as in the CRMs and in Odoo: (code, name, unit amount in minor
#: units by currency, recurring interval).
PRODUCTS = (
    ("Q2C-PLAT", "Platform licence", {"usd": 120000, "eur": 110000}, "month"),
    ("Q2C-ONB", "Onboarding service", {"usd": 250000, "eur": 230000}, None),
    ("Q2C-SUP", "Premium support", {"usd": 45000, "eur": 41000}, "month"),
)


def fill(account: Account, profile: str) -> None:
    """Seed the account.

    :param profile: `demo`: catalogue, and each new customer enters a good card;
        `empty`: nothing, and nobody enters a card.
    """
    if profile != "demo":
        return
    if account.find("product", "prod_Q2CPLAT"):
        return
    settings.change(account.ctx, {"autocard": "visa"})
    for code, name, amounts, interval in PRODUCTS:
        product = catalog.create_product(
            account,
            {
                "id": "prod_" + code.replace("-", ""),
                "name": name,
                "metadata": {"default_code": code},
            },
        )
        for currency, amount in amounts.items():
            _price(account, product, code, currency, amount, interval)


def _price(account, product, code, currency, amount, interval) -> None:
    params = {
        "product": product["id"],
        "currency": currency,
        "unit_amount": amount,
        "lookup_key": f"{code}-{currency}",
        "tax_behavior": "exclusive",
    }
    if interval:
        params["recurring"] = {"interval": interval}
    catalog.create_price(account, params)
