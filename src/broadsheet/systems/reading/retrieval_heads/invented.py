"""Invented needles and an invented haystack, in plain English, made from lists and a seed.

The places do not exist, and each sentence is put together by chance, so no model has read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from broadsheet.core.seeds import SeedTree
from broadsheet.systems.reading.retrieval_heads.needle import Needle

_LIST = Mapping[str, Sequence[str]]

_SYLLABLES = ("bar", "dell", "fen", "gor", "hal", "kil", "lor", "mar", "nes", "ost", "ral", "ves")
_ENDINGS = ("bridge", "by", "ford", "ham", "holm", "stead", "ton", "wick")

_NEEDLES: tuple[tuple[str, str, str], ...] = (
    (
        "The best thing to do in {place} is to",
        "{do} {thing} near the {spot} and {then} on a {day} {time}",
        "What is the best thing to do in {place}?",
    ),
    (
        "The oldest object in the museum of {place} is",
        "a {look} {object} that {who} once found under the {spot}",
        "What is the oldest object in the museum of {place}?",
    ),
    (
        "The secret of the soup that is served in {place} is",
        "a spoon of {taste} with {herb} from the garden that {who} own",
        "What is the secret of the soup that is served in {place}?",
    ),
    (
        "The first prize of the yearly market in {place} is",
        "a {look} {object} full of {taste} that {who} bring to the {spot}",
        "What is the first prize of the yearly market in {place}?",
    ),
)

_WORDS: _LIST = {
    "do": ("feed", "count", "draw", "follow", "photograph", "listen to"),
    "thing": ("the swallows", "the barges", "the wild geese", "the old trams", "the white goats"),
    "spot": ("stone mill", "north gate", "copper bridge", "fish market", "clock tower", "platform"),
    "then": ("eat warm plums", "drink cold cider", "fly a paper kite", "write a long letter"),
    "day": ("rainy", "windy", "quiet", "foggy", "frosty"),
    "time": ("Monday", "Tuesday", "Thursday", "Friday", "Sunday"),
    "look": ("green", "silver", "wooden", "cracked", "striped", "tiny"),
    "object": ("kettle", "violin", "lantern", "basket", "compass", "helmet"),
    "who": ("two retired sailors", "the young bakers", "some painters", "the twins", "five nurses"),
    "taste": ("burnt honey", "black pepper", "sour cherries", "smoked salt", "orange peel"),
    "herb": ("fresh mint", "dried thyme", "wild garlic", "young nettles"),
}

_HAYSTACK: tuple[str, ...] = (
    "The {group} {measured} the {quantity} of the {sample} {often}.",
    "After {number} weeks the {quantity} had {changed}, and the {group} {concluded}.",
    "A {kind} method was used because the {sample} could not be {handled} {often}.",
    "Most of the {sample} came from the {region}, where the {quantity} is known to be {level}.",
    "The report lists {number} cases in which the {kind} method {failed}.",
    "It remains open whether the {quantity} depends on the {season} or on the {region}.",
    "The {group} repeated the work in the {season} and found a {level} {quantity}.",
    "For the {sample}, a {level} {quantity} was {concluded_as} by the {group}.",
    "Earlier work had shown that a {kind} method needs {number} readings of the {sample}.",
    "The notes of the {season} mention the {quantity} only {number} times.",
    "Nobody had {handled} the {sample} before, so the {group} {measured} them {often}.",
    "Where the {quantity} was {level}, the {kind} method {failed} less than expected.",
)

_FILL: _LIST = {
    "group": ("team", "authors", "students", "committee", "survey", "laboratory"),
    "measured": ("measured", "recorded", "compared", "estimated", "checked"),
    "quantity": ("weight", "temperature", "moisture", "age", "colour", "length", "acidity"),
    "sample": ("samples", "leaves", "stones", "drawings", "shells", "records", "seeds"),
    "often": ("twice a day", "every hour", "only once", "by hand", "in the same order"),
    "number": ("three", "five", "seven", "nine", "eleven", "twenty"),
    "changed": ("risen slightly", "fallen by half", "hardly changed", "become stable"),
    "concluded": ("stopped the trial", "wrote a short note", "asked for more time", "went on"),
    "concluded_as": ("reported", "confirmed", "doubted", "predicted"),
    "kind": ("simple", "slow", "manual", "statistical", "cheap", "careful"),
    "handled": ("moved", "opened", "counted", "cleaned", "sorted"),
    "region": ("coast", "upper valley", "eastern plain", "islands", "archive", "city"),
    "level": ("low", "high", "normal", "surprising", "steady"),
    "failed": ("failed", "gave two answers", "took too long", "was not needed"),
    "season": ("spring", "summer", "autumn", "winter", "dry season"),
}


def make_needles(seeds: SeedTree, count: int) -> tuple[Needle, ...]:
    """Return needles about as many different places, the kinds taking turns.

    Example:
        >>> first, second = make_needles(SeedTree(1), 2)
        >>> first.opening.startswith("The best thing to do in"), first.question[-1]
        (True, '?')
        >>> first.opening == second.opening
        False
    """
    rng = seeds.numpy()
    places: dict[str, None] = {}
    while len(places) < count:
        first, second = rng.choice(len(_SYLLABLES), 2, replace=False)
        name = _SYLLABLES[first] + _SYLLABLES[second] + _one(rng, _ENDINGS)
        places[name.capitalize()] = None
    made = []
    for number, place in enumerate(places):
        opening, answer, question = _NEEDLES[number % len(_NEEDLES)]
        words = {name: _one(rng, options) for name, options in _WORDS.items()}
        made.append(
            Needle(
                opening=opening.format(place=place),
                answer=answer.format(**words),
                question=question.format(place=place),
            )
        )
    return tuple(made)


def make_haystack(seeds: SeedTree, sentences: int) -> tuple[str, ...]:
    """Return sentences of an invented report.

    Example:
        >>> len(make_haystack(SeedTree(1), 30))
        30
    """
    rng = seeds.numpy()
    return tuple(
        _one(rng, _HAYSTACK).format(**{name: _one(rng, options) for name, options in _FILL.items()})
        for _ in range(sentences)
    )


def _one(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]
