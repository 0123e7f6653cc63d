"""Greedy writing: one pass over prompts of equal length, then a token a step.

Legend: B rows, L tokens of the prompt, N layers, H heads, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor

from broadsheet.core.errors import BadInput
from broadsheet.systems.reading.retrieval_heads.model import StrongestKeys
from broadsheet.systems.reading.retrieval_heads.taps import attached

#: Told of a step: the tokens written, one a row, and each head's strongest key [B, N, H].
OnStep = Callable[[list[int | None], Tensor], None]


@torch.inference_mode()
def write(
    model: Any,
    prompts_BL: Tensor,
    *,
    limit: int,
    stops: Collection[int] = (),
    on_step: OnStep | None = None,
) -> list[list[int]]:
    """Return what a model writes after each prompt, without the token that ended it.

    All but the last token of the prompts go through the model at once; nothing is watched there.

    Args:
        model: A causal model of the transformers library.
        prompts_BL: Token ids, without padding.
        limit: Tokens at most.
        stops: Tokens that end a row.
        on_step: Called after every step; the token of a row that had ended is None.

    Raises:
        BadInput: The prompt is empty or longer than the model can read.
    """
    longest = getattr(model.config, "max_position_embeddings", None)
    length = prompts_BL.shape[1]
    if not length or (longest and length + limit > longest):
        raise BadInput(
            "the prompt does not fit the model",
            received=f"{length} tokens and {limit} to write",
            hint=f"at most {longest} in all",
        )
    watcher = StrongestKeys()
    with attached(model, [watcher] if on_step else []):
        cache = None
        if length > 1:
            first = model(prompts_BL[:, :-1], use_cache=True, logits_to_keep=1)
            cache = first.past_key_values
            if on_step:
                watcher.take()
        return _steps(model, prompts_BL[:, -1:], cache, limit, frozenset(stops), on_step, watcher)


def _steps(
    model: Any,
    token_B1: Tensor,
    cache: Any,
    limit: int,
    stops: frozenset[int],
    on_step: OnStep | None,
    watcher: StrongestKeys,
) -> list[list[int]]:
    rows = token_B1.shape[0]
    written: list[list[int]] = [[] for _ in range(rows)]
    ended = [False] * rows
    for _ in range(limit):
        answer = model(token_B1, past_key_values=cache, use_cache=True)
        cache = answer.past_key_values
        token_B1 = answer.logits[:, -1].float().argmax(dim=-1, keepdim=True)
        tokens = [int(one) for one in token_B1[:, 0]]
        ended = [was or token in stops for was, token in zip(ended, tokens, strict=True)]
        if on_step:
            told = [None if e else t for e, t in zip(ended, tokens, strict=True)]
            on_step(told, watcher.take())
        for row, token in enumerate(tokens):
            if not ended[row]:
                written[row].append(token)
        if all(ended):
            break
    return written
