"""An encoder some of whose heads are told where to look.

Head i < R adds a role's mask to its scores; the others see the padding mask only. The same masks
serve all layers. Heads are put together in one of three ways: "concat" (as usual), "sum_gate" (each
head is projected on its own and weighted by a softmax gate per token) and "concat_mix" (guided and
free heads are projected apart and mixed by a sigmoid gate per token and number).

Legend: B rows, L positions, E input width, D width, H heads, K = D / H, R roles, C classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from broadsheet.core.errors import UsageError
from broadsheet.nn.blocks import FeedForward, initialise

Combine = Literal["concat", "sum_gate", "concat_mix"]
_LOW = -1e10


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidedShape:
    """Sizes of the encoder.

    Args:
        inputs: E.
        width: D.
        depth: Layers.
        heads: H; divides D.
        hidden: Width inside the feed-forward part.
        roles: R, how many heads are guided; at most H.
        combine: How heads become one state.
        scale: What scores are divided by: the root of a head's size ("head", as usual) or of the
            whole width ("model", as in the authors' code).
        dropout: In training.
        max_tokens: Positions.
    """

    inputs: int = 256
    width: int = 120
    depth: int = 2
    heads: int = 6
    hidden: int = 240
    roles: int = 5
    combine: Combine = "concat"
    scale: Literal["head", "model"] = "head"
    dropout: float = 0.2
    max_tokens: int = 64

    def __post_init__(self) -> None:
        if self.roles > self.heads:
            raise UsageError(
                "more roles than heads: head i plays role i, so some would be dropped",
                received=f"{self.roles} roles, {self.heads} heads",
                hint="fewer roles or more heads",
            )
        if self.heads < 1 or self.width % self.heads:
            raise UsageError(
                "heads must divide the width", received=f"{self.heads} heads, width {self.width}"
            )


class GuidedAttention(nn.Module):
    """Self-attention whose first heads keep to the masks of their roles.

    Shape:
        x_BLD, mask_BL, roles_BRLL (boolean, row may look at column) -> x_BLD.

    Source:
        Multi-Head Self-Attention with Role-Guided Masks (arXiv 2012.12366), section 3.

    Example:
        >>> attention = GuidedAttention(GuidedShape(width=8, heads=2, roles=1))
        >>> x, roles = torch.zeros(1, 3, 8), torch.eye(3, dtype=torch.bool)[None, None]
        >>> attention(x, torch.ones(1, 3), roles).shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, shape: GuidedShape) -> None:
        super().__init__()
        width = shape.width
        self.shape = shape
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.output = nn.Linear(width, width)
        if shape.combine == "sum_gate":
            self.gate: nn.Module = nn.Linear(width, shape.heads)
        elif shape.combine == "concat_mix":
            self.gate = nn.Linear(width, width)
        self.drop = nn.Dropout(shape.dropout)

    def weights(self, x_BLD: Tensor, mask_BL: Tensor, roles_BRLL: Tensor) -> Tensor:
        """Return the attention weights of all heads.

        Shape:
            [B, H, L, L].
        """
        q_BHLK, k_BHLK = (self._split(part(x_BLD)) for part in (self.query, self.key))
        size = x_BLD.shape[-1] if self.shape.scale == "model" else q_BHLK.shape[-1]
        scores_BHLL = single(q_BHLK @ k_BHLK.transpose(2, 3)) / math.sqrt(size)
        bias_BHLL = role_bias(mask_BL, roles_BRLL[:, : self.shape.roles], self.shape.heads)
        return (scores_BHLL + bias_BHLL).softmax(dim=-1).to(x_BLD.dtype)

    def forward(self, x_BLD: Tensor, mask_BL: Tensor, roles_BRLL: Tensor) -> Tensor:
        """Mix the positions of each row."""
        weights_BHLL = self.drop(self.weights(x_BLD, mask_BL, roles_BRLL))
        mixed_BHLK = weights_BHLL @ self._split(self.value(x_BLD))
        return self._combine(x_BLD, mixed_BHLK)

    def _combine(self, x_BLD: Tensor, mixed_BHLK: Tensor) -> Tensor:
        joined_BLD = mixed_BHLK.transpose(1, 2).flatten(2)
        if self.shape.combine == "concat":
            plain_BLD: Tensor = self.output(joined_BLD)
            return plain_BLD
        if self.shape.combine == "sum_gate":
            # The mean of the heads' own projections when the gate is even: H keeps its size.
            gate_BLH = self.gate(x_BLD).softmax(dim=-1) * self.shape.heads
            gated_BLD = _split(joined_BLD, self.shape.heads) * gate_BLH[..., None]
            summed_BLD: Tensor = self.output(gated_BLD.flatten(2))
            return summed_BLD
        guided = self.shape.roles * mixed_BHLK.shape[-1]
        weight_DD, bias_D = self.output.weight, self.output.bias
        from_guided_BLD = joined_BLD[..., :guided] @ weight_DD[:, :guided].T
        from_free_BLD = joined_BLD[..., guided:] @ weight_DD[:, guided:].T
        gate_BLD = self.gate(x_BLD).sigmoid() * 2
        mixed_BLD: Tensor = gate_BLD * from_guided_BLD + (2 - gate_BLD) * from_free_BLD + bias_D
        return mixed_BLD

    def _split(self, x_BLD: Tensor) -> Tensor:
        return _split(x_BLD, self.shape.heads).transpose(1, 2)


