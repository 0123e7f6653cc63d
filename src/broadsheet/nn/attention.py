"""Self-attention over the tokens of a row, with a mask of padding and, if wanted, of the future.

Legend: B rows, L tokens, D width, H heads, K head size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from broadsheet.core.errors import BadInput


class SelfAttention(nn.Module):
    """Multi-head self-attention with biases, as in BERT.

    Args:
        width: D.
        heads: H; divides D.
        dropout: Share of attention weights dropped in training.

    Shape:
        x_BLD and bias_BHLL (added to the scores; broadcast) -> x_BLD.

    Source:
        Attention is all you need (arXiv 1706.03762), section 3.2.

    Example:
        >>> attention = SelfAttention(8, heads=2)
        >>> attention(torch.zeros(1, 3, 8), attention_bias(torch.ones(1, 3))).shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise BadInput("heads must divide the width", received=f"{heads} heads, width {width}")
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, x_BLD: Tensor, bias_BHLL: Tensor) -> Tensor:
        """Mix the tokens of each row."""
        q_BHLK, k_BHLK, v_BHLK = (
            part(x_BLD).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        mixed_BHLK = F.scaled_dot_product_attention(
            q_BHLK,
            k_BHLK,
            v_BHLK,
            attn_mask=bias_BHLL.to(q_BHLK.dtype),
            dropout_p=self.dropout if self.training else 0.0,
        )
        mixed_BLD: Tensor = self.output(mixed_BHLK.transpose(1, 2).flatten(2))
        return mixed_BLD


def attention_bias(mask_BL: Tensor, *, causal: bool = False) -> Tensor:
    """Return what is added to attention scores: 0 where a token may look, very little elsewhere.

    The smallest number that bfloat16 and float32 share is finite, so a row without any real token
    gives finite (meaningless) states instead of NaN.

    Shape:
        mask_BL -> [B, 1, 1, L], or [B, 1, L, L] when causal; float32.

    Example:
        >>> (attention_bias(torch.tensor([[1, 0]])) == 0).tolist()
        [[[[True, False]]]]
    """
    allowed = mask_BL.bool()[:, None, None, :]
    if causal:
        length = mask_BL.shape[1]
        past_LL = torch.ones(length, length, dtype=torch.bool, device=mask_BL.device).tril()
        allowed = allowed & past_LL
    low = torch.finfo(torch.bfloat16).min
    return torch.zeros(allowed.shape, device=mask_BL.device).masked_fill(~allowed, low)
