"""Watching and changing attention heads while a model of the transformers library runs.

The library calls one function for every attention layer and lets it be replaced by name
(`AttentionInterface`). Ours hands queries, keys and outputs to probes and otherwise calls the
library's own fast attention, so no matrix of weights is ever made and no model file is copied.

Legend: B rows, H query heads, G key heads (H is a multiple of G), L queries, T keys, K head size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from broadsheet.core.errors import BadInput

#: Our name among the library's attention functions.
NAME = "broadsheet_probe"


class Probe(Protocol):
    """Sees every attention layer once before and once after it mixes the values."""

    def before(
        self, layer: int, q_BHLK: Tensor, k_BGTK: Tensor, mask_BHLT: Tensor | None
    ) -> Tensor:
        """Return the queries to use; positions are already in queries and keys."""
        ...

    def after(self, layer: int, x_BLHK: Tensor) -> Tensor:
        """Return the heads' outputs to use, before they are projected together."""
        ...


class Watcher:
    """A probe that changes nothing; derive from it to look only.

    Example:
        >>> x = torch.zeros(1, 2, 3, 4)
        >>> Watcher().after(0, x) is x
        True
    """

    def before(
        self, layer: int, q_BHLK: Tensor, k_BGTK: Tensor, mask_BHLT: Tensor | None
    ) -> Tensor:
        """Return the queries as they are."""
        return q_BHLK

    def after(self, layer: int, x_BLHK: Tensor) -> Tensor:
        """Return the outputs as they are."""
        return x_BLHK


_active: WeakKeyDictionary[nn.Module, list[Probe]] = WeakKeyDictionary()


@contextmanager
def attached(model: Any, probes: Sequence[Probe]) -> Iterator[None]:
    """Run probes inside the attention of a model while the block lasts; blocks may be nested.

    Probes are called in the order in which they were attached.

    Raises:
        BadInput: The model's attention does not go through the library's interface.
    """
    layers = attention_layers(model)
    before = model.config._attn_implementation
    if before != NAME:
        model.set_attn_implementation(NAME)
    if model.config._attn_implementation != NAME:
        raise BadInput(
            "this model's attention can't be watched", received=type(model).__name__, hint=_HINT
        )
    for layer in layers:
        _active.setdefault(layer, []).extend(probes)
    try:
        yield
    finally:
        for layer in layers:
            kept = [probe for probe in _active[layer] if not _among(probe, probes)]
            _active[layer] = kept
        if before != NAME:
            model.set_attn_implementation(before)


_HINT = "a decoder whose class follows the attention interface of transformers"


def attention_layers(model: nn.Module) -> tuple[nn.Module, ...]:
    """Return the attention modules of a decoder, first layer first.

    Raises:
        BadInput: There are none, or they do not number their layers 0, 1, 2 and so on.
    """
    found: dict[int, nn.Module] = {}
    for part in model.modules():
        number: Any = getattr(part, "layer_idx", None)
        if isinstance(number, int) and _attends(part):
            found[number] = part
    if not found or sorted(found) != list(range(len(found))):
        raise BadInput(
            "no numbered attention layers were found", received=type(model).__name__, hint=_HINT
        )
    return tuple(found[number] for number in range(len(found)))


def shape_of(model: Any) -> tuple[int, int]:
    """Return how many layers and how many query heads a decoder has."""
    return len(attention_layers(model)), int(model.config.num_attention_heads)


def _attends(part: nn.Module) -> bool:
    name = type(part).__name__.lower()
    return "attention" in name or "attn" in name


def _among(probe: Probe, probes: Sequence[Probe]) -> bool:
    return any(probe is one for one in probes)


def _tapped(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """Stand in for the library's attention; the names are the library's."""
    probes = _active.get(module, [])
    layer = int(module.layer_idx)  # type: ignore[arg-type]
    for probe in probes:
        query = probe.before(layer, query, key, attention_mask)
    if rest.get("softcap") is not None:
        x_BLHK = _capped_attention(query, key, value, attention_mask, rest)
    else:
        x_BLHK, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **rest)
    for probe in probes:
        x_BLHK = probe.after(layer, x_BLHK)
    return x_BLHK, None


def _capped_attention(
    q_BHLK: Tensor, k_BGTK: Tensor, v_BGTK: Tensor, mask: Tensor | None, rest: dict[str, Any]
) -> Tensor:
    """Return attention whose scores are bent towards a cap (Gemma 2), which sdpa can't do."""
    scaling, cap = rest.get("scaling"), float(rest["softcap"])
    times = q_BHLK.shape[1] // k_BGTK.shape[1]
    k_BHTK = k_BGTK.repeat_interleave(times, dim=1).float()
    v_BHTK = v_BGTK.repeat_interleave(times, dim=1)
    scores_BHLT = q_BHLK.float() @ k_BHTK.transpose(2, 3)
    scores_BHLT = scores_BHLT * (q_BHLK.shape[-1] ** -0.5 if scaling is None else scaling)
    scores_BHLT = cap * torch.tanh(scores_BHLT / cap)
    allowed = allowed_keys(mask, q_BHLK.shape[2], k_BGTK.shape[2], q_BHLK.device)
    weights_BHLT = torch.softmax(scores_BHLT + allowed, dim=-1).to(v_BHTK.dtype)
    return (weights_BHLT @ v_BHTK).transpose(1, 2).contiguous()


def allowed_keys(mask: Tensor | None, queries: int, keys: int, device: torch.device) -> Tensor:
    """Return what is added to scores: 0 where a query may look, very little elsewhere.

    Without a mask each query sees what came before it and itself, the last query every key.

    Shape:
        -> broadcasts to [B, H, L, T], float32.

    Example:
        >>> (allowed_keys(None, 2, 3, torch.device("cpu")) == 0).tolist()
        [[True, True, False], [True, True, True]]
    """
    low = torch.finfo(torch.bfloat16).min
    if mask is None:
        seen_LT = torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)
        return torch.zeros(queries, keys, device=device).masked_fill(~seen_LT, low)
    cut = mask[..., :keys]
    if cut.dtype == torch.bool:
        return torch.zeros(cut.shape, device=device).masked_fill(~cut, low)
    return cut.float()


AttentionInterface.register(NAME, _tapped)
AttentionMaskInterface.register(NAME, sdpa_mask)
