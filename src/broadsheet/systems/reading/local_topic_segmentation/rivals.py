"""Segmenters that learn nothing, each tuned on the development documents as the learned arms are.

What is not drawn is computed once for a corpus and kept for the runs of other seeds.

Legend: N units, D width of a vector, G gaps.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

import numpy as np

from broadsheet.core.paths import write_atomically
from broadsheet.core.seeds import SeedTree
from broadsheet.evals.lexical_segmenters import C99, TextTiling
from broadsheet.evals.segmentation import score_segmentation
from broadsheet.evals.segmenters import (
    CosineDrop,
    Masses,
    calibrate,
    cut,
    even_masses,
    random_masses,
    typical_segments,
)
from broadsheet.systems.contract import Observation, Workspace
from broadsheet.systems.reading.local_topic_segmentation.data import Part, SegmentationData
from broadsheet.systems.reading.local_topic_segmentation.measuring import observe_segments
from broadsheet.systems.reading.local_topic_segmentation.units import Units

Segments = list[Masses]
#: What was tried on the development documents.
TILINGS = tuple(
    TextTiling(width=width, block=block) for width in (0, 10, 20) for block in (1, 2, 4, 10)
)
DROPS = tuple(
    CosineDrop(block=block, depth=depth) for block in (1, 2, 3, 5) for depth in (False, True)
)
DEVIATIONS = (0.0, 0.6, 1.2, 1.8)
RIVALS = ("no boundary", "even", "random", "TextTiling", "C99", "C99 on vectors", "cosine drop")


def measure_rivals(
    data: SegmentationData, window: int, seeds: SeedTree, workspace: Workspace
) -> list[Observation]:
    """Return the observations of all rivals on the test documents."""
    texts, masses = data.test.units, data.test.units.masses
    mean_mass = len(data.train.units) / sum(len(one) for one in data.train.units.masses)
    counts = [typical_segments(sum(one), mean_mass) for one in masses]
    rng = seeds.child("random").numpy()
    drawn = [random_masses(sum(one), count, rng) for one, count in zip(masses, counts, strict=True)]
    segments = {"random": drawn, **_kept(data, counts, window, workspace)}
    found = []
    for rival in RIVALS:
        assert len(segments[rival]) == len(texts.masses)  # noqa: S101 - one for each document
        found += observe_segments(f"{data.corpus.name}: {rival}", masses, segments[rival], window)
    return found


def _kept(
    data: SegmentationData, counts: Sequence[int], window: int, workspace: Workspace
) -> dict[str, Segments]:
    digest = hashlib.sha256()
    for part in (data.train, data.dev, data.test):
        digest.update("\x1f".join(part.units.texts).encode() + part.vectors.tobytes())
        digest.update(json.dumps(part.units.masses).encode())
    digest.update(str(window).encode())
    path = workspace.shared / f"rivals-{digest.hexdigest()[:12]}.json"
    if not path.is_file():
        found = _segments(data, counts, window or None)
        write_atomically(path, json.dumps(found).encode())
    stored = json.loads(path.read_text(encoding="utf-8"))
    return {name: [tuple(one) for one in rows] for name, rows in stored.items()}


def _segments(
    data: SegmentationData, counts: Sequence[int], window: int | None
) -> dict[str, Segments]:
    masses = data.test.units.masses
    return {
        "no boundary": [(sum(one),) for one in masses],
        "even": [even_masses(sum(one), count) for one, count in zip(masses, counts, strict=True)],
        "TextTiling": _tiling(data, window),
        "C99": _c99(data, window, _on_words),
        "C99 on vectors": _c99(data, window, _on_vectors),
        "cosine drop": _drops(data, window),
    }


def _tiling(data: SegmentationData, window: int | None) -> Segments:
    """Choose width, block and threshold together: the lowest Pk on the development documents."""

    def curves(tiling: TextTiling, units: Units) -> list[np.ndarray]:
        return [tiling.scores(texts_of(units, place)) for place in range(len(units.masses))]

    found = [
        calibrate(curves(one, data.dev.units), data.dev.units.masses, window=window)
        for one in TILINGS
    ]
    best = min(range(len(found)), key=lambda at: found[at].pk)
    threshold = found[best].threshold
    return [cut(curve, threshold) for curve in curves(TILINGS[best], data.test.units)]


def _drops(data: SegmentationData, window: int | None) -> Segments:
    def curves(drop: CosineDrop, part: Part) -> list[np.ndarray]:
        return [drop.scores(rows) for rows in _rows(part)]

    found = [
        calibrate(curves(one, data.dev), data.dev.units.masses, window=window) for one in DROPS
    ]
    best = min(range(len(found)), key=lambda at: found[at].pk)
    threshold = found[best].threshold
    return [cut(curve, threshold) for curve in curves(DROPS[best], data.test)]


def _c99(
    data: SegmentationData, window: int | None, segment: Callable[[C99, Part, int], Masses]
) -> Segments:
    """Choose when the cutting ends on the development documents."""

    def all_of(c99: C99, part: Part) -> Segments:
        return [segment(c99, part, place) for place in range(len(part.units.masses))]

    tried = [C99(deviation=deviation) for deviation in DEVIATIONS]
    scores = [
        score_segmentation(data.dev.units.masses, all_of(one, data.dev), window=window).means()[
            "pk"
        ]
        for one in tried
    ]
    return all_of(tried[int(np.argmin(scores))], data.test)


def _on_words(c99: C99, part: Part, place: int) -> Masses:
    return c99.segment(texts_of(part.units, place))


def _on_vectors(c99: C99, part: Part, place: int) -> Masses:
    rows = _rows(part)[place].astype(np.float64)
    return c99.segment_similar(rows @ rows.T)


def texts_of(units: Units, place: int) -> tuple[str, ...]:
    """Return the texts of one document."""
    return units.texts[int(units.starts[place]) : int(units.starts[place + 1])]


def _rows(part: Part) -> list[np.ndarray]:
    return np.split(part.vectors, part.units.starts[1:-1])
