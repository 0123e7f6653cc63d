"""The opt-in second reading: a cross-encoder puts the best few papers into a new order."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from broadsheet.papers.embedding import text_of
from broadsheet.papers.model import Work
from broadsheet.papers.results import ScorePart
from broadsheet.runtime import models

if TYPE_CHECKING:  # loading it takes a fifth of a second, which most searches can save
    from broadsheet.runtime.transformer import CrossEncoder

#: Papers read again, and tokens of query and paper together: about half a second on one core.
READ = 10
TOKENS = 128


class Reranking:
    """The installed cross-encoder, loaded when first used. Safe to use from several threads."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._loaded: tuple[str, CrossEncoder] | None = None

    def installed(self) -> bool:
        """Tell whether there is a cross-encoder."""
        return bool(models.reranker(self._home))

    def reorder(
        self, text: str, order: Sequence[tuple[int, float]], works: Mapping[int, Work]
    ) -> tuple[list[tuple[int, float]], dict[int, ScorePart]]:
        """Put the papers in `works` first, in the cross-encoder's order.

        A reread paper's score is the best score of the list plus the probability that the
        cross-encoder gives it; the part returned for it is the difference to its old score.

        Raises:
            NotFound: No cross-encoder is installed.
            BadInput: It is damaged.
        """
        before = {number: score for number, score in order if number in works}
        if not before:
            return list(order), {}
        model = self._model()
        logits = model.score(text, [text_of(works[number]) for number in before]).tolist()
        best = max(before.values())
        scores, parts = {}, {}
        for number, logit in zip(before, logits, strict=True):
            scores[number] = best + (1 + math.tanh(logit / 2)) / 2
            lift = scores[number] - before[number]
            detail = f"logit {logit:.2f} by {model.id}"
            parts[number] = ScorePart(name="reranker", value=lift, detail=detail)
        ranked = dict(zip(before, logits, strict=True))
        read = sorted(before, key=lambda number: (-ranked[number], number))
        rest = [pair for pair in order if pair[0] not in parts]
        return [(number, scores[number]) for number in read] + rest, parts

    def _model(self) -> CrossEncoder:
        name = models.reranker(self._home)
        with self._lock:
            if self._loaded is None or self._loaded[0] != name:
                from broadsheet.runtime.transformer import CrossEncoder

                folder = models.model_folder(self._home, name)
                self._loaded = (name, CrossEncoder(folder, max_tokens=TOKENS))
            return self._loaded[1]
