"""Contrastive losses: the right partner among all others.

Legend: B anchors of this process, C candidates of all processes, N hard negatives of all
processes, D width.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from broadsheet.core.errors import BadInput
from broadsheet.losses.gather import Gather, local
from broadsheet.losses.precision import in_full_precision

Similarity = Literal["cosine", "dot"]


@in_full_precision
def info_nce(
    x_BD: Tensor,
    y_CD: Tensor,
    *,
    temperature: float | Tensor = 0.05,
    hard_ND: Tensor | None = None,
    positives_BC: Tensor | None = None,
    gather: Gather = local,
    similarity: Similarity = "cosine",
) -> Tensor:
    """Return the mean cross-entropy of finding y_i among all candidates, given x_i.

    L = -1/B sum_i log( exp(s(x_i, y_i) / t) / sum_j exp(s(x_i, y_j) / t) ); j runs over y and the
    hard negatives, without the false negatives of i.

    Args:
        x_BD: Anchors.
        y_CD: Candidates; row i < B is the partner of anchor i, further rows are negatives of all.
        temperature: t; a tensor (see `LearnedTemperature`) is learned.
        hard_ND: Mined negatives, any number; each serves every anchor.
        positives_BC: True where a candidate is no negative (a second partner, a duplicate). Columns
            as after gathering: all of y, then or not all hard negatives. Partners always stay.
        gather: `local`, or `across_processes` for the candidates of all devices.
        similarity: "cosine", or "dot" for vectors that carry meaning in their length.

    Inputs:
        Pairs (anchor, positive), or triples with one or more negatives each.

    Negatives per anchor:
        C - 1 + N, less the marked ones. With W processes and k hard negatives for each anchor:
        W B (1 + k) - 1.

    Relations:
        Also called multiple negatives ranking loss (see `mnr`). One direction only:
        `symmetric_info_nce` takes both. For batches that don't fit in memory see `gradcache`.

    Shape:
        -> scalar.

    Raises:
        BadInput: Fewer candidates than anchors, or a mask of another shape.

    Source:
        arXiv 1807.03748, equation 4; in-batch negatives as in arXiv 1705.00652.

    Example:
        >>> x = torch.eye(3)
        >>> round(info_nce(x, x, temperature=1.0).item(), 4)
        0.5514
    """
    _check_partners(x_BD, y_CD)
    candidates = gather(y_CD)
    all_CD = candidates.rows_GD
    if hard_ND is not None:
        all_CD = torch.cat([all_CD, gather(hard_ND).rows_GD])
    logits_BC = similarities(x_BD, all_CD, similarity) / temperature
    target_B = candidates.start + torch.arange(len(x_BD), device=x_BD.device)
    if positives_BC is not None:
        logits_BC = _without(logits_BC, positives_BC, target_B)
    return F.cross_entropy(logits_BC, target_B)


@in_full_precision
def symmetric_info_nce(
    x_BD: Tensor,
    y_BD: Tensor,
    *,
    temperature: float | Tensor = 0.05,
    positives_BC: Tensor | None = None,
    gather: Gather = local,
    similarity: Similarity = "cosine",
) -> Tensor:
    """Return the mean of finding y given x and x given y.

    Args:
        x_BD: One side.
        y_BD: The other side.
        temperature: See `info_nce`.
        positives_BC: True where y_j is no negative of x_i; read the same way for x_j and y_i, so
            it must be symmetric.
        gather: See `info_nce`.
        similarity: See `info_nce`.

    Inputs:
        Pairs in which both sides have the same role (two views, two languages).

    Negatives per anchor:
        B - 1 in each direction; W B - 1 with W processes.

    Relations:
        The loss of CLIP. Half the sum of two `info_nce`.

    Shape:
        -> scalar.

    Source:
        arXiv 2103.00020, figure 3.

    Example:
        >>> x = torch.eye(3)
        >>> round(symmetric_info_nce(x, x, temperature=1.0).item(), 4)
        0.5514
    """

    def one_way(a_BD: Tensor, b_BD: Tensor) -> Tensor:
        return info_nce(
            a_BD,
            b_BD,
            temperature=temperature,
            positives_BC=positives_BC,
            gather=gather,
            similarity=similarity,
        )

    return (one_way(x_BD, y_BD) + one_way(y_BD, x_BD)) / 2


def mnr(x_BD: Tensor, y_CD: Tensor, *, scale: float = 20.0) -> Tensor:
    """Return `info_nce` with its temperature given as a scale, the habit of sentence-transformers.

    Inputs:
        Pairs (anchor, positive).

    Negatives per anchor:
        C - 1.

    Relations:
        `info_nce` at temperature 1 / scale, with all its defaults.

    Shape:
        -> scalar.

    Source:
        arXiv 1705.00652, section 4.4.

    Example:
        >>> x = torch.eye(3)
        >>> round(mnr(x, x, scale=1.0).item(), 4)
        0.5514
    """
    return info_nce(x_BD, y_CD, temperature=1.0 / scale)


def similarities(x_BD: Tensor, y_CD: Tensor, similarity: Similarity = "cosine") -> Tensor:
    """Return all similarities of two sets of vectors.

    Shape:
        x_BD, y_CD -> [B, C].
    """
    if similarity == "cosine":
        x_BD, y_CD = F.normalize(x_BD, dim=1), F.normalize(y_CD, dim=1)
    return x_BD @ y_CD.T


def same_keys(keys_B: Tensor, others_C: Tensor | None = None, *, gather: Gather = local) -> Tensor:
    """Return where two rows have the same key: duplicates, or texts of one document.

    Serves as `positives_BC`, so that a copy of an anchor's partner is not pushed away.

    Args:
        keys_B: Integers, one for each anchor.
        others_C: Those of the candidates (or of the hard negatives, to be put beside the mask of
            the candidates); when not given, a candidate has its anchor's key.
        gather: As for the loss.

    Shape:
        -> [B, C] bool, columns as after gathering.

    Example:
        >>> same_keys(torch.tensor([4, 7, 4])).tolist()
        [[True, False, True], [False, True, False], [True, False, True]]
    """
    others_C = keys_B if others_C is None else others_C
    all_C = gather(others_C[:, None]).rows_GD[:, 0]
    return keys_B[:, None] == all_C[None, :]


class LearnedTemperature(nn.Module):
    """A temperature that is trained with the encoder.

    Args:
        start: Its first value.
        kind: "log_scale": the parameter is log(1/t), as in CLIP; a step changes t by a share of
            itself. "direct": the parameter is t itself, as in ALIGN; a step changes t by an amount.
        floor: Least temperature; below it the parameter gets no gradient.

    Source:
        arXiv 2103.00020, section 2.5 (log scale, floor 1/100); arXiv 2102.05918 (direct).

    Example:
        >>> round(LearnedTemperature(0.07)().item(), 4)
        0.07
    """

    def __init__(
        self,
        start: float = 0.07,
        kind: Literal["log_scale", "direct"] = "log_scale",
        floor: float = 0.01,
    ) -> None:
        super().__init__()
        if start < floor or floor <= 0:
            raise BadInput("a temperature starts above its floor", received=f"{start}, {floor}")
        self.kind = kind
        self.floor = floor
        value = torch.tensor(float(start))
        self.parameter = nn.Parameter(-value.log() if kind == "log_scale" else value)

    def forward(self) -> Tensor:
        """Return the temperature of this moment, a scalar."""
        value = torch.exp(-self.parameter) if self.kind == "log_scale" else self.parameter
        return value.clamp_min(self.floor)


def _check_partners(x_BD: Tensor, y_CD: Tensor) -> None:
    if len(y_CD) < len(x_BD) or not len(x_BD):
        raise BadInput(
            "every anchor needs its partner",
            received=f"{len(x_BD)} anchors, {len(y_CD)} candidates",
        )


def _without(logits_BC: Tensor, positives_BC: Tensor, target_B: Tensor) -> Tensor:
    """Take false negatives out of the denominators; the partners stay."""
    rows, columns = positives_BC.shape
    if rows != len(logits_BC) or columns > logits_BC.shape[1]:
        raise BadInput(
            "the mask of false negatives does not fit",
            received=tuple(positives_BC.shape),
            hint=f"{tuple(logits_BC.shape)}, columns as after gathering",
        )
    out_BC = positives_BC.to(device=logits_BC.device, dtype=torch.bool)
    out_BC = F.pad(out_BC, (0, logits_BC.shape[1] - columns))
    out_BC = out_BC.scatter(1, target_B[:, None], False)
    return logits_BC.masked_fill(out_BC, float("-inf"))
