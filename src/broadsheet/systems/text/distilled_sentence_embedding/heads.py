"""Pair heads: cheap functions of two stored vectors.

The paper's head reads [u; v; u*v; |u-v|] through one hidden layer. Its first matrix is a sum of
four, W [u; v; u*v; |u-v|] = W1 u + W2 v + W3 (u*v) + W4 |u-v|, so the first two products are
computed once for each sentence, not once for each pair.

Legend: B pairs, N left, M right, P width of a vector, H hidden, C logits.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from broadsheet.core.errors import BadInput
from broadsheet.nn.blocks import initialise

HeadKind = Literal["compare", "dot", "cosine"]
_CHUNK = 2048


class PairHead(nn.Module):
    """The paper's head, on [u; v; u*v; |u-v|].

    It isn't symmetric. Logits of symmetric tasks are the mean over both orders, in training and in
    use; the hidden layer's shared half makes the second order almost free.

    Args:
        width: P.
        hidden: H; the paper takes 512.
        logits: C.
        generator: Draws the weights.
        symmetric: Columns that are averaged over both orders.

    Shape:
        u_BP, v_BP -> [B, C].

    Source:
        arXiv 1908.05161, section 3; the authors' code has ReLU and no normalisation.

    Example:
        >>> head = PairHead(4, 8, 3, torch.Generator().manual_seed(1), symmetric=(0,))
        >>> u, v = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(2))
        >>> torch.allclose(head(u, v)[:, 0], head(v, u)[:, 0]), head.score_matrix(u, v).shape
        (True, torch.Size([5, 5, 3]))
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        logits: int,
        generator: torch.Generator,
        symmetric: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.width = width
        self.symmetric = symmetric
        self.compare = nn.Linear(4 * width, hidden)
        self.out = nn.Linear(hidden, logits)
        initialise(self, generator, std=(4 * width) ** -0.5)

    def forward(self, u_BP: Tensor, v_BP: Tensor) -> Tensor:
        """Return the logits of each pair (u_b, v_b)."""
        ahead_PH, behind_PH = self._halves()
        features_BQ = torch.cat([u_BP * v_BP, (u_BP - v_BP).abs()], dim=-1)
        shared_BH = F.linear(
            features_BQ, self.compare.weight[:, 2 * self.width :], self.compare.bias
        )
        logits_BC = self._logits(shared_BH + F.linear(u_BP, ahead_PH) + F.linear(v_BP, behind_PH))
        if not self.symmetric:
            return logits_BC
        swapped_BH = shared_BH + F.linear(v_BP, ahead_PH) + F.linear(u_BP, behind_PH)
        return self._mean_of_orders(logits_BC, self._logits(swapped_BH))

    @torch.no_grad()
    def score_matrix(self, u_NP: Tensor, v_MP: Tensor, chunk: int = _CHUNK) -> Tensor:
        """Return the logits of all N x M pairs, from halves computed once per sentence.

        For one left vector, W3 (u*v) = (W3 diag u) v, so that no product of vectors is stored.

        Shape:
            u_NP, v_MP -> [N, M, C] float32; memory beside it: a few `chunk` x P numbers.
        """
        halves = self._precomputed(u_NP), self._precomputed(v_MP)
        rows = [
            self._row(u_NP[i], [part[i] for part in halves[0]], v_MP, halves[1], chunk)
            for i in range(len(u_NP))
        ]
        return torch.stack(rows) if rows else u_NP.new_zeros((0, len(v_MP), self.out.out_features))

    def _row(
        self, u_P: Tensor, own: list[Tensor], v_MP: Tensor, others: list[Tensor], chunk: int
    ) -> Tensor:
        size = self.width
        product_HP = self.compare.weight[:, 2 * size : 3 * size] * u_P
        apart_HP = self.compare.weight[:, 3 * size :]
        parts = []
        for first in range(0, len(v_MP), chunk):
            rows = slice(first, first + chunk)
            shared = F.linear(v_MP[rows], product_HP, self.compare.bias)
            shared = torch.addmm(shared, (v_MP[rows] - u_P).abs_(), apart_HP.T)
            logits = self._logits(shared + own[0] + others[1][rows])
            if self.symmetric:
                swapped = self._logits(shared + own[1] + others[0][rows])
                logits = self._mean_of_orders(logits, swapped)
            parts.append(logits)
        return torch.cat(parts)

    def _precomputed(self, x_NP: Tensor) -> list[Tensor]:
        return [F.linear(x_NP, half_PH) for half_PH in self._halves()]

    def _halves(self) -> tuple[Tensor, Tensor]:
        weight = self.compare.weight
        return weight[:, : self.width], weight[:, self.width : 2 * self.width]

    def _logits(self, hidden_BH: Tensor) -> Tensor:
        logits_BC: Tensor = self.out(F.relu(hidden_BH))
        return logits_BC

    def _mean_of_orders(self, ahead_BC: Tensor, behind_BC: Tensor) -> Tensor:
        columns = list(self.symmetric)
        both = ahead_BC.clone()
        both[..., columns] = 0.5 * (ahead_BC[..., columns] + behind_BC[..., columns])
        return both


