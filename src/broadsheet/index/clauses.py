"""What a words query is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["word", "phrase", "prefix"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One piece of a words query.

    Args:
        text: The word, the phrase without its quotes, or the prefix without its star.
        kind: "word" and "prefix" are optional and rank, of several at least one must match;
            a "phrase" is required.
        excluded: Documents that match are left out.
    """

    text: str
    kind: Kind = "word"
    excluded: bool = False
