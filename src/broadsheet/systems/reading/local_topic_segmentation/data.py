"""What a run reads: units of the three splits with their vectors or tokens.

Legend: N units, D width of a vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from broadsheet.systems.contract import Workspace
from broadsheet.systems.reading.local_topic_segmentation.corpora import Corpus, read_corpus
from broadsheet.systems.reading.local_topic_segmentation.encoders import (
    Tokens,
    piece_tokens,
    tokenizer_of,
    word_tokens,
)
from broadsheet.systems.reading.local_topic_segmentation.recipe import Recipe
from broadsheet.systems.reading.local_topic_segmentation.units import Floats, Ints, Units, flatten
from broadsheet.systems.reading.local_topic_segmentation.vectors import stored_vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One split.

    Args:
        units: Of all its documents.
        vectors: [N, D]; without rows where the arm has no stored vectors.
        tokens: Of each unit; none where the arm reads no tokens.
    """

    units: Units
    vectors: Floats
    tokens: Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationData:
    """All splits of a run, and the corpus that they come from."""

    corpus: Corpus
    train: Part
    dev: Part
    test: Part


def read_data(recipe: Recipe, workspace: Workspace) -> SegmentationData:
    """Return the splits of a recipe.

    Raises:
        BadInput: A data set is missing or broken.
    """
    corpus = read_corpus(recipe, workspace)
    splits = [flatten(part, corpus.classes) for part in (corpus.train, corpus.dev, corpus.test)]
    texts = [text for units in splits for text in units.texts]
    settings = recipe.encoder
    tokens: list[list[Ints]] = [[] for _ in splits]
    vectors = np.zeros((len(texts), 0), np.float32)
    if settings.kind == "stored":
        vectors = stored_vectors(texts, settings, workspace)
    else:
        made = (
            piece_tokens(texts, tokenizer_of(settings, workspace), settings.max_tokens)
            if settings.start
            else word_tokens(texts, settings.vocab, settings.max_tokens)
        )
        ends = np.cumsum([0, *map(len, splits)])
        tokens = [made.rows[start:stop] for start, stop in pairwise(ends)]
    ends = np.cumsum([len(units) for units in splits])[:-1]
    train, dev, test = (
        Part(units=units, vectors=rows, tokens=Tokens(ids))
        for units, rows, ids in zip(splits, np.split(vectors, ends), tokens, strict=True)
    )
    return SegmentationData(corpus=corpus, train=train, dev=dev, test=test)
