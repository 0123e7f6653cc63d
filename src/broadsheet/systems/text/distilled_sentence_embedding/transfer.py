"""What the vectors are worth elsewhere: logistic regression on frozen vectors, as in SentEval.

Package descriptions by section and paper titles by venue are always measured; the sentence sets
of SentEval where their files are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import BadInput
from broadsheet.core.paths import write_atomically
from broadsheet.core.seeds import SeedTree
from broadsheet.data.classification import TASKS, read_classification
from broadsheet.data.debian import read_packages
from broadsheet.data.debian_pairs import telling
from broadsheet.data.files import find
from broadsheet.data.papers import read_acl
from broadsheet.data.records import LabelledText
from broadsheet.evals.classification import Probe, evaluate_classification
from broadsheet.evals.score import Encode, fields_of
from broadsheet.systems.contract import Observation, Workspace
from broadsheet.systems.text.distilled_sentence_embedding.data import PairData, tokens_of
from broadsheet.systems.text.distilled_sentence_embedding.model import Student
from broadsheet.systems.text.distilled_sentence_embedding.recipe import Recipe
from broadsheet.systems.text.distilled_sentence_embedding.students import TextVectors

#: The choice of texts is the same for all arms and seeds.
_CHOICE = SeedTree(20261123).child("transfer")
_TEXTS, _CLASSES = 1000, 8
_PROBE = Probe(inverse_penalty=0.01, iterations=100)


def measure_transfer(
    student: Student, data: PairData, recipe: Recipe, workspace: Workspace
) -> list[Observation]:
    """Return the accuracy of a probe on each set that is at hand."""
    found: list[Observation] = []
    for name, texts in transfer_sets(workspace).items():
        train, test = texts[: -(len(texts) // 2)], texts[-(len(texts) // 2) :]
        every = [one.text for one in texts]
        tokens = tokens_of(data.tokenizer, every, min(64, recipe.encoder.max_tokens))
        vectors = TextVectors(
            student, tokens, f"{recipe.encoder.start}|transfer {name}", workspace.shared
        ).all()
        scores = evaluate_classification(
            _lookup(every, vectors), train, test, dataset=f"transfer {name}", probe=_PROBE
        )
        found += [
            Observation(**{**fields_of(score), "items": {}})
            for score in scores
            if score.metric == "accuracy"
        ]
    return found


def _lookup(texts: Sequence[str], vectors_NP: NDArray[np.float32]) -> Encode:
    place = {text: index for index, text in enumerate(texts)}
    return lambda wanted: vectors_NP[[place[text] for text in wanted]]


def transfer_sets(workspace: Workspace) -> dict[str, tuple[LabelledText, ...]]:
    """Return the sets whose files are at hand: first half to fit the probe, second to measure."""
    if workspace.inputs is None:
        return {}
    path = workspace.shared / "transfer.json"
    if not path.is_file():
        read = _read_sets(workspace.inputs)
        rows = {
            name: [[one.id, one.text, one.label] for one in texts] for name, texts in read.items()
        }
        write_atomically(path, json.dumps(rows).encode())
    kept = json.loads(path.read_text(encoding="utf-8"))
    return {name: tuple(LabelledText(*row) for row in rows) for name, rows in kept.items()}


def _read_sets(folder: Path) -> dict[str, tuple[LabelledText, ...]]:
    found: dict[str, tuple[LabelledText, ...]] = {}
    packages = telling(read_packages(find(folder, "debian/Packages", "Packages")))
    found["package section"] = chosen(
        [LabelledText(p.name, p.synopsis, p.section) for p in packages if p.section], "section"
    )
    titles = [
        LabelledText(paper.id, paper.title, paper.venues[0])
        for paper in read_acl(folder / "acl-anthology")
        if paper.venues
    ]
    found["paper venue"] = chosen(titles, "venue")
    for name in TASKS:
        try:
            if "train" in TASKS[name].files:
                texts = read_classification(folder, name, "train")
            else:
                texts = read_classification(folder, name)
            found[name] = chosen(texts, name)
        except BadInput:
            continue
    return found


def chosen(texts: Sequence[LabelledText], name: str) -> tuple[LabelledText, ...]:
    """Return up to 1,000 texts of the 8 most frequent classes, each text once, in random order."""
    unique = list({one.text: one for one in texts if one.text.strip()}.values())
    labels, counts = np.unique([one.label for one in unique], return_counts=True)
    kept = set(labels[np.argsort(-counts, kind="stable")][:_CLASSES].tolist())
    pool = sorted((one for one in unique if one.label in kept), key=lambda one: one.id)
    order = _CHOICE.child(name).numpy().permutation(len(pool))
    return tuple(pool[place] for place in order[:_TEXTS])
