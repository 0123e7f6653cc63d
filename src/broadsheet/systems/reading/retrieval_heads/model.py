"""What is new in the paper: a score that says how often a head copies a stated fact.

While the model writes out the needle, a step counts for a head if its strongest attention lies on
a token of the needle, and that very token is the one being written.

Legend: B rows, H query heads, G key heads, L queries, T keys, K head size, S steps, N layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from broadsheet.core.errors import BadInput
from broadsheet.systems.reading.retrieval_heads.taps import Watcher, allowed_keys

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Span:
    """The needle's tokens in a prompt: start <= position < stop.

    Raises:
        BadInput: It is empty or begins before the prompt.

    Example:
        >>> len(Span(4, 9))
        5
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise BadInput("a span holds at least one token", received=f"{self.start}:{self.stop}")

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True, eq=False)
class TrialScores:
    """What one prompt says of every head.

    Args:
        by_steps_NH: Steps that counted, over the needle's length: the official code's number,
            above 1 where the answer repeats a token.
        by_tokens_NH: Distinct needle tokens that were copied, over the needle's length: the
            paper's |g ∩ k| / |k|, never above 1.
    """

    by_steps_NH: Floats
    by_tokens_NH: Floats


class StrongestKeys(Watcher):
    """Notes where each head's strongest attention lies, for the last query of every call.

    The highest score decides, before softmax: the order is the same, and no row of weights is
    kept. Heads that share a key head are told apart.

    Shape:
        take() -> [B, N, H], positions of keys.

    Source:
        arXiv 2404.15574, section 2; official `retrieval_head_detection.py`.

    Example:
        >>> watcher = StrongestKeys()
        >>> key = torch.eye(3)[None, None]
        >>> _ = watcher.before(0, key[:, :, 1:2], key, None)
        >>> watcher.take().tolist()
        [[[1]]]
    """

    def __init__(self) -> None:
        self._found: dict[int, Tensor] = {}

    def before(
        self, layer: int, q_BHLK: Tensor, k_BGTK: Tensor, mask_BHLT: Tensor | None
    ) -> Tensor:
        """Note the strongest key of each head; the queries stay as they are."""
        last_BHK = q_BHLK[:, :, -1].float()
        groups = k_BGTK.shape[1]
        last_BGRK = last_BHK.unflatten(1, (groups, -1))
        scores_BHT = (last_BGRK @ k_BGTK.float().transpose(2, 3)).flatten(1, 2)
        if mask_BHLT is not None:
            length = k_BGTK.shape[2]
            low = allowed_keys(mask_BHLT[..., -1:, :], 1, length, scores_BHT.device)
            scores_BHT = scores_BHT + low[..., 0, :]
        self._found[layer] = scores_BHT.argmax(dim=-1)
        return q_BHLK

    def take(self) -> Tensor:
        """Return what was noted since the last call, all layers, and forget it.

        Raises:
            BadInput: The model did not run.
        """
        if not self._found:
            raise BadInput("no attention was seen", hint="attach this to a model and run it")
        layers = [self._found[number] for number in sorted(self._found)]
        self._found = {}
        return torch.stack(layers, dim=1)


class RetrievalScorer:
    """Counts, step by step, which heads copy the needle; nothing else is kept.

    Args:
        prompt: Token ids of the prompt.
        span: Where the needle's answer lies in it.

    Raises:
        BadInput: The span ends beyond the prompt.

    Source:
        arXiv 2404.15574, equation 1.

    Example:
        >>> scorer = RetrievalScorer([5, 8, 9, 2], Span(1, 3))
        >>> scorer.step(8, torch.tensor([[1, 2]]))  # writes 8: the first head looks at it
        >>> scorer.step(9, torch.tensor([[3, 2]]))  # writes 9: the second head does
        >>> scorer.scores().by_tokens_NH.tolist()
        [[0.5, 0.5]]
    """

    def __init__(self, prompt: Sequence[int], span: Span) -> None:
        if span.stop > len(prompt):
            raise BadInput(
                "the needle ends beyond the prompt",
                received=f"{span.start}:{span.stop} of {len(prompt)} tokens",
            )
        self.span = span
        self._prompt = torch.as_tensor(list(prompt))
        self._steps_NH: Tensor | None = None
        self._seen_NHV: Tensor | None = None

    def step(self, token: int, strongest_NH: Tensor) -> None:
        """Count one step.

        Args:
            token: The token that was written.
            strongest_NH: Each head's strongest key at the query that wrote it (the query whose
                input was the token before).
        """
        strongest_NH = strongest_NH.cpu()
        inside_NH = (strongest_NH >= self.span.start) & (strongest_NH < self.span.stop)
        place_NH = strongest_NH.clamp(max=len(self._prompt) - 1)
        copied_NH = inside_NH & (self._prompt[place_NH] == token)
        if self._steps_NH is None or self._seen_NHV is None:
            self._steps_NH = torch.zeros(copied_NH.shape, dtype=torch.float64)
            self._seen_NHV = torch.zeros((*copied_NH.shape, len(self.span)), dtype=torch.bool)
        self._steps_NH += copied_NH
        offset_NH1 = (place_NH - self.span.start).clamp(0, len(self.span) - 1)[..., None]
        before_NH1 = self._seen_NHV.gather(-1, offset_NH1)
        self._seen_NHV.scatter_(-1, offset_NH1, before_NH1 | copied_NH[..., None])

    def scores(self) -> TrialScores:
        """Return both scores of every head.

        Raises:
            BadInput: Nothing was written.
        """
        if self._steps_NH is None or self._seen_NHV is None:
            raise BadInput("no step was counted, so there is no score")
        needle = len(self.span)
        return TrialScores(
            by_steps_NH=(self._steps_NH / needle).numpy(),
            by_tokens_NH=(self._seen_NHV.sum(-1).double() / needle).numpy(),
        )
