"""Cluster centres that learn: how dense are a filter's matches where the query is?

A global share says nothing about correlation. The share among the rows in the clusters nearest to a
query does, and it is what tells the methods apart. Legend: B rows, C clusters, D dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Centres(nn.Module):
    """Spherical k-means by gradient steps.

    Args:
        clusters: Centres.
        dim: Length of a row.
        generator: Draws the first centres.

    Example:
        >>> centres = Centres(3, 4, torch.Generator().manual_seed(1))
        >>> rows = F.normalize(torch.eye(4)[:2], dim=1)
        >>> centres.loss(rows).shape, centres.nearest(rows, 2).shape
        (torch.Size([]), torch.Size([2, 2]))
    """

    def __init__(self, clusters: int, dim: int, generator: torch.Generator | None) -> None:
        super().__init__()
        self.centres_CD = nn.Parameter(torch.randn(clusters, dim, generator=generator))

    def start_from(self, rows_BD: Tensor) -> None:
        """Put the centres on the first rows, as far as these last."""
        with torch.no_grad():
            count = min(len(rows_BD), len(self.centres_CD))
            self.centres_CD[:count] = rows_BD[:count]

    def scores(self, rows_BD: Tensor) -> Tensor:
        """Return the cosines of rows of length 1 with every centre."""
        return rows_BD @ F.normalize(self.centres_CD, dim=1).T

    def loss(self, rows_BD: Tensor) -> Tensor:
        """Return the mean distance, as 1 - cosine, of rows to their nearest centre."""
        return (1.0 - self.scores(rows_BD).amax(dim=1)).mean()

    def nearest(self, rows_BD: Tensor, count: int) -> Tensor:
        """Return the places of the nearest centres of each row, best first."""
        with torch.no_grad():
            return self.scores(rows_BD).topk(min(count, len(self.centres_CD)), dim=1).indices