def _split(x_BLD: Tensor, heads: int) -> Tensor:
    """Return the heads' parts of each position, [B, L, H, K]."""
    return x_BLD.reshape(*x_BLD.shape[:-1], heads, x_BLD.shape[-1] // heads)


def single(x: Tensor) -> Tensor:
    """Return a tensor in float32 at least: scores of half precision are widened."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def role_bias(mask_BL: Tensor, roles_BRLL: Tensor, heads: int) -> Tensor:
    """Return what is added to the scores: 0 where a head may look, -1e10 elsewhere, float32.

    Padding is masked for every head. A row with no allowed real column gives plain uniform
    weights over all positions, padding included: give such rows themselves (`masks`).

    Shape:
        mask_BL, roles_BRLL -> [B, H, L, L].
    """
    count, length = roles_BRLL.shape[1], mask_BL.shape[1]
    real_B1L = mask_BL.bool()[:, None, None, :]
    free = real_B1L.expand(-1, heads - count, length, -1)
    allowed_BHLL = torch.cat([roles_BRLL.bool() & real_B1L, free], dim=1)
    return torch.zeros(allowed_BHLL.shape, device=mask_BL.device).masked_fill(~allowed_BHLL, _LOW)


class GuidedLayer(nn.Module):
    """Guided attention and a feed-forward part, each added to its input and normalised.

    Example:
        >>> layer = GuidedLayer(GuidedShape(width=8, heads=2, roles=0, hidden=16))
        >>> layer(torch.zeros(1, 3, 8), torch.ones(1, 3), torch.ones(1, 0, 3, 3)).shape
        torch.Size([1, 3, 8])
    """

    def __init__(self, shape: GuidedShape) -> None:
        super().__init__()
        self.attention = GuidedAttention(shape)
        self.attention_norm = nn.LayerNorm(shape.width)
        self.feed_forward = FeedForward(shape.width, shape.hidden)
        self.feed_forward_norm = nn.LayerNorm(shape.width)
        self.drop = nn.Dropout(shape.dropout)

    def forward(self, x_BLD: Tensor, mask_BL: Tensor, roles_BRLL: Tensor) -> Tensor:
        """Run the layer."""
        mixed_BLD = self.attention(x_BLD, mask_BL, roles_BRLL)
        x_BLD = self.attention_norm(x_BLD + self.drop(mixed_BLD))
        y_BLD: Tensor = self.feed_forward_norm(x_BLD + self.drop(self.feed_forward(x_BLD)))
        return y_BLD


class RoleGuidedEncoder(nn.Module):
    """A sentence classifier over word vectors with role-guided heads.

    Args:
        shape: Sizes.
        classes: C.
        generator: Draws the weights.

    Shape:
        x_BLE, mask_BL, roles_BRLL -> logits [B, C].

    Example:
        >>> shape = GuidedShape(inputs=4, width=8, heads=2, roles=1, hidden=16, max_tokens=5)
        >>> model = RoleGuidedEncoder(shape, 3, torch.Generator().manual_seed(1))
        >>> roles = torch.ones(2, 1, 5, 5, dtype=torch.bool)
        >>> model(torch.zeros(2, 5, 4), torch.ones(2, 5), roles).shape
        torch.Size([2, 3])
    """

    def __init__(self, shape: GuidedShape, classes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        self.ends = nn.Embedding(2, shape.inputs)
        self.into = nn.Linear(shape.inputs, shape.width)
        self.positions = nn.Embedding(shape.max_tokens, shape.width)
        self.norm = nn.LayerNorm(shape.width)
        self.layers = nn.ModuleList(GuidedLayer(shape) for _ in range(shape.depth))
        self.drop = nn.Dropout(shape.dropout)
        self.classify = nn.Linear(shape.width, classes)
        initialise(self, generator, std=0.05)

    def states(self, x_BLE: Tensor, mask_BL: Tensor, roles_BRLL: Tensor) -> Tensor:
        """Return the states of the last layer.

        The first position and the last real one are START and END: their vectors are learned.

        Shape:
            [B, L, D].
        """
        length = x_BLE.shape[1]
        if length > self.shape.max_tokens:
            raise UsageError(
                "the sentence is longer than the encoder", received=length, hint="cut it"
            )
        last_B = mask_BL.long().sum(dim=1) - 1
        rows = torch.arange(len(x_BLE), device=x_BLE.device)
        x_BLE = x_BLE.clone()
        x_BLE[:, 0] = self.ends.weight[0]
        x_BLE[rows, last_B] = self.ends.weight[1]
        x_BLD = self.into(x_BLE) + self.positions.weight[:length]
        y_BLD: Tensor = self.drop(self.norm(x_BLD))
        for layer in self.layers:
            y_BLD = layer(y_BLD, mask_BL, roles_BRLL)
        return y_BLD

    def forward(self, x_BLE: Tensor, mask_BL: Tensor, roles_BRLL: Tensor) -> Tensor:
        """Return one logit per class, from the mean of the real positions' states."""
        x_BLD = self.states(x_BLE, mask_BL, roles_BRLL)
        real_BL1 = mask_BL[..., None].to(x_BLD.dtype)
        mean_BD = (x_BLD * real_BL1).sum(dim=1) / real_BL1.sum(dim=1)
        logits_BC: Tensor = self.classify(self.drop(mean_BD))
        return single(logits_BC)
