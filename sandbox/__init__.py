"""Stand-in Salesforce, HubSpot and Stripe for demos, tests and go-live rehearsals.

One process (``python -m sandbox``) speaks the three vendors' wire protocols under
the path prefixes ``/salesforce``, ``/hubspot`` and ``/stripe``; ``/_admin`` controls
it (faults, clock, call log, webhook log, vendor-specific actions).
"""
