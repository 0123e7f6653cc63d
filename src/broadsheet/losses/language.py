"""The loss of language models: the next word.

Legend: B rows, L tokens, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from broadsheet.losses.precision import in_full_precision


@in_full_precision
def next_token(logits_BLV: Tensor, ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
    """Return the mean cross-entropy of each token given those before it; padding does not count.

    Inputs:
        The logits of a causal model for a batch of texts, and the texts.

    Negatives per anchor:
        V - 1 words.

    Relations:
        `contrastive.info_nce` with the word table as candidates.

    Shape:
        -> scalar; 0 when no text has two tokens.

    Source:
        A neural probabilistic language model (Bengio and others, 2003).

    Example:
        >>> ids = torch.tensor([[1, 2, 0]])
        >>> round(next_token(torch.zeros(1, 3, 5), ids, torch.tensor([[1, 1, 0]])).item(), 4)
        1.6094
    """
    real_BL = mask_BL.bool()
    counted_BL = real_BL[:, 1:] & real_BL[:, :-1]
    losses_BL = F.cross_entropy(logits_BLV[:, :-1].transpose(1, 2), ids_BL[:, 1:], reduction="none")
    return torch.where(counted_BL, losses_BL, 0.0).sum() / counted_BL.sum().clamp_min(1)
