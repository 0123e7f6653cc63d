"""The cross-encoder as a teacher: trained, calibrated, and asked only about pairs it has not seen.

Its logits on its own training pairs are saturated, so each part of the training pairs is scored by
a teacher that was trained on the other parts (out of fold). The paper takes the logits of the
training pairs themselves.

Legend: N pairs, B pairs of a batch, L tokens, C logits.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from broadsheet.core.errors import SourceError
from broadsheet.core.paths import exclusive
from broadsheet.core.recipe import as_json, recipe_hash
from broadsheet.core.seeds import SeedTree
from broadsheet.data.batches import Batches, BatchSettings
from broadsheet.systems.contract import Workspace
from broadsheet.systems.text.distilled_sentence_embedding.data import PairData, Pairs
from broadsheet.systems.text.distilled_sentence_embedding.logits import LogitCache
from broadsheet.systems.text.distilled_sentence_embedding.model import (
    CrossEncoder,
    LibraryClassifier,
)
from broadsheet.systems.text.distilled_sentence_embedding.products import quick_products
from broadsheet.systems.text.distilled_sentence_embedding.ragged import Ragged
from broadsheet.systems.text.distilled_sentence_embedding.recipe import Recipe
from broadsheet.systems.text.distilled_sentence_embedding.tasks import Tasks, calibrate
from broadsheet.train.loop import train
from broadsheet.train.optimiser import TrainSettings

Floats = NDArray[np.float32]
_BUCKETS = 8
_TOKENS = 4096
_PATIENCE_S = 2.0


class CrossEncoderTeacher:
    """A model that reads both texts of a pair at once.

    Args:
        module: Ours (`CrossEncoder`), or any sequence classifier in a `LibraryClassifier`.
        tasks: What its logits mean; a binary task may have two.

    Example:
        >>> from broadsheet.systems.text.distilled_sentence_embedding.model import make_encoder
        >>> from broadsheet.systems.text.distilled_sentence_embedding.recipe import EncoderSettings
        >>> from broadsheet.systems.text.distilled_sentence_embedding.tasks import Task
        >>> sizes = EncoderSettings(vocab=9, width=8, depth=1, heads=2, hidden=16, max_tokens=9)
        >>> rng = torch.Generator().manual_seed(1)
        >>> cross = CrossEncoder(make_encoder(sizes, rng), "first", 8, 2, rng)
        >>> teacher = CrossEncoderTeacher(cross, Tasks((Task(name="yes", kind="binary"),)))
        >>> tokens = Ragged.of([[2, 5, 3], [2, 6, 7, 3]])
        >>> rows = JoinedPairs.of(tokens, np.array([0]), np.array([1]))
        >>> teacher.logits(rows).shape  # two logits, folded
        (1, 1)
    """

    def __init__(self, module: CrossEncoder | LibraryClassifier, tasks: Tasks) -> None:
        self.module = module
        self.tasks = tasks

    def on(self, rows: JoinedPairs, places: NDArray[np.int64]) -> Tensor:
        """Return the logits of some pairs, with a gradient, not folded."""
        module = self.module
        second_BL, mask_BL = rows.second.padded(places)
        if rows.states is not None and isinstance(module, CrossEncoder):
            return module.above(rows.states.padded(places)[0], mask_BL, second_BL)
        given: Tensor = module(rows.ids.padded(places)[0], mask_BL, second_BL)
        return given

    def digest(self) -> str:
        """Return a hash of all weights."""
        found = hashlib.sha256()
        for name, tensor in sorted(self.module.state_dict().items()):
            found.update(name.encode())
            found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return found.hexdigest()[:12]

    @torch.no_grad()
    def logits(self, rows: JoinedPairs) -> Floats:
        """Return the folded logits of pairs, in float32.

        Shape:
            [N, C].
        """
        self.module.eval()
        out = np.zeros((len(rows.ids), self.tasks.logits), np.float32)
        for batch in rows.ids.batches(_TOKENS):
            given = self.on(rows, np.array(batch))
            out[batch] = self.tasks.fold(given.float().numpy())
        return out

    def cached_logits(self, cache: LogitCache, names: Sequence[str], rows: JoinedPairs) -> Floats:
        """Return the logits of pairs; the model is asked only when the cache lacks some.

        Args:
            cache: Where logits are kept.
            names: Ids of the pairs.
            rows: The pairs.
        """
        model = self.digest()
        if cache.missing(model, names):
            cache.put(model, names, self.logits(rows))
        return cache.get(model, names)


@dataclass(frozen=True, slots=True)
class JoinedPairs:
    """Pairs as [CLS] a [SEP] b [SEP], and what a teacher's frozen layers make of them.

    Args:
        ids: Token ids of each pair.
        second: 1 at b's tokens.
        states: The last frozen layer's states; None where no layer is frozen.
    """

    ids: Ragged
    second: Ragged
    states: Ragged | None = None

    @classmethod
    def of(
        cls, tokens: Ragged, first_N: NDArray[np.int64], second_N: NDArray[np.int64]
    ) -> JoinedPairs:
        """Join tokenised texts, two and two."""
        flat, starts = tokens.flat, tokens.starts
        rows, kinds = [], []
        for a, b in zip(first_N, second_N, strict=True):
            one, two = flat[starts[a] : starts[a + 1]], flat[starts[b] + 1 : starts[b + 1]]
            rows.append([*one.tolist(), *two.tolist()])
            kinds.append([0] * len(one) + [1] * len(two))
        return cls(Ragged.of(rows), Ragged.of(kinds))

    @torch.no_grad()
    def kept(
        self, module: CrossEncoder | LibraryClassifier, start: str, shared: Path
    ) -> JoinedPairs:
        """Return the pairs with what a pretrained teacher's frozen layers give, kept on disk."""
        if not isinstance(module, CrossEncoder) or not module.frozen or not start:
            return self
        key = f"{start}|{module.frozen}|".encode() + self.ids.flat.tobytes()
        path = shared / f"joined-{hashlib.sha256(key).hexdigest()[:12]}.npy"
        if not path.is_file():
            module.eval()
            flat = np.zeros((len(self.ids.flat), module.encoder.width), np.float16)
            for batch in self.ids.batches(_TOKENS):
                x_BLD = module.below(*self.ids.padded(batch))
                for row, place in enumerate(batch):
                    begin, end = self.ids.starts[place], self.ids.starts[place + 1]
                    flat[begin:end] = x_BLD[row, : end - begin].numpy()
            partial = path.with_suffix(".partial.npy")
            np.save(partial, flat)
            partial.replace(path)
        return JoinedPairs(self.ids, self.second, Ragged(np.load(path), self.ids.starts))

    def at(self, places: NDArray[np.int64]) -> JoinedPairs:
        """Return some of the pairs."""
        return JoinedPairs(
            self.ids.at(places),
            self.second.at(places),
            None if self.states is None else self.states.at(places),
        )


