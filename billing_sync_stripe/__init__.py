"""Stripe connector: charges, payments, fees, payouts."""
