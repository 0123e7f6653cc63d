"""A generated world of papers: vectors with the geometry of text embeddings, and attributes.

Papers lie in topics, topics in categories, categories in fields. A vector is the sum of a common
mean, the field's, category's and topic's centres and the paper's own part, all with one power-law
spectrum in one random basis, brought to length 1. A paper's attributes follow its topic: subjects,
keywords, authors, venue, and the day, which comes after the topic's birth. So predicates are
positively, hardly or negatively correlated with a query, as real ones are; labels drawn at random
hide the hardest cases.

Rows are made in blocks, each from a seed of its own: a million rows need one block of scratch.

Source: the hierarchy, spectrum and attributes are ours; the target geometry is that of
sentence-transformer vectors of short scientific texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.core.progress import Progress, Silent
from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds.attributes import Attributes
from broadsheet.data.worlds.paper_attributes import Facts, Habits, joined

Vectors = npt.NDArray[np.float32]

#: Rows per block; part of what a seed means.
BLOCK = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSpec:
    """What a world of papers is like.

    Args:
        dim: Length of a vector.
        fields: Fields; categories and topics hang below them.
        categories: Categories.
        topics: Topics.
        power: The variance of direction i is proportional to (i + offset) ** -power.
        offset: See `power`.
        mean: Squared length of the common mean, beside the variances that follow.
        field: Variance between fields.
        category: Variance between categories of a field.
        topic: Variance between topics of a category.
        item: Variance between papers of a topic.
        zipf: Sizes of topics fall as rank ** -zipf.
        following: Share of attributes that follow the paper's own topic; the others follow a
            topic drawn anew, so 0 makes attributes independent of the vectors.
    """

    dim: int = 384
    fields: int = 20
    categories: int = 160
    topics: int = 4000
    power: float = 1.35
    offset: float = 6.0
    mean: float = 0.23
    field: float = 0.12
    category: float = 0.15
    topic: float = 0.16
    item: float = 0.61
    zipf: float = 0.8
    following: float = 1.0

    def __post_init__(self) -> None:
        if not self.fields <= self.categories <= self.topics:
            raise BadInput(
                "a world has fields <= categories <= topics",
                received=f"{self.fields}, {self.categories}, {self.topics}",
            )
        if not 0.0 <= self.following <= 1.0:
            raise BadInput("a share lies between 0 and 1", received=self.following)


@dataclass(frozen=True, slots=True)
class Papers:
    """Some papers of a world.

    Args:
        vectors: [n, dim], float32, rows of length 1.
        attributes: Of the n papers.
        topics: [n], the topic of each: the truth behind vectors and attributes.
    """

    vectors: Vectors
    attributes: Attributes
    topics: npt.NDArray[np.int64]


class PaperWorld:
    """The topics of a world, from which any number of papers can be drawn.

    Args:
        spec: What it is like.
        seeds: Where its randomness comes from.

    Example:
        >>> spec = PaperSpec(dim=32, fields=2, categories=4, topics=20)
        >>> world = PaperWorld(spec, SeedTree(1))
        >>> papers = world.papers(100)
        >>> papers.vectors.shape, sorted(papers.attributes.labels)[:3]
        ((100, 32), ['author', 'keyword', 'reviewed'])
        >>> bool((world.papers(100, part="queries").vectors[0] == papers.vectors[0]).all())
        False
    """

    def __init__(self, spec: PaperSpec, seeds: SeedTree) -> None:
        self.spec = spec
        self._seeds = seeds
        draw = seeds.child("tree").numpy()
        field_of = _members(draw, spec.categories, spec.fields)
        self.category_of = _members(draw, spec.topics, spec.categories)
        self.field_of = field_of[self.category_of]
        ranks = draw.permutation(spec.topics) + 1.0
        self.sizes = ranks**-spec.zipf / np.sum(ranks**-spec.zipf)
        self._cumulative = np.cumsum(self.sizes)
        spectrum = (np.arange(spec.dim) + spec.offset) ** -spec.power
        self._scale = np.sqrt(spectrum / spectrum.sum()).astype(np.float32)
        basis, _ = np.linalg.qr(draw.standard_normal((spec.dim, spec.dim)))
        self._basis: Vectors = basis.astype(np.float32)
        common = draw.standard_normal(spec.dim).astype(np.float32)
        common *= np.sqrt(spec.mean) / np.linalg.norm(common)
        self._centres: Vectors = (
            common
            + self._part(draw, spec.fields, spec.field)[self.field_of]
            + self._part(draw, spec.categories, spec.category)[self.category_of]
            + self._part(draw, spec.topics, spec.topic)
        )
        self._habits = Habits(self.field_of, self.category_of, self.sizes, seeds.child("habits"))

    def _part(self, draw: np.random.Generator, count: int, variance: float) -> Vectors:
        """Return `count` vectors of this variance with the world's spectrum, not yet rotated."""
        parts: Vectors = draw.standard_normal((count, self.spec.dim), dtype=np.float32)
        parts *= self._scale * np.float32(np.sqrt(variance))
        return parts

    def blocks(self, rows: int, *, part: str = "rows") -> Iterator[tuple[Vectors, Facts]]:
        """Yield the vectors and facts of `rows` papers, at most `BLOCK` at a time.

        Args:
            rows: How many papers.
            part: Papers of different parts are different papers of one world, so those of
                "queries" are held out from those of "rows".
        """
        for block, begin in enumerate(range(0, rows, BLOCK)):
            seeds = self._seeds.child(part, block)
            topics = self._topics(seeds, min(BLOCK, rows - begin))
            draw = seeds.child("vectors").numpy()
            vectors = self._part(draw, len(topics), self.spec.item)
            vectors += self._centres[topics]
            vectors = vectors @ self._basis
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            yield vectors, self._facts(topics, seeds)

    def papers(
        self,
        rows: int,
        *,
        part: str = "rows",
        out: Vectors | None = None,
        progress: Progress | None = None,
    ) -> Papers:
        """Return `rows` papers.

        Args:
            rows: How many.
            part: See `blocks`.
            out: [rows, dim] float32, such as a mapped file, that takes the vectors.
            progress: Shows the rows made.
        """
        vectors = np.empty((rows, self.spec.dim), np.float32) if out is None else out
        advance = (progress or Silent()).start("making papers", rows, "papers")
        facts: list[Facts] = []
        begin = 0
        for block, more in self.blocks(rows, part=part):
            vectors[begin : begin + len(block)] = block
            facts.append(more)
            begin += len(block)
            advance(len(block))
        attributes = joined(self._habits, facts)
        topics = np.concatenate([one.topics for one in facts] or [np.zeros(0, np.int64)])
        return Papers(vectors, attributes, topics)

    def attributes(self, rows: int, *, part: str = "rows") -> Attributes:
        """Return the attributes that `papers(rows, part=part)` gives, without its vectors."""
        sizes = (min(BLOCK, rows - begin) for begin in range(0, rows, BLOCK))
        facts = [
            self._facts(self._topics(seeds, size), seeds)
            for block, size in enumerate(sizes)
            for seeds in [self._seeds.child(part, block)]
        ]
        return joined(self._habits, facts)

    def _topics(self, seeds: SeedTree, size: int) -> npt.NDArray[np.int64]:
        drawn = np.searchsorted(
            self._cumulative, seeds.child("topics").numpy().random(size), side="right"
        )
        return np.minimum(drawn, self.spec.topics - 1)

    def _facts(self, topics: npt.NDArray[np.int64], seeds: SeedTree) -> Facts:
        return self._habits.draw(self._shown(topics, seeds), topics, seeds.child("facts"))

    def _shown(self, topics: npt.NDArray[np.int64], seeds: SeedTree) -> npt.NDArray[np.int64]:
        """Return the topics that the attributes follow."""
        draw = seeds.child("shown").numpy()
        other = np.searchsorted(self._cumulative, draw.random(len(topics)), side="right")
        own = draw.random(len(topics)) < self.spec.following
        return np.where(own, topics, np.minimum(other, self.spec.topics - 1))


def _members(draw: np.random.Generator, count: int, groups: int) -> npt.NDArray[np.int64]:
    """Put `count` things into groups whose sizes follow Zipf's law, none of them empty."""
    weights = 1.0 / (np.arange(groups) + 2.0)
    rest = draw.choice(groups, size=count - groups, p=weights / weights.sum())
    return draw.permutation(np.concatenate((np.arange(groups), rest)))