@dataclass(frozen=True, slots=True)
class Taught:
    """What a teacher says of the training pairs.

    Args:
        train_NC: Its calibrated logits of the training pairs, out of fold.
        extra_NC: Of the pairs without labels.
        temperatures: One per task, found on the out-of-fold logits.
    """

    train_NC: Floats
    extra_NC: Floats
    temperatures: tuple[float, ...]

    @property
    def targets(self) -> Floats:
        """Return all targets: training pairs, then pairs without labels."""
        return np.concatenate([self.train_NC, self.extra_NC])


def teach(
    make: Teachers, data: PairData, recipe: Recipe, seeds: SeedTree, workspace: Workspace
) -> Taught:
    """Return a teacher's logits; they are computed once for a seed, whatever the arm.

    Args:
        make: Makes fresh teachers.
        data: The pairs.
        recipe: Settings.
        seeds: Of the run.
        workspace: Where teachers and logits are kept, for all arms.
    """
    folder = _folder(data, recipe, seeds, workspace)
    with _alone(folder / "lock"):
        kept = folder / "taught.npz"
        if not kept.is_file():
            _score_training_pairs(make, data, recipe, seeds, workspace, kept)
        with np.load(kept, allow_pickle=False) as stored:
            out_NC = stored["out"]
            temperatures = tuple(float(value) for value in stored["temperatures"])
        extra_NC = out_NC[:0]
        if len(data.extra):
            whole = whole_teacher(make, data, recipe, seeds, workspace)
            rows = _joined(whole, data, data.extra, recipe, workspace)
            extra_NC = whole.cached_logits(LogitCache(folder / "logits"), data.extra.ids, rows)
    cooled = [data.tasks.cooled(part, temperatures) for part in (out_NC, extra_NC)]
    return Taught(cooled[0], cooled[1], temperatures)


def whole_teacher(
    make: Teachers, data: PairData, recipe: Recipe, seeds: SeedTree, workspace: Workspace
) -> CrossEncoderTeacher:
    """Return the teacher that learns from all training pairs, trained or as it was kept."""
    tree = SeedTree(seeds.root).child("teacher", "whole")
    folder = _folder(data, recipe, seeds, workspace) / "whole"
    teacher = make(tree)
    rows = _joined(teacher, data, data.train, recipe, workspace)
    fit_teacher(teacher, rows, data, data.train, recipe, tree, folder, workspace)
    return teacher


def _score_training_pairs(
    make: Teachers,
    data: PairData,
    recipe: Recipe,
    seeds: SeedTree,
    workspace: Workspace,
    kept: Path,
) -> None:
    """Train a teacher for each fold, score the training pairs, and keep what they say.

    With one fold the teacher of all pairs scores them itself, as in the paper.
    """
    root, pairs, count = SeedTree(seeds.root).child("teacher"), data.train, recipe.teacher.folds
    cache = LogitCache(kept.parent / "logits")
    rows = _joined(make(root), data, pairs, recipe, workspace)
    out_NC = np.zeros((len(pairs), data.tasks.logits), np.float32)
    if count < 2:
        whole = whole_teacher(make, data, recipe, seeds, workspace)
        out_NC = whole.cached_logits(cache, pairs.ids, rows)
    parts = root.child("folds").numpy().permutation(len(pairs)) % max(count, 1)
    for fold in range(count if count > 1 else 0):
        mine, others = np.flatnonzero(parts == fold), np.flatnonzero(parts != fold)
        tree, place = root.child("fold", fold), kept.parent / f"fold{fold}"
        teacher = make(tree)
        fit_teacher(
            teacher, rows.at(others), data, pairs.at(others), recipe, tree, place, workspace
        )
        out_NC[mine] = teacher.cached_logits(cache, pairs.at(mine).ids, rows.at(mine))
    temperatures = calibrate(data.tasks, out_NC, pairs.gold_NT)
    partial = kept.with_suffix(".partial.npz")
    np.savez(partial, out=out_NC, temperatures=np.array(temperatures))
    partial.replace(kept)


