"""From runs to the report: claims with verdicts, measurements, figures, tests beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from broadsheet.core.card import find_card
from broadsheet.core.report import Cost, Figure, Measurement, Report
from broadsheet.core.seeds import SeedTree
from broadsheet.metrics.bootstrap import (
    Interval,
    Resampled,
    averaged,
    combined,
    difference,
    plain_numbers,
    ratio,
    relative_drop,
    resample,
)
from broadsheet.metrics.correlation import pearson, williams
from broadsheet.metrics.resampling import mean_of, pearson_of
from broadsheet.metrics.significance import mcnemar
from broadsheet.metrics.verdicts import Finding, judge_claims
from broadsheet.systems.contract import Observation, Preset, Run
from broadsheet.systems.text.distilled_sentence_embedding.transfer import SETS

SLUG = "distilled_sentence_embedding"
_DRAWS = 10_000
_SMALL, _LARGE = "20 x 200", "200 x 2,000"
_SPEED_UP = "speed-up, encoding included"
_CROSS = ("cross-encoder, measured", "cross-encoder, extrapolated")
_HEAD = "encoding (extrapolated) and head"
#: Where the report keeps one number per task or fewer, because it may have 50 kB only.
_SIDE = ("sick train", "stsb train", "sick int8", "sick pca256 int8")


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

    def values(self, arm: str, dataset: str, metric: str) -> list[float]:
        """Return one number per seed."""
        return [one.value for one in self.observed(arm, dataset, metric)]

    def measurements(self) -> tuple[Measurement, ...]:
        """Return everything that was observed, one entry per arm, data set and metric."""
        found = []
        for arm in self.arms:
            for one in self._by_arm[arm][0].observations:
                if one.dataset.startswith(_SIDE) and _is_detail(one, self._by_arm[arm][0]):
                    continue
                observed = self.observed(arm, one.dataset, one.metric)
                found.append(
                    Measurement(
                        arm=arm,
                        dataset=one.dataset,
                        metric=one.metric,
                        unit=one.unit,
                        values=tuple(_short(o.value) for o in observed),
                        n=one.n,
                    )
                )
        return tuple(found)


def _is_detail(one: Observation, run: Run) -> bool:
    """Tell whether a run has a mean of its tasks on a data set, and this is one of its parts."""
    averaged = {other.dataset for other in run.observations if other.metric == "mean score"}
    part = one.metric.endswith((" pearson", " spearman", " accuracy"))
    return part and (one.dataset in averaged or one.metric.endswith(" spearman"))


#: Pairs of arms whose usual tests go to the report's notes.
_COMPARED = (
    ("teacher", "dse"),
    ("dse", "labels"),
    ("dse_500", "labels_500"),
    ("again_dse", "again_labels"),
    ("again_dse_tuned", "again_labels_tuned"),
)


def make_findings(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims and gather what was measured."""
    table = Runs(preset, runs)
    smoke = "labels_500" not in table.arms
    effects = _smoke_effects(table) if smoke else _effects(table)
    claims = find_card(SLUG).claims
    nothing = "smoke: shapes only, nothing was learned"
    reasons = {claim.id: nothing for claim in claims} if smoke else _reasons(table)
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
        figures=_smoke_figures(table) if smoke else _figures(table),
        notes=() if smoke else _notes(table),
    )


def _rng(name: str) -> np.random.Generator:
    return SeedTree(20261123).child("report", name).numpy()


def _mean_score(table: Runs, arm: str) -> Resampled:
    """Resample the pairs, the same ones for both tasks and all arms."""
    items = [one.items for one in table.observed(arm, "sick", "mean score")]
    parts = [
        resample(items, statistic, rng=_rng("sick"), draws=_DRAWS)
        for statistic in (pearson_of("prediction", "gold"), mean_of("right"))
    ]
    return replace(averaged(parts), n=parts[0].n)


def _accuracy(table: Runs, arm: str) -> Interval:
    items = [one.items for one in table.observed(arm, "grammar", "swap accuracy")]
    found = resample(items, mean_of("right"), rng=_rng("grammar"), draws=_DRAWS)
    return found.interval(_rng(arm)).scaled(100)


def _relatedness(table: Runs, arm: str) -> Resampled:
    items = [one.items for one in table.observed(arm, "stsb", "relatedness pearson")]
    return resample(items, pearson_of("prediction", "gold"), rng=_rng("stsb"), draws=_DRAWS)


def _transfer(table: Runs, arm: str) -> Resampled:
    """Resample each set of the probes by itself, the same texts for all arms."""
    parts = []
    for name in SETS:
        items = [one.items for one in table.observed(arm, f"transfer {name}", "accuracy")]
        rng = _rng(f"transfer {name}")
        parts.append(resample(items, mean_of("right"), rng=rng, draws=_DRAWS))
    return averaged(parts)


def _points(first: Resampled, second: Resampled, name: str) -> Interval:
    return combined(difference, first, second).interval(_rng(name)).scaled(100)


def _drop(first: Resampled, second: Resampled, name: str) -> Interval:
    return combined(relative_drop, first, second).interval(_rng(name)).scaled(100)


