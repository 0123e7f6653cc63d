"""A made world of facts and four fact checkers, in which the right answer is known.

Every entity has one value for every relation. A claim states two of them: both right ("true"), one
right ("half"), none ("false"); each checker has words of its own for these three. Of ten passages
one to three hold both facts; the others speak of the same entity's other relations, or of other
entities, some of them of the same relations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from broadsheet.core.errors import UsageError
from broadsheet.core.seeds import SeedTree
from broadsheet.data.claims import Claim

#: The labels of each checker: both facts right, one right, none right.
CHECKERS = {
    "ledger": ("true", "half", "false"),
    "mirror": ("correct", "mixture", "incorrect"),
    "beacon": ("accurate", "partly", "inaccurate"),
    "pocket": ("verified", "shaky", "refuted"),
}
SMALLEST = "pocket"
_OPENINGS = ("reportedly", "indeed", "officially", "allegedly", "still")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldSettings:
    """Sizes of the world.

    Args:
        entities: How many there are; each has a value for each relation.
        relations: How many.
        values: Values of each relation.
        passages: Of each claim.
        train: Claims of each checker to learn from, in the order of `CHECKERS`.
        test: Claims of each checker to measure on.
    """

    entities: int = 250
    relations: int = 8
    values: int = 12
    passages: int = 10
    train: tuple[int, ...] = (900, 600, 450, 50)
    test: int = 150


@dataclass(frozen=True, slots=True)
class WorldClaim:
    """A claim and which of its passages hold the facts.

    Args:
        claim: The claim.
        relevant: One entry per passage.
    """

    claim: Claim
    relevant: tuple[bool, ...]


class World:
    """Facts, and claims about them.

    Args:
        settings: Sizes.
        seeds: Decides the values.

    Example:
        >>> world = World(WorldSettings(entities=9), SeedTree(1))
        >>> one = world.claims("ledger", 5, SeedTree(2))[0]
        >>> len(one.claim.evidence), 1 <= sum(one.relevant) <= 3
        (10, True)
    """

    def __init__(self, settings: WorldSettings, seeds: SeedTree) -> None:
        if settings.entities < 4 or settings.relations < 4 or settings.values < 2:
            raise UsageError("the world is too small", received=settings)
        self.settings = settings
        shape = (settings.entities, settings.relations)
        self._values = seeds.child("values").numpy().integers(0, settings.values, shape)

    def claims(self, checker: str, count: int, seeds: SeedTree) -> list[WorldClaim]:
        """Return claims of a checker: each of the three labels equally often, up to one."""
        rng = seeds.child(checker).numpy()
        return [self._claim(checker, number, number % 3, rng) for number in range(count)]

    def _claim(self, checker: str, number: int, wrong: int, rng: np.random.Generator) -> WorldClaim:
        settings = self.settings
        entity = int(rng.integers(settings.entities))
        first, second = (int(n) for n in rng.choice(settings.relations, 2, replace=False))
        truth = [int(self._values[entity, relation]) for relation in (first, second)]
        stated = list(truth)
        changed = rng.permutation(2)[:wrong]
        for place in changed:
            stated[place] = (truth[place] + 1 + int(rng.integers(settings.values - 1))) % (
                settings.values
            )
        said = list(zip((first, second), stated, strict=True))
        relevant = [True] * int(rng.integers(1, 4))
        texts = [self._sentence(entity, (first, second), rng) for _ in relevant]
        while len(texts) < settings.passages:
            texts.append(self._distractor(entity, said, rng))
            relevant.append(False)
        order = rng.permutation(len(texts))
        claim = Claim(
            id=f"{checker}-{number}",
            text=self._words(entity, said),
            label=CHECKERS[checker][wrong],
            domain=checker,
            evidence=tuple(texts[i] for i in order),
        )
        return WorldClaim(claim, tuple(relevant[i] for i in order))

    def _distractor(
        self, entity: int, said: Sequence[tuple[int, int]], rng: np.random.Generator
    ) -> str:
        settings = self.settings
        about = [relation for relation, _ in said]
        kind = rng.integers(3)
        other = (entity + 1 + int(rng.integers(settings.entities - 1))) % settings.entities
        if kind == 0:  # the same entity, other relations
            rest = [n for n in range(settings.relations) if n not in about]
            return self._sentence(entity, tuple(rng.choice(rest, 2, replace=False)), rng)
        if kind == 1:  # another entity, the same relations
            return self._sentence(other, tuple(about), rng)
        pair = rng.choice(settings.relations, 2, replace=False)
        return self._sentence(other, tuple(pair), rng)

    def _sentence(self, entity: int, relations: Sequence[int], rng: np.random.Generator) -> str:
        opening = _OPENINGS[rng.integers(len(_OPENINGS))]
        facts = [(int(r), int(self._values[entity, r])) for r in rng.permutation(list(relations))]
        return f"{opening} {self._words(entity, facts)}"

    def _words(self, entity: int, facts: Sequence[tuple[int, int]]) -> str:
        (r1, v1), (r2, v2) = facts
        return f"ent{entity} rel{r1} val{r1}x{v1} rel{r2} val{r2}x{v2}"
