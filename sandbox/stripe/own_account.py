"""The account itself."""

from __future__ import annotations

from . import payouts
from .account import Account
from .fields import address
from .operation import Operation


def retrieve(account: Account, params: dict) -> dict:
    """`GET /v1/account`."""
    id_ = account.id
    currencies = account.setting("settlement_currencies")
    banks = [account.render(payouts.bank_account(account, code)) for code in currencies]
    return {
        "id": id_,
        "object": "account",
        "business_profile": {
            "mcc": "7372", "name": "Sandbox Company", "product_description": None,
            "support_address": address({}), "support_email": None,
            "support_phone": None, "support_url": None, "url": "https://example.com",
        },
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": "US",
        "created": 1_700_000_000,
        "default_currency": currencies[0],
        "details_submitted": True,
        "email": "owner@example.com",
        "external_accounts": {
            "object": "list", "data": banks, "has_more": False,
            "url": f"/v1/accounts/{id_}/external_accounts",
        },
        "metadata": {},
        "payouts_enabled": True,
        "settings": _settings(account),
        "type": "standard",
    }


def _settings(account: Account) -> dict:
    schedule = {"delay_days": account.setting("settlement_days"), "interval": "daily"}
    return {
        "branding": {"icon": None, "logo": None, "primary_color": None,
                     "secondary_color": None},
        "card_payments": {
            "decline_on": {"avs_failure": False, "cvc_failure": False},
            "statement_descriptor_prefix": None,
            "statement_descriptor_prefix_kana": None,
            "statement_descriptor_prefix_kanji": None,
        },
        "dashboard": {"display_name": "Sandbox Company", "timezone": "Etc/UTC"},
        "payments": {
            "statement_descriptor": "SANDBOX CO", "statement_descriptor_kana": None,
            "statement_descriptor_kanji": None,
        },
        "payouts": {"debit_negative_balances": True, "schedule": schedule,
                    "statement_descriptor": None},
    }


OPERATIONS = [Operation("GET", "/v1/account", retrieve, "account")]
