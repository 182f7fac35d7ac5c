"""The ``q2c`` command: builds, runs and tests the suite on one machine.

Standard library only, so that it runs on a fresh Debian or Ubuntu. Each module
does one thing; :mod:`cli.main` maps the command line on them.
"""
