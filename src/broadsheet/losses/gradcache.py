"""Gradient cache: a contrastive loss over more texts than fit in memory, with exact gradients.

Legend: B rows, D width.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch import Tensor

from broadsheet.core.errors import BadInput

Chunk = TypeVar("Chunk")


def cached_loss(
    encode: Callable[[Chunk], Tensor],
    sides: Sequence[Sequence[Chunk]],
    loss: Callable[..., Tensor],
) -> Tensor:
    """Return a loss whose `backward()` keeps the activations of one chunk at a time.

    All chunks are encoded without activations; the loss and its gradient at the vectors follow;
    `backward()` encodes every chunk once more, now with activations, under the random state and the
    autocast setting of its first time, and passes the vectors' gradient on. So dropout is the same
    both times, and the gradients are those of the whole batch at once. Cost: one more forward pass.

    Args:
        encode: Vectors of a chunk.
        sides: For each argument of the loss (anchors, candidates, hard negatives) its chunks.
        loss: Takes one x_BD for each side.

    Inputs:
        Those of `loss`.

    Negatives per anchor:
        Those of `loss`: chunks do not limit them.

    Relations:
        For losses that see vectors only. A model inside `DistributedDataParallel` needs
        `cached_backward`, whose backward passes are not nested.

    Shape:
        -> scalar.

    Raises:
        BadInput: A side has no chunks.

    Source:
        Gradient cache (arXiv 2101.06983), section 3.

    Example:
        >>> weight = torch.tensor([2.0], requires_grad=True)
        >>> sides = [[torch.ones(2, 1), torch.ones(1, 1)]]
        >>> cached_loss(lambda x: x * weight, sides, lambda x: x.square().sum()).backward()
        >>> weight.grad.item()
        12.0
    """
    taken = _take(encode, sides)
    vectors = [_joined(chunks) for chunks in taken]
    for x_BD, chunks in zip(vectors, taken, strict=True):
        x_BD.register_hook(functools.partial(_replay, chunks))  # type: ignore[no-untyped-call]
    return loss(*vectors)


def cached_backward(
    encode: Callable[[Chunk], Tensor],
    sides: Sequence[Sequence[Chunk]],
    loss: Callable[..., Tensor],
    *,
    unsynced: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Tensor:
    """Add the gradients of `cached_loss` to the parameters and return its value.

    Args:
        encode: See `cached_loss`.
        sides: See `cached_loss`.
        loss: See `cached_loss`.
        unsynced: Entered for the backward passes of all chunks but the last, such as the `no_sync`
            of a model inside `DistributedDataParallel`, which then averages gradients once.

    Inputs:
        Those of `loss`.

    Negatives per anchor:
        Those of `loss`.

    Relations:
        `cached_loss(...).backward()`, with the passes one after the other.

    Shape:
        -> scalar, without gradient.

    Source:
        Gradient cache (arXiv 2101.06983), section 3.

    Example:
        >>> weight = torch.tensor([2.0], requires_grad=True)
        >>> cached_backward(lambda x: x * weight, [[torch.ones(2, 1)]], torch.sum).item()
        4.0
        >>> weight.grad.item()
        2.0
    """
    taken = _take(encode, sides)
    vectors = [_joined(chunks) for chunks in taken]
    value = loss(*vectors)
    torch.autograd.backward(value)
    work = [
        (chunk, part_BD)
        for x_BD, chunks in zip(vectors, taken, strict=True)
        if x_BD.grad is not None
        for chunk, part_BD in _parts(chunks, x_BD.grad)
    ]
    for left, (chunk, part_BD) in zip(reversed(range(len(work))), work, strict=True):
        with unsynced() if left else nullcontext():
            chunk.backward(part_BD)
    return value.detach()


def _take(
    encode: Callable[[Chunk], Tensor], sides: Sequence[Sequence[Chunk]]
) -> list[list[_Taken[Chunk]]]:
    if not sides or not all(sides):
        raise BadInput("every side needs a chunk", received=[len(chunks) for chunks in sides])
    return [[_Taken(encode, chunk) for chunk in chunks] for chunks in sides]


def _joined(chunks: Sequence[_Taken[Chunk]]) -> Tensor:
    return torch.cat([chunk.vectors() for chunk in chunks]).requires_grad_()


def _parts(
    chunks: Sequence[_Taken[Chunk]], grad_BD: Tensor
) -> Iterator[tuple[_Taken[Chunk], Tensor]]:
    return zip(chunks, torch.split(grad_BD, [chunk.count for chunk in chunks]), strict=True)


def _replay(chunks: Sequence[_Taken[Chunk]], grad_BD: Tensor) -> None:
    for chunk, part_BD in _parts(chunks, grad_BD):
        chunk.backward(part_BD)


@dataclass(slots=True)
class _Taken(Generic[Chunk]):
    """A chunk, and the state that its first pass found."""

    encode: Callable[[Chunk], Tensor]
    chunk: Chunk
    count: int = field(init=False)
    _random: _RandomState = field(init=False)
    _autocast: _Autocast = field(init=False)

    def vectors(self) -> Tensor:
        """Encode without activations."""
        self._random = _RandomState.now()
        self._autocast = _Autocast.now()
        with torch.no_grad():
            x_BD = self.encode(self.chunk)
        self.count = len(x_BD)
        return x_BD

    def backward(self, grad_BD: Tensor) -> None:
        """Encode again, and pass a gradient on."""
        with self._random.again(), self._autocast.again(), torch.enable_grad():
            x_BD = self.encode(self.chunk)
        if x_BD.requires_grad:
            torch.autograd.backward(x_BD, grad_BD.to(x_BD.dtype))


@dataclass(frozen=True, slots=True)
class _RandomState:
    cpu: Tensor
    devices: tuple[Tensor, ...]

    @classmethod
    def now(cls) -> _RandomState:
        used = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        devices = torch.cuda.get_rng_state_all() if used else []
        return cls(torch.get_rng_state(), tuple(devices))

    @contextmanager
    def again(self) -> Iterator[None]:
        with torch.random.fork_rng(devices=range(len(self.devices))):
            torch.set_rng_state(self.cpu)
            if self.devices:
                torch.cuda.set_rng_state_all(list(self.devices))
            yield


@dataclass(frozen=True, slots=True)
class _Autocast:
    kind: str
    enabled: bool
    dtype: torch.dtype

    @classmethod
    def now(cls) -> _Autocast:
        kind = "cuda" if torch.is_autocast_enabled("cuda") else "cpu"
        return cls(kind, torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind))

    def again(self) -> AbstractContextManager[object]:
        return torch.autocast(self.kind, dtype=self.dtype, enabled=self.enabled)
