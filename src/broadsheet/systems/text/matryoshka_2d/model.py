"""Objectives that make every layer and every prefix of a sentence embedding usable.

Papers: 2D Matryoshka Sentence Embeddings (arXiv 2402.14776 v1), Espresso (the same, v2) and
Starbucks (arXiv 2410.13230). An objective takes the pooled output of all layers, so one forward
pass serves every term.

Legend: N layers, P texts (anchors first, then their partners), D full width, K kept numbers.
`exits[n]` is the pooled output x_PD of layer n; `exits[0]` that of the embedding table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from broadsheet.core.errors import UsageError

#: A loss of the pooled texts of a batch; what is known of them (gold scores) it holds itself.
BaseLoss = Callable[[Tensor], Tensor]
Exits = Sequence[Tensor]


class Objective(Protocol):
    """One training objective over all exits of an encoder."""

    def __call__(self, exits: Exits, base: BaseLoss, draw: torch.Generator) -> Tensor:
        """Return the scalar loss of a batch.

        Args:
            exits: Pooled output x_PD of every layer, the embedding table first.
            base: The loss of one set of vectors, whatever their size.
            draw: Where random choices of this step come from.
        """
        ...


def feature_kl(
    student_PD: Tensor, teacher_PD: Tensor, *, temperature: float, unit_scale: bool
) -> Tensor:
    """Return KL(teacher || student) between softmaxes over the numbers of each vector.

    The teacher gets no gradient.

    Args:
        student_PD: The shallow vectors.
        teacher_PD: The deep ones.
        temperature: Divides the numbers before the softmax.
        unit_scale: Scale every vector to root mean square 1 first, so that the temperature means
            the same at every size and depth; False takes the numbers as they are.

    Shape:
        student_PD, teacher_PD: (P, D). Output: scalar, mean over P.

    Source:
        2DMSE v1, alignment term; direction and detached teacher as in sentence-transformers.

    Example:
        >>> x_PD = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
        >>> float(feature_kl(3 * x_PD, x_PD, temperature=1.0, unit_scale=True))
        0.0
    """
    teacher_PD = teacher_PD.detach()
    if unit_scale:
        student_PD, teacher_PD = unit_rms(student_PD), unit_rms(teacher_PD)
    return functional.kl_div(
        functional.log_softmax(student_PD.float() / temperature, dim=-1),
        functional.log_softmax(teacher_PD.float() / temperature, dim=-1),
        reduction="batchmean",
        log_target=True,
    ).clamp_min(0.0)


def unit_rms(x_PD: Tensor) -> Tensor:
    """Scale every vector to root mean square 1."""
    return functional.normalize(x_PD.float(), dim=-1) * math.sqrt(x_PD.shape[-1])


@dataclass(frozen=True, slots=True)
class LastLayerLoss:
    """The base loss of the last layer at full size: what an ordinary encoder trains on.

    Example:
        >>> exits = [torch.zeros(2, 4), torch.ones(2, 4)]
        >>> float(LastLayerLoss()(exits, torch.sum, torch.Generator()))
        8.0
    """

    def __call__(self, exits: Exits, base: BaseLoss, draw: torch.Generator) -> Tensor:
        """Return the loss; see `Objective`."""
        return base(exits[-1])


@dataclass(frozen=True, slots=True)
class MatryoshkaLoss:
    """The mean of the base loss over prefixes of the last layer ("MSE" in the paper's tables).

    Args:
        dims: Sizes, the full one among them.

    Source:
        Matryoshka representation learning (arXiv 2205.13147), equal weights.

    Example:
        >>> exits = [torch.zeros(2, 4), torch.ones(2, 4)]
        >>> float(MatryoshkaLoss((2, 4))(exits, torch.sum, torch.Generator()))
        6.0
    """

    dims: tuple[int, ...]

    def __call__(self, exits: Exits, base: BaseLoss, draw: torch.Generator) -> Tensor:
        """Return the loss; see `Objective`."""
        check_dims(self.dims, exits[-1].shape[-1])
        return torch.stack([base(exits[-1][:, :d]) for d in self.dims]).mean()


@dataclass(frozen=True, slots=True)
class TwoDMatryoshkaLoss:
    """2DMSE, version 1: one random layer and one random size a step, four losses and alignment.

    L = l(X_N^D) + l(X_N^d) + l(X_n^D) + l(X_n^d)
        + w (KL(X_N^D || X_n^D) + KL(X_N^d || X_n^d)),  n ~ U{1..N-1}, d ~ U(dims below D).

    Args:
        dims: Sizes to draw from; the full size may be among them and is not drawn.
        kl_weight: w.
        kl_temperature: Temperature of the alignment.

    Source:
        arXiv 2402.14776 v1, sections 3.1 and 3.2.

    Example:
        >>> exits = [torch.zeros(2, 4), torch.ones(2, 4), 2 * torch.ones(2, 4)]
        >>> loss = TwoDMatryoshkaLoss((2, 4))
        >>> float(loss(exits, torch.sum, torch.Generator()))  # 16 + 8 + 8 + 4, no divergence
        36.0
    """

    dims: tuple[int, ...]
    kl_weight: float = 1.0
    kl_temperature: float = 1.0

    def __call__(self, exits: Exits, base: BaseLoss, draw: torch.Generator) -> Tensor:
        """Return the loss; see `Objective`."""
        layer, dim = self.pick(len(exits) - 1, exits[-1].shape[-1], draw)
        last_PD, early_PD = exits[-1], exits[layer]
        loss = base(last_PD) + base(last_PD[:, :dim]) + base(early_PD) + base(early_PD[:, :dim])
        if self.kl_weight:
            loss = loss + self.kl_weight * (
                self._align(early_PD, last_PD) + self._align(early_PD[:, :dim], last_PD[:, :dim])
            )
        return loss

    def pick(self, depth: int, width: int, draw: torch.Generator) -> tuple[int, int]:
        """Draw the layer (1 to depth - 1) and the size (below `width`) of a step.

        Raises:
            UsageError: One layer only, or no size below the width.
        """
        check_dims(self.dims, width)
        smaller = [dim for dim in self.dims if dim < width]
        if depth < 2 or not smaller:
            raise UsageError(
                "nothing to draw from",
                received=f"{depth} layers, sizes {self.dims} of {width}",
                hint="two layers or more, and a size below the full one",
            )
        layer = 1 + int(torch.randint(depth - 1, (), generator=draw))
        return layer, smaller[int(torch.randint(len(smaller), (), generator=draw))]

    def _align(self, student_PD: Tensor, teacher_PD: Tensor) -> Tensor:
        return feature_kl(student_PD, teacher_PD, temperature=self.kl_temperature, unit_scale=True)


@dataclass(frozen=True, slots=True)
class EspressoLoss:
    """ESE, version 2 of the paper: every layer every step, and a learned compression.

    Learn to express: layers 1 to N-1 take part with weight 1 / (1 + ln(1 + n)), averaged.
    Learn to compress: the first K numbers are pulled to a rank-K summary of the whole vector.
    The last layer has weight 1 and its full size besides.

    Args:
        size: K.
        kl_temperature: Temperature of the divergence inside the compression term.
        target: "coordinates" as published, or "similarities": the first K numbers keep the
            cosines of the whole vector, which has no arbitrary axes.

    Source:
        arXiv 2402.14776 v2, section 3; weights and the summary as in the authors' code.

    Example:
        >>> x_PD = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
        >>> loss = EspressoLoss(size=2)
        >>> bool(loss([x_PD, x_PD, x_PD], torch.sum, torch.Generator()).isfinite())
        True
    """

    size: int
    kl_temperature: float = 1.0
    target: Literal["coordinates", "similarities"] = "coordinates"

    def __call__(self, exits: Exits, base: BaseLoss, draw: torch.Generator) -> Tensor:
        """Return the loss; see `Objective`."""
        check_dims((self.size,), exits[-1].shape[-1])
        loss = base(exits[-1]) + self._short(exits[-1], base)
        early = [
            layer_weight(layer) * self._short(x_PD, base)
            for layer, x_PD in enumerate(exits[1:-1], start=1)
        ]
        return loss + torch.stack(early).mean() if early else loss

    def _short(self, x_PD: Tensor, base: BaseLoss) -> Tensor:
        """Return the losses of the first K numbers of one layer."""
        short_PK = x_PD[:, : self.size]
        if self.target == "similarities":
            return base(short_PK) + functional.mse_loss(cosines(short_PK), cosines(x_PD).detach())
        target_PK = rank_summary(x_PD, self.size)
        # The axes' signs are arbitrary: take those that already fit best.
        target_PK = target_PK * torch.where((target_PK * short_PK).sum(0) < 0, -1.0, 1.0).detach()
        divergence = feature_kl(
            short_PK, target_PK, temperature=self.kl_temperature, unit_scale=False
        )
        return (
            base(short_PK)
            + functional.mse_loss(short_PK, target_PK)
            + self.kl_temperature * divergence
        )


@torch.no_grad()
def rank_summary(x_PD: Tensor, size: int) -> Tensor:
    """Return the rank-K summary that ESE compresses to; no gradient.

    A = softmax(x^T x / sqrt(D)) over rows, A ~ U S V^T of rank K, summary = x U S. The
    factorisation is a randomised one and draws from torch's own generator, which the training
    loop seeds at every step.

    Shape:
        x_PD: (P, D). Output: (P, K).
    """
    x_PD = x_PD.float()
    scores_DD = torch.softmax(x_PD.T @ x_PD / math.sqrt(x_PD.shape[1]), dim=-1)
    u_DK, s_K, _ = torch.svd_lowrank(scores_DD, q=size)
    return x_PD @ (u_DK * s_K)


def cosines(x_PD: Tensor) -> Tensor:
    """Return the cosine of every two rows."""
    unit_PD = functional.normalize(x_PD.float(), dim=-1)
    return unit_PD @ unit_PD.T


def layer_weight(layer: int) -> float:
    """Return the weight of a layer in ESE, 1 for the embedding table and falling with depth."""
    return 1.0 / (1.0 + math.log(1 + layer))


@dataclass(frozen=True, slots=True)
class StarbucksSchedule:
    """Starbucks: a fixed list of (layer, size) pairs, all of them every step.

    L = l(X_N^D) + sum over pairs of [l(X_n^d) + w t KL(X_N^d || X_n^d)].

    Args:
        pairs: Layers and sizes from small to large; the full pair is trained anyway.
        kl_weight: w.
        kl_temperature: t; as in the authors' code it weighs the divergence and does not divide
            the numbers.

    Source:
        arXiv 2410.13230, fine-tuning part; the masked pre-training is left out.

    Example:
        >>> exits = [torch.zeros(2, 4), torch.ones(2, 4), 2 * torch.ones(2, 4)]
        >>> float(StarbucksSchedule(((1, 2), (2, 4)))(exits, torch.sum, torch.Generator()))
        20.0
    """

    pairs: tuple[tuple[int, int], ...]
    kl_weight: float = 1.0
    kl_temperature: float = 0.3

    def __call__(self, exits: Exits, base: BaseLoss, draw: torch.Generator) -> Tensor:
        """Return the loss; see `Objective`.

        Raises:
            UsageError: A pair that this encoder does not have.
        """
        last_PD = exits[-1]
        loss = base(last_PD)
        for layer, dim in self.pairs:
            check_dims((dim,), last_PD.shape[-1])
            if not 1 <= layer < len(exits):
                raise UsageError("no such layer", received=layer, hint=f"1 to {len(exits) - 1}")
            if layer == len(exits) - 1 and dim == last_PD.shape[-1]:
                continue
            short_PK = exits[layer][:, :dim]
            divergence = feature_kl(short_PK, last_PD[:, :dim], temperature=1.0, unit_scale=False)
            loss = loss + base(short_PK) + self.kl_weight * self.kl_temperature * divergence
        return loss


def check_dims(dims: Sequence[int], width: int) -> None:
    """Refuse sizes that the encoder does not have.

    Raises:
        UsageError: A size below 1 or above the width.
    """
    wrong = [dim for dim in dims if not 1 <= dim <= width]
    if wrong or not dims:
        raise UsageError("no such size of a vector", received=wrong, hint=f"1 to {width}")
