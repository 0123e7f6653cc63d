"""Free embeddings: the best case of a single vector, trained directly on the answers.

No text and no encoder: each query and each document is a vector of its own, moved until the k best
documents of every query are its own. What fails here fails for every encoder of that size that is
trained this way.

Legend: M queries, N documents, K relevant documents of a query, D width, B queries of a chunk.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from broadsheet.systems.retrieval.limit.worlds import SubsetWorld

#: Cells of a block of logits.
_CELLS = 4_000_000


class FreeEmbeddings(nn.Module):
    """Two tables of unit vectors.

    The vectors are put back on the sphere after each update (a projection, not a parametrisation),
    so Adam's moments live in the space around it, as in the authors' code.

    Args:
        queries: M.
        documents: N.
        width: D.
        generator: Draws the first vectors; None leaves them empty (on the meta device).
        temperature: T.

    Source:
        arXiv 2508.21038, section 4; google-deepmind/limit, code/free_embedding_experiment.py.

    Example:
        >>> world = SubsetWorld.all_subsets(3, 2)
        >>> free = FreeEmbeddings(len(world), 3, 2, torch.Generator().manual_seed(1))
        >>> bool(free.loss(world) > 0), 0.0 <= free.accuracy(world) <= 1.0
        (True, True)
    """

    def __init__(
        self,
        queries: int,
        documents: int,
        width: int,
        generator: torch.Generator | None,
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self._logits: Tensor | None = None
        self.queries_MD = nn.Parameter(torch.empty(queries, width))
        self.documents_ND = nn.Parameter(torch.empty(documents, width))
        if generator is not None and not self.queries_MD.is_meta:
            with torch.no_grad():
                for table in self.parameters():
                    table.normal_(generator=generator)
            self.project()

    @torch.no_grad()
    def project(self) -> None:
        """Scale every vector to length 1."""
        for table in self.parameters():
            table.copy_(F.normalize(table, dim=1))

    def chunks(self, cells: int = _CELLS) -> list[slice]:
        """Return blocks of queries whose logits have at most `cells` numbers."""
        size = max(1, cells // len(self.documents_ND))
        return [slice(i, i + size) for i in range(0, len(self.queries_MD), size)]

    def scores(self, rows: slice) -> Tensor:
        """Return the similarities of some queries to all documents.

        Shape:
            [B, N].
        """
        return self.queries_MD[rows] @ self.documents_ND.T

    def loss(self, world: SubsetWorld, cells: int = _CELLS) -> Tensor:
        """Return the multi-positive InfoNCE: -1/M sum_i 1/K sum_p log softmax(logits_i)_p."""
        total = torch.zeros(())
        for rows in self.chunks(cells):
            logits_BN = self.scores(rows) / self.temperature
            right_BK = logits_BN.gather(1, world.members_MK[rows])
            total = total + (torch.logsumexp(logits_BN, dim=1) - right_BK.mean(dim=1)).sum()
        return total / len(world)

    @torch.no_grad()
    def backward(self, world: SubsetWorld, cells: int = _CELLS) -> float:
        """Set the gradient of the loss, one block of queries in memory at a time; return the loss.

        The gradient by the logits is (softmax - share of the right ones) / (M T), written down
        here because it takes half of autograd's time. Cosines of at most 1 over T need no maximum
        taken off before the exponential while T is 0.02 or more.
        """
        total = 0.0
        scale = len(world) * self.temperature
        self.queries_MD.grad = torch.empty_like(self.queries_MD)
        self.documents_ND.grad = torch.zeros_like(self.documents_ND)
        for rows in self.chunks(cells):
            members_BK = world.members_MK[rows]
            logits_BN = self._block(rows)
            right_BK = logits_BN.gather(1, members_BK)
            shares_BN = logits_BN.exp_()
            sums_B1 = shares_BN.sum(dim=1, keepdim=True)
            total += float((sums_B1.log().squeeze(1) - right_BK.mean(dim=1)).sum())
            shares_BN.div_(sums_B1 * scale)
            less_BK = torch.full_like(right_BK, -1.0 / (members_BK.shape[1] * scale))
            shares_BN.scatter_add_(1, members_BK, less_BK)
            self.queries_MD.grad[rows] = shares_BN @ self.documents_ND
            self.documents_ND.grad += shares_BN.T @ self.queries_MD[rows]
        return total / len(world)

    def _block(self, rows: slice) -> Tensor:
        """Return the logits of some queries in memory that the next block uses again."""
        queries_BD = self.queries_MD[rows] / self.temperature
        shape = (len(queries_BD), len(self.documents_ND))
        if self._logits is None or self._logits.shape != shape:
            self._logits = queries_BD.new_empty(shape)
        return torch.mm(queries_BD, self.documents_ND.T, out=self._logits)

    @torch.no_grad()
    def accuracy(self, world: SubsetWorld, cells: int = _CELLS) -> float:
        """Return the share of queries whose k best documents are exactly theirs; a tie is wrong."""
        right = 0
        for rows in self.chunks(cells):
            scores_BN = self.scores(rows)
            members_BK = world.members_MK[rows]
            worst_B = scores_BN.gather(1, members_BK).amin(dim=1)
            other_B = scores_BN.scatter(1, members_BK, float("-inf")).amax(dim=1)
            right += int((worst_B > other_B).sum())
        return right / len(world)
