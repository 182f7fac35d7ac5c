"""Pure Python of the Stripe connector: client, signatures, money, plans."""
