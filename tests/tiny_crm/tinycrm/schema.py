"""The kinds of records, their fields, and what a value of each type looks like.

Money and numbers are texts of decimal digits: JSON's own numbers are floats to many.
"""

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,6})?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")

#: type → whether a value is of it; None is allowed everywhere but in required fields
TYPES = {
    "text": lambda value: isinstance(value, str) and len(value) <= 500,
    "number": lambda value: isinstance(value, str) and bool(_NUMBER.fullmatch(value)),
    "flag": lambda value: isinstance(value, bool),
    "date": lambda value: isinstance(value, str) and bool(_DATE.fullmatch(value)),
    "link": lambda value: isinstance(value, str) and value.isdigit(),
    "lines": lambda value: isinstance(value, list) and all(isinstance(one, dict) for one in value),
}


def _field(name, label, kind="text", **more):
    return {"name": name, "label": label, "type": kind, "required": False, "custom": False, **more}


#: what every account has
STANDARD = {
    "company": ("Company", [
        _field("name", "Name", required=True),
        _field("vat", "VAT Number"),
        _field("phone", "Phone"),
        _field("street", "Street"),
        _field("city", "City"),
        _field("zip", "Postal Code"),
        _field("country", "Country"),
    ]),
    "person": ("Person", [
        _field("name", "Name", required=True),
        _field("company", "Company", "link", to="company"),
        _field("email", "E-mail"),
        _field("phone", "Phone"),
        _field("job", "Job"),
    ]),
    "deal": ("Deal", [
        _field("name", "Name", required=True),
        _field("number", "Number"),
        _field("company", "Company", "link", to="company"),
        _field("person", "Person", "link", to="person"),
        _field("stage", "Stage", required=True),
        _field("currency", "Currency"),
        _field("lines", "Lines", "lines"),
        _field("net", "Net", "number"),
        _field("tax", "Tax", "number"),
        _field("total", "Total", "number"),
    ]),
}


def problems(fields, values, *, creating):
    """Return `[{"field", "code"}]` of what is wrong with some values, all at once.

    :param fields: `{name: definition}` of the kind.
    :param creating: whether required fields must be there.
    """
    found = [{"field": name, "code": "unknown_field"} for name in values if name not in fields]
    for name, field in fields.items():
        value = values.get(name)
        if value in (None, ""):
            if field["required"] and (creating or name in values):
                found.append({"field": name, "code": "required"})
        elif not TYPES[field["type"]](value):
            found.append({"field": name, "code": f"not_a_{field['type']}"})
    return found


def with_totals(deal):
    """Return a deal whose `net`, `tax` and `total` are those of its lines, where they are not given.

    A line has quantity, price, discount (percent) and tax_rate (percent); each line is
    rounded to cents.
    """
    if deal.get("total") or not deal.get("lines"):
        return deal
    nets = [_net(line) for line in deal["lines"]]
    taxes = [_cents(net * _number(line.get("tax_rate")) / 100) for net, line in zip(nets, deal["lines"])]
    net, tax = sum(nets, Decimal(0)), sum(taxes, Decimal(0))
    return {**deal, "net": f"{net:.2f}", "tax": f"{tax:.2f}", "total": f"{net + tax:.2f}"}


def _net(line):
    share = 1 - _number(line.get("discount")) / 100
    return _cents(_number(line.get("quantity")) * _number(line.get("price")) * share)


def _number(text):
    try:
        return Decimal(text or 0)
    except InvalidOperation:
        return Decimal(0)


def _cents(amount):
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
