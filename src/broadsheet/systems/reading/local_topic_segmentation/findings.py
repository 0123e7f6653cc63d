"""From runs to the report: claims with verdicts, measurements, figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from broadsheet.core.card import find_card
from broadsheet.core.report import Cost, Figure, Measurement, Report
from broadsheet.core.seeds import SeedTree
from broadsheet.evals.segmentation import resample_segmentation
from broadsheet.metrics.bootstrap import Interval, Resampled, combined, difference, resample
from broadsheet.metrics.resampling import macro_f1_of
from broadsheet.metrics.verdicts import Finding, judge_claims
from broadsheet.systems.contract import Observation, Preset, Run
from broadsheet.systems.reading.local_topic_segmentation.reasons import reasons_of

SLUG = "local_topic_segmentation"
ABSTRACTS, PAGES, WIKI, CHOI = "csabstruct", "manual pages", "wiki sections", "choi"
ALL = "stp+tc+nsp"
_DRAWS = 10_000
_SEEDS = SeedTree(20261124).child("report")
#: What the report (50 kB at most) keeps of every arm, of the main arms, and of few.
_EVERY = ("pk", "topic macro-F1")
_MAIN = ("window_diff", "boundary_f1")
_SIDE = ("c=", "[u;v", "GRU", "CNN", "tuned", "cross", "even", "random", "C99 on", "no boundary")
_DETAILED = (f"abstracts {ALL}", f"pages {ALL}")


def is_kept(arm: str, dataset: str, metric: str) -> bool:
    """Tell whether the report keeps a measurement.

    Example:
        >>> is_kept("pages c=1", "manual pages", "boundary_f1")
        False
    """
    if metric in _EVERY or (arm in _DETAILED and metric not in ("precision", "recall")):
        return True
    # With k = 1 WindowDiff is Pk.
    twice = metric == "window_diff" and dataset.startswith(ABSTRACTS)
    side = any(part in f"{arm} {dataset}" for part in _SIDE)
    return metric in _MAIN and not side and not twice


class Runs:
    """The runs of a preset by arm, in the order of the seeds.

    Args:
        preset: What was run.
        runs: All of it.
    """

    def __init__(self, preset: Preset, runs: Sequence[Run]) -> None:
        self.arms = tuple(recipe.arm for recipe in preset.arms)
        self._by_arm = {
            arm: sorted(
                (run for run in runs if run.arm == arm), key=lambda r: preset.seeds.index(r.seed)
            )
            for arm in self.arms
        }

    def observed(self, arm: str, dataset: str, metric: str) -> list[Observation]:
        """Return one observation per seed."""
        return [run.get(dataset, metric) for run in self._by_arm[arm]]

    def mean(self, arm: str, dataset: str, metric: str = "pk") -> float:
        """Return the mean over seeds."""
        return float(np.mean([one.value for one in self.observed(arm, dataset, metric)]))

    def segmentation(self, arm: str, dataset: str, metric: str = "pk") -> Resampled:
        """Resample the documents, the same ones for all arms of a data set."""
        items = [one.items for one in self.observed(arm, dataset, "pk")]
        name = dataset.partition(":")[0]
        return resample_segmentation(items, metric, _SEEDS.child(name), draws=_DRAWS)

    def classes(self, arm: str, dataset: str) -> Resampled:
        """Resample the sentences for macro-F1 of topic classes."""
        items = [one.items for one in self.observed(arm, dataset, "topic macro-F1")]
        rng = _SEEDS.child("sentences", dataset).numpy()
        return resample(items, macro_f1_of("prediction", "gold"), rng=rng, draws=_DRAWS)

    def measurements(self) -> tuple[Measurement, ...]:
        """Return what is kept of the observations."""
        found = []
        for arm in self.arms:
            for one in self._by_arm[arm][0].observations:
                if not is_kept(arm, one.dataset, one.metric):
                    continue
                values = [o.value for o in self.observed(arm, one.dataset, one.metric)]
                found.append(
                    Measurement(
                        arm=arm,
                        dataset=one.dataset,
                        metric=one.metric,
                        unit=one.unit,
                        values=tuple(float(f"{value:.4g}") for value in values),
                        n=one.n,
                    )
                )
        return tuple(found)


def make_findings(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims and gather what was measured."""
    table = Runs(preset, runs)
    smoke = f"abstracts {ALL}" not in table.arms
    effects = _smoke_effects(table) if smoke else _effects(table)
    claims = find_card(SLUG).claims
    reasons = (
        dict.fromkeys((claim.id for claim in claims), "smoke: shapes only, nothing was learned")
        if smoke
        else reasons_of(table)
    )
    findings = [
        Finding(
            id=claim.id,
            expected=claim.expected,
            interval=effects[claim.id],
            reason=reasons.get(claim.id, ""),
        )
        for claim in claims
    ]
    return Report(
        slug=SLUG,
        preset="smoke" if smoke else "laptop",
        seeds=preset.seeds,
        pilot_seed=preset.pilot_seed,
        claims=judge_claims(findings),
        measurements=table.measurements(),
        cost=Cost(wall_s=0.0, cpu_s=0.0, peak_memory_mb=0.0, parameters=0),
        figures=() if smoke else _figures(table),
        notes=() if smoke else _notes(table),
    )