class ScalarHead(nn.Module):
    """One similarity of two vectors, and a line through it for each logit.

    Args:
        kind: "dot": the product over sqrt(P), as it is in attention; "cosine".
        width: P.
        logits: C.

    Shape:
        u_BP, v_BP -> [B, C]; symmetric by nature.

    Example:
        >>> head = ScalarHead("cosine", 2, 1)
        >>> head(torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 0.0]])).item()
        1.0
    """

    def __init__(self, kind: Literal["dot", "cosine"], width: int, logits: int) -> None:
        super().__init__()
        if kind not in ("dot", "cosine"):
            raise BadInput("no such similarity", received=kind, hint="dot or cosine")
        self.kind = kind
        self.width = width
        self.slope = nn.Parameter(torch.ones(logits))
        self.offset = nn.Parameter(torch.zeros(logits))

    def forward(self, u_BP: Tensor, v_BP: Tensor) -> Tensor:
        """Return the logits of each pair (u_b, v_b)."""
        u_BP, v_BP = self._scaled(u_BP), self._scaled(v_BP)
        return (u_BP * v_BP).sum(dim=-1, keepdim=True) * self.slope + self.offset

    @torch.no_grad()
    def score_matrix(self, u_NP: Tensor, v_MP: Tensor, chunk: int = _CHUNK) -> Tensor:
        """Return the logits of all N x M pairs.

        Shape:
            u_NP, v_MP -> [N, M, C].
        """
        u_NP = self._scaled(u_NP)
        parts = [
            (u_NP @ self._scaled(v_MP[first : first + chunk]).T)[..., None]
            for first in range(0, len(v_MP), chunk)
        ]
        return torch.cat(parts, dim=1) * self.slope + self.offset

    def _scaled(self, x_BP: Tensor) -> Tensor:
        if self.kind == "cosine":
            return F.normalize(x_BP.float(), dim=-1)
        scale: float = self.width**-0.25
        return x_BP.float() * scale


Head = PairHead | ScalarHead


def make_head(
    kind: HeadKind,
    width: int,
    hidden: int,
    logits: int,
    generator: torch.Generator,
    symmetric: tuple[int, ...] = (),
) -> Head:
    """Return a head of a kind.

    Raises:
        BadInput: No such kind.
    """
    if kind == "compare":
        return PairHead(width, hidden, logits, generator, symmetric)
    return ScalarHead(kind, width, logits)


class PairIndex:
    """Stored vectors, searched in two steps: a shortlist by cosine, then the exact pair head.

    Args:
        head: Scores a pair.
        vectors_MP: One row per document.
        column: Which logit ranks.

    Example:
        >>> head = PairHead(4, 8, 1, torch.Generator().manual_seed(1))
        >>> vectors = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
        >>> index = PairIndex(head, vectors)
        >>> best, scores = index.search(vectors[:2], shortlist=50, k=3)
        >>> best.shape, bool((np.diff(scores, axis=1) <= 0).all())
        ((2, 3), True)
    """

    def __init__(self, head: Head, vectors_MP: NDArray[np.float32], column: int = 0) -> None:
        self._head = head
        self._vectors_MP = torch.from_numpy(np.ascontiguousarray(vectors_MP, np.float32))
        self._unit_MP = F.normalize(self._vectors_MP, dim=1)
        self._column = column

    def search(
        self, queries_NP: NDArray[np.float32], *, shortlist: int, k: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return documents and scores of the best k of each query, best first.

        Args:
            queries_NP: One row per query.
            shortlist: How many candidates the cosine passes on to the head.
            k: How many to return; at most `shortlist`.

        Raises:
            BadInput: k is below 1 or above the shortlist.
        """
        if not 1 <= k <= shortlist:
            raise BadInput("k lies between 1 and the shortlist", received=f"{k} of {shortlist}")
        queries = torch.from_numpy(np.ascontiguousarray(queries_NP, np.float32))
        size = min(shortlist, len(self._vectors_MP))
        unit_NP = F.normalize(queries, dim=1)
        places, scores = [], []
        for i, query_P in enumerate(queries):
            near_K = (self._unit_MP @ unit_NP[i]).topk(size).indices
            exact_1KC = self._head.score_matrix(query_P[None], self._vectors_MP[near_K])
            best = exact_1KC[0, :, self._column].topk(min(k, size))
            places.append(near_K[best.indices].numpy())
            scores.append(best.values.numpy())
        return np.stack(places), np.stack(scores)
