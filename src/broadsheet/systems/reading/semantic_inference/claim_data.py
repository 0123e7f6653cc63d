"""Claims as tensors: words or ready vectors, passages, labels, and who is tested when.

Legend: N claims, E passages, L tokens, D width, F facts, A metadata words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.data.claims import Claim, ClaimFile, read_liar_plus, read_multifc
from broadsheet.data.records import ScoredPair
from broadsheet.data.sick import LABELS, read_sick
from broadsheet.evals.passages import sentences_of
from broadsheet.runtime.entailment import FACTS, pair_facts
from broadsheet.systems.contract import Workspace
from broadsheet.systems.reading.semantic_inference.labels import LabelSpace
from broadsheet.systems.reading.semantic_inference.model import Batch
from broadsheet.systems.reading.semantic_inference.recipe import VerifySettings
from broadsheet.systems.reading.semantic_inference.vectors import encode
from broadsheet.systems.reading.semantic_inference.world import CHECKERS, World

_WORD = re.compile(r"\w+|[^\w\s]")
#: The first facts and folds are the same for all seeds and arms.
_FIXED = SeedTree(20261124).child("semantic_inference")
SICK = "sick"
LIAR = "politifact"
#: Rows of the word tables that are built before the words are known.
VOCAB = 8192
#: The round of claims that are neither learned from nor tested: a scorer's temperature takes them.
HELD = -2
META_VOCAB = 4096
META_WORDS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimData:
    """All claims of a run.

    Args:
        space: The labels.
        claims: The claims, those to learn from first.
        batch: All of them as tensors.
        gold_N: Places of the labels.
        fold_N: In which round a claim is tested; -1 for never, `HELD` for neither.
        relevant_NE: Which passages hold the answer, where that is known.
        notes: What was mended or left out, in words.
    """

    space: LabelSpace
    claims: tuple[Claim, ...]
    batch: Batch
    gold_N: Tensor
    fold_N: NDArray[np.int64]
    relevant_NE: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()

    def at(self, rows: Tensor) -> Batch:
        """Return some of the claims, without columns that are padding in all of them."""
        whole = self.batch
        parts = (whole.claim, whole.evidence, whole.present_BE, whole.domain_B)
        claim, evidence, present, domain = (part[rows] for part in parts)
        return Batch(
            trimmed(claim),
            trimmed(evidence),
            present,
            domain,
            whole.facts_BEF[rows],
            whole.metadata[rows],
        )

    @property
    def folds(self) -> range:
        """The rounds of testing."""
        return range(int(self.fold_N.max()) + 1)


def trimmed(ids: Tensor) -> Tensor:
    """Cut columns of word ids that are padding in every row; vectors stay as they are."""
    if ids.is_floating_point() or not ids.numel():
        return ids
    used = (ids != 0).flatten(0, -2).any(dim=0)
    return ids[..., : max(1, int(used.sum()))]


def read_claims(settings: VerifySettings, seeds: SeedTree, workspace: Workspace) -> ClaimData:
    """Return the claims of a recipe's source.

    Raises:
        BadInput: A data set is missing or broken.
    """
    if settings.source == "world":
        return _world(settings, seeds, workspace)
    if settings.source == "sick":
        return _sick(settings, workspace)
    if settings.source == "multifc":
        train, test = (
            read_multifc(inputs_of(workspace), name)
            for name in ("train", "dev" if settings.dev else "test")
        )
        fold = [-1] * len(train.claims) + [0] * len(test.claims)
        return _assemble(settings, [*train.claims, *test.claims], fold, workspace)
    files = [read_liar_plus(inputs_of(workspace), name) for name in ("val", "test")]
    claims = [with_sentences(one, settings.passages) for file in files for one in file.claims]
    claims = claims[: settings.limit or None]
    fold_N = _folds([one.label for one in claims], settings.folds)
    data = _assemble(settings, claims, fold_N.tolist(), workspace, notes=_mended(files))
    return data


def with_sentences(claim: Claim, most: int) -> Claim:
    """Return the claim with the sentences of its justification as passages, at most `most`."""
    found = [part for text in claim.evidence for part in sentences_of(text)]
    return Claim(
        id=claim.id,
        text=claim.text,
        label=claim.label,
        domain=claim.domain,
        evidence=tuple(found[:most]),
        metadata=claim.metadata,
    )


def inputs_of(workspace: Workspace) -> Path:
    """Return the folder of data sets.

    Raises:
        BadInput: There is none.
    """
    if workspace.inputs is None:
        raise BadInput("this arm needs data sets", hint="--data FOLDER, or BROADSHEET_DATA=FOLDER")
    return workspace.inputs


def sick_claim(pair: ScoredPair) -> Claim:
    """Return a pair of SICK as a claim (the second sentence) and its one passage (the first)."""
    return Claim(id=pair.id, text=pair.b, label=pair.label or "", domain=SICK, evidence=(pair.a,))


def space_of(settings: VerifySettings) -> LabelSpace:
    """Return the labels of a source without reading it, so that a model can be built first."""
    from broadsheet.data.claims import LIAR_LABELS

    if settings.source == "world":
        return LabelSpace(
            tuple(sorted(CHECKERS)), tuple(tuple(sorted(CHECKERS[k])) for k in sorted(CHECKERS))
        )
    if settings.source == "sick":
        return LabelSpace((SICK,), (LABELS,))
    if settings.source == "liar":
        return LabelSpace((LIAR,), (tuple(sorted(LIAR_LABELS)),))
    # The paper's 26 checkers have 165 labels in all; names are taken from the files at run time.
    sizes = [2 + (n * 9) % 13 for n in range(26)]
    return LabelSpace(
        tuple(f"checker {n}" for n in range(26)),
        tuple(tuple(f"label {i}" for i in range(size)) for size in sizes),
    )


def _world(settings: VerifySettings, seeds: SeedTree, workspace: Workspace) -> ClaimData:
    world = World(settings.world, _FIXED.child("world"))
    made = []
    fold: list[int] = []
    part = "dev" if settings.dev else "test"
    for checker, count in zip(CHECKERS, settings.world.train, strict=True):
        made += world.claims(checker, count, seeds.child("claims"))
        fold += [-1] * count
    for checker in CHECKERS:
        made += world.claims(checker, settings.world.test, _FIXED.child(part))
        fold += [0] * settings.world.test
    relevant_NE = np.array([one.relevant for one in made])
    return _assemble(settings, [one.claim for one in made], fold, workspace, relevant_NE)


def _sick(settings: VerifySettings, workspace: Workspace) -> ClaimData:
    folder = inputs_of(workspace)
    train = read_sick(folder, "train")
    test = read_sick(folder, "dev" if settings.dev else "test")
    held = () if settings.dev else read_sick(folder, "dev")
    claims = [sick_claim(pair) for pair in (*train, *test, *held)]
    fold = [-1] * len(train) + [0] * len(test) + [HELD] * len(held)
    return _assemble(settings, claims, fold, workspace)


def _assemble(
    settings: VerifySettings,
    claims: Sequence[Claim],
    fold: Sequence[int],
    workspace: Workspace,
    relevant_NE: NDArray[np.bool_] | None = None,
    notes: tuple[str, ...] = (),
) -> ClaimData:
    space = LabelSpace.of(claims) if settings.source == "multifc" else space_of(settings)
    most = settings.passages
    present_NE = torch.tensor([[i < len(one.evidence) for i in range(most)] for one in claims])
    texts, passages = _texts(settings, claims, fold, workspace)
    fold_N = np.array(fold, np.int64)
    return ClaimData(
        space=space,
        claims=tuple(claims),
        batch=Batch(
            texts,
            passages,
            present_NE,
            torch.tensor([space.domain_of(one.domain) for one in claims]),
            _facts(settings, claims),
            _metadata(settings, claims),
        ),
        gold_N=torch.tensor([space.code(one.domain, one.label) for one in claims]),
        fold_N=fold_N,
        relevant_NE=None if relevant_NE is None else relevant_NE[:, :most],
        notes=notes,
    )


def _texts(
    settings: VerifySettings, claims: Sequence[Claim], fold: Sequence[int], workspace: Workspace
) -> tuple[Tensor, Tensor]:
    """Return claims [N, ...] and passages [N, E, ...] as word ids or vectors."""
    most = settings.passages
    every = [text for one in claims for text in (one.text, *one.evidence[:most])]
    texts = list(dict.fromkeys(every))
    place = {text: row for row, text in enumerate(texts)}
    if settings.texts == "vectors":
        table = torch.from_numpy(encode(settings.vectors, texts, workspace))
    else:
        # With folds every claim is trained on at some time, so all words are known.
        known = [one for one, part in zip(claims, fold, strict=True) if part == -1] or claims
        table = word_ids(texts, [t for one in known for t in (one.text, *one.evidence)], settings)
    none = torch.zeros(1, *table.shape[1:], dtype=table.dtype)
    table = torch.cat([table, none])
    empty = len(texts)
    rows = [
        [place[text] for text in one.evidence[:most]] + [empty] * (most - len(one.evidence))
        for one in claims
    ]
    return table[torch.tensor([place[one.text] for one in claims])], table[torch.tensor(rows)]


def word_ids(texts: Sequence[str], known: Sequence[str], settings: VerifySettings) -> Tensor:
    """Return word ids, 0 for padding and 1 for words that the texts to learn from lack.

    Shape:
        [texts, max_tokens].
    """
    counts = Counter(word for text in known for word in _WORD.findall(text.lower()))
    order = sorted(counts, key=lambda word: (-counts[word], word))[: VOCAB - 2]
    numbers = {word: number for number, word in enumerate(order, 2)}
    ids = torch.zeros(len(texts), settings.max_tokens, dtype=torch.long)
    for row, text in zip(ids, texts, strict=True):
        words = _WORD.findall(text.lower())[: settings.max_tokens]
        row[: len(words)] = torch.tensor([numbers.get(word, 1) for word in words])
    return ids


def _facts(settings: VerifySettings, claims: Sequence[Claim]) -> Tensor:
    facts = torch.zeros(len(claims), settings.passages, settings.shape.facts)
    if settings.shape.facts:
        if settings.shape.facts != len(FACTS):
            raise BadInput("that many facts of a pair are not known", hint=f"{len(FACTS)} or 0")
        for row, one in zip(facts, claims, strict=True):
            for slot, passage in zip(row, one.evidence, strict=False):
                slot[:] = torch.from_numpy(pair_facts(passage, one.text))
    return facts


def _metadata(settings: VerifySettings, claims: Sequence[Claim]) -> Tensor:
    """Return words of the metadata by a hash of field and word: no table has to be kept."""
    ids = torch.zeros(len(claims), META_WORDS if settings.metadata else 0, dtype=torch.long)
    if settings.metadata:
        from zlib import crc32

        for row, one in zip(ids, claims, strict=True):
            words = [f"{k}={w}" for k, text in one.metadata for w in _WORD.findall(text.lower())]
            codes = [1 + crc32(word.encode()) % (META_VOCAB - 1) for word in words[:META_WORDS]]
            row[: len(codes)] = torch.tensor(codes, dtype=torch.long)
    return ids


def _folds(labels: Sequence[str], folds: int) -> NDArray[np.int64]:
    """Deal the claims of each label out in turn, in an order that is the same for all seeds."""
    fold_N = np.zeros(len(labels), np.int64)
    rng = _FIXED.child("folds").numpy()
    dealt = 0
    for label in sorted(set(labels)):
        members = rng.permutation([i for i, one in enumerate(labels) if one == label])
        fold_N[members] = (dealt + np.arange(len(members))) % max(folds, 1)
        dealt += len(members)
    return fold_N


def _mended(files: Sequence[ClaimFile]) -> tuple[str, ...]:
    joined, unlabelled, bare = (
        sum(getattr(file, name) for file in files)
        for name in ("joined", "without_label", "without_evidence")
    )
    return (
        f"LIAR-PLUS: {joined} rows were broken in two by a line feed and put together again, "
        f"{unlabelled} without a label were left out, {bare} have no justification and stay.",
    )