def _effects(table: Runs) -> Mapping[str, Interval]:
    arms = ("teacher", "dse", "labels", "dse_500", "labels_500")
    score = {arm: _mean_score(table, arm) for arm in arms}
    return {
        "teacher_above": _points(score["teacher"], score["dse"], "teacher dse"),
        "relative_drop": _drop(score["dse"], score["teacher"], "drop"),
        "distilling": _points(score["dse"], score["labels"], "dse labels"),
        "distilling_500": _points(score["dse_500"], score["labels_500"], "dse_500 labels_500"),
        **_speed_effects(table, _SMALL, _LARGE),
        "grammar_cosine": _accuracy(table, "grammar_cosine"),
        "grammar_dse": _accuracy(table, "grammar_dse"),
        "grammar_teacher": _accuracy(table, "grammar_teacher"),
        **_later_effects(table),
    }


def _later_effects(table: Runs) -> dict[str, Interval]:
    """Return the effects of the second look at SICK, and of what came with it."""
    arms = ("again_dse", "again_labels", "again_dse_tuned", "again_labels_tuned")
    dse, labels, dse_tuned, labels_tuned = (_mean_score(table, arm) for arm in arms)
    on_sts = ("teacher", "dse", "labels", "dse_tuned", "labels_tuned")
    sts = {arm: _relatedness(table, f"stsb_{arm}") for arm in on_sts}
    tuned, start = (_transfer(table, arm) for arm in ("again_dse_tuned", "again_dse"))
    return {
        "again_distilling": _points(dse, labels, "again dse labels"),
        "again_tuned": _points(dse_tuned, labels_tuned, "again tuned"),
        "stsb_relative_drop": _drop(sts["dse"], sts["teacher"], "stsb drop"),
        "stsb_distilling": _points(sts["dse"], sts["labels"], "stsb dse labels"),
        "stsb_tuned": _points(sts["dse_tuned"], sts["labels_tuned"], "stsb tuned"),
        "transfer_kept": _points(tuned, start, "transfer"),
    }


def _speed_effects(table: Runs, small: str, large: str) -> dict[str, Interval]:
    speed = [plain_numbers(table.values("timing", size, _SPEED_UP)) for size in (small, large)]
    growth = combined(ratio, speed[1], speed[0])
    return {
        "speed_up": speed[1].interval(_rng("speed")),
        "speed_up_grows": growth.interval(_rng("growth")),
    }


def _smoke_effects(table: Runs) -> Mapping[str, Interval]:
    """Fill every claim from the tiny arms, so that the way to a report is tested."""
    accuracy = {arm: _accuracy(table, arm) for arm in table.arms if arm != "timing"}
    return {
        "teacher_above": accuracy["teacher"],
        "relative_drop": accuracy["dse"],
        "distilling": accuracy["dse"],
        "distilling_500": accuracy["dse_few"],
        **_speed_effects(table, "1 x 1,000", _SMALL),
        "grammar_cosine": accuracy["cosine"],
        "grammar_dse": accuracy["dse"],
        "grammar_teacher": accuracy["teacher"],
        "again_distilling": accuracy["dse"],
        "again_tuned": accuracy["dse_upper"],
        "stsb_relative_drop": accuracy["dse"],
        "stsb_distilling": accuracy["dse"],
        "stsb_tuned": accuracy["dse_upper"],
        "transfer_kept": accuracy["dse_upper"],
    }


def _reasons(table: Runs) -> dict[str, str]:
    teacher, dse, labels, few = (
        float(np.mean(table.values(arm, "sick", "mean score")))
        for arm in ("teacher", "dse", "labels", "labels_500")
    )
    fold, seen = (
        float(np.mean(table.values("teacher", f"sick train, {name}", "mean score")))
        for name in ("out of fold", "as trained")
    )
    return {
        "teacher_above": f"teacher {teacher:.1f}, student {dse:.1f}; but a student on labels alone "
        f"reaches {labels:.1f}: the backbone was trained on single sentences, and reading two at "
        "once is new to the teacher.",
        "distilling": f"labels alone {labels:.1f}, dse {dse:.1f}. The teachers behind the logits "
        f"learned from half of the pairs and score {fold:.1f} on the other half (the whole "
        f"teacher {seen:.1f} on pairs it has seen), so they know less than the labels.",
        "distilling_500": f"labels alone {few:.1f}; the teacher behind the logits saw the labels "
        "of all 4,500 pairs, though not of the pairs it scored.",
        "speed_up": "both sides in CPU seconds of one thread; 400,000 pairs are too many for the "
        "cross-encoder, so its seconds are those of measured pairs, multiplied.",
        "speed_up_grows": "it grows because each sentence's one pass is shared by more pairs. With "
        "stored vectors it hardly depends on the size; for one query and fresh candidates it "
        "stays below 2.",
        **_later_reasons(table),
    }


