"""Measuring compositionality: idioms in context, and noun compounds with replacements.

Legend: N usages, F features, T texts, D width.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.seeds import SeedTree
from broadsheet.data.compounds import NounCompound, Usage, read_idioms, read_noun_compounds
from broadsheet.data.word_graph import WordGraph, read_word_graph
from broadsheet.metrics.classification import roc_auc
from broadsheet.metrics.correlation import spearman
from broadsheet.systems.contract import Observation, Workspace
from broadsheet.systems.reading.semantic_inference.claim_data import inputs_of
from broadsheet.systems.reading.semantic_inference.masks import word_idf
from broadsheet.systems.reading.semantic_inference.phrases import (
    FEATURES,
    LOCAL,
    CompositionalityScorer,
    Floats,
    LiteralRule,
    clustered_auc_parts,
    usage_text,
)
from broadsheet.systems.reading.semantic_inference.recipe import PhraseSettings
from broadsheet.systems.reading.semantic_inference.vectors import encode

IDIOMS = "idioms in context"
COMPOUNDS = "noun compounds"
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseData:
    """Usages to fit on and to measure on, and compounds.

    Args:
        train: Usages with labels; their phrases are not in `test`.
        test: Usages to measure on.
        compounds: Noun compounds; may be empty.
        graph: The dictionary, None where it is left out.
    """

    train: tuple[Usage, ...]
    test: tuple[Usage, ...]
    compounds: tuple[NounCompound, ...]
    graph: WordGraph | None


def read_phrases(settings: PhraseSettings, workspace: Workspace) -> PhraseData:
    """Return what a recipe is measured on.

    Raises:
        BadInput: A file is missing.
    """
    if settings.made:
        train, test, graph = made_phrases()
        return PhraseData(
            train=train, test=test, compounds=(), graph=graph if settings.graph else None
        )
    folder = inputs_of(workspace)
    return PhraseData(
        train=read_idioms(folder, "train"),
        test=read_idioms(folder, "dev"),
        compounds=read_noun_compounds(folder) if settings.sentences else (),
        graph=read_word_graph(Path(settings.wordnet)) if settings.graph else None,
    )


def measure_phrases(
    data: PhraseData, settings: PhraseSettings, workspace: Workspace
) -> list[Observation]:
    """Return how well usages are told apart, with and without training, and the compounds' gaps."""
    scorer = make_scorer(data, settings, workspace)
    train_NF, test_NF = (
        np.stack([scorer.features(u.phrase, usage_text(u)) for u in part])
        for part in (data.train, data.test)
    )
    kept = [i for i in range(len(FEATURES)) if settings.context or i not in LOCAL]
    learned = LiteralRule.fit(train_NF[:, kept], _literal(data.train))(test_NF[:, kept])
    plain = test_NF[:, 0] + (test_NF[:, 1] if settings.context else 0.0)
    found = [
        _auc("AUC", data.test, learned),
        _auc("AUC without training", data.test, plain),
        _by_phrase(data.test, test_NF[:, 0]),
    ]
    for name in settings.sentences:
        found += compound_gaps(data.compounds, name, workspace)
    return found


def make_scorer(
    data: PhraseData, settings: PhraseSettings, workspace: Workspace
) -> CompositionalityScorer:
    """Return a scorer that has read all usages (without labels)."""
    usages = (*data.train, *data.test)
    texts = [usage_text(u) for u in usages]
    sentences = [_WORD.findall(text.lower()) for text in texts]
    words = {word for sentence in sentences for word in sentence}
    for usage in usages:
        words.update(_WORD.findall(usage.phrase.lower()))
        for key in (usage.phrase, *usage.phrase.split()) if data.graph else ():
            words.update(data.graph.neighbours(key) if data.graph else ())
    order = sorted(words)
    table = encode(settings.words, order, workspace).astype(np.float64)
    vectors = {word: row for word, row in zip(order, table, strict=True) if row.any()}
    idf = word_idf(sentences)
    scorer = CompositionalityScorer(vectors, idf, data.graph, settings.window)
    scorer.learn_usages((u.phrase, text) for u, text in zip(usages, texts, strict=True))
    return scorer


