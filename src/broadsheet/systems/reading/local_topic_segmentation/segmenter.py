"""From a trained model to segments: probability of a boundary in each gap, threshold, labels.

Legend: N units, G gaps (pairs of neighbours), C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from broadsheet.evals.segmenters import Calibration, Masses, calibrate, cut
from broadsheet.systems.reading.local_topic_segmentation.data import Part
from broadsheet.systems.reading.local_topic_segmentation.sampler import Pairs
from broadsheet.systems.reading.local_topic_segmentation.states import State
from broadsheet.systems.reading.local_topic_segmentation.training import padded_documents
from broadsheet.systems.reading.local_topic_segmentation.units import Units

Floats = NDArray[np.float64]
_CHUNK = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a model says of the units of a split.

    Args:
        boundary_G: Probability that a segment ends between two neighbours.
        class_NC: Log-probability of each class for each unit; without columns where there are none.
        heads: Probability of a boundary by each head that has an opinion.
    """

    boundary_G: Floats
    class_NC: Floats
    heads: dict[str, Floats]


@torch.no_grad()
def read_joint(state: State, part: Part) -> Reading:
    """Return what the heads say; a sentence's class is the mean over the pairs it stands in.

    A boundary is where STP says "another segment". Without STP it is where the classes of both
    sides differ (1 - sum of p q) or where NSP says "does not follow", the mean where both are on.
    """
    state.module.eval()
    source, units = state.source(part), part.units
    neighbours = units.neighbours()
    heads: dict[str, list[NDArray[np.float32]]] = {"stp": [], "nsp": []}
    sides: list[list[NDArray[np.float32]]] = [[], []]
    for start in range(0, len(neighbours), _CHUNK):
        first = neighbours[start : start + _CHUNK]
        logits = state.joint(*source.pairs(first, first + 1))
        for name, found in (("stp", logits.same_P2), ("nsp", logits.next_P2)):
            if found is not None:
                heads[name].append(found.float().softmax(dim=1)[:, 0].numpy())
        for rows, side in zip(sides, (logits.first_PC, logits.second_PC), strict=True):
            if side is not None:
                rows.append(side.float().log_softmax(dim=1).numpy())
    opinions = {
        name: np.concatenate(rows).astype(np.float64) for name, rows in heads.items() if rows
    }
    if sides[0]:
        left, right = (np.concatenate(rows).astype(np.float64) for rows in sides)
        class_NC = _per_unit(neighbours, left, right, len(units))
        opinions["tc"] = 1.0 - (np.exp(left) * np.exp(right)).sum(axis=1)
    else:
        class_NC = np.zeros((len(units), 0))
    chosen = ["stp"] if "stp" in opinions else list(opinions)
    boundary_G = np.mean([opinions[name] for name in chosen], axis=0)
    return Reading(boundary_G=boundary_G, class_NC=class_NC, heads=opinions)


@torch.no_grad()
def read_tagger(state: State, part: Part) -> Reading:
    """Return what the tagger says, document by document."""
    state.module.eval()
    boundaries, classes = [], []
    for document in range(len(part.units.masses)):
        x_BLD, lengths_B, _, _ = padded_documents(part, [document])
        length = int(lengths_B[0])
        same_BG2, class_BLC = state.tagger(x_BLD, lengths_B)
        boundaries.append(same_BG2[0, : length - 1].softmax(dim=1)[:, 0].numpy())
        if class_BLC is not None:
            classes.append(class_BLC[0, :length].log_softmax(dim=1).numpy())
    boundary_G = np.concatenate(boundaries).astype(np.float64)
    shape = (len(part.units), 0)
    class_NC = np.concatenate(classes).astype(np.float64) if classes else np.zeros(shape)
    return Reading(boundary_G=boundary_G, class_NC=class_NC, heads={"stp": boundary_G})


@torch.no_grad()
def next_probability(state: State, part: Part, pairs: Pairs) -> Floats:
    """Return the NSP head's probability that the second sentence follows, for any pairs."""
    state.module.eval()
    source = state.source(part)
    found = []
    for start in range(0, len(pairs), _CHUNK):
        rows = slice(start, start + _CHUNK)
        logits = state.joint(*source.pairs(pairs.first_P[rows], pairs.second_P[rows]))
        found.append(logits.next_P2.float().softmax(dim=1)[:, 1].numpy())
    return np.concatenate(found).astype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmenter:
    """Cuts documents at a threshold that was chosen on others, and names the segments.

    Args:
        calibration: The threshold, and its Pk where it was chosen.
        shortest: Fewest units in a segment.

    Example:
        >>> segmenter = Segmenter.on([np.array([0.1, 0.9, 0.2])], [(2, 2)])
        >>> segmenter.segments([np.array([0.0, 0.3, 0.95])])
        [(3, 1)]
    """

    calibration: Calibration
    shortest: int = 1

    @classmethod
    def on(
        cls,
        curves: Sequence[Floats],
        masses: Sequence[Masses],
        shortest: int = 1,
        window: int | None = None,
    ) -> Segmenter:
        """Choose the threshold with the lowest mean Pk on some documents."""
        found = calibrate(curves, masses, shortest=shortest, window=window)
        return cls(calibration=found, shortest=shortest)

    def segments(self, curves: Sequence[Floats]) -> list[Masses]:
        """Return the segments of documents."""
        threshold = self.calibration.threshold
        return [cut(curve, threshold, shortest=self.shortest) for curve in curves]


def label_segments(
    units: Units, segments: Sequence[Masses], class_NC: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the class of each found segment, and that of each unit by its segment.

    A segment's class has the highest sum of its units' log-probabilities.
    """
    edges = np.concatenate([[0], np.cumsum([mass for masses in segments for mass in masses])])
    sums_MC = np.add.reduceat(class_NC, edges[:-1], axis=0)
    best_M = sums_MC.argmax(axis=1).astype(np.int64)
    return best_M, np.repeat(best_M, np.diff(edges))


def _per_unit(neighbours: NDArray[np.int64], left: Floats, right: Floats, units: int) -> Floats:
    sums = np.zeros((units, left.shape[1]))
    seen = np.zeros((units, 1))
    for place, side in ((neighbours, left), (neighbours + 1, right)):
        np.add.at(sums, place, side)
        np.add.at(seen, place, 1.0)
    # A document of one unit stands in no pair: every class is as likely.
    mean = np.where(seen > 0, sums / np.maximum(seen, 1.0), 0.0)
    found: Floats = mean - np.log(np.exp(mean).sum(axis=1, keepdims=True))
    return found
