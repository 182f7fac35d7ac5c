"""Smaller numbers run first; what is below `URGENT` may use the express lane."""

from __future__ import annotations

URGENT = 50  #: priorities below it are what people or payments wait for
POLL = 30  #: looking for changes
BULK = 50  #: added to a flow's priority for pages of many records
