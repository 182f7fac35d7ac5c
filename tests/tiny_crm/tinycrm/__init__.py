"""Tiny CRM: a CRM that is just big enough for a connector to be written against it.

`python -m tinycrm --port 8090 --state FILE` serves its API under `/v1` and `/oauth`, and
under `/ui` what a sales user, or whoever runs it, does by hand. It keeps everything in one
SQLite file, so it survives a restart. It checks what it is sent as a real one would.
"""
