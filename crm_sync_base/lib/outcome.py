"""What became of a job: a value that a handler returns and the engine stores."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from .errors import SyncError


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one attempt.

    :param summary: what was done, in words for the job's list.
    :param error: why it failed; None means done.
    :param res_model: model and id of the Odoo record it was about.
    :param later: run again after so many seconds without counting as a failure
        (it waits for something else that is under way).
    :param subject: the record as people know it, for whoever must look at a failure.
    :param amount: what the record is worth, with an error: (`Decimal`, currency code).
    :param document_token: the document that was fetched, encrypted, to be kept.
    :param verdict: what became of the record in the one word of its line in a run.
    :param depends_on: with `later`: the id of the job that must be done first.
    """

    summary: str = ""
    error: SyncError | None = None
    res_model: str | None = None
    res_id: int | None = None
    later: float | None = None
    depends_on: int | None = None
    mapping_id: int | None = None
    document_token: str | None = None
    subject: str = ""
    amount: tuple[Decimal, str] | None = None
    verdict: str = ""
