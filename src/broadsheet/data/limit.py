"""LIMIT: people and what they like, with a relevance pattern that asks for every pair of people.

Source: Weller, Boratko, Naim and Lee, "On the Theoretical Limitations of Embedding-Based
Retrieval" (arXiv 2508.21038). The data are theirs, under CC BY 4.0; they are read from a folder of
data sets and never shipped.
"""

from __future__ import annotations

from pathlib import Path

from broadsheet.core.errors import BadInput
from broadsheet.data.beir import read_beir
from broadsheet.data.files import find, lines_of
from broadsheet.data.records import RetrievalSet

#: What stands around the attribute in a query.
ASKED = ("Who likes ", "?")


def read_limit_small(folder: Path) -> RetrievalSet:
    """Read the small set: 46 people, 1,000 questions "Who likes X?", two answers each.

    Args:
        folder: The folder limit-small (or one that holds it, also as limit/limit-small) with
            corpus.jsonl, queries.jsonl and qrels.jsonl.

    Raises:
        BadInput: A file is missing or broken.
    """
    inside = ("limit/limit-small", "limit-small", ".")
    corpus = find(folder, *(f"{place}/corpus.jsonl" for place in inside))
    return read_beir(corpus.parent)


def read_attributes(folder: Path) -> tuple[str, ...]:
    """Read the list of things to like, one in a line, each once.

    Args:
        folder: The folder that holds items_to_like.txt, also as limit/items_to_like.txt.

    Raises:
        BadInput: The file is missing, or has nothing in it.
    """
    path = find(folder, "limit/items_to_like.txt", "items_to_like.txt")
    stripped = (line.strip() for _, line in lines_of(path))
    found = tuple(dict.fromkeys(line for line in stripped if line))
    if not found:
        raise BadInput("the list of attributes is empty", received=path)
    return found


def attribute_of(query: str) -> str:
    """Return what a question of LIMIT asks for.

    Raises:
        BadInput: It is no such question.

    Example:
        >>> attribute_of("Who likes Joshua Trees?")
        'Joshua Trees'
    """
    before, after = ASKED
    if not (query.startswith(before) and query.endswith(after)):
        raise BadInput("no question of LIMIT", received=query, hint="Who likes X?")
    return query[len(before) : -len(after)]
