"""A world of symbols in which copying from the text and knowing by heart can be told apart.

A document is filler from a second-order chain with facts `KEY k v1 .. vn .` put between its
sentences. It ends with questions `Q k v1 .. vn .`. An open key has other values in every
document, so only copying answers it; a closed key is never stated in a text and always has the
same values, so only the weights can answer it.

Legend: B documents, L symbols, F facts, V values of an answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

PAD, KEY, ASK, STOP = range(4)
_SPECIAL = 4
#: Symbols of a fact, and of a question with its answer, beside the answer's own.
FRAME = 3
_ASKED = 2
#: Followers of each pair of filler symbols.
_FOLLOWERS = 4
#: Filler symbols of a sentence, its full stop included.
_SENTENCE = 8
#: Share of a training document's questions that ask closed keys: more delays copying.
_CLOSED = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Alphabet:
    """How many symbols of each kind there are.

    Args:
        filler: Symbols of the chain.
        open_keys: Keys whose values stand in the document.
        closed_keys: Keys whose values are always the same and never stand in a document.
        values: Symbols that answers are made of.
        answer: Symbols of an answer.

    Example:
        >>> Alphabet(filler=8, open_keys=4, closed_keys=2, values=10, answer=3).size
        28
    """

    filler: int
    open_keys: int
    closed_keys: int
    values: int
    answer: int

    @property
    def size(self) -> int:
        """Return the number of symbols."""
        return _SPECIAL + self.filler + self.open_keys + self.closed_keys + self.values

    @property
    def first_open(self) -> int:
        """Return the first open key."""
        return _SPECIAL + self.filler

    @property
    def first_closed(self) -> int:
        """Return the first closed key."""
        return self.first_open + self.open_keys

    @property
    def first_value(self) -> int:
        """Return the first value."""
        return self.first_closed + self.closed_keys


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """Documents that end with one question, for measuring.

    Args:
        prompts_BL: Symbols up to and including the key that is asked.
        answers_BV: What has to follow.
        starts_B: Where the asked fact's values begin; -1 for a closed key.
    """

    prompts_BL: Ints
    answers_BV: Ints
    starts_B: Ints


class World:
    """Draws documents; the chain and the table of closed keys belong to the seed.

    Args:
        alphabet: The symbols.
        seeds: Where the chain and the table come from.

    Raises:
        BadInput: There is too little of something.

    Example:
        >>> alphabet = Alphabet(filler=8, open_keys=4, closed_keys=2, values=10, answer=3)
        >>> world = World(alphabet, SeedTree(1))
        >>> found = world.questions(SeedTree(2), count=5, length=48, facts=2)
        >>> start = found.starts_B[0]
        >>> bool((found.prompts_BL[0, start : start + 3] == found.answers_BV[0]).all())
        True
    """

    def __init__(self, alphabet: Alphabet, seeds: SeedTree) -> None:
        if min(alphabet.filler, alphabet.open_keys, alphabet.closed_keys, alphabet.answer) < 1:
            raise BadInput("every kind of symbol is needed", received=alphabet)
        if alphabet.values < alphabet.answer:
            raise BadInput("an answer has distinct values", received=alphabet.values)
        self.alphabet = alphabet
        a = alphabet
        rng = seeds.child("chain").numpy()
        self._chain_FFn = rng.integers(0, a.filler, (a.filler, a.filler, _FOLLOWERS))
        draw = seeds.child("table").numpy()
        self.table_CV = a.first_value + _distinct(draw, a.closed_keys, a.values, a.answer)

    def documents(
        self, seeds: SeedTree, *, count: int, length: int, facts: int, questions: int
    ) -> tuple[Ints, Floats]:
        """Return documents for training, and which symbols are answers.

        A quarter of the questions ask closed keys, by chance; the others ask stated facts.

        Shape:
            ids [count, length], answers [count, length]: 1 where the symbol is part of an answer.

        Raises:
            BadInput: The facts and questions don't fit.
        """
        a, rng = self.alphabet, seeds.numpy()
        tail = questions * (a.answer + FRAME)
        body_BL, keys_BF, values_BFV, _ = self._bodies(rng, count, length - tail, facts)
        parts: list[Ints] = []
        order_BF = np.argsort(rng.random((count, facts)), axis=1)
        closed_BQ = rng.random((count, questions)) < _CLOSED
        rows = np.arange(count)
        for place in range(questions):
            is_open_B = ~closed_BQ[:, place]
            fact_B = order_BF[:, place % facts]
            known_B = rng.integers(0, a.closed_keys, count)
            keys_B = np.where(is_open_B, keys_BF[rows, fact_B], a.first_closed + known_B)
            answer_BV = np.where(
                is_open_B[:, None], values_BFV[rows, fact_B], self.table_CV[known_B]
            )
            parts.append(_question(keys_B))
            parts.append(answer_BV)
            parts.append(np.full((count, 1), STOP))
        ids_BL = np.concatenate([body_BL, *parts], axis=1)
        answers_BL = np.zeros(ids_BL.shape, np.float32)
        for place in range(questions):
            begin = length - tail + place * (a.answer + FRAME) + _ASKED
            answers_BL[:, begin : begin + a.answer] = 1.0
        return ids_BL, answers_BL

    def questions(
        self, seeds: SeedTree, *, count: int, length: int, facts: int, closed: bool = False
    ) -> Questions:
        """Return documents of `length` symbols that end with one question about a random fact.

        Args:
            seeds: Where they come from.
            count: B.
            length: L, the question included and the answer not.
            facts: Facts in each.
            closed: Ask a closed key instead.

        Raises:
            BadInput: The facts don't fit.
        """
        a, rng = self.alphabet, seeds.numpy()
        body_BL, keys_BF, values_BFV, starts_BF = self._bodies(rng, count, length - _ASKED, facts)
        rows, asked_B = np.arange(count), rng.integers(0, facts, count)
        known_B = rng.integers(0, a.closed_keys, count)
        keys_B = a.first_closed + known_B if closed else keys_BF[rows, asked_B]
        answers_BV = self.table_CV[known_B] if closed else values_BFV[rows, asked_B]
        starts_B = np.full(count, -1) if closed else starts_BF[rows, asked_B]
        prompts_BL = np.concatenate([body_BL, _question(keys_B)], axis=1)
        return Questions(prompts_BL, answers_BV, starts_B)

    def _bodies(
        self, rng: np.random.Generator, count: int, length: int, facts: int
    ) -> tuple[Ints, Ints, Ints, Ints]:
        """Return filler with facts in it, their keys, values and where the values begin."""
        a = self.alphabet
        size = a.answer + FRAME
        slots = (length - facts * size) // _SENTENCE + 1
        if facts < 1 or facts > a.open_keys or slots < facts:
            raise BadInput("so many facts don't fit", received=f"{facts} facts in {length} symbols")
        keys_BF = a.first_open + _distinct(rng, count, a.open_keys, facts)
        drawn = _distinct(rng, count * facts, a.values, a.answer)
        values_BFV = (a.first_value + drawn).reshape(count, facts, a.answer)
        filler_BL = self._filler(rng, count, length - facts * size)
        # Facts go between sentences: the n-th smallest slot is the n-th fact's.
        slots_BF = np.sort(_distinct(rng, count, slots, facts), axis=1)
        begins_BF = slots_BF * _SENTENCE + np.arange(facts) * size
        stated_BFS = np.concatenate(
            [
                np.full((count, facts, 1), KEY),
                keys_BF[..., None],
                values_BFV,
                np.full((count, facts, 1), STOP),
            ],
            axis=2,
        )
        body_BL = np.empty((count, length), np.int64)
        places_BFS = begins_BF[..., None] + np.arange(size)
        taken_BL = np.zeros((count, length), bool)
        rows = np.arange(count)
        taken_BL[rows[:, None, None], places_BFS] = True
        body_BL[rows[:, None, None], places_BFS] = stated_BFS
        body_BL[~taken_BL] = filler_BL.ravel()
        return body_BL, keys_BF, values_BFV, begins_BF + _ASKED

    def _filler(self, rng: np.random.Generator, count: int, length: int) -> Ints:
        a = self.alphabet
        before_B, last_B = rng.integers(0, a.filler, (2, count))
        ways_BL = rng.integers(0, _FOLLOWERS, (count, length))
        found_BL = np.full((count, length), STOP, np.int64)
        for place in range(length):
            if place % _SENTENCE == _SENTENCE - 1:
                continue
            following_B = self._chain_FFn[before_B, last_B, ways_BL[:, place]]
            found_BL[:, place] = _SPECIAL + following_B
            before_B, last_B = last_B, following_B
        return found_BL


def _question(keys_B: Ints) -> Ints:
    sides = np.ones_like(keys_B)
    return np.stack([ASK * sides, keys_B], axis=1)


def _distinct(rng: np.random.Generator, rows: int, below: int, count: int) -> Ints:
    """Return rows of `count` distinct numbers below `below`, in random order."""
    return np.argsort(rng.random((rows, below)), axis=1)[:, :count].astype(np.int64)
