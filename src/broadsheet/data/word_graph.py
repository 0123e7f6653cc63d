"""WordNet as a graph of words: which words are near a word or phrase in the dictionary.

Beside the words of a sense this reads its pointers, which `data.wordnet` leaves out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from broadsheet.core.errors import BadInput

_PARTS = {"n": "noun", "v": "verb", "a": "adj", "s": "adj", "r": "adv"}
#: Pointers that are followed: hypernyms, instances, hyponyms, parts, similar and related senses.
_FOLLOWED = frozenset(("@", "@i", "~", "~i", "#p", "%p", "#m", "%m", "#s", "%s", "&", "=", "+"))
_MARKER = re.compile(r"\([a-z]+\)$")
_WORD = re.compile(r"[a-z]+")
_STOPS = frozenset(
    re.findall(
        r"\w+",
        "a an and any are as at be by for from in into is it its of on or other out so some such "
        "that the their them this to used usually was which who whose with without you your",
    )
)


@dataclass(frozen=True, slots=True)
class WordGraph:
    """Words by sense, senses by word, and the senses that a sense points to.

    Args:
        senses: Keys of senses by lower-case word or phrase, the most frequent sense not first.
        words: Words of each sense.
        glosses: The definition of each sense.
        pointers: Keys of the senses that each one points to.

    Example:
        >>> graph = WordGraph({"dog": ("n1",)}, {"n1": ("dog",), "n2": ("canine",)},
        ...     {"n1": "a tame animal", "n2": ""}, {"n1": ("n2",)})
        >>> graph.neighbours("dog")
        ('animal', 'canine', 'tame')
    """

    senses: Mapping[str, tuple[str, ...]]
    words: Mapping[str, tuple[str, ...]]
    glosses: Mapping[str, str]
    pointers: Mapping[str, tuple[str, ...]]

    def __contains__(self, phrase: str) -> bool:
        """Tell whether the dictionary has a word or phrase."""
        return _key(phrase) in self.senses

    def neighbours(self, phrase: str) -> tuple[str, ...]:
        """Return the words of the phrase's senses, of their glosses and of senses they point to.

        Words of the phrase itself and function words are left out; sorted. Empty where the
        dictionary does not have the phrase.
        """
        own = set(_key(phrase).split())
        found: set[str] = set()
        for sense in self.senses.get(_key(phrase), ()):
            found.update(_WORD.findall(self.glosses[sense].lower()))
            for near in (sense, *self.pointers[sense]):
                for word in self.words.get(near, ()):
                    found.update(_WORD.findall(word.lower()))
        return tuple(sorted(word for word in found - own - _STOPS if len(word) > 1))


def read_word_graph(folder: Path) -> WordGraph:
    """Read the dictionary files of WordNet 3.0.

    Args:
        folder: Holds data.noun, data.verb, data.adj and data.adv.

    Raises:
        BadInput: A file is missing or a line is not a sense.

    Source:
        wndb(5WN).
    """
    senses: dict[str, list[str]] = {}
    words: dict[str, tuple[str, ...]] = {}
    glosses: dict[str, str] = {}
    pointers: dict[str, tuple[str, ...]] = {}
    for part in dict.fromkeys(_PARTS.values()):
        path = folder / f"data.{part}"
        if not path.is_file():
            raise BadInput(
                "a file of WordNet is missing",
                received=path,
                hint="apt-get install wordnet-base, then name /usr/share/wordnet",
            )
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.startswith("  "):  # the licence
                    continue
                try:
                    key, names, gloss, near = _parse(part, line)
                except (ValueError, IndexError, KeyError):
                    raise BadInput(
                        f"line {number} of {path.name} is not a sense", received=line[:80]
                    ) from None
                words[key], glosses[key], pointers[key] = names, gloss, near
                for name in names:
                    senses.setdefault(_key(name), []).append(key)
    return WordGraph({name: tuple(keys) for name, keys in senses.items()}, words, glosses, pointers)


def _parse(part: str, line: str) -> tuple[str, tuple[str, ...], str, tuple[str, ...]]:
    facts, separator, gloss = line.partition(" | ")
    fields = facts.split()
    if not separator or not fields[0].isdigit():
        raise ValueError("no gloss")
    count = int(fields[3], 16)
    names = tuple(_MARKER.sub("", name).replace("_", " ") for name in fields[4 : 4 + 2 * count : 2])
    place = 4 + 2 * count
    near = []
    for step in range(int(fields[place])):
        symbol, offset, kind = fields[place + 1 + 4 * step : place + 4 + 4 * step]
        if symbol in _FOLLOWED:
            near.append(f"{_PARTS[kind]}-{offset}")
    return f"{part}-{fields[0]}", names, gloss.split('"')[0].strip().strip(";:, "), tuple(near)


def _key(phrase: str) -> str:
    return " ".join(phrase.lower().replace("_", " ").replace("-", " ").split())
