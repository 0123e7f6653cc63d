"""The labels of many fact checkers in one space, and metrics that respect who uses which.

Legend: B claims, K checkers, C labels of all checkers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from broadsheet.core.errors import BadInput
from broadsheet.data.claims import Claim
from broadsheet.metrics.classification import f1
from broadsheet.metrics.ranking import mrr


@dataclass(frozen=True, slots=True)
class LabelSpace:
    """All labels of all checkers, each checker's own beside each other.

    Args:
        domains: The checkers.
        labels: Of each checker, its labels; two checkers may use the same word for two labels.

    Example:
        >>> space = LabelSpace(("a", "b"), (("yes", "no"), ("yes", "no", "half")))
        >>> len(space), space.code("b", "yes"), space.mask()[0].tolist()
        (5, 2, [True, True, False, False, False])
    """

    domains: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, claims: Sequence[Claim]) -> LabelSpace:
        """Return the space of the labels that occur, checkers and labels in order of the alphabet.

        Raises:
            BadInput: There is no claim.
        """
        if not claims:
            raise BadInput("no claims to take labels from")
        found: dict[str, set[str]] = {}
        for claim in claims:
            found.setdefault(claim.domain, set()).add(claim.label)
        names = tuple(sorted(found))
        return cls(names, tuple(tuple(sorted(found[name])) for name in names))

    def __len__(self) -> int:
        return sum(map(len, self.labels))

    def starts(self) -> tuple[int, ...]:
        """Return the place of each checker's first label."""
        return tuple(int(n) for n in np.cumsum([0, *map(len, self.labels)])[:-1])

    def code(self, domain: str, label: str) -> int:
        """Return the place of a checker's label.

        Raises:
            BadInput: The checker has no such label, or there is no such checker.
        """
        try:
            place = self.domains.index(domain)
            return self.starts()[place] + self.labels[place].index(label)
        except ValueError:
            raise BadInput("a label nobody was trained on", received=f"{domain}: {label}") from None

    def domain_of(self, name: str) -> int:
        """Return the number of a checker.

        Raises:
            BadInput: There is none of that name.
        """
        if name not in self.domains:
            raise BadInput("an unknown checker", received=name, hint=", ".join(self.domains))
        return self.domains.index(name)

    def mask(self) -> Tensor:
        """Return which labels each checker has.

        Shape:
            [K, C], boolean.
        """
        owner = np.repeat(np.arange(len(self.domains)), [len(own) for own in self.labels])
        return torch.from_numpy(owner[None, :] == np.arange(len(self.domains))[:, None])


def macro_f1_by_domain(
    gold_B: NDArray[np.int64], guess_B: NDArray[np.int64], domain_B: NDArray[np.int64]
) -> dict[int, tuple[float, float]]:
    """Return macro and micro F1 of each checker over the labels that occur in it.

    A label that a checker never uses, neither in gold nor in a guess, is not counted: as a class of
    its own it would add a zero to the mean.

    Example:
        >>> gold, guess = np.array([0, 1, 5]), np.array([0, 1, 5])
        >>> macro_f1_by_domain(gold, guess, np.array([0, 0, 1]))
        {0: (1.0, 1.0), 1: (1.0, 1.0)}
    """
    found = {}
    for domain in np.unique(domain_B):
        own = domain_B == domain
        macro, micro = (f1(gold_B[own], guess_B[own], average=kind) for kind in ("macro", "micro"))
        found[int(domain)] = (macro, micro)
    return found


def evidence_mrr(
    rank_BE: NDArray[np.float64], relevant_BE: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the reciprocal rank of the first relevant passage of each claim that has one.

    Shape:
        [B, E], [B, E] -> [number of claims with a relevant passage].
    """
    some = np.flatnonzero(relevant_BE.any(axis=1))
    width = rank_BE.shape[1]
    names = [f"{place:06d}" for place in range(width)]
    run = {str(b): dict(zip(names, map(float, rank_BE[b]), strict=True)) for b in some}
    qrels = {str(b): dict(zip(names, map(int, relevant_BE[b]), strict=True)) for b in some}
    values = mrr(run, qrels)
    return np.array([values[str(b)] for b in some])