def _folder(data: PairData, recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> Path:
    settings = {"teacher": as_json(recipe.teacher), "data": _train_digest(data)}
    folder = workspace.shared / f"teacher-{recipe_hash(settings)}-{seeds.root}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def teacher_logits(
    teacher: CrossEncoderTeacher,
    data: PairData,
    pairs: Pairs,
    recipe: Recipe,
    workspace: Workspace,
) -> Floats:
    """Return a teacher's logits of some of the pairs."""
    return teacher.logits(_joined(teacher, data, pairs, recipe, workspace))


def _joined(
    teacher: CrossEncoderTeacher,
    data: PairData,
    pairs: Pairs,
    recipe: Recipe,
    workspace: Workspace,
) -> JoinedPairs:
    rows = JoinedPairs.of(data.tokens, pairs.first_N, pairs.second_N)
    return rows.kept(teacher.module, recipe.teacher.encoder.start, workspace.shared)


class Teachers:
    """Makes fresh teachers of one recipe, with pretrained weights where it names any.

    Args:
        tasks: Of the pairs.
        recipe: Settings.
        workspace: Where pretrained weights are.
    """

    def __init__(self, tasks: Tasks, recipe: Recipe, workspace: Workspace) -> None:
        self._tasks = tasks
        self._recipe = recipe
        self._workspace = workspace

    def __call__(self, seeds: SeedTree) -> CrossEncoderTeacher:
        """Return an untrained teacher."""
        from broadsheet.systems.text.distilled_sentence_embedding.building import make_teacher
        from broadsheet.systems.text.distilled_sentence_embedding.starts import start_encoder

        module = make_teacher(self._recipe, self._tasks, seeds)
        if isinstance(module, CrossEncoder):
            start_encoder(module.encoder, self._recipe.teacher.encoder, self._workspace)
        return CrossEncoderTeacher(module, self._tasks)


def fit_teacher(
    teacher: CrossEncoderTeacher,
    rows: JoinedPairs,
    data: PairData,
    pairs: Pairs,
    recipe: Recipe,
    seeds: SeedTree,
    folder: Path,
    workspace: Workspace,
) -> None:
    """Train a teacher on labelled pairs; `rows` are the same pairs, joined."""
    settings = recipe.teacher
    texts = [
        (data.texts[a], data.texts[b]) for a, b in zip(pairs.first_N, pairs.second_N, strict=True)
    ]
    size = min(settings.batch, len(texts))
    batches = Batches(texts, BatchSettings(size=size, buckets=_BUCKETS, unique=False), seeds)
    tasks, ones = data.tasks, torch.ones(size)

    def loss_at(step: int) -> Tensor:
        places = batches.at(step)
        with quick_products(recipe):
            given = teacher.on(rows, places)
        return teacher_loss(tasks, given.float(), torch.from_numpy(pairs.gold_NT[places]), ones)

    steps = settings.epochs * batches.per_epoch
    train(
        teacher.module.trained(),
        loss_at,
        TrainSettings(steps=steps, learning_rate=settings.learning_rate),
        seeds.child("training"),
        folder=folder,
        progress=workspace.progress,
    )


def teacher_loss(tasks: Tasks, given_BK: Tensor, gold_BT: Tensor, labelled_B: Tensor) -> Tensor:
    """Return the tasks' loss of a teacher's logits; two logits of a binary task are folded first.

    Cross-entropy of two logits is binary cross-entropy of their difference.
    """
    if given_BK.shape[1] == tasks.logits:
        return tasks.loss(given_BK, gold_BT, labelled_B)
    parts, first = [], 0
    for task in tasks.tasks:
        size = task.logits + (task.kind == "binary")
        part = given_BK[:, first : first + size]
        parts.append(part[:, 1:] - part[:, :1] if task.kind == "binary" else part)
        first += size
    return tasks.loss(torch.cat(parts, dim=1), gold_BT, labelled_B)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other run trains this teacher."""
    while True:
        with ExitStack() as stack:
            try:
                stack.enter_context(exclusive(lock, "training the teacher"))
            except SourceError:
                time.sleep(_PATIENCE_S)
                continue
            yield
            return


def _train_digest(data: PairData) -> str:
    found = hashlib.sha256()
    for text in ("\n".join(data.train.ids), *(data.texts[i] for i in data.train.first_N)):
        found.update(text.encode())
    found.update(data.train.gold_NT.tobytes())
    return found.hexdigest()[:12]
