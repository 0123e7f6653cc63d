"""Tables of segmentation: Pk, WindowDiff and boundary F1 over documents, with intervals.

Documents are the items of the bootstrap: Pk and WindowDiff are means over documents, F1 is of the
boundaries of all documents together and is computed anew on each resample.

Legend: S runs, D documents, K resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.evals.segmenters import is_long_enough
from broadsheet.metrics.bootstrap import Interval, Resampled, resample
from broadsheet.metrics.resampling import Floats, Items, OnResamples, Statistic, mean_of
from broadsheet.metrics.segmentation import boundary_counts, pk, window_diff

METRICS = ("pk", "window_diff", "boundary_f1")


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationScores:
    """How well documents were cut, one number per document.

    Args:
        pk_D: Pk of each document.
        window_diff_D: WindowDiff of each.
        matched_D: True boundaries that were proposed.
        true_D: True boundaries.
        found_D: Proposed boundaries.
        skipped: Documents that were left out, because they are no longer than the window.

    Example:
        >>> scores = score_segmentation([(5, 5), (1, 1)], [(5, 5), (2,)])
        >>> scores.means()["pk"], scores.skipped
        (0.0, 1)
    """

    pk_D: NDArray[np.float64]
    window_diff_D: NDArray[np.float64]
    matched_D: NDArray[np.float64]
    true_D: NDArray[np.float64]
    found_D: NDArray[np.float64]
    skipped: int = 0

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.pk_D)

    def items(self) -> dict[str, NDArray[Any]]:
        """Return the arrays for `Observation.items`, `segmentation_statistic` and `resample`."""
        return {
            "pk": self.pk_D,
            "window_diff": self.window_diff_D,
            "matched": self.matched_D,
            "true": self.true_D,
            "found": self.found_D,
        }

    def means(self) -> dict[str, float]:
        """Return mean Pk, mean WindowDiff, and F1, precision and recall of all boundaries."""
        matched, true, found = (
            float(one.sum()) for one in (self.matched_D, self.true_D, self.found_D)
        )
        return {
            "pk": float(self.pk_D.mean()),
            "window_diff": float(self.window_diff_D.mean()),
            "boundary_f1": 2 * matched / (true + found) if true + found else 0.0,
            "precision": matched / found if found else 0.0,
            "recall": matched / true if true else 0.0,
        }


def score_segmentation(
    references: Sequence[Sequence[int]],
    hypotheses: Sequence[Sequence[int]],
    *,
    window: int | None = None,
    tolerance: int = 0,
) -> SegmentationScores:
    """Return the scores of documents; those no longer than the window are left out and counted.

    Args:
        references: Masses of the true segmentations.
        hypotheses: Masses of the proposed ones, in the same order.
        window: Of Pk and WindowDiff; by default half the mean true mass of each document, at
            least 2. With 1, Pk is the share of gaps that are wrong.
        tolerance: Units by which a boundary may be off for F1.

    Raises:
        BadInput: Not as many of both, or no document is left.
    """
    if len(references) != len(hypotheses):
        raise BadInput(
            "every document needs a reference and a hypothesis",
            received=f"{len(references)} and {len(hypotheses)}",
        )
    pairs = [
        (reference, hypothesis)
        for reference, hypothesis in zip(references, hypotheses, strict=True)
        if is_long_enough(reference, window)
    ]
    if not pairs:
        raise BadInput("no document is longer than the window", received=len(references))
    counts_D3 = np.array(
        [boundary_counts(*pair, tolerance=tolerance) for pair in pairs], np.float64
    )
    return SegmentationScores(
        pk_D=np.array([pk(*pair, window) for pair in pairs]),
        window_diff_D=np.array([window_diff(*pair, window) for pair in pairs]),
        matched_D=counts_D3[:, 0],
        true_D=counts_D3[:, 1],
        found_D=counts_D3[:, 2],
        skipped=len(references) - len(pairs),
    )


def boundary_f1_of() -> Statistic:
    """Return the statistic "F1 of the boundaries of all documents together".

    Example:
        >>> items = score_segmentation([(2, 2, 2)], [(2, 4)]).items()
        >>> boundary_f1_of()([items])(np.ones((1, 1))).round(3)
        array([[0.667]])
    """

    def prepare(runs: Sequence[Items]) -> OnResamples:
        matched_SD, both_SD = (
            np.stack([sum(np.asarray(items[name], np.float64) for name in names) for items in runs])
            for names in (("matched",), ("true", "found"))
        )

        def on_resamples(counts_DK: Floats) -> Floats:
            both_SK = both_SD @ counts_DK
            return 2 * (matched_SD @ counts_DK) / np.where(both_SK > 0, both_SK, 1.0)

        return on_resamples

    return prepare


def segmentation_statistic(metric: str) -> Statistic:
    """Return the statistic of one of `METRICS`, for `metrics.bootstrap.resample`.

    Raises:
        BadInput: There is no such metric.
    """
    if metric not in METRICS:
        raise BadInput("no such metric of segmentation", received=metric, hint=", ".join(METRICS))
    return boundary_f1_of() if metric == "boundary_f1" else mean_of(metric)


def resample_segmentation(
    runs: Sequence[Items], metric: str, seeds: SeedTree, *, draws: int = 10_000
) -> Resampled:
    """Resample the documents of runs; the same seeds draw the same documents for every arm.

    Args:
        runs: `SegmentationScores.items()` of each seed.
        metric: One of `METRICS`.
        seeds: Of the draws.
        draws: How many.
    """
    return resample(runs, segmentation_statistic(metric), rng=seeds.numpy(), draws=draws)


@dataclass(frozen=True, slots=True)
class SegmentationRow:
    """One line of a table: an arm's three metrics, each with its interval.

    Args:
        arm: Its name.
        documents: Documents behind it.
        intervals: By metric.
    """

    arm: str
    documents: int
    intervals: Mapping[str, Interval]

    def cells(self) -> tuple[str, ...]:
        """Return the row for a page: name, then value and interval of each metric in x100."""
        return (
            self.arm,
            *(
                f"{100 * one.observed:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"
                for one in (self.intervals[name] for name in METRICS)
            ),
        )


def segmentation_table(
    arms: Mapping[str, Sequence[Items]], seeds: SeedTree, *, draws: int = 10_000
) -> tuple[SegmentationRow, ...]:
    """Return a row for each arm, with 95 % intervals over seeds and documents.

    Args:
        arms: Name to the items of its runs, one per seed (one for what has no seeds).
        seeds: Of the draws.
        draws: How many.

    Example:
        >>> runs = [score_segmentation([(3, 3), (2, 4)] * 5, [(3, 3), (3, 3)] * 5).items()]
        >>> segmentation_table({"even": runs}, SeedTree(1), draws=999)[0].cells()[0]
        'even'
    """
    rows = []
    for arm, runs in arms.items():
        found = {
            metric: resample_segmentation(runs, metric, seeds.child("documents"), draws=draws)
            for metric in METRICS
        }
        intervals = {
            metric: one.interval(seeds.child("seeds", arm, metric).numpy())
            for metric, one in found.items()
        }
        rows.append(SegmentationRow(arm, found["pk"].n, intervals))
    return tuple(rows)
