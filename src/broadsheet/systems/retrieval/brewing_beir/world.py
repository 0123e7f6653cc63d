"""A made world of papers for the smoke preset: topics with words of their own."""

from __future__ import annotations

from tokenizers import Tokenizer

from broadsheet.core.seeds import SeedTree
from broadsheet.data.records import RetrievalSet, TextPair
from broadsheet.data.tokenising import train_wordpiece

_SOUNDS = ("ba", "do", "ki", "lu", "me", "na", "po", "ri", "su", "ta")
#: Words of a topic, of all topics, and papers of a topic.
_OWN, _SHARED, _PER_TOPIC = 4, 12, 3


def made_words(seeds: SeedTree, count: int) -> list[str]:
    """Return different words of three syllables."""
    rng = seeds.numpy()
    numbers = rng.choice(len(_SOUNDS) ** 3, size=count, replace=False)
    return [_SOUNDS[n % 10] + _SOUNDS[n // 10 % 10] + _SOUNDS[n // 100] for n in map(int, numbers)]


def made_papers(count: int, seeds: SeedTree) -> tuple[TextPair, ...]:
    """Return papers as (title, abstract of three sentences) that share words of their topic.

    Args:
        count: How many.
        seeds: Draws topics and words.

    Example:
        >>> pairs = made_papers(6, SeedTree(1))
        >>> len(pairs), pairs[0].b.count(".")
        (6, 3)
    """
    topics = count // _PER_TOPIC + 1
    words = made_words(seeds.child("words"), topics * _OWN + _SHARED)
    shared, rng = words[:_SHARED], seeds.child("texts").numpy()
    pairs = []
    for number in range(count):
        begin = _SHARED + number % topics * _OWN
        pool = words[begin : begin + _OWN]
        title = " ".join([*rng.choice(pool, 2), *rng.choice(shared, 1)])
        sentences = [
            " ".join([*rng.choice(pool, 2), *rng.choice(shared, 3)]).capitalize() + "."
            for _ in range(3)
        ]
        pairs.append(TextPair(f"p{number:03}", title, " ".join(sentences)))
    return tuple(pairs)


def made_set(pairs: tuple[TextPair, ...]) -> RetrievalSet:
    """Return the set in which each title asks for its abstract."""
    return RetrievalSet(
        {pair.id: pair.b for pair in pairs},
        {pair.id: pair.a for pair in pairs},
        {pair.id: {f"{pair.id}": 1} for pair in pairs},
    )


def made_tokenizer(pairs: tuple[TextPair, ...], vocabulary: int) -> Tokenizer:
    """Return a tokenizer of these texts."""
    return train_wordpiece([text for pair in pairs for text in (pair.a, pair.b)], vocabulary)
