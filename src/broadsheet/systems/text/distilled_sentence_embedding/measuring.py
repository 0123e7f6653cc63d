"""What is measured of a trained arm.

Legend: N texts or pairs, P width of a vector, C logits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from broadsheet.metrics.correlation import pearson, spearman
from broadsheet.systems.contract import Observation, Workspace
from broadsheet.systems.text.distilled_sentence_embedding.data import PairData
from broadsheet.systems.text.distilled_sentence_embedding.model import (
    CrossEncoder,
    LibraryClassifier,
    Student,
)
from broadsheet.systems.text.distilled_sentence_embedding.recipe import Recipe
from broadsheet.systems.text.distilled_sentence_embedding.storage import (
    int8_copy,
    shortlist_recall,
    top_components,
)
from broadsheet.systems.text.distilled_sentence_embedding.students import score_pairs, vectors_of
from broadsheet.systems.text.distilled_sentence_embedding.teaching import (
    CrossEncoderTeacher,
    Taught,
    teacher_logits,
)
from broadsheet.systems.text.distilled_sentence_embedding.transfer import measure_transfer

Floats = NDArray[np.float32]


def measure_student(
    student: Student, data: PairData, recipe: Recipe, workspace: Workspace
) -> Sequence[Observation]:
    """Return a student's scores on the test pairs; of the main arms also storage and probes."""
    vectors_NP = vectors_of(student, data, recipe, workspace).all()
    logits_NC = score_pairs(student, vectors_NP, data.test)
    found = pair_scores(data, logits_NC, recipe.world)
    if recipe.storage:
        found += _storage(student, vectors_NP, data, recipe)
    if recipe.probes:
        found += measure_transfer(student, vectors_NP, data, recipe, workspace)
    return found


def _storage(
    student: Student, vectors_NP: Floats, data: PairData, recipe: Recipe
) -> list[Observation]:
    """Return the scores of smaller copies of the vectors, and what a shortlist keeps."""
    found: list[Observation] = []
    small = {
        "int8": (int8_copy(vectors_NP), vectors_NP.shape[1] + 4),
        "pca256 int8": (int8_copy(top_components(vectors_NP, 256)), 256 + 4),
    }
    for name, (copy_NP, size) in small.items():
        logits_NC = score_pairs(student, copy_NP.astype(np.float32), data.test)
        found += pair_scores(data, logits_NC, f"{recipe.world} {name}", items=False)
        found.append(_number(f"{recipe.world} {name}", "bytes per sentence", "bytes", size))
    found.append(_number(recipe.world, "bytes per sentence", "bytes", 4 * vectors_NP.shape[1]))
    found.append(shortlist_recall(student.head, vectors_NP, data, recipe.world))
    return found


def measure_teacher(
    module: CrossEncoder | LibraryClassifier,
    taught: Taught | None,
    data: PairData,
    recipe: Recipe,
    workspace: Workspace,
) -> Sequence[Observation]:
    """Return the cross-encoder's scores, and how sure it is of pairs it has and has not seen."""
    teacher = CrossEncoderTeacher(module, data.tasks)
    logits_NC = teacher_logits(teacher, data, data.test, recipe, workspace)
    found = pair_scores(data, logits_NC, recipe.world)
    if taught is None:
        return found
    seen_NC = teacher_logits(teacher, data, data.train, recipe, workspace)
    for name, logits_NC in (("out of fold", taught.train_NC), ("as trained", seen_NC)):
        found += pair_scores(
            data, logits_NC, f"{recipe.world} train, {name}", items=False, of_train=True
        )
    for task, temperature in zip(data.tasks.tasks, taught.temperatures, strict=True):
        if task.kind != "regression":
            found.append(
                _number(f"{recipe.world} train", f"temperature {task.name}", "", temperature)
            )
    return found


def pair_scores(
    data: PairData, logits_NC: Floats, dataset: str, *, items: bool = True, of_train: bool = False
) -> list[Observation]:
    """Return Pearson and Spearman of regression tasks, accuracy of the others, and their mean.

    The mean is over tasks, of Pearson x 100 and accuracy x 100, as the paper averages over its
    tasks.

    Args:
        data: The pairs and what is asked.
        logits_NC: Of the test pairs.
        dataset: Name for the report.
        items: Keep what is needed to resample.
        of_train: The logits are those of the training pairs.
    """
    pairs = data.train if of_train else data.test
    answers = data.tasks.answers(logits_NC)
    found: list[Observation] = []
    kept: dict[str, NDArray[np.float32]] = {}
    main: list[float] = []
    for place, task in enumerate(data.tasks.tasks):
        gold, answer = pairs.gold_NT[:, place], answers[task.name]
        if task.kind == "regression":
            values = {
                "pearson": 100 * pearson(answer, gold),
                "spearman": 100 * spearman(answer, gold),
            }
            arrays = {"prediction": answer, "gold": gold}
        else:
            right = (answer == gold).astype(np.float32)
            values, arrays = {"accuracy": 100 * float(right.mean())}, {"right": right}
        main.append(next(iter(values.values())))
        kept |= arrays
        found += [
            Observation(
                dataset=dataset,
                metric=f"{task.name} {metric}",
                unit="x100",
                value=value,
                n=len(pairs),
                items=arrays if items and metric != "spearman" else {},
            )
            for metric, value in values.items()
        ]
    if len(main) > 1:
        found.append(
            Observation(
                dataset=dataset,
                metric="mean score",
                unit="x100",
                value=float(np.mean(main)),
                n=len(pairs),
                items=kept if items else {},
            )
        )
    return found


def _number(dataset: str, metric: str, unit: str, value: float) -> Observation:
    return Observation(dataset=dataset, metric=metric, unit=unit, value=float(value), n=1)
