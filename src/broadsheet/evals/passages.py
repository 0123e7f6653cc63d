"""Long documents as passages of sentences, and a document's score as that of its best passage."""

from __future__ import annotations

import re
from collections.abc import Mapping

from broadsheet.core.errors import UsageError
from broadsheet.metrics.ranking import Run, ranked

_END = re.compile(r"(?<=[.!?])\s+(?=[\"'(\[]?[A-Z0-9])|(?<= \.)\s+")
#: Between a document's id and the number of its passage.
MARK = "\x1f"


def sentences_of(text: str) -> list[str]:
    """Cut a text behind its sentences; texts in lower case may set their stops apart (Cranfield).

    Example:
        >>> sentences_of("A wing is thin. Is it? the flow , as in fig. 3 . theory agrees .")
        ['A wing is thin.', 'Is it? the flow , as in fig.', '3 .', 'theory agrees .']
    """
    return [part.strip() for part in _END.split(text) if part.strip()]


def passages(documents: Mapping[str, str], *, sentences: int = 3, step: int = 1) -> dict[str, str]:
    """Return overlapping passages of some sentences, under the document's id and a number.

    Args:
        documents: Text by id.
        sentences: In a passage.
        step: Sentences from the start of one passage to the next.

    Raises:
        UsageError: A number is less than 1.

    Example:
        >>> cut = passages({"d": "One. Two. Three."}, sentences=2)
        >>> list(cut.values())
        ['One. Two.', 'Two. Three.']
    """
    if sentences < 1 or step < 1:
        raise UsageError("a passage has a sentence or more", received=f"{sentences}, step {step}")
    found: dict[str, str] = {}
    for name, text in documents.items():
        parts = sentences_of(text) or [text]
        last = max(0, len(parts) - sentences)
        starts = sorted({*range(0, last + 1, step), last})
        for place, start in enumerate(starts):
            found[f"{name}{MARK}{place}"] = " ".join(parts[start : start + sentences])
    return found


def best_passages(run: Run, *, depth: int = 1000) -> dict[str, dict[str, float]]:
    r"""Return a run of documents from one of passages: the score of the best passage (MaxP).

    Example:
        >>> best_passages({"q": {"d\x1f0": 1.0, "d\x1f1": 3.0, "e\x1f0": 2.0}})
        {'q': {'d': 3.0, 'e': 2.0}}
    """
    found: dict[str, dict[str, float]] = {}
    for query, scores in run.items():
        best: dict[str, float] = {}
        for name, score in scores.items():
            document = name.rpartition(MARK)[0]
            best[document] = max(score, best.get(document, float("-inf")))
        found[query] = {name: best[name] for name in ranked(best)[:depth]}
    return found
