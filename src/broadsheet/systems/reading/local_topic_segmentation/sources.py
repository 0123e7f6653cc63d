"""Vectors of pairs of sentences, from wherever an arm gets them.

Legend: N units, P pairs, D width of a vector.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from broadsheet.systems.reading.local_topic_segmentation.encoders import (
    Tokens,
    TransformerTower,
    WordTower,
    pad,
)
from broadsheet.systems.reading.local_topic_segmentation.units import (
    Floats,
    Ints,
    Units,
    with_context,
)

_CHUNK = 512


class Source(Protocol):
    """Gives the two vectors of each pair."""

    def pairs(self, first_P: Ints, second_P: Ints) -> tuple[Tensor, Tensor]:
        """Return first_PD, second_PD."""
        ...


class StoredSource:
    """Vectors that were made once, with the mean of their outer neighbours where asked for.

    The first sentence of a pair sees `context` sentences before it, the second as many after it;
    what lies between the two sentences and beyond is never shown to both, or next sentence
    prediction would be given away.

    Args:
        vectors_ND: One row for each unit.
        units: Of the same documents.
        context: Sentences on each side.

    Example:
        >>> from broadsheet.data.segmentation import SegmentedDocument
        >>> from broadsheet.systems.reading.local_topic_segmentation.units import flatten
        >>> units = flatten([SegmentedDocument(id="d", units=("a", "b"), masses=(2,))], ())
        >>> source = StoredSource(np.eye(2, dtype=np.float32), units, context=1)
        >>> first, second = source.pairs(np.array([0]), np.array([1]))
        >>> first.tolist()
        [[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    """

    def __init__(self, vectors_ND: Floats, units: Units, context: int = 0) -> None:
        self._own = torch.from_numpy(vectors_ND)
        self._before: Tensor | None = None
        self._after: Tensor | None = None
        if context:
            before, after = with_context(vectors_ND, units, context)
            self._before, self._after = torch.from_numpy(before), torch.from_numpy(after)

    def pairs(self, first_P: Ints, second_P: Ints) -> tuple[Tensor, Tensor]:
        """Return first_PD, second_PD; with context D is three vectors long."""
        first_PD, second_PD = self._own[first_P], self._own[second_P]
        if self._before is None or self._after is None:
            return first_PD, second_PD
        none_PD = torch.zeros_like(first_PD)
        return (
            torch.cat([first_PD, self._before[first_P], none_PD], dim=1),
            torch.cat([second_PD, none_PD, self._after[second_P]], dim=1),
        )


class SiameseSource:
    """Vectors with a gradient: every sentence goes through the encoder by itself.

    Args:
        tower: The encoder.
        tokens: Of each unit.
    """

    def __init__(self, tower: TransformerTower | WordTower, tokens: Tokens) -> None:
        self._tower = tower
        self._tokens = tokens

    def pairs(self, first_P: Ints, second_P: Ints) -> tuple[Tensor, Tensor]:
        """Return first_PD, second_PD; a sentence that stands in several pairs is encoded once."""
        distinct, places = np.unique(np.concatenate([first_P, second_P]), return_inverse=True)
        lengths = np.array([len(self._tokens.rows[place]) for place in distinct])
        order = np.argsort(lengths, kind="stable")
        parts = []
        for rows in np.array_split(order, max(1, len(order) // 32)):
            ids_BL, mask_BL = self._tokens.padded(distinct[rows])
            parts.append(self._vectors(ids_BL, mask_BL))
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        found_ND = torch.cat(parts)[back]
        return found_ND[places[: len(first_P)]], found_ND[places[len(first_P) :]]

    def _vectors(self, ids_BL: Tensor, mask_BL: Tensor) -> Tensor:
        found: Tensor = self._tower(ids_BL, mask_BL)
        return mean_over(found, mask_BL) if found.ndim == 3 else found


class CrossSource:
    """Vectors of sentences that were read together, as "[CLS] a [SEP] b [SEP]".

    The vector of each is the mean of its own tokens' states, so that the same heads fit.

    Args:
        tower: The encoder.
        tokens: Of each unit, with the first and last token.
    """

    def __init__(self, tower: TransformerTower, tokens: Tokens) -> None:
        self._tower = tower
        self._tokens = tokens

    def pairs(self, first_P: Ints, second_P: Ints) -> tuple[Tensor, Tensor]:
        """Return first_PD, second_PD."""
        rows, splits = [], []
        for one, other in zip(first_P, second_P, strict=True):
            a, b = self._tokens.rows[one], self._tokens.rows[other][1:]
            rows.append(np.concatenate([a, b]))
            splits.append(len(a))
        order = np.argsort([len(row) for row in rows], kind="stable")
        firsts, seconds = [], []
        for group in np.array_split(order, max(1, len(order) // 32)):
            ids_BL, mask_BL = pad([rows[at] for at in group])
            states_BLD = self._tower(ids_BL, mask_BL)
            split_B1 = torch.tensor([splits[at] for at in group])[:, None]
            is_first_BL = torch.arange(ids_BL.shape[1]) < split_B1
            firsts.append(mean_over(states_BLD, mask_BL * is_first_BL))
            seconds.append(mean_over(states_BLD, mask_BL * ~is_first_BL))
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return torch.cat(firsts)[back], torch.cat(seconds)[back]


def mean_over(states_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    """Return the mean of the states where the mask is 1.

    Shape:
        x_BLD, mask_BL -> u_BD
    """
    weight_BL1 = mask_BL[:, :, None].to(states_BLD.dtype)
    return (states_BLD * weight_BL1).sum(dim=1) / weight_BL1.sum(dim=1).clamp_min(1.0)
