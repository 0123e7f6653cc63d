"""Reads the synsets of WordNet 3.0: words, definition, examples.

Source: wndb(5WN), the format of data.noun, data.verb, data.adj and data.adv.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from broadsheet.core.errors import BadInput

PARTS = ("noun", "verb", "adj", "adv")

_EXAMPLE = re.compile(r'"([^"]+)"')
_MARKER = re.compile(r"\([a-z]+\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Synset:
    """One sense.

    Args:
        id: Part of speech and offset, such as "noun-00001740".
        words: Its words, blanks for underscores.
        definition: The gloss without its examples.
        examples: Sentences or phrases that use one of the words.
    """

    id: str
    words: tuple[str, ...]
    definition: str
    examples: tuple[str, ...] = ()


def read_wordnet(folder: Path) -> list[Synset]:
    """Read all synsets of the dictionary files in `folder`, in the order of the files.

    Raises:
        BadInput: A file is missing or a line is not a synset.
    """
    synsets: list[Synset] = []
    for part in PARTS:
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
                    synsets.append(parse_synset(part, line))
                except (ValueError, IndexError):
                    raise BadInput(
                        f"line {number} of {path.name} is not a synset", received=line
                    ) from None
    return synsets


def parse_synset(part: str, line: str) -> Synset:
    """Parse one line of a data file.

    Raises:
        ValueError: It is not a synset.

    Example:
        >>> line = '00001740 03 n 01 entity 0 000 | that which exists; "an entity of its own"'
        >>> parse_synset("noun", line).examples
        ('an entity of its own',)
    """
    facts, separator, gloss = line.partition(" | ")
    fields = facts.split()
    if not separator or not fields[0].isdigit():
        raise ValueError("no gloss")
    words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
    definition = gloss.split('"')[0].strip().strip(";:, ").strip()
    return Synset(
        id=f"{part}-{fields[0]}",
        words=tuple(_MARKER.sub("", word).replace("_", " ") for word in words),
        definition=definition,
        examples=tuple(example.strip() for example in _EXAMPLE.findall(gloss)),
    )
