"""Errors that say something about the database and nothing about the work at hand."""

from __future__ import annotations

import psycopg2

#: Another transaction was faster, the connection was lost, the disk is full, memory is short
#: (SQLSTATE classes 08, 40, 53, 55, 57): the same work, done again later, may succeed. Odoo's
#: own list of what it repeats is a part of it.
DATABASE_TROUBLE = (psycopg2.OperationalError, psycopg2.InterfaceError)
