"""LIMIT worlds of any size: who likes what, in four patterns of relevance.

Source: arXiv 2508.21038, section 5, and the notebook in google-deepmind/limit. Texts, names and
code are ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.data.limit import ASKED
from broadsheet.data.records import RetrievalSet
from broadsheet.systems.retrieval.limit.attributes import made_up_names, sentence_of
from broadsheet.systems.retrieval.limit.worlds import SubsetWorld

Pattern = Literal["dense", "random", "cycle", "disjoint"]
PATTERNS: tuple[Pattern, ...] = ("dense", "random", "cycle", "disjoint")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """The size and pattern of a world.

    Args:
        documents: People.
        queries: Questions, each about a thing of its own.
        per_query: People who like it, k.
        pattern: dense: the fewest people who have as many k-sets as there are questions, and
            their first sets; random: any people; cycle: neighbours; disjoint: nobody twice.
        min_items: Everybody likes at least this many things; the others are asked by nobody.
    """

    documents: int = 50_000
    queries: int = 1000
    per_query: int = 2
    pattern: Pattern = "dense"
    min_items: int = 45


class LimitGenerator:
    """Makes worlds; the same attributes, settings and seeds give the same bytes.

    Args:
        attributes: Things to like, each once: `data.limit.read_attributes`, or our own few.
        settings: Size and pattern.

    Raises:
        BadInput: Too few people or things for so many questions.

    Example:
        >>> from broadsheet.systems.retrieval.limit.attributes import OWN_ATTRIBUTES
        >>> settings = LimitSettings(documents=5, queries=10, min_items=6)
        >>> world = LimitGenerator(OWN_ATTRIBUTES, settings).make(SeedTree(1))
        >>> len(world.documents), {len(judged) for judged in world.qrels.values()}
        (5, {2})
    """

    def __init__(self, attributes: Sequence[str], settings: LimitSettings) -> None:
        self.attributes = tuple(dict.fromkeys(attributes))
        self.settings = settings
        unasked = len(self.attributes) - settings.queries
        if settings.queries < 1 or settings.per_query < 1 or unasked < settings.min_items:
            raise BadInput(
                "too few things to like",
                received=f"{len(self.attributes)} for {settings.queries} questions",
                hint=f"{settings.queries + settings.min_items} or fewer questions",
            )
        if settings.documents < self.people_needed():
            raise BadInput(
                f"too few people for the pattern {settings.pattern}",
                received=settings.documents,
                hint=f"{self.people_needed()} or more",
            )

    def people_needed(self) -> int:
        """Return the fewest people that the pattern works with."""
        k, m = self.settings.per_query, self.settings.queries
        if self.settings.pattern == "dense":
            return dense_people(m, k)
        return {"random": k + 1, "cycle": k + 1, "disjoint": k * m}[self.settings.pattern]

    def members(self, seeds: SeedTree) -> np.ndarray:
        """Return which people answer which question.

        **Shape**: [queries, per_query], places of people.
        """
        k, m, n = self.settings.per_query, self.settings.queries, self.settings.documents
        rng = seeds.child("members").numpy()
        if self.settings.pattern == "dense":
            return SubsetWorld.all_subsets(dense_people(m, k), k).members_MK[:m].numpy()
        if self.settings.pattern == "random":
            return np.stack([rng.choice(n, size=k, replace=False) for _ in range(m)])
        if self.settings.pattern == "cycle":
            return (np.arange(m)[:, None] + np.arange(k)) % n
        return np.arange(m * k).reshape(m, k)

    def likes(self, seeds: SeedTree) -> tuple[list[list[str]], list[str]]:
        """Return what each person likes, in random order, and what each question asks for."""
        rng = seeds.child("likes").numpy()
        shuffled = [self.attributes[i] for i in rng.permutation(len(self.attributes))]
        asked, unasked = shuffled[: self.settings.queries], shuffled[self.settings.queries :]
        people: list[list[str]] = [[] for _ in range(self.settings.documents)]
        for thing, members in zip(asked, self.members(seeds), strict=True):
            for person in members:
                people[person].append(thing)
        for person in people:
            missing = max(0, self.settings.min_items - len(person))
            drawn = rng.choice(len(unasked), size=missing, replace=False)
            person += [unasked[i] for i in drawn]
            rng.shuffle(person)
        return people, asked

    def make(self, seeds: SeedTree) -> RetrievalSet:
        """Return the world: people by name, questions "Who likes X?", both in random order."""
        people, asked = self.likes(seeds)
        members = self.members(seeds)
        names = made_up_names(len(people), seeds.child("names").numpy())
        rng = seeds.child("order").numpy()
        order = rng.permutation(len(people))
        documents = {names[i]: sentence_of(names[i], people[i]) for i in order}
        queries, qrels = {}, {}
        for number, place in enumerate(rng.permutation(len(asked))):
            key = f"query_{number}"
            queries[key] = f"{ASKED[0]}{asked[place]}{ASKED[1]}"
            qrels[key] = {names[person]: 1 for person in members[place]}
        return RetrievalSet(documents, queries, qrels)


def dense_people(queries: int, per_query: int) -> int:
    """Return the smallest n with C(n, k) >= queries.

    Example:
        >>> dense_people(1000, 2)
        46
    """
    n = per_query + 1
    while math.comb(n, per_query) < queries:
        n += 1
    return n
