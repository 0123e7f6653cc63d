"""What an arm trains and is measured on, as token ids: read once, kept by the hash of its source.

Legend: T texts, B rows of a batch, L tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from broadsheet.core.seeds import SeedTree
from broadsheet.nn.sentence import TokenBatch

Ints = NDArray[np.int64]
#: Batches whose pairs are sorted by length together.
POOL = 32


@dataclass(frozen=True, slots=True, eq=False)
class TokenRows:
    """Texts as token ids, end to end.

    Args:
        flat: All ids.
        starts: Where each text begins, and the end: T + 1 numbers.

    Example:
        >>> rows = TokenRows.of([[5, 6, 7], [8]])
        >>> len(rows), rows.batch([1, 0]).ids_BL.tolist()
        (2, [[8, 0, 0], [5, 6, 7]])
    """

    flat: Ints
    starts: Ints

    @classmethod
    def of(cls, ids: Sequence[Sequence[int]]) -> TokenRows:
        """Keep lists of ids."""
        lengths = np.array([0, *(len(row) for row in ids)], np.int64)
        flat = np.array([one for row in ids for one in row], np.int64)
        return cls(flat, np.cumsum(lengths))

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Ints:
        """Tokens of each text."""
        return np.diff(self.starts)

    def batch(self, rows: Sequence[int] | Ints) -> TokenBatch:
        """Return some texts, padded with 0 to the longest of them."""
        begins = self.starts[np.asarray(rows)]
        sizes = self.lengths[np.asarray(rows)]
        places_L = np.arange(max(int(sizes.max(initial=1)), 1))
        mask_BL = places_L < sizes[:, None]
        ids_BL = np.zeros(mask_BL.shape, np.int64)
        ids_BL[mask_BL] = self.flat[(begins[:, None] + places_L)[mask_BL]]
        return TokenBatch(torch.from_numpy(ids_BL), torch.from_numpy(mask_BL.astype(np.int64)))


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """Pairs to train on.

    Args:
        left: First texts.
        right: Second texts.
        gold: Grade of each pair from 0 to 1; empty where pairs simply belong together.
        hard: A text that contradicts the first one; empty where there is none.
    """

    left: TokenRows
    right: TokenRows
    gold: NDArray[np.float32]
    hard: TokenRows

    def order(self, epoch: int, batch: int, seeds: SeedTree) -> Ints:
        """Return the pairs of each batch of an epoch, one batch a row.

        Pairs are shuffled, and sorted by length within pools of 32 batches: padding is computed
        like text.
        """
        draw = seeds.child("order", epoch).numpy()
        places = draw.permutation(len(self.left))
        count = max(len(places) // batch, 1)
        length = np.maximum(self.left.lengths, self.right.lengths)
        pools = [
            pool[np.argsort(length[pool], kind="stable")]
            for pool in np.split(places, range(POOL * batch, len(places), POOL * batch))
        ]
        batches: Ints = np.concatenate(pools)[: count * batch].reshape(count, -1)
        return batches[draw.permutation(count)]

    def rows(self, step: int, batch: int, seeds: SeedTree) -> Ints:
        """Return the pairs of a step: a pure function, so that a resumed run sees the same."""
        epoch, place = divmod(step, max(len(self.left) // batch, 1))
        rows: Ints = self.order(epoch, batch, seeds)[place]
        return rows


@dataclass(frozen=True, slots=True, eq=False)
class GradedTest:
    """Pairs with a gold grade; every different text is encoded once.

    Args:
        name: Of the data set.
        texts: The different texts.
        left: Place of each pair's first text among them.
        right: Place of each pair's second text.
        gold: Grades.
    """

    name: str
    texts: TokenRows
    left: Ints
    right: Ints
    gold: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class SearchTest:
    """Queries, each with one right document: the one of the same place.

    Args:
        name: Of the data set.
        queries: As many as documents.
        documents: What is searched.
    """

    name: str
    queries: TokenRows
    documents: TokenRows


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """All that an arm reads.

    Args:
        tokenizer: Of the encoder.
        training: What it learns from.
        graded: Tests of similarity.
        searches: Tests of retrieval.
    """

    tokenizer: Tokenizer
    training: Training
    graded: tuple[GradedTest, ...]
    searches: tuple[SearchTest, ...]


def tokens(tokenizer: Tokenizer, texts: Sequence[str], most: int) -> TokenRows:
    """Return the ids of texts, cut at `most`, special ones included."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(most)
    return TokenRows.of([item.ids for item in tokenizer.encode_batch_fast(list(texts))])


def graded_test(name: str, pairs: Sequence[Any], tokenizer: Tokenizer, most: int) -> GradedTest:
    """Make a test of scored pairs.

    Args:
        name: Of the data set.
        pairs: `data.records.ScoredPair`s.
        tokenizer: Of the encoder.
        most: Where texts are cut.
    """
    place: dict[str, int] = {}
    for pair in pairs:
        for text in (pair.a, pair.b):
            place.setdefault(text, len(place))
    return GradedTest(
        name=name,
        texts=tokens(tokenizer, list(place), most),
        left=np.array([place[pair.a] for pair in pairs], np.int64),
        right=np.array([place[pair.b] for pair in pairs], np.int64),
        gold=np.array([pair.score for pair in pairs], np.float64),
    )
