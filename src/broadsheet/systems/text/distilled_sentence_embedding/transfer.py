"""What the vectors are worth elsewhere: logistic regression on frozen vectors, as in SentEval.

Six sets of sentences, and SICK's entailment on [|u-v|; u*v]. Each set is smaller than in SentEval,
500 texts to fit on and 500 to measure on, so that a run takes seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.data.classification import TASKS, read_classification
from broadsheet.data.records import LabelledText
from broadsheet.evals.classification import Probe, fit_predict, label_scores
from broadsheet.evals.score import Score, codes, unit_rows
from broadsheet.systems.contract import Observation, Workspace
from broadsheet.systems.text.distilled_sentence_embedding.data import PairData, tokens_of
from broadsheet.systems.text.distilled_sentence_embedding.model import Student
from broadsheet.systems.text.distilled_sentence_embedding.recipe import Recipe
from broadsheet.systems.text.distilled_sentence_embedding.students import TextVectors

Floats = NDArray[np.float32]
Texts = Sequence[LabelledText]
#: Names of what is measured, in the order of the report.
SETS = (*TASKS, "sick entailment")
#: The choice of texts is the same for all arms and seeds.
_CHOICE = SeedTree(20261123).child("transfer")
_FITTED, _MEASURED = 500, 500
_TOKENS = 64
_PROBE = Probe(inverse_penalty=0.01, iterations=100)


def measure_transfer(
    student: Student,
    vectors_NP: Floats,
    data: PairData,
    recipe: Recipe,
    workspace: Workspace,
) -> list[Observation]:
    """Return the accuracy of a probe on each set, and the mean over all sets.

    Args:
        student: Makes the vectors.
        vectors_NP: Those of the run's own texts.
        data: The run's pairs, which are SICK's.
        recipe: Settings.
        workspace: Where data sets and kept states are.

    Raises:
        BadInput: A set is missing or broken.
    """
    if workspace.inputs is None:
        raise BadInput("probes need data sets", hint="--data FOLDER, or BROADSHEET_DATA=FOLDER")

    found = []
    for name in TASKS:
        fitted, measured = chosen_texts(workspace.inputs, name)
        texts = [one.text for one in (*fitted, *measured)]
        tokens = tokens_of(data.tokenizer, texts, min(_TOKENS, recipe.encoder.max_tokens))
        vectors = TextVectors(student, tokens, recipe.encoder.start, workspace.shared).all()
        found.append(probe_texts(vectors, fitted, measured, name))
    found.append(probe_entailment(data, vectors_NP))
    kept = [
        Observation(
            dataset=f"transfer {score.dataset}",
            metric="accuracy",
            unit="x100",
            value=score.value,
            n=score.n,
            items={"right": score.items["correct"].astype(np.float32)},
        )
        for score in found
    ]
    mean = float(np.mean([one.value for one in kept]))
    total = sum(one.n for one in kept)
    return [
        *kept,
        Observation(
            dataset="transfer", metric="mean accuracy of 7", unit="x100", value=mean, n=total
        ),
    ]


def chosen_texts(folder: Path, task: str) -> tuple[Texts, Texts]:
    """Return the texts to fit a probe on and those to measure on, none in both.

    A set that comes with its own test part is measured on that part.

    Raises:
        BadInput: A file is missing or broken.
    """
    split = "test" in TASKS[task].files
    known = _shuffled(read_classification(folder, task, "train" if split else "all"), task)
    if split:
        measured = _shuffled(read_classification(folder, task, "test"), f"{task} test")
        measured = measured[:_MEASURED]
        tested = {one.text for one in measured}
        return [one for one in known if one.text not in tested][:_FITTED], measured
    return known[:_FITTED], known[_FITTED : _FITTED + _MEASURED]


def probe_texts(vectors_NP: Floats, fitted: Texts, measured: Texts, name: str) -> Score:
    """Return the accuracy of a probe; `vectors_NP` are those of the texts, fitted ones first.

    Example:
        >>> texts = [LabelledText(str(i), "x", "ab"[i % 2]) for i in range(8)]
        >>> rows = np.array([[1.0, -1.0][i % 2] for i in range(8)], np.float32)[:, None]
        >>> probe_texts(rows, texts[:4], texts[4:], "toy").value
        100.0
    """
    classes = sorted({one.label for one in fitted})
    labels = codes([one.label for one in (*fitted, *measured)], classes)
    return _probe(unit_rows(vectors_NP, len(labels)), labels, len(fitted), name)


def pair_features(u_NP: Floats, v_NP: Floats) -> Floats:
    """Return what SentEval shows a probe of two vectors, [|u-v|; u*v].

    Example:
        >>> pair_features(np.array([[1.0, 2.0]]), np.array([[3.0, 2.0]])).tolist()
        [[2.0, 0.0, 3.0, 4.0]]
    """
    features: Floats = np.concatenate([np.abs(u_NP - v_NP), u_NP * v_NP], axis=1)
    return features


def probe_entailment(data: PairData, vectors_NP: Floats) -> Score:
    """Return the accuracy on the classes of a run's own pairs, fitted on its training pairs."""
    unit_NP = unit_rows(vectors_NP, len(data.texts))
    column = [task.name for task in data.tasks.tasks].index("entailment")
    features, labels = [], []
    for pairs in (data.train, data.test):
        features.append(pair_features(unit_NP[pairs.first_N], unit_NP[pairs.second_N]))
        labels.append(pairs.gold_NT[:, column].astype(np.int64))
    rows_NP = np.concatenate(features)
    return _probe(rows_NP, np.concatenate(labels), len(data.train), SETS[-1])


def _probe(rows_NP: Floats, labels_N: NDArray[np.int64], fitted: int, name: str) -> Score:
    predicted = fit_predict(rows_NP[:fitted], labels_N[:fitted], rows_NP[fitted:], _PROBE)
    return label_scores(predicted, labels_N[fitted:], dataset=name)[0]


def _shuffled(texts: Texts, name: str) -> Texts:
    """Return each text once, in an order that depends on the set only."""
    unique = list({one.text: one for one in texts}.values())
    return [unique[place] for place in _CHOICE.child(name).numpy().permutation(len(unique))]
