"""Pairs of texts as files: JSON lines (objects or arrays) and two columns with a tab between."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from broadsheet.data.files import broken, lines_of
from broadsheet.data.records import TextPair

#: Names that the two texts of a pair go by, in the order in which they are looked for.
NAMES = (
    ("a", "b"),
    ("anchor", "positive"),
    ("query", "positive"),
    ("query", "document"),
    ("sentence1", "sentence2"),
    ("title", "abstract"),
)


def read_pairs(path: Path) -> tuple[TextPair, ...]:
    """Read pairs, plain or packed; a file whose name says .jsonl is JSON lines, others have tabs.

    A JSON line is an array of two texts or an object with one of the pairs of names in `NAMES`,
    and may have an `id`; otherwise the id is the number of the line. Further columns and fields
    are passed over, as are empty lines.

    Raises:
        BadInput: The file can't be read, or a line holds no pair.
    """
    read = _json_pair if ".jsonl" in path.suffixes else _tabbed_pair
    return tuple(read(path, number, line) for number, line in lines_of(path) if line.strip())


def write_pairs(pairs: Iterable[TextPair], path: Path) -> None:
    """Write pairs as JSON lines with id, a and b."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        for pair in pairs:
            row = {"id": pair.id, "a": pair.a, "b": pair.b}
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")


def _json_pair(path: Path, number: int, line: str) -> TextPair:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise broken(path, number, line, f"broken JSON ({error})") from None
    texts: list[object] = []
    identifier: object = None
    if isinstance(value, list):
        texts = value[:2]
    elif isinstance(value, dict):
        names = next((names for names in NAMES if value.keys() >= set(names)), ())
        texts, identifier = [value[name] for name in names], value.get("id")
    return _pair(path, number, texts, line, str(number if identifier is None else identifier))


def _tabbed_pair(path: Path, number: int, line: str) -> TextPair:
    return _pair(path, number, line.split("\t")[:2], line, str(number))


def _pair(path: Path, number: int, texts: Sequence[object], line: str, identifier: str) -> TextPair:
    words = [text.strip() for text in texts if isinstance(text, str)]
    if len(words) != 2 or not all(words):
        raise broken(path, number, line, "not two texts")
    return TextPair(identifier, words[0], words[1])
