"""Sentences, their word vectors and their masks, for the three arms of masks and the plain one.

Legend: N sentences, L positions (START, words, END), E width of a word's vector, R roles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from broadsheet.core.paths import default_cache
from broadsheet.core.seeds import SeedTree
from broadsheet.data.batches import Batches, BatchSettings
from broadsheet.data.classification import TASKS, read_classification
from broadsheet.data.records import LabelledText
from broadsheet.systems.contract import Workspace
from broadsheet.systems.reading.semantic_inference.claim_data import inputs_of
from broadsheet.systems.reading.semantic_inference.masks import (
    Mask,
    RoleMaskBuilder,
    borrowed_masks,
    random_masks,
    word_idf,
)
from broadsheet.systems.reading.semantic_inference.parses import Parse, read_parses
from broadsheet.systems.reading.semantic_inference.recipe import RoleSettings
from broadsheet.systems.reading.semantic_inference.vectors import encode

#: Which sentences are tested is the same for all seeds and arms.
_FIXED = SeedTree(20261124).child("role sentences")
MADE = "made"
_DEV_SHARE = 10


@dataclass(frozen=True, slots=True)
class Sentences:
    """Sentences of one set, some to learn from and some to measure on.

    Args:
        classes: Names of the classes.
        vectors_WE: One row per known word, a row of zeros last.
        ids: Of each sentence the rows of its words.
        masks: Of each sentence its masks over START, the words and END.
        gold_N: Class of each sentence.
        train_N: Places to learn from.
        test_N: Places to measure on.
    """

    classes: tuple[str, ...]
    vectors_WE: Tensor
    ids: tuple[NDArray[np.int64], ...]
    masks: tuple[Mask, ...]
    gold_N: Tensor
    train_N: NDArray[np.int64]
    test_N: NDArray[np.int64]

    def batch(self, places: Sequence[int] | NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Return word vectors, mask and role masks of some sentences.

        Words are shifted by one for START; END follows the last word.

        Shape:
            [B, L, E], [B, L], [B, R, L, L].
        """
        most = max(len(self.ids[p]) for p in places) + 2
        roles = len(self.masks[places[0]])
        rows_BL = np.full((len(places), most), len(self.vectors_WE) - 1)
        mask_BL = np.zeros((len(places), most), np.float32)
        roles_BRLL = np.zeros((len(places), roles, most, most), np.bool_)
        for row, place in enumerate(places):
            size = len(self.ids[place])
            rows_BL[row, 1 : size + 1] = self.ids[place]
            mask_BL[row, : size + 2] = 1.0
            roles_BRLL[row, :, : size + 2, : size + 2] = self.masks[place]
        x_BLE = self.vectors_WE[torch.from_numpy(rows_BL)]
        return x_BLE, torch.from_numpy(mask_BL), torch.from_numpy(roles_BRLL)

    def batches(self, size: int, seeds: SeedTree) -> Batches:
        """Return the order in which sentences are learned from, like lengths together."""
        texts = [("x" * len(self.ids[place]),) for place in self.train_N]
        return Batches(texts, BatchSettings(size=size, buckets=8, unique=False), seeds)


def read_sentences(
    task: str, settings: RoleSettings, seeds: SeedTree, workspace: Workspace
) -> Sentences:
    """Return one set with the masks of the recipe's control.

    Raises:
        BadInput: A file is missing.
        UsageError: The parses are not in the cache, and spaCy is not installed.
    """
    if task == MADE:
        texts, parses = made_sentences(settings.train_size + settings.test_size)
        train_N = np.arange(settings.train_size)
        test_N = np.arange(settings.train_size, len(texts))
        classes: tuple[str, ...] = ("before", "after")
    else:
        folder = inputs_of(workspace)
        texts = list(read_classification(folder, task))
        cache = default_cache() / "parses"
        parses = read_parses([one.text for one in texts], cache, workspace.progress)
        train_N, test_N = _split(task, len(texts), settings)
        classes = TASKS[task].classes
        train_N = np.sort(seeds.child(task, "train").numpy().permutation(train_N))
        if settings.train_size:
            chosen = seeds.child(task, "subset").numpy().permutation(train_N)
            train_N = np.sort(chosen[: settings.train_size])
    used = [*train_N, *test_N]
    words = sorted({w.lower() for place in used for w in parses[place].words})
    row = {word: number for number, word in enumerate(words)}
    vectors = encode(settings.words, words, workspace)
    vectors_WE = torch.from_numpy(np.vstack([vectors, np.zeros_like(vectors[:1])]))
    masks = make_masks([parses[place] for place in used], len(train_N), settings, seeds.child(task))
    return Sentences(
        classes=classes,
        vectors_WE=vectors_WE * vectors.shape[1] ** 0.5,
        ids=tuple(
            np.array([row[w.lower()] for w in parses[place].words[: settings.max_words]], np.int64)
            for place in used
        ),
        masks=tuple(masks),
        gold_N=torch.tensor([classes.index(texts[place].label) for place in used]),
        train_N=np.arange(len(train_N)),
        test_N=np.arange(len(train_N), len(used)),
    )


