"""Amounts that HubSpot calculates, exact in Decimal.

A line's amounts are rounded to the currency's digits, half up, line by line; documents
are sums of rounded lines. Net = quantity × unit price − discount; the percentage wins
over the unit discount where both are set. Tax is per line, on the net amount, by the
rate of the line's tax-rate group; without a group the line's own ``tax`` amount counts.
"""

from decimal import ROUND_HALF_UP, Decimal

#: Currencies that do not have two decimals (ISO 4217).
DIGITS = {"JPY": 0, "KRW": 0, "CLP": 0, "VND": 0, "BHD": 3, "KWD": 3, "TND": 3, "JOD": 3, "OMR": 3}


def rounded(value, currency):
    """Round to the currency's digits, half away from zero."""
    return value.quantize(Decimal(1).scaleb(-DIGITS.get(currency, 2)), ROUND_HALF_UP)


def decimal_of(text, default="0"):
    """Return a kept number as Decimal; unset counts as ``default``."""
    return Decimal(text or default)


def line_amounts(line, currency, rate=None):
    """Return a line's calculated properties as Decimals.

    :param line: kept properties ``{name: text}``.
    :param rate: percentage of the line's tax-rate group, or None.
    """
    quantity, price = decimal_of(line.get("quantity"), "1"), decimal_of(line.get("price"))
    gross = rounded(quantity * price, currency)
    percentage = decimal_of(line.get("hs_discount_percentage"))
    if percentage:
        discount = rounded(quantity * price * percentage / 100, currency)
    else:
        discount = rounded(quantity * decimal_of(line.get("discount")), currency)
    net = gross - discount
    tax = rounded(net * rate / 100 if rate is not None else decimal_of(line.get("tax")), currency)
    return {
        "hs_pre_discount_amount": gross, "hs_total_discount": discount, "amount": net,
        "hs_tax_amount": tax, "hs_post_tax_amount": net + tax,
    }


def totals(lines):
    """Return ``(net, tax, total)`` of calculated lines (kept properties)."""
    net = sum((decimal_of(line.get("amount")) for line in lines), Decimal(0))
    tax = sum((decimal_of(line.get("hs_tax_amount")) for line in lines), Decimal(0))
    return net, tax, net + tax