def _points(first: Resampled, second: Resampled, name: str) -> Interval:
    effect = combined(difference, first, second).interval(_SEEDS.child("seeds", name).numpy())
    return effect.scaled(100)


def _effects(table: Runs) -> Mapping[str, Interval]:
    found: dict[str, Interval] = {}
    for short, dataset in (("abstracts", ABSTRACTS), ("pages", PAGES)):
        whole = table.segmentation(f"{short} {ALL}", dataset)
        gain = {
            "multi": table.segmentation(f"{short} stp", dataset),
            "context": table.segmentation(f"{short} c=2", dataset),
            "tagger": table.segmentation(f"{short} tagger", dataset),
            "tiling": table.segmentation(f"{short} rivals", f"{dataset}: TextTiling"),
        }
        found[f"{short}_multi"] = _points(gain["multi"], whole, f"{short} multi")
        found[f"{short}_local"] = _points(whole, gain["context"], f"{short} local")
        found[f"{short}_tagger"] = _points(whole, gain["tagger"], f"{short} tagger")
        found[f"{short}_tiling"] = _points(gain["tiling"], whole, f"{short} tiling")
        found[f"{short}_tc"] = _points(
            table.classes(f"{short} {ALL}", dataset),
            table.classes(f"{short} tc", dataset),
            f"{short} tc",
        )
    found["siamese"] = _points(
        table.segmentation("abstracts tuned", ABSTRACTS),
        table.segmentation("abstracts cross", ABSTRACTS),
        "siamese",
    )
    for short, dataset in (("wiki", WIKI), ("choi", CHOI)):
        learned = table.segmentation(f"{short} stp+nsp", dataset)
        rival = table.segmentation(f"{short} rivals", f"{dataset}: TextTiling")
        found[f"{short}_tiling"] = _points(rival, learned, f"{short} tiling")
    return found


def _smoke_effects(table: Runs) -> Mapping[str, Interval]:
    """Fill every claim from the tiny arms, so that the way to a report is tested."""
    whole, other = (table.segmentation(arm, "made") for arm in (ALL, "stp"))
    rival = table.segmentation("rivals", "made: TextTiling")
    topics = table.classes(ALL, "made"), table.classes("tc+nsp", "made")
    found = {}
    for claim in find_card(SLUG).claims:
        pair = topics if claim.id.endswith("_tc") else (other, whole)
        if claim.id.endswith("_tiling"):
            pair = (rival, whole)
        found[claim.id] = _points(*pair, claim.id)
    return found


def _figures(table: Runs) -> tuple[Figure, ...]:
    figures = []
    for short, dataset in (("abstracts", ABSTRACTS), ("pages", PAGES)):
        arms = [arm for arm in table.arms if arm.startswith(short) and "rivals" not in arm]
        points = [
            (arm.removeprefix(f"{short} "), round(table.mean(arm, dataset), 2)) for arm in arms
        ]
        rivals = [(name, _rival(table, short, dataset, name)) for name in ("TextTiling", "C99")]
        figures.append(
            Figure(
                title=f"Pk on {dataset} (lower is better)",
                kind="bar",
                x="arm",
                y="x100",
                series={"Pk": (*points, *rivals)},
            )
        )
    return (*figures, _context_figure(table))


def _rival(table: Runs, short: str, dataset: str, name: str) -> float:
    return round(table.mean(f"{short} rivals", f"{dataset}: {name}"), 2)


def _context_figure(table: Runs) -> Figure:
    series = {}
    for short, dataset in (("abstracts", ABSTRACTS), ("pages", PAGES)):
        arms = [(0, f"{short} {ALL}"), *((c, f"{short} c={c}") for c in (1, 2, 4))]
        series[dataset] = tuple((float(c), round(table.mean(arm, dataset), 2)) for c, arm in arms)
    return Figure(
        title="Pk against the sentences of context on each side",
        kind="line",
        x="sentences",
        y="x100",
        series=series,
    )


def _notes(table: Runs) -> tuple[str, ...]:
    usual = table.mean(f"abstracts {ALL}", ABSTRACTS, "pk, window of 2 or more")
    return (
        "Pk and WindowDiff on CSAbstruct are with k = 1, half of its mean segment of 1.8 "
        "sentences: the mean share of gaps that are wrong. With the usual k of 2 or more the arm "
        "with all "
        f"tasks has {usual:.1f}; thresholds were chosen for k = 1.",
        "Elsewhere k is half the mean true mass of each document, at least 2.",
    )
