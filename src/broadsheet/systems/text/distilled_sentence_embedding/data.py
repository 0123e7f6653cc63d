"""Which pairs an arm learns from and is measured on.

Legend: N pairs, T tasks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.data.debian import read_packages
from broadsheet.data.debian_pairs import telling
from broadsheet.data.files import find, json_lines
from broadsheet.data.records import ScoredPair
from broadsheet.data.sick import read_sick
from broadsheet.data.sts import read_stsb
from broadsheet.systems.contract import Workspace
from broadsheet.systems.text.distilled_sentence_embedding.ragged import Ragged
from broadsheet.systems.text.distilled_sentence_embedding.recipe import Recipe
from broadsheet.systems.text.distilled_sentence_embedding.starts import tokenizer_of
from broadsheet.systems.text.distilled_sentence_embedding.tasks import Task, Tasks
from broadsheet.systems.text.distilled_sentence_embedding.world import grammar_tokenizer, make_pairs

ENTAILMENT = ("CONTRADICTION", "ENTAILMENT", "NEUTRAL")
#: The middle of a scale (SICK's is 1 to 5, STS's 0 to 5), so that logits start near their targets.
CENTRE = 3.0
_CENTRES = {"stsb": 2.5}
#: Which pairs of synopses are drawn: the same for all seeds and arms.
_EXTRA = SeedTree(20261123)

TASKS = {
    "sick": Tasks(
        (
            Task(name="relatedness", kind="regression", symmetric=True),
            Task(name="entailment", kind="classes", classes=3),
        )
    ),
    "stsb": Tasks((Task(name="relatedness", kind="regression", symmetric=True),)),
    "grammar": Tasks((Task(name="swap", kind="binary"),)),
    "mnli": Tasks((Task(name="entailment", kind="classes", classes=3),)),
}


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of texts as places in one list of texts.

    Args:
        ids: Name of each pair.
        first_N: Place of the first text.
        second_N: Place of the second.
        gold_NT: The answer to each task; not used where there is none.
    """

    ids: tuple[str, ...]
    first_N: NDArray[np.int64]
    second_N: NDArray[np.int64]
    gold_NT: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, places: NDArray[np.int64]) -> Pairs:
        """Return some of the pairs."""
        return Pairs(
            tuple(self.ids[i] for i in places),
            self.first_N[places],
            self.second_N[places],
            self.gold_NT[places],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairData:
    """All pairs of a run.

    Args:
        tasks: What is asked.
        texts: Every different text once.
        tokens: Their ids.
        tokenizer: Made them.
        train: Labelled pairs.
        test: Pairs to measure on.
        extra: Pairs without labels.
    """

    tasks: Tasks
    texts: tuple[str, ...]
    tokens: Ragged
    tokenizer: Tokenizer
    train: Pairs
    test: Pairs
    extra: Pairs

    def digest(self) -> str:
        """Return a hash of all tokens, which names what was computed from them."""
        found = hashlib.sha256(self.tokens.flat.tobytes())
        found.update(self.tokens.starts.tobytes())
        return found.hexdigest()[:12]


def read_pairs(recipe: Recipe, seeds: SeedTree, workspace: Workspace) -> PairData:
    """Return the pairs of a recipe's world.

    Raises:
        BadInput: A data set is missing or broken.
    """
    if recipe.world == "grammar":
        train, test = (
            make_pairs(count, SeedTree(seeds.root).child("grammar", part))
            for count, part in zip(recipe.pairs, ("train", "test"), strict=True)
        )
        return _assemble(recipe, grammar_tokenizer(), train, test, ())
    folder = _inputs(workspace)
    tokenizer = tokenizer_of(recipe.encoder, workspace)
    if recipe.world == "mnli":
        matched = "dev_matched"
        return _assemble(
            recipe, tokenizer, read_mnli(folder, "train"), read_mnli(folder, matched), ()
        )
    part: Literal["dev", "test"] = "dev" if recipe.dev else "test"
    if recipe.world == "stsb":
        return _assemble(recipe, tokenizer, read_stsb(folder, "train"), read_stsb(folder, part), ())
    train, test = read_sick(folder, "train"), read_sick(folder, part)
    return _assemble(recipe, tokenizer, train, test, synopsis_pairs(folder, recipe.unlabelled))


def read_mnli(folder: Path, split: str) -> tuple[ScoredPair, ...]:
    """Read MultiNLI's own JSON lines; pairs that the annotators could not agree on are left out.

    Args:
        folder: Holds `multinli_1.0_<split>.jsonl`.
        split: train, dev_matched or dev_mismatched.

    Raises:
        BadInput: The file is missing or has other fields.
    """
    path = find(folder, f"mnli/multinli_1.0_{split}.jsonl", f"multinli_1.0_{split}.jsonl")
    pairs = []
    for number, row in json_lines(path):
        try:
            label, a, b = row["gold_label"].upper(), row["sentence1"], row["sentence2"]
        except (KeyError, AttributeError):
            raise BadInput("not a line of MultiNLI", received=f"{path}, line {number}") from None
        if label in ENTAILMENT:
            pairs.append(ScoredPair(str(row.get("pairID", number)), a, b, CENTRE, label))
    return tuple(pairs)


def synopsis_pairs(folder: Path, count: int) -> tuple[ScoredPair, ...]:
    """Return pairs of one-line package descriptions: half of one section and word, half random.

    Raises:
        BadInput: There is no package index.
    """
    if not count:
        return ()
    packages = telling(read_packages(find(folder, "debian/Packages", "Packages")))
    synopses = sorted({p.synopsis for p in packages if 3 <= len(p.synopsis.split()) <= 12})
    rng = _EXTRA.child("synopses").numpy()
    near: dict[str, list[str]] = {}
    for synopsis in synopses:
        for word in set(synopsis.lower().split()):
            near.setdefault(word, []).append(synopsis)
    shared = sorted(word for word, found in near.items() if 2 <= len(found) <= 40)
    pairs = []
    for place in range(count):
        pool = near[shared[rng.integers(len(shared))]] if place % 2 else synopses
        a, b = (pool[i] for i in rng.choice(len(pool), size=2, replace=False))
        pairs.append(ScoredPair(f"debian-{place}", a, b, CENTRE, ENTAILMENT[2]))
    return tuple(pairs)


def tokens_of(tokenizer: Tokenizer, texts: Sequence[str], most: int) -> Ragged:
    """Return the ids of texts, cut to `most` tokens with the closing token kept."""
    rows = [item.ids for item in tokenizer.encode_batch_fast(list(texts))]
    return Ragged.of([row if len(row) <= most else [*row[: most - 1], row[-1]] for row in rows])


def _assemble(
    recipe: Recipe,
    tokenizer: Tokenizer,
    train: Sequence[ScoredPair],
    test: Sequence[ScoredPair],
    extra: Sequence[ScoredPair],
) -> PairData:
    tasks = TASKS[recipe.world]
    every = (*train, *test, *extra)
    texts = tuple(dict.fromkeys(text for pair in every for text in (pair.a, pair.b)))
    place = {text: index for index, text in enumerate(texts)}
    parts = [
        Pairs(
            tuple(pair.id for pair in part),
            np.array([place[pair.a] for pair in part], np.int64),
            np.array([place[pair.b] for pair in part], np.int64),
            np.array([_gold(pair, recipe.world) for pair in part], np.float32).reshape(
                len(part), len(tasks.tasks)
            ),
        )
        for part in (train, test, extra)
    ]
    return PairData(
        tasks=tasks,
        texts=texts,
        tokens=tokens_of(tokenizer, texts, recipe.encoder.max_tokens),
        tokenizer=tokenizer,
        train=parts[0],
        test=parts[1],
        extra=parts[2],
    )


def _gold(pair: ScoredPair, world: str) -> list[float]:
    kinds = {
        "regression": lambda: pair.score - _CENTRES.get(world, CENTRE),
        "classes": lambda: float(ENTAILMENT.index(pair.label or "")),
        "binary": lambda: float(pair.label == "1"),
    }
    return [kinds[task.kind]() for task in TASKS[world].tasks]


def _inputs(workspace: Workspace) -> Path:
    if workspace.inputs is None:
        raise BadInput(
            "this preset needs data sets", hint="--inputs FOLDER, or BROADSHEET_DATA=FOLDER"
        )
    return workspace.inputs
