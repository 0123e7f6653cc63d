"""A student's vectors during training and use, and its training.

Legend: N texts, B pairs, P width of a vector, Q its frozen part, C logits.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from broadsheet.core.seeds import SeedTree
from broadsheet.data.batches import Batches, BatchSettings
from broadsheet.systems.contract import Workspace
from broadsheet.systems.text.distilled_sentence_embedding.data import PairData, Pairs
from broadsheet.systems.text.distilled_sentence_embedding.model import Student
from broadsheet.systems.text.distilled_sentence_embedding.products import quick_products
from broadsheet.systems.text.distilled_sentence_embedding.ragged import Ragged
from broadsheet.systems.text.distilled_sentence_embedding.recipe import Recipe
from broadsheet.train.loop import train
from broadsheet.train.optimiser import TrainSettings

_BUCKETS = 8


class TextVectors:
    """Vectors of a list of texts, with a gradient where the student learns.

    What the frozen layers say of each text is computed once, and kept on disk for the other runs.

    Args:
        student: Makes the vectors.
        tokens: The texts.
        name: Names the start of the student, for the file.
        shared: Folder of kept files.
    """

    def __init__(self, student: Student, tokens: Ragged, name: str, shared: Path) -> None:
        self._student = student
        self._tokens = tokens
        self._kept: NDArray[np.float32] | None = None
        self._states: Ragged | None = None
        if student.frozen:
            pooling = student.pooling
            pooled = f"{student.frozen}|{pooling.n}|{pooling.skip_cls}|{pooling.mode}"
            key = f"{name}|{tokens.digest()}|{pooled}"
            path = shared / f"kept-{hashlib.sha256(key.encode()).hexdigest()[:12]}.npz"
            if not path.is_file():
                self._keep(path)
            with np.load(path, allow_pickle=False) as stored:
                self._kept = stored["kept"]
                self._states = Ragged(stored["flat"], stored["starts"])

    def at(self, places: NDArray[np.int64]) -> Tensor:
        """Return the vectors of some texts.

        Shape:
            [B, P].
        """
        if self._kept is None or self._states is None:
            whole_BP: Tensor = self._student(*self._tokens.padded(places))
            return whole_BP.float()
        return self._student.above(
            torch.from_numpy(self._kept[places]), *self._states.padded(places)
        )

    @torch.no_grad()
    def all(self) -> NDArray[np.float32]:
        """Return the vectors of all texts, in float32.

        Shape:
            [N, P].
        """
        self._student.eval()
        rows: NDArray[np.float32] | None = None
        for batch in self._tokens.batches():
            x_BP = self.at(np.array(batch)).numpy()
            if rows is None:
                rows = np.zeros((len(self._tokens), x_BP.shape[1]), np.float32)
            rows[batch] = x_BP
        return rows if rows is not None else np.zeros((0, 0), np.float32)

    @torch.no_grad()
    def _keep(self, path: Path) -> None:
        student, tokens = self._student, self._tokens
        student.eval()
        width = student.encoder.width
        whole = student.frozen == student.encoder.depth
        starts = np.zeros_like(tokens.starts) if whole else tokens.starts
        flat = np.zeros((int(starts[-1]), width), np.float16)
        kept = np.zeros((len(tokens), student.kept_layers * width), np.float32)
        for batch in tokens.batches():
            ids_BL, mask_BL = tokens.padded(batch)
            kept_BQ, x_BLD = student.below(ids_BL, mask_BL)
            kept[batch] = kept_BQ.numpy()
            if not whole:
                for row, place in enumerate(batch):
                    rows = slice(int(starts[place]), int(starts[place + 1]))
                    flat[rows] = x_BLD[row, : rows.stop - rows.start].numpy()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, kept=kept, flat=flat, starts=starts)
        partial.replace(path)


def vectors_of(
    student: Student, data: PairData, recipe: Recipe, workspace: Workspace
) -> TextVectors:
    """Return the vectors of all texts of a run."""
    return TextVectors(student, data.tokens, recipe.encoder.start, workspace.shared)


def train_student(
    student: Student,
    data: PairData,
    targets: NDArray[np.float32] | None,
    recipe: Recipe,
    seeds: SeedTree,
    workspace: Workspace,
) -> None:
    """Train a student on labels, on a teacher's logits, or on both.

    L = (1 - alpha) L_task + alpha L_distance, each the mean over the pairs that it applies to.

    Args:
        student: Trained in place.
        data: Its pairs.
        targets: The teacher's logits of the training pairs, then of the extra pairs.
        recipe: Settings.
        seeds: Of the run.
        workspace: Where checkpoints go.

    Source:
        arXiv 1908.05161, equation 3.
    """
    pool = training_pool(data, recipe, seeds)
    texts = [(data.texts[a], data.texts[b]) for a, b in zip(pool.first, pool.second, strict=True)]
    batches = Batches(
        texts,
        BatchSettings(size=recipe.batch, buckets=_BUCKETS, unique=False),
        seeds.child("order"),
    )
    vectors = vectors_of(student, data, recipe, workspace)
    taught = None if targets is None else torch.from_numpy(targets[pool.places])

    def loss_at(step: int) -> dict[str, Tensor]:
        rows = batches.at(step)
        with quick_products(recipe):
            u_BP, v_BP = vectors.at(np.concatenate([pool.first[rows], pool.second[rows]])).chunk(2)
            logits_BC = student.head(u_BP, v_BP).float()
        task = data.tasks.loss(
            logits_BC, torch.from_numpy(pool.gold[rows]), torch.from_numpy(pool.labelled[rows])
        )
        if taught is None or not recipe.alpha:
            return {"loss": task}
        distance = data.tasks.distance(logits_BC, taught[rows], recipe.distance, recipe.temperature)
        loss = (1 - recipe.alpha) * task + recipe.alpha * distance
        return {"loss": loss, "task": task.detach(), "distance": distance.detach()}

    settings = TrainSettings(steps=recipe.steps, learning_rate=recipe.learning_rate)
    train(
        student.trained(),
        loss_at,
        settings,
        seeds.child("training"),
        folder=workspace.run,
        progress=workspace.progress,
    )


class TrainingPool:
    """The pairs that an arm trains on, labelled or not.

    Args:
        pairs: Their texts.
        labelled: 1 where the label is used.
        places: Row of each pair in the teacher's logits.
    """

    def __init__(
        self, pairs: Pairs, labelled: NDArray[np.float32], places: NDArray[np.int64]
    ) -> None:
        self.first = pairs.first_N
        self.second = pairs.second_N
        self.gold = pairs.gold_NT
        self.labelled = labelled
        self.places = places


def training_pool(data: PairData, recipe: Recipe, seeds: SeedTree) -> TrainingPool:
    """Return what an arm trains on: which labels it sees depends on the seed, not on the arm."""
    total = len(data.train)
    places = np.arange(total)
    labelled = np.ones(total, np.float32)
    if recipe.labelled:
        chosen = SeedTree(seeds.root).child("labelled").numpy().permutation(total)
        chosen = np.sort(chosen[: recipe.labelled])
        labelled = np.zeros(total, np.float32)
        labelled[chosen] = 1.0
        if not recipe.taught:
            places, labelled = chosen, labelled[chosen]
    pairs = data.train.at(places)
    if len(data.extra):
        pairs = _joined(pairs, data.extra)
        labelled = np.concatenate([labelled, np.zeros(len(data.extra), np.float32)])
        places = np.concatenate([places, total + np.arange(len(data.extra))])
    return TrainingPool(pairs, labelled, places)


@torch.no_grad()
def score_pairs(
    student: Student, vectors_NP: NDArray[np.float32], pairs: Pairs, chunk: int = 512
) -> NDArray[np.float32]:
    """Return the logits of pairs of stored vectors.

    Shape:
        [len(pairs), C].
    """
    rows = torch.from_numpy(vectors_NP)
    parts = [
        student.head(
            rows[pairs.first_N[first : first + chunk]], rows[pairs.second_N[first : first + chunk]]
        ).numpy()
        for first in range(0, len(pairs), chunk)
    ]
    found: NDArray[np.float32] = np.concatenate(parts).astype(np.float32)
    return found


def _joined(one: Pairs, other: Pairs) -> Pairs:
    return Pairs(
        one.ids + other.ids,
        np.concatenate([one.first_N, other.first_N]),
        np.concatenate([one.second_N, other.second_N]),
        np.concatenate([one.gold_NT, other.gold_NT]),
    )
