"""What a words index looks like on disk: schema, analysers, and how far it has come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import tantivy
from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

from broadsheet.core.errors import BadInput, NotFound

#: Changes whenever an index written by older code must be built again.
SCHEMA_VERSION = 2

STATE_FILE = "state.json"
#: Fields searched by stems: the title again, and title and body as one text.
STEMMED = ("title", "text")
#: What a word's score in each field counts: one text makes the words of a query meet; the title
#: alone adds a little.
WEIGHTS = {"text": 1.0, "title": 0.2, "names": 1.0}
#: Fields in which phrases and words that exclude are looked up: they hold all that is searched.
WHOLE = ("text", "names")
#: The field of words as printed, for prefixes and completion.
SPELLING = "spelling"

_LONGEST_WORD = 60


def stored_revision(folder: Path, *, terms: Sequence[str], numbers: Sequence[str]) -> int:
    """Return the store revision that the index in `folder` has seen.

    Raises:
        NotFound: There is no index.
        BadInput: Its state can't be read, or it was written with another schema.
    """
    path = folder / STATE_FILE
    try:
        state = json.loads(path.read_bytes())
        schema, layout, revision = state["schema"], state["layout"], int(state["revision"])
    except FileNotFoundError:
        raise NotFound("there is no words index", hint="broadsheet index build") from None
    except (ValueError, KeyError, TypeError, OSError):
        raise BadInput(
            "the words index is damaged", received=path.name, hint="broadsheet index build"
        ) from None
    if schema != SCHEMA_VERSION or layout != layout_of(terms, numbers):
        raise BadInput(
            "the words index was written by another version",
            received=f"schema {schema}",
            hint="broadsheet index build",
        )
    return revision


def layout_of(terms: Sequence[str], numbers: Sequence[str]) -> list[list[str]]:
    """Return the attributes of an index in the form that its state file records."""
    return [sorted(terms), sorted(numbers)]


def open_index(folder: Path) -> tantivy.Index:
    """Open the index in a folder as it was last committed.

    Raises:
        BadInput: It is damaged.
    """
    try:
        index = tantivy.Index.open(str(folder))
        index.config_reader("manual")
        index.reload()
        return index
    except ValueError as error:
        raise BadInput(
            "the words index is damaged", received=error, hint="broadsheet index build"
        ) from None


def schema_of(terms: Sequence[str], numbers: Sequence[str]) -> tantivy.Schema:
    """Return the fields of an index with these attributes."""
    builder = tantivy.SchemaBuilder()
    for field in STEMMED:
        builder.add_text_field(field, tokenizer_name="stemmed")
    builder.add_text_field("names", tokenizer_name="folded")
    builder.add_text_field(SPELLING, tokenizer_name="folded", index_option="basic")
    builder.add_integer_field("number", indexed=True, fast=True)
    for name in terms:
        builder.add_text_field(f"term_{name}", tokenizer_name="raw", index_option="basic")
    for name in numbers:
        builder.add_integer_field(f"number_{name}", indexed=True, fast=True)
    return builder.build()


def register_analysers(
    index: tantivy.Index,
) -> tuple[tantivy.TextAnalyzer, tantivy.TextAnalyzer]:
    """Register the analysers, which tantivy does not store, and return (stemmed, folded)."""
    folded = _plain_words().build()
    stemmed = _plain_words().filter(Filter.stopword("english")).filter(Filter.stemmer("english"))
    analyser = stemmed.build()
    index.register_tokenizer("folded", folded)
    index.register_tokenizer("stemmed", analyser)
    return analyser, folded


def _plain_words() -> TextAnalyzerBuilder:
    words = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.remove_long(_LONGEST_WORD))
    return words.filter(Filter.lowercase()).filter(Filter.ascii_fold())
