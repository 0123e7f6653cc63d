"""What can go wrong when a source is asked, and what follows from it."""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """Kinds of trouble, by what we do next."""

    THROTTLED = "throttled"  # leave the host alone for a growing time
    FAILING = "failing"  # the same: slow, cut and broken answers are signs of load
    DOUBTFUL = "doubtful"  # ask again at the usual pace, then leave this day for later
    REFUSED = "refused"  # asking again would be refused again: stop
    UNREACHABLE = "unreachable"  # our side of the line: stop, the host is not to blame
    OURS = "ours"  # our own time is up, or our own store is busy: stop


class Trouble(Exception):  # noqa: N818 - names say what happened
    """A question got no good answer.

    Args:
        kind: What to do next.
        why: One clause for people, without a final full stop.
        after_s: Seconds the host asked us to wait (Retry-After), 0 when it named none.
    """

    def __init__(self, kind: Kind, why: str, *, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.kind = kind
        self.why = why
        self.after_s = after_s
