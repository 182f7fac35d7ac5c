"""The life of a mapping version: which moves there are, and who may make them.

Decided from values alone; the model and the database's own trigger follow it.
"""

from __future__ import annotations

from collections.abc import Collection

DRAFT = "draft"  #: being written; the only state in which rules change
REVIEW = "review"  #: frozen, waits for somebody who did not write it
ACTIVE = "active"  #: what the engine works with; one a flow
RETIRED = "retired"  #: was active; jobs refer to it, and it can be rolled back to

#: every move that there is; anything else is refused
MOVES = frozenset(
    {
        (DRAFT, REVIEW),
        (DRAFT, ACTIVE),  # what a module ships, and nothing else
        (REVIEW, DRAFT),
        (REVIEW, ACTIVE),
        (ACTIVE, RETIRED),
        (RETIRED, ACTIVE),
    }
)

NO_SUCH_MOVE = "no_such_move"
NOT_REVIEWED = "not_reviewed"
OWN_WORK = "own_work"
NOT_A_REVIEWER = "not_a_reviewer"


def refusal(
    before: str,
    after: str,
    *,
    actor: int,
    authors: Collection[int],
    may_review: bool,
    shipped: bool,
    reviewed: bool,
) -> str:
    """Return why a move is refused, or an empty text.

    :param actor: id of the user who makes the move.
    :param authors: ids of all who wrote any of it.
    :param may_review: whether the actor belongs to those who review mappings.
    :param shipped: it came with a module and was not touched since.
    :param reviewed: somebody else has approved exactly this version before.
    """
    if (before, after) not in MOVES:
        return NO_SUCH_MOVE
    if after != ACTIVE:
        return ""
    if before == DRAFT:
        return "" if shipped else NOT_REVIEWED
    if before == RETIRED:
        return "" if shipped or reviewed else NOT_REVIEWED
    if actor in authors:
        return OWN_WORK
    return "" if may_review else NOT_A_REVIEWER
