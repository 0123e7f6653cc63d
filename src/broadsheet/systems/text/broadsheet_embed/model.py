"""An encoder that may stop after any layer, on top of a static path that costs nothing.

Legend: B texts, L tokens, D dimensions.

The state of token t at exit n is y_t = H_n h_t + w_t P_n e_t, where h_t is the hidden state after
layer n, e_t the token's input vector, w_t a learned weight of the token, and the vector of a text
is the mean of y_t scaled to length 1. At the start H_n is the identity and P_n is 0: training
starts from the backbone as it is (docs/lab-log.md: regressing to a teacher's coordinates costs
retrieval). Everything after the layers is linear in the tokens, so an exported exit is the
backbone cut after n layers with two matrices more.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from broadsheet.nn.layered import LayeredEncoder

#: H_n = I + PACE * D_n and P_n = PACE * S_n, so that under Adam, whose steps have the size of the
#: learning rate, the new matrices move ten times as fast as the pretrained layers.
PACE = 10.0


class ElasticEmbedder(nn.Module):
    """Exits of a layered encoder, each with a linear head and a static path.

    Args:
        encoder: The backbone.
        words: Its input vectors, [vocabulary, D]; not trained.
        exits: Layers after which a text may be encoded.
        weights: Weight of each token in the static path at the start, [vocabulary].
    """

    def __init__(
        self, encoder: LayeredEncoder, words: Tensor, exits: tuple[int, ...], weights: Tensor
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.exits = exits
        width = words.shape[1]
        self.register_buffer("words", words)
        self.token_weight = nn.Parameter(weights.clone())
        self.heads = nn.ModuleDict({str(n): _zero_map(width) for n in exits})
        self.static = nn.ModuleDict({str(n): _zero_map(width) for n in exits})

    def forward(
        self, ids_BL: Tensor, mask_BL: Tensor, exits: tuple[int, ...] | None = None
    ) -> dict[int, Tensor]:
        """Return the vectors x_BD of every wanted exit, not yet of length 1."""
        wanted = exits or self.exits
        states = self.encoder(ids_BL, mask_BL, layers=max(wanted))
        weight_BL1 = mask_BL.to(states[0].dtype).unsqueeze(-1)
        count_B1 = weight_BL1.sum(1).clamp(min=1)
        bag_BLD = self.words[ids_BL] * self.token_weight[ids_BL].unsqueeze(-1)
        bag_BD = (bag_BLD * weight_BL1).sum(1) / count_B1
        pooled = {n: (states[n] * weight_BL1).sum(1) / count_B1 for n in wanted}
        return {
            n: x_BD + PACE * (self.heads[str(n)](x_BD) + self.static[str(n)](bag_BD))
            for n, x_BD in pooled.items()
        }

    def maps(self, exit_at: int) -> tuple[Tensor, Tensor]:
        """Return H_n and P_n of an exit, both [D, D], to be applied as H h."""
        delta_DD, static_DD = self.heads[str(exit_at)].weight, self.static[str(exit_at)].weight
        return torch.eye(len(delta_DD)) + PACE * delta_DD, PACE * static_DD


def _zero_map(width: int) -> nn.Linear:
    with torch.random.fork_rng(devices=[]):  # its first weights are drawn globally, and not kept
        layer = nn.Linear(width, width, bias=False)
    nn.init.zeros_(layer.weight)
    return layer


class StaticTable(nn.Module):
    """A table of token vectors; a text is the mean of its tokens' rows.

    Args:
        rows: The table at the start, [vocabulary, D].
    """

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag.from_pretrained(rows, freeze=False, mode="sum")

    def forward(
        self, ids_BL: Tensor, mask_BL: Tensor, exits: tuple[int, ...] | None = None
    ) -> dict[int, Tensor]:
        """Return {0: x_BD}, not yet of length 1."""
        weight_BL = mask_BL.to(self.bag.weight.dtype)
        total_BD = self.bag(ids_BL, per_sample_weights=weight_BL)
        return {0: total_BD / weight_BL.sum(1, keepdim=True).clamp(min=1)}


def smooth_inverse_frequency(counts: Tensor, a: float = 1e-3) -> Tensor:
    """Return a / (a + p(token)).

    Source: Arora, Liang, Ma 2017 (SIF).
    """
    return a / (a + counts / counts.sum().clamp(min=1))


def contextless_table(vectors: Tensor, counts: Tensor, dim: int) -> Tensor:
    """Return a start of the static table: principal axes of token vectors, weighted by SIF.

    Args:
        vectors: A teacher's vector of each token alone, [vocabulary, D].
        counts: Occurrences of each token in the training texts, [vocabulary].
        dim: Numbers of a row.
    """
    share_V = counts / counts.sum().clamp(min=1)
    centred = vectors - (vectors * share_V.unsqueeze(1)).sum(0)
    spread = (centred * share_V.sqrt().unsqueeze(1)).T
    _, axes = torch.linalg.eigh(spread @ spread.T)
    return (centred @ axes.flip(1)[:, :dim]) * smooth_inverse_frequency(counts).unsqueeze(1)