def _later_reasons(table: Runs) -> dict[str, str]:
    def mean(arm: str, dataset: str = "sick", metric: str = "mean score") -> float:
        return float(np.mean(table.values(arm, dataset, metric)))

    labels, dse, kl = (mean(f"again_{name}") for name in ("labels", "dse", "dse_kl"))
    labels_tuned, dse_tuned = mean("again_labels_tuned"), mean("again_dse_tuned")
    names = ("teacher", "dse", "labels", "dse_tuned", "labels_tuned", "start")
    sts = {name: mean(f"stsb_{name}", "stsb", "relatedness pearson") for name in names}
    probes = {
        arm: mean(arm, "transfer", "mean accuracy of 7")
        for arm in ("again_dse", "start", "again_labels_tuned", "again_dse_tuned")
    }
    return {
        "again_distilling": f"labels alone {labels:.1f}, dse {dse:.1f}, with KL at temperature 2 "
        f"{kl:.1f}. Five folds instead of two are all that changed; on the 500 trial pairs of the "
        "pilot dse was .6 ahead.",
        "again_tuned": f"labels alone {labels_tuned:.1f}, dse {dse_tuned:.1f}; one tuned layer "
        f"moves them by {labels_tuned - labels:+.1f} and {dse_tuned - dse:+.1f}. On the 500 trial "
        "pairs of the pilot labels alone was .8 ahead.",
        "stsb_relative_drop": f"teacher {sts['teacher']:.1f}, dse {sts['dse']:.1f}, the start's "
        f"plain cosine {sts['start']:.1f}.",
        "stsb_distilling": f"labels alone {sts['labels']:.1f}, dse {sts['dse']:.1f}.",
        "stsb_tuned": f"labels alone {sts['labels_tuned']:.1f}, dse {sts['dse_tuned']:.1f}.",
        "transfer_kept": f"the start's four layers {probes['again_dse']:.1f}, its plain mean "
        f"{probes['start']:.1f}; tuned on labels alone {probes['again_labels_tuned']:.1f}, tuned "
        f"dse {probes['again_dse_tuned']:.1f}.",
    }


def _notes(table: Runs) -> tuple[str, ...]:
    """Return the tests on pairs that are usual for these metrics; no verdict rests on them."""
    lines = []
    for first, second in _COMPARED:
        tests = [
            (_williams(a.items, b.items), mcnemar(a.items["right"] > 0, b.items["right"] > 0))
            for a, b in zip(
                table.observed(first, "sick", "mean score"),
                table.observed(second, "sick", "mean score"),
                strict=True,
            )
        ]
        r_p, right_p = zip(*tests, strict=True)
        lines.append(
            f"{first} against {second}, seed by seed: Williams p {_list(r_p)}; "
            f"McNemar p {_list(right_p)}."
        )
    return tuple(lines)


def _williams(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> float:
    a, b, gold = one["prediction"], other["prediction"], one["gold"]
    return williams(pearson(a, gold), pearson(b, gold), pearson(a, b), len(gold)).p


def _figures(table: Runs) -> tuple[Figure, ...]:
    others = ("grammar", "timing", "stsb")
    on_sick = [arm for arm in table.arms if not arm.startswith(others)]
    on_sts = [arm for arm in table.arms if arm.startswith("stsb")]
    grammar = [arm for arm in table.arms if arm.startswith("grammar")]
    return (
        _bars(
            "SICK test: mean of relatedness r and entailment accuracy",
            table,
            on_sick,
            "sick",
            "mean score",
        ),
        Figure(
            title="CPU seconds to score N x M pairs, encoding included",
            kind="line",
            x="pairs",
            y="s",
            series={
                "cross-encoder (extrapolated above 10,000)": _seconds(table, _CROSS),
                "DSE": _seconds(table, (_HEAD,)),
            },
        ),
        _bars("STS-B test: Pearson's r", table, on_sts, "stsb", "relatedness pearson"),
        _bars("Made world: accuracy", table, grammar, "grammar", "swap accuracy"),
    )


def _smoke_figures(table: Runs) -> tuple[Figure, ...]:
    arms = [arm for arm in table.arms if arm != "timing"]
    return (_bars("Made world: accuracy", table, arms, "grammar", "swap accuracy"),)


def _bars(title: str, table: Runs, arms: Sequence[str], dataset: str, metric: str) -> Figure:
    points = [(arm, _short(float(np.mean(table.values(arm, dataset, metric))))) for arm in arms]
    return Figure(
        title=title, kind="bar", x="", y="x100", series={"mean over seeds": tuple(points)}
    )


def _seconds(table: Runs, metrics: Sequence[str]) -> tuple[tuple[float, float], ...]:
    """Return pairs and median seconds of all sizes that have one of the metrics."""
    found = {
        one.dataset: _short(float(np.median(one.values)))
        for one in table.measurements()
        if one.arm == "timing" and one.metric in metrics
    }
    return tuple(sorted((_pairs(name), seconds) for name, seconds in found.items()))


def _pairs(name: str) -> float:
    n, m = (int(part.replace(",", "")) for part in name.split(" x "))
    return float(n * m)


def _list(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.2g}" for value in values)


def _short(value: float) -> float:
    return float(f"{value:.5g}")
