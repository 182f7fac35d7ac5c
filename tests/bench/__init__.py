"""Benchmarks: our speed beside the least that the same work can cost, in one run.

Machines differ and are noisy, so a bench never says how fast something is without
measuring a *floor* (what Odoo needs for the bare work) and, where there is one, a
*peer* (another way to do the same) right before and after. Only ratios count.
"""
