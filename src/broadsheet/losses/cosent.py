"""CoSENT: pairs with a higher grade must be more similar.

Legend: B pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from broadsheet.losses.precision import in_full_precision


@in_full_precision
def cosent(sim_B: Tensor, gold_B: Tensor, scale: float = 20.0) -> Tensor:
    """Return log(1 + sum over i, j with gold_i > gold_j of exp(scale (sim_j - sim_i))).

    Args:
        sim_B: Similarity of each pair, as a rule a cosine.
        gold_B: Grade of each pair, any scale; only the order counts.
        scale: Sharpness; 20 for cosines.

    Inputs:
        Graded pairs. A batch whose grades are all equal gives 0.

    Negatives per anchor:
        None from other pairs' texts: each pair is compared with every pair of a lower grade, up to
        B - 1.

    Relations:
        `angle` is the same on another similarity. Its gradient follows ranks, hence Spearman,
        where a regression follows values.

    Shape:
        -> scalar.

    Source:
        CoSENT, kexue.fm/archives/8847 (2022).

    Example:
        >>> round(cosent(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])).item(), 4)
        0.6931
    """
    gaps_BB = scale * (sim_B[None, :] - sim_B[:, None])
    ordered_BB = gold_B[:, None] > gold_B[None, :]
    chosen = gaps_BB[ordered_BB]
    return torch.logsumexp(torch.cat([chosen.new_zeros(1), chosen]), dim=0)
