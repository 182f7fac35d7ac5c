"""Pure Python of the Salesforce connector: no ORM, typed, Decimal end to end."""
