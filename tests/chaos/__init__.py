"""Chaos: real processes, real faults, and the books compared afterwards.

``ledger`` says what must be true, ``snapshots`` reads what is, ``load`` makes the work,
``world`` holds the processes, ``scenarios`` break them; ``test_chaos`` runs a short form of
every scenario, ``./q2c chaos`` a long one.
"""
