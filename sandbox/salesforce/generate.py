"""Many accounts and contacts at once, for benchmarks: written straight into the store."""

from datetime import timedelta

from .org import kind
from .values import stamp

_CITIES = (
    ("Springfield", "IL", "62701", "US"), ("Portland", "OR", "97201", "US"),
    ("Hamburg", None, "20095", "DE"), ("Lyon", None, "69001", "FR"), ("Leeds", None, "LS1 1UR", "GB"))
_FIRST = ("Ada", "Bela", "Chen", "Dara", "Elif", "Finn", "Gita", "Hugo", "Ines", "Jan")
_LAST = ("Archer", "Brandt", "Castro", "Dubois", "Eriksen", "Fischer", "Garcia", "Hansen")


def accounts_and_contacts(org, count, contacts_each, user_id, per_second=200, label="Bulk"):
    """Create accounts with contacts; no checks, no notifications.

    :param count: accounts. :param contacts_each: contacts of each account.
    :param per_second: records that share one SystemModstamp; the series ends now.
    :returns: ``{accounts, contacts, first_modstamp, last_modstamp}``.
    """
    total = count * (1 + contacts_each)
    series = _Stamps(org.clock.now(), total, per_second)
    account_ids = org.new_ids("001", count)
    contact_ids = org.new_ids("003", count * contacts_each)
    serial = org.store.next_number("salesforce/generated")
    put = org.store.put
    for n, account_id in enumerate(account_ids):
        put(kind("Account"), account_id, _account(account_id, n, serial, label, user_id, series.next()))
        for c in range(contacts_each):
            contact_id = contact_ids[n * contacts_each + c]
            put(kind("Contact"), contact_id, _contact(
                contact_id, account_id, n, c, serial, user_id, series.next()))
    return {"accounts": count, "contacts": len(contact_ids),
            "first_modstamp": series.first, "last_modstamp": series.last}


class _Stamps:
    """An ascending series of instants that ends now."""

    def __init__(self, now, total, per_second):
        self.per_second, self.made = per_second, 0
        self.start = now - timedelta(seconds=max(0, total - 1) // per_second)
        self.first = self.last = stamp(self.start)

    def next(self):
        if self.made % self.per_second == 0:
            self.last = stamp(self.start + timedelta(seconds=self.made // self.per_second))
        self.made += 1
        return self.last


def _audit(record_id, user_id, moment):
    return {
        "Id": record_id, "IsDeleted": False, "CreatedDate": moment, "CreatedById": user_id,
        "LastModifiedDate": moment, "LastModifiedById": user_id, "SystemModstamp": moment,
        "OwnerId": user_id, "CurrencyIsoCode": "USD"}


def _account(record_id, n, serial, label, user_id, moment):
    city, state, postal, country = _CITIES[n % len(_CITIES)]
    record = _audit(record_id, user_id, moment)
    record.update(
        Name=f"{label} {serial}-{n:06d} Ltd", AccountNumber=f"B{serial}-{n:06d}",
        Website=f"https://bulk{serial}-{n:06d}.example", Phone=f"+1 555 {n % 10000000:07d}",
        BillingStreet=f"{n % 900 + 1} Market Street", BillingCity=city,
        BillingPostalCode=postal, BillingCountry=country, Type="Prospect")
    if state:
        record["BillingState"] = state
    return record


def _contact(record_id, account_id, n, c, serial, user_id, moment):
    first, last = _FIRST[(n + c) % len(_FIRST)], _LAST[(n // 10 + c) % len(_LAST)]
    record = _audit(record_id, user_id, moment)
    record.update(
        AccountId=account_id, FirstName=first, LastName=last, Name=f"{first} {last}",
        Email=f"{first}.{last}.{c}@bulk{serial}-{n:06d}.example".lower(), HasOptedOutOfEmail=False,
        DoNotCall=False, IsEmailBounced=False)
    return record