def make_masks(
    parses: Sequence[Parse], learned: int, settings: RoleSettings, seeds: SeedTree
) -> list[Mask]:
    """Return the masks of sentences under a control; word counts come from those learned from."""
    if settings.control == "none":
        return [
            np.zeros((0, n + 2, n + 2), np.bool_)
            for n in (min(len(one.words), settings.max_words) for one in parses)
        ]
    idf = word_idf(one.words for one in parses[:learned])
    builder = RoleMaskBuilder(settings.roles, idf, mode=settings.mode, most=settings.max_words)
    own = [builder.build(one) for one in parses]
    if settings.control == "random":
        rng = seeds.child("random masks").numpy()
        return [random_masks(mask, rng) for mask in own]
    if settings.control == "borrowed":
        return _borrowed(own, learned, seeds.child("borrowed masks").numpy())
    return own


def _borrowed(own: Sequence[Mask], learned: int, rng: np.random.Generator) -> list[Mask]:
    """Give each sentence the masks of another of about its length, from its own part."""
    found = list(own)
    for part in (range(learned), range(learned, len(own))):
        order = rng.permutation(np.array(part))
        order = order[np.argsort([own[place].shape[1] for place in order], kind="stable")]
        for place, lender in zip(order, np.roll(order, 1), strict=True):
            found[place] = borrowed_masks(own[lender], own[place].shape[1])
    return found


def _split(
    task: str, count: int, settings: RoleSettings
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return places to learn from and to measure on."""
    if task == "trec":  # the files of train and test stand behind each other
        train_N, test_N = np.arange(count - 500), np.arange(count - 500, count)
    else:
        order = _FIXED.child(task, "test").numpy().permutation(count)
        test_N, train_N = np.sort(order[: settings.test_size]), np.sort(order[settings.test_size :])
    if settings.dev:
        order = _FIXED.child(task, "dev").numpy().permutation(train_N)
        cut = len(order) // _DEV_SHARE
        test_N, train_N = np.sort(order[:cut]), np.sort(order[cut:])
    return train_N, test_N


def made_sentences(count: int) -> tuple[list[LabelledText], list[Parse]]:
    """Return sentences "<noun> <verb> <noun>" with filler; the class is the order of two nouns.

    The parse is known, so that no parser is needed.
    """
    rng = _FIXED.child(MADE).numpy()
    nouns, verbs, fillers = ("cat", "dog", "bird", "fox"), ("sees", "hears"), ("now", "here", ",")
    texts, parses = [], []
    for number in range(count):
        first, second = rng.choice(len(nouns), 2, replace=False)
        words = [nouns[first], verbs[rng.integers(2)], nouns[second]]
        heads, relations = [1, 1, 1], ["nsubj", "ROOT", "dobj"]
        parts = ["NOUN", "VERB", "NOUN"]
        for _ in range(int(rng.integers(3))):
            words.append(fillers[rng.integers(len(fillers))])
            heads.append(1)
            relations.append("advmod")
            parts.append("ADV")
        label = "before" if first < second else "after"
        texts.append(LabelledText(f"made-{number}", " ".join(words), label))
        parses.append(Parse(tuple(words), tuple(heads), tuple(relations), tuple(parts)))
    return texts, parses
