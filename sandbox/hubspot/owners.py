"""Owners (the portal's users as record owners) and tax rates: both read-only in the API."""

from ..clock import iso

OWNER, TAX_RATE = "hubspot/_owner", "hubspot/_tax_rate"


class Directory:
    """Owners and tax rates."""

    def __init__(self, store, clock):
        self._store, self._clock = store, clock

    def add_owner(self, owner_id, email, first_name, last_name, archived=False):
        """Add an owner; archived ones keep their id but lose the user id."""
        now = iso(self._clock.now())
        user_id = int(owner_id) - 70_000_000
        return self._store.put(OWNER, owner_id, {
            "id": owner_id, "email": email, "firstName": first_name, "lastName": last_name,
            "type": "PERSON", "userId": None if archived else user_id,
            "userIdIncludingInactive": user_id, "createdAt": now, "updatedAt": now,
            "archived": archived})

    def owners(self, archived=False, email=None):
        """Return owners in order of their ids."""
        found = [doc for doc in self._store.scan(OWNER)
                 if doc["archived"] == archived and email in (None, doc["email"])]
        return sorted(found, key=lambda doc: int(doc["id"]))

    def owner(self, owner_id):
        """Return an owner or None."""
        return self._store.get(OWNER, owner_id)

    def owner_ids(self):
        """Return the ids of owners that records may be given to."""
        return {doc["id"] for doc in self._store.scan(OWNER) if not doc["archived"]}

    def add_tax_rate(self, rate_id, name, percentage, active=True):
        """Add a tax rate; ``percentage`` is Decimal."""
        now = iso(self._clock.now())
        return self._store.put(TAX_RATE, rate_id, {
            "id": rate_id, "name": name, "label": name, "percentage": percentage,
            "active": active, "createdAt": now, "updatedAt": now})

    def tax_rates(self):
        """Return all tax rates."""
        return self._store.scan(TAX_RATE)

    def tax_rate(self, rate_id):
        """Return a tax rate or None."""
        return self._store.get(TAX_RATE, rate_id) if rate_id else None
