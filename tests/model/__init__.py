"""The engine against a reference model: random interleavings, real transactions.

`stage` runs actors (workers, deliveries, people) in threads of which only one moves at
a time, `remote` is the provider, `reference` says what must be true, `world` is the
database they meet in, `machine` makes up the stories.
"""