def compound_gaps(
    compounds: Sequence[NounCompound], name: str, workspace: Workspace
) -> list[Observation]:
    """Return how often a synonym of the whole is nearer than those of the parts, and by how much.

    The gap is the cosine to the sentence with the whole's synonym minus that with the parts'
    synonyms: a score of non-compositionality that needs no label.
    """
    columns = [
        [getattr(one, part) for one in compounds] for part in ("sentence", "synonym", "parts")
    ]
    every = [text for column in columns for text in column]
    rows = encode(name, every, workspace).reshape(3, len(compounds), -1)
    gap_N = ((rows[0] * rows[1]).sum(axis=1) - (rows[0] * rows[2]).sum(axis=1)).astype(np.float64)
    above_N = (gap_N > 0).astype(np.float64)
    short = name.removeprefix("home:")
    return [
        Observation(
            dataset=COMPOUNDS,
            metric=f"whole above parts, {short}",
            unit="x100",
            value=100 * float(above_N.mean()),
            n=len(above_N),
            items={"score": above_N},
        ),
        Observation(
            dataset=COMPOUNDS,
            metric=f"gap, {short}",
            unit="x100",
            value=100 * float(gap_N.mean()),
            n=len(gap_N),
            items={"score": gap_N},
        ),
    ]


def _literal(usages: Sequence[Usage]) -> NDArray[np.bool_]:
    return np.array([not usage.idiomatic for usage in usages])


def _auc(metric: str, usages: Sequence[Usage], score_N: Floats) -> Observation:
    literal_N = _literal(usages)
    parts = clustered_auc_parts([u.phrase for u in usages], literal_N, score_N)
    return Observation(
        dataset=IDIOMS,
        metric=metric,
        unit="x100",
        value=100 * roc_auc(literal_N.astype(int), score_N),
        n=len(parts["literal"]),
        items=parts,
    )


def _by_phrase(usages: Sequence[Usage], score_N: Floats) -> Observation:
    """Return Spearman's rho of a phrase's score and the share of its usages that are literal."""
    scores: dict[str, list[float]] = {}
    literal: Mapping[str, list[float]] = {u.phrase: [] for u in usages}
    for usage, score in zip(usages, score_N, strict=True):
        scores.setdefault(usage.phrase, []).append(float(score))
        literal[usage.phrase].append(float(not usage.idiomatic))
    items = {
        "score": np.array([np.mean(scores[name]) for name in sorted(scores)]),
        "gold": np.array([np.mean(literal[name]) for name in sorted(scores)]),
    }
    rho = spearman(items["score"], items["gold"])
    return Observation(
        dataset="phrases",
        metric="spearman",
        unit="x100",
        value=100 * rho,
        n=len(scores),
        items=items,
    )


def made_phrases() -> tuple[tuple[Usage, ...], tuple[Usage, ...], WordGraph]:
    """Return made usages: a literal one stands among words of its parts' fields."""
    rng = SeedTree(20261124).child("made phrases").numpy()
    fields = {
        w: tuple(f"{w}near{i}" for i in range(4)) for w in ("kap", "lun", "mor", "nis", "pel")
    }
    names = [f"{a} {b}" for a in fields for b in fields if a < b]
    usages = []
    for number in range(8 * len(names)):
        phrase = names[number % len(names)]
        first, second = phrase.split()
        idiomatic = bool(rng.integers(2))
        near = [f"far{n}" for n in range(8)] if idiomatic else [*fields[first], *fields[second]]
        words = list(rng.permutation(near)[:5])
        text = " ".join([*words[:3], first, second, *words[3:]])
        usages.append(
            Usage(
                id=f"made-{number}",
                language="EN",
                phrase=phrase,
                before="",
                sentence=text,
                after="",
                idiomatic=idiomatic,
            )
        )
    graph = WordGraph(
        {word: (word,) for word in fields},
        {word: (word,) for word in fields},
        {word: " ".join(near) for word, near in fields.items()},
        dict.fromkeys(fields, ()),
    )
    held = set(names[::3])
    train = tuple(u for u in usages if u.phrase not in held)
    return train, tuple(u for u in usages if u.phrase in held), graph
