"""Training and measuring of the verifier, one model for each round of testing.

Legend: N claims, E passages, C labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from broadsheet.core.seeds import SeedTree
from broadsheet.systems.contract import Observation, Workspace
from broadsheet.systems.reading.semantic_inference.claim_data import (
    HELD,
    META_VOCAB,
    VOCAB,
    ClaimData,
    space_of,
)
from broadsheet.systems.reading.semantic_inference.encoders import (
    BiLstmEncoder,
    MultiScaleTextCNN,
    ReadyVectors,
    TextEncoder,
)
from broadsheet.systems.reading.semantic_inference.labels import evidence_mrr, macro_f1_by_domain
from broadsheet.systems.reading.semantic_inference.model import (
    ClaimVerifier,
    Verdict,
    sample_domains,
)
from broadsheet.systems.reading.semantic_inference.recipe import VerifySettings
from broadsheet.train.loop import train

_BLOCK = 256


def make_verifiers(settings: VerifySettings, seeds: SeedTree) -> nn.ModuleList:
    """Return an untrained verifier for each round."""
    rounds = max(settings.folds, 1)
    return nn.ModuleList(make_verifier(settings, seeds.child("fold", k)) for k in range(rounds))


def make_verifier(settings: VerifySettings, seeds: SeedTree) -> ClaimVerifier:
    """Return one untrained verifier."""
    dice = seeds.torch()
    texts: TextEncoder
    if settings.texts == "vectors":
        texts = ReadyVectors(vector_size(settings.vectors), settings.project, dice)
    elif settings.texts == "cnn":
        texts = MultiScaleTextCNN(VOCAB, settings.embed, settings.filters, settings.widths, dice)
    else:
        texts = BiLstmEncoder(VOCAB, settings.embed, 2 * settings.filters, dice)
    metadata = None
    if settings.metadata:
        metadata = MultiScaleTextCNN(META_VOCAB, 16, settings.metadata, (1,), dice)
    return ClaimVerifier(texts, space_of(settings), settings.shape, dice, metadata)


def vector_size(name: str) -> int:
    """Return the length of the vectors of `vectors.encode`, without opening the encoder."""
    kind, _, rest = name.partition(":")
    known = {"all-minilm-l6-v2": 384, "bge-small-en-v1.5": 384, "wordllama-256": 256}
    return int(rest) if kind == "hashed" else known.get(rest, 384)


def train_verifiers(
    models: nn.ModuleList,
    data: ClaimData,
    settings: VerifySettings,
    seeds: SeedTree,
    workspace: Workspace,
) -> None:
    """Train a model for each round on the claims that are not tested in it."""
    for fold, model in enumerate(models):
        rows = torch.from_numpy(np.flatnonzero((data.fold_N != fold) & (data.fold_N != HELD)))
        loss_at = loss_function(model, data, rows, settings, seeds.child("batches", fold))
        train(
            model,
            loss_at,
            settings.train,
            seeds.child("training", fold),
            folder=workspace.run / f"fold{fold}",
            progress=workspace.progress,
        )


def loss_function(
    model: nn.Module, data: ClaimData, rows: Tensor, settings: VerifySettings, seeds: SeedTree
) -> Callable[[int], Tensor]:
    """Return the cross-entropy of a step over the checkers' own labels."""
    domains = data.batch.domain_B[rows].tolist()

    def loss_at(step: int) -> Tensor:
        dice = seeds.child(step).torch()
        chosen = rows[sample_domains(domains, settings.batch, dice, settings.power)]
        verdict = model(data.at(chosen))
        return F.cross_entropy(verdict.logits_BC, data.gold_N[chosen])

    return loss_at


@torch.no_grad()
def judge(model: nn.Module, data: ClaimData, rows: Tensor) -> Verdict:
    """Return what a model says of some claims, block by block."""
    model.eval()
    parts = [model(data.at(block)) for block in torch.split(rows, _BLOCK)]
    return Verdict(
        torch.cat([part.logits_BC for part in parts]), torch.cat([part.rank_BE for part in parts])
    )


def measure_verifiers(
    models: nn.ModuleList, data: ClaimData, settings: VerifySettings
) -> list[Observation]:
    """Return accuracy and F1 over all rounds together, and how evidence was ranked."""
    tested, guesses, ranks = [], [], []
    for fold, model in enumerate(models):
        rows = torch.from_numpy(np.flatnonzero(data.fold_N == fold))
        verdict = judge(model, data, rows)
        tested.append(rows)
        guesses.append(verdict.logits_BC.argmax(dim=1))
        ranks.append(verdict.rank_BE)
    rows = torch.cat(tested)
    order = rows.argsort()  # the same items in the same order for all arms
    rows, guess_N, rank_NE = rows[order], torch.cat(guesses)[order], torch.cat(ranks)[order]
    found = _label_scores(data, rows, guess_N)
    if data.relevant_NE is not None and settings.shape.evidence == "joint":
        found += _rank_scores(data, rows, rank_NE)
    return found


def _label_scores(data: ClaimData, rows: Tensor, guess_N: Tensor) -> list[Observation]:
    gold, guess = data.gold_N[rows].numpy(), guess_N.numpy()
    domain = data.batch.domain_B[rows].numpy()
    by_domain = macro_f1_by_domain(gold, guess, domain)
    found = []
    for place, (macro, _) in by_domain.items():
        own = domain == place
        name = data.space.domains[place]
        items = {"prediction": guess[own], "gold": gold[own]}
        right = (guess[own] == gold[own]).astype(np.float64)
        found += [
            _observed(name, "macro F1", macro, int(own.sum()), items),
            _observed(name, "accuracy", float(right.mean()), int(own.sum()), {"score": right}),
        ]
    if len(by_domain) > 1:
        mean = float(np.mean([macro for macro, _ in by_domain.values()]))
        items = {"prediction": guess, "gold": gold, "domain": domain}
        found.append(_observed("all checkers", "macro F1", mean, len(gold), items))
    return found


def _rank_scores(data: ClaimData, rows: Tensor, rank_NE: Tensor) -> list[Observation]:
    assert data.relevant_NE is not None  # noqa: S101 - asked before
    relevant, rank = data.relevant_NE[rows.numpy()], rank_NE.double().numpy()
    first = relevant[np.arange(len(rank)), rank.argmax(axis=1)].astype(np.float64)
    reciprocal = evidence_mrr(rank, relevant)
    return [
        _observed(
            "all checkers", "relevant first", float(first.mean()), len(rank), {"score": first}
        ),
        _observed(
            "all checkers",
            "evidence MRR",
            float(reciprocal.mean()),
            len(rank),
            {"score": reciprocal},
        ),
    ]


def _observed(
    dataset: str, metric: str, value: float, n: int, items: dict[str, np.ndarray]
) -> Observation:
    return Observation(
        dataset=dataset, metric=metric, unit="x100", value=100 * value, n=n, items=items
    )


def names_of(data: ClaimData, places: Sequence[int]) -> list[str]:
    """Return the labels at some places."""
    flat = [label for own in data.space.labels for label in own]
    return [flat[place] for place in places]
