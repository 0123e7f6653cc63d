"""From a trained verifier of pairs to the application's scorer, without torch.

Legend: D numbers of a vector, F facts, Z width of a label, C labels.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.metrics.bootstrap import two_level_bootstrap
from broadsheet.metrics.classification import calibration_error
from broadsheet.metrics.resampling import mean_of
from broadsheet.runtime.entailment import (
    FACTS,
    EntailmentCard,
    EntailmentScorer,
    save_scorer,
)
from broadsheet.systems.contract import Observation
from broadsheet.systems.reading.semantic_inference.claim_data import HELD, SICK, ClaimData
from broadsheet.systems.reading.semantic_inference.claim_training import judge, vector_size
from broadsheet.systems.reading.semantic_inference.encoders import ReadyVectors
from broadsheet.systems.reading.semantic_inference.model import ClaimVerifier
from broadsheet.systems.reading.semantic_inference.recipe import VerifySettings
from broadsheet.systems.reading.semantic_inference.vectors import installed

#: Largest difference of a logit, numpy against torch, that is let through.
MAX_ERROR = 1e-3
_LICENCE = "trained on SICK, CC BY-NC-SA 3.0: non-commercial, never part of a release"


def scores_pairs(settings: VerifySettings) -> bool:
    """Tell whether an arm is of the form that the application's scorer has."""
    return (
        settings.source == "sick"
        and settings.texts == "vectors"
        and not settings.project
        and not settings.metadata
        and settings.shape.facts == len(FACTS)
        and settings.shape.evidence == "joint"
        and settings.shape.heads == "shared"
        and settings.shape.rank == "fixed"
    )


def weights_of(model: nn.Module) -> dict[str, np.ndarray]:
    """Return a verifier's weights as the scorer has them.

    The verifier scales unit vectors by the root of their length; here that goes into the weights:
    once for the vectors and their difference, twice for their product.

    Raises:
        BadInput: The verifier is of another form.
    """
    if not isinstance(model, ClaimVerifier) or not isinstance(model.texts, ReadyVectors):
        raise BadInput("only a verifier over ready vectors becomes a scorer", received=type(model))
    compare, hidden, out = (
        cast(nn.Linear, part) for part in (model.compare[0], model.rank[0], model.rank[2])
    )
    width = model.texts.width
    root = width**0.5
    scale = torch.ones(compare.in_features)
    scale[: 3 * width], scale[3 * width : 4 * width] = root, root * root
    with torch.no_grad():
        arrays = {
            "compare": (compare.weight * scale).T,
            "compare_bias": compare.bias,
            "labels": model.labels_CZ,
            "rank_hidden": (hidden.weight * scale).T,
            "rank_hidden_bias": hidden.bias,
            "rank_out": out.weight[0],
            "rank_out_bias": out.bias,
        }
        return {name: np.array(array.contiguous().numpy()) for name, array in arrays.items()}


def keep_scorer(
    models: nn.ModuleList, data: ClaimData, settings: VerifySettings, folder: Path
) -> list[Observation]:
    """Write the scorer of a trained arm, check it against the model, and measure it as served.

    Raises:
        BadInput: It does not answer as the model does.
    """
    rows, held = (torch.from_numpy(np.flatnonzero(data.fold_N == part)) for part in (0, HELD))
    gold = data.gold_N[rows].numpy()
    wanted = judge(models[0], data, rows).logits_BC.numpy()
    temperature = 1.0
    if len(held):
        answers = judge(models[0], data, held).logits_BC.numpy()
        temperature = fit_temperature(answers, data.gold_N[held].numpy())
    tested = [data.claims[row] for row in rows.tolist()]
    pairs = [one.evidence[0] for one in tested], [one.text for one in tested]
    vectors = data.batch.evidence[rows][:, 0].numpy(), data.batch.claim[rows].numpy()
    right = (wanted.argmax(axis=1) == gold).astype(np.float64)
    rng = SeedTree(20261124).child("scorer").numpy()
    interval = two_level_bootstrap([{"score": right}], statistic=mean_of("score"), rng=rng)
    made = settings.vectors.startswith("hashed:")
    encoder = None if made else installed(settings.vectors)
    card = EntailmentCard(
        labels=data.space.labels[0],
        encoder=encoder.id if encoder else settings.vectors,
        encoder_version=encoder.version if encoder else settings.vectors,
        dim=vector_size(settings.vectors),
        dataset="SICK trial" if settings.dev else "SICK test",
        accuracy=float(right.mean()),
        interval=(interval.low, interval.high),
        n=len(right),
        licence=_LICENCE,
        temperature=temperature,
        calibration_error=calibration_error(right, _softmax(wanted / temperature).max(axis=1)),
    )
    scorer = save_scorer(folder, card, weights_of(models[0]))
    error = _largest_error(scorer, wanted, vectors, pairs)
    unsure = 100 * card.calibration_error
    return [
        Observation(dataset=SICK, metric="scorer error", unit="logit", value=error, n=len(gold)),
        Observation(
            dataset=SICK, metric="calibration error", unit="x100", value=unsure, n=len(gold)
        ),
    ]


def fit_temperature(logits_NC: np.ndarray, gold_N: np.ndarray) -> float:
    """Return the temperature, of 121 from 1/8 to 32, under which the gold labels are likeliest.

    Raises:
        BadInput: There is no pair.

    Example:
        >>> unsure = fit_temperature(np.array([[9.0, 0], [9.0, 0], [9.0, 0]]), np.array([0, 0, 1]))
        >>> 10 < unsure < 16
        True
    """
    if not len(gold_N):
        raise BadInput("a temperature needs pairs with labels")
    tried = np.geomspace(0.125, 32.0, 121)
    places = np.arange(len(gold_N))
    losses = [-np.log(_softmax(logits_NC / t)[places, gold_N] + 1e-12).mean() for t in tried]
    return float(tried[int(np.argmin(losses))])


def _softmax(logits_NC: np.ndarray) -> np.ndarray:
    powers_NC = np.exp(logits_NC - logits_NC.max(axis=1, keepdims=True))
    found: np.ndarray = powers_NC / powers_NC.sum(axis=1, keepdims=True)
    return found


def _largest_error(
    scorer: EntailmentScorer,
    wanted: np.ndarray,
    vectors: tuple[np.ndarray, np.ndarray],
    pairs: tuple[list[str], list[str]],
) -> float:
    answered = scorer.logits(vectors[0], vectors[1], pairs[0], pairs[1])
    error = float(np.abs(answered - wanted).max())
    if not error <= MAX_ERROR:
        raise BadInput(
            "the scorer does not answer as the model does",
            received=f"a largest difference of {error:.2g}, allowed {MAX_ERROR:g}",
        )
    return error
