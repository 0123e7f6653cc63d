"""Switching attention heads off while a block lasts: three ways, for each row of a batch its own.

zero_output     the head's output is 0: what "removed" means
uniform_attention  the head's query is 0, so it looks at all it may see alike: what the official
                masks do; it still adds the mean of the values
mean_output     the head's output is its mean over some text: what it adds on average is kept

All three work on query heads, so one head of a group that shares keys can be switched off alone,
and in the pass over the prompt as well as in each step.

Legend: B rows, H query heads, G key heads, L queries, T keys, K head size, N layers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.systems.reading.retrieval_heads.taps import Watcher, attached, shape_of

Mode = Literal["zero_output", "uniform_attention", "mean_output"]
#: Layer and query head, both counted from 0.
Head = tuple[int, int]


class HeadAblation:
    """Switches heads off: the same ones in every row, or one set for each row.

    Args:
        model: A decoder of the transformers library.
        heads: Heads of all rows, or one collection of heads for each row of the batch.
        mode: How.
        means_NHK: Mean outputs, for "mean_output" (see `mean_outputs`).

    Raises:
        UsageError: No such mode, or it needs means.
        BadInput: The model has no such head, or a batch has another number of rows.

    Source:
        arXiv 2404.15574, section 4; the official masks are "uniform_attention".

    Example:
        >>> from transformers import LlamaConfig, LlamaForCausalLM
        >>> sizes = LlamaConfig(vocab_size=9, hidden_size=8, intermediate_size=8,
        ...                     num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2)
        >>> model = LlamaForCausalLM(sizes).eval()
        >>> ids = torch.tensor([[1, 5, 3]])
        >>> whole = model(ids).logits
        >>> with HeadAblation(model, [(0, 3)]):
        ...     changed = model(ids).logits
        >>> torch.equal(whole, changed), torch.equal(whole, model(ids).logits)
        (False, True)
    """

    def __init__(
        self,
        model: Any,
        heads: Collection[Head] | Sequence[Collection[Head]],
        mode: Mode = "zero_output",
        means_NHK: Tensor | None = None,
    ) -> None:
        if mode not in get_args(Mode):
            raise UsageError(
                "no such way to switch a head off", received=mode, hint=", ".join(get_args(Mode))
            )
        if mode == "mean_output" and means_NHK is None:
            raise UsageError("mean_output needs the heads' mean outputs", hint="mean_outputs(...)")
        self._model = model
        self._probe = _Switch(_off_rows(heads, shape_of(model)), mode, means_NHK)
        self._block: Any = None

    def __enter__(self) -> HeadAblation:
        self._block = attached(self._model, [self._probe])
        self._block.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._block.__exit__(*error)


class _Switch(Watcher):
    def __init__(self, off_BNH: Tensor, mode: Mode, means_NHK: Tensor | None) -> None:
        self._off_BNH = off_BNH
        self._mode = mode
        self._means_NHK = means_NHK

    def before(
        self, layer: int, q_BHLK: Tensor, k_BGTK: Tensor, mask_BHLT: Tensor | None
    ) -> Tensor:
        off_BH = self._rows(layer, len(q_BHLK), q_BHLK.device)
        if self._mode != "uniform_attention" or not off_BH.any():
            return q_BHLK
        return q_BHLK.masked_fill(off_BH[:, :, None, None], 0.0)

    def after(self, layer: int, x_BLHK: Tensor) -> Tensor:
        off_BH = self._rows(layer, len(x_BLHK), x_BLHK.device)
        if self._mode == "uniform_attention" or not off_BH.any():
            return x_BLHK
        off_B1H1 = off_BH[:, None, :, None]
        if self._means_NHK is None or self._mode == "zero_output":
            return x_BLHK.masked_fill(off_B1H1, 0.0)
        return torch.where(off_B1H1, self._means_NHK[layer].to(x_BLHK), x_BLHK)

    def _rows(self, layer: int, rows: int, device: torch.device) -> Tensor:
        if len(self._off_BNH) not in (1, rows):
            raise BadInput(
                "each row of the batch needs its own heads",
                received=f"{rows} rows, {len(self._off_BNH)} sets of heads",
            )
        return self._off_BNH[:, layer].to(device)


def mean_outputs(model: Any, batches: Sequence[Tensor]) -> Tensor:
    """Return each head's mean output over all tokens of some text.

    Args:
        model: A decoder.
        batches: Token ids, [B, L] each, without padding.

    Shape:
        -> [N, H, K], float32.

    Raises:
        BadInput: There is no text.
    """
    if not batches:
        raise BadInput("a mean needs some text")
    recorder = _Mean()
    with attached(model, [recorder]), torch.inference_mode():
        for ids_BL in batches:
            model(ids_BL, use_cache=False, logits_to_keep=1)
    return recorder.averages()


class _Mean(Watcher):
    def __init__(self) -> None:
        self._sums: dict[int, Tensor] = {}
        self._count: dict[int, int] = {}

    def after(self, layer: int, x_BLHK: Tensor) -> Tensor:
        total_HK = x_BLHK.double().sum(dim=(0, 1))
        self._sums[layer] = self._sums.get(layer, 0.0) + total_HK
        self._count[layer] = self._count.get(layer, 0) + x_BLHK.shape[0] * x_BLHK.shape[1]
        return x_BLHK

    def averages(self) -> Tensor:
        layers = sorted(self._sums)
        return torch.stack([(self._sums[n] / self._count[n]).float() for n in layers])


@contextmanager
def switched_off(
    model: Any, heads: Sequence[Collection[Head]] | None, mode: Mode, means_NHK: Tensor | None
) -> Iterator[None]:
    """Switch heads off, or nothing when `heads` is None or all rows' sets are empty."""
    if not heads or not any(heads):
        yield
        return
    with HeadAblation(model, heads, mode, means_NHK):
        yield


def _off_rows(
    heads: Collection[Head] | Sequence[Collection[Head]], shape: tuple[int, int]
) -> Tensor:
    given = list(heads)
    same = not given or _is_head(given[0])
    rows: list[Any] = [given] if same else given
    off_BNH = torch.zeros((len(rows), *shape), dtype=torch.bool)
    for number, row in enumerate(rows):
        for layer, head in row:
            if not (0 <= layer < shape[0] and 0 <= head < shape[1]):
                raise BadInput(
                    "the model has no such head",
                    received=f"layer {layer}, head {head}",
                    hint=f"layers below {shape[0]}, heads below {shape[1]}",
                )
            off_BNH[number, layer, head] = True
    return off_BNH


def _is_head(value: Any) -> bool:
    return len(value) == 2 and all(isinstance(part, int) for part in value)
