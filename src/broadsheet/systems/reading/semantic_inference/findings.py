"""From runs to the report: claims with verdicts, measurements, figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

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
    resample,
)
from broadsheet.metrics.resampling import (
    Floats,
    Items,
    OnResamples,
    Statistic,
    macro_f1_of,
    mean_of,
)
from broadsheet.metrics.verdicts import Finding, judge_claims
from broadsheet.systems.contract import Observation, Preset, Run
from broadsheet.systems.reading.semantic_inference.claim_data import LIAR, SICK
from broadsheet.systems.reading.semantic_inference.phrase_measuring import COMPOUNDS, IDIOMS
from broadsheet.systems.reading.semantic_inference.recipe import Recipe
from broadsheet.systems.reading.semantic_inference.world import CHECKERS, SMALLEST

SLUG = "semantic_inference"
_DRAWS = 10_000
_ALL = "all checkers"
_MINILM = "whole above parts, all-minilm-l6-v2"


class Runs:
    """The runs of a preset by arm, in the order of the seeds.

    Args:
        preset: What was run.
        runs: All of it.
    """

    def __init__(self, preset: Preset, runs: Sequence[Run]) -> None:
        self.recipes: dict[str, Recipe] = {recipe.arm: recipe for recipe in preset.arms}
        self._by_arm = {
            arm: sorted(
                (run for run in runs if run.arm == arm), key=lambda r: preset.seeds.index(r.seed)
            )
            for arm in self.recipes
        }

    def observed(self, arm: str, dataset: str, metric: str) -> list[Observation]:
        """Return one observation per seed."""
        return [run.get(dataset, metric) for run in self._by_arm[arm]]

    def mean(self, arm: str, dataset: str, metric: str) -> float:
        """Return the mean over seeds."""
        return float(np.mean([one.value for one in self.observed(arm, dataset, metric)]))

    def measurements(self) -> tuple[Measurement, ...]:
        """Return what was observed, one entry per arm, data set and metric."""
        return tuple(
            Measurement(
                arm=arm,
                dataset=one.dataset,
                metric=one.metric,
                unit=one.unit,
                values=tuple(
                    float(f"{o.value:.5g}") for o in self.observed(arm, one.dataset, one.metric)
                ),
                n=one.n,
            )
            for arm in self.recipes
            for one in self._by_arm[arm][0].observations
        )

    def sampled(
        self, arm: str, dataset: str, metric: str, statistic: Statistic | None = None
    ) -> Resampled:
        """Resample the items behind a number, the same ones for all arms on a data set."""
        items = [one.items for one in self.observed(arm, dataset, metric)]
        statistic = statistic or mean_of("score")
        return resample(items, statistic, rng=_rng(dataset), draws=_DRAWS).scaled(100)


def make_findings(preset: Preset, runs: Sequence[Run]) -> Report:
    """Judge the claims and gather what was measured."""
    table = Runs(preset, runs)
    smoke = "liar_joint" not in table.recipes
    effects = _effects(table, smoke)
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
        figures=() if smoke else _figures(table),
    )


def clustered_auc() -> Statistic:
    """Return the statistic "AUC" over resamples of whole phrases; see `clustered_auc_parts`."""

    def prepare(runs: Sequence[Items]) -> OnResamples:
        def on_resamples(counts_PK: Floats) -> Floats:
            rows = []
            for items in runs:
                wins_K = (counts_PK * (items["wins"] @ counts_PK)).sum(axis=0)
                pairs_K = (items["literal"] @ counts_PK) * (items["idiomatic"] @ counts_PK)
                rows.append(np.where(pairs_K > 0, wins_K / np.maximum(pairs_K, 1), 0.5))
            return np.stack(rows)

        return on_resamples

    return prepare


def _rng(name: str) -> np.random.Generator:
    return SeedTree(20261124).child(SLUG, "report", name).numpy()


def _gap(first: Resampled, second: Resampled, name: str) -> Interval:
    return combined(difference, first, second).interval(_rng(name))


def _effects(table: Runs, smoke: bool) -> Mapping[str, Interval]:
    real: Callable[[Runs], Mapping[str, Interval]] = _stand_ins if smoke else _real_effects
    return {
        **_world_effects(table),
        **_phrase_effects(table),
        **_role_effects(table),
        **real(table),
    }


def _world_effects(table: Runs) -> Mapping[str, Interval]:
    f1 = macro_f1_of("prediction", "gold")

    def mean_f1(arm: str) -> Resampled:
        return averaged([table.sampled(arm, name, "macro F1", f1) for name in sorted(CHECKERS)])

    first = {
        arm: table.sampled(arm, _ALL, "relevant first") for arm in ("world_joint", "world_official")
    }
    small = {
        arm: table.sampled(arm, SMALLEST, "macro F1", f1)
        for arm in ("world_joint", "world_separate")
    }
    return {
        "world_joint": _gap(mean_f1("world_joint"), mean_f1("world_claim"), "world joint"),
        "world_first": first["world_joint"].interval(_rng("world first")),
        "world_order": _gap(first["world_joint"], first["world_official"], "world order"),
        "world_shared": _gap(small["world_joint"], small["world_separate"], "world shared"),
    }


def _phrase_effects(table: Runs) -> Mapping[str, Interval]:
    full, no_context, no_graph = (
        table.sampled(f"phrases_{name}", IDIOMS, "AUC", clustered_auc())
        for name in ("full", "no_context", "no_graph")
    )
    return {
        "phrases_context": _gap(full, no_context, "phrases context"),
        "phrases_graph": _gap(full, no_graph, "phrases graph"),
    }


def _role_effects(table: Runs) -> Mapping[str, Interval]:
    tasks = table.recipes["roles_guided"].roles.tasks

    def accuracy(name: str) -> Resampled:
        return averaged([table.sampled(f"roles_{name}", task, "accuracy") for task in tasks])

    guided = accuracy("guided")
    others = {
        "roles_gain": "plain",
        "roles_random": "random",
        "roles_borrowed": "borrowed",
        "roles_fixed": "official",
    }
    found = {claim: _gap(guided, accuracy(arm), claim) for claim, arm in others.items()}
    return {**found, "roles_gated": _gap(accuracy("gated"), guided, "roles gated")}


def _real_effects(table: Runs) -> Mapping[str, Interval]:
    f1 = macro_f1_of("prediction", "gold")
    joint, mean, claim = (
        table.sampled(f"liar_{name}", LIAR, "macro F1", f1) for name in ("joint", "mean", "claim")
    )
    return {
        "liar_evidence": _gap(joint, claim, "liar evidence"),
        "liar_ranking": _gap(joint, mean, "liar ranking"),
        "sick_scorer": table.sampled("sick_minilm", SICK, "accuracy").interval(_rng("sick")),
        "compounds": table.sampled("phrases_full", COMPOUNDS, _MINILM).interval(_rng("compounds")),
    }


def _stand_ins(table: Runs) -> Mapping[str, Interval]:
    """Fill the claims on real files from the made world, so that the way to a report is tested."""
    accuracy = table.sampled("world_joint", SMALLEST, "accuracy").interval(_rng("stand-in"))
    names = ("liar_evidence", "liar_ranking", "sick_scorer", "compounds")
    return dict.fromkeys(names, accuracy)


def _reasons(table: Runs) -> dict[str, str]:
    def f1(arm: str) -> float:
        return table.mean(arm, _ALL, "macro F1")

    def liar(arm: str) -> float:
        return table.mean(arm, LIAR, "macro F1")

    sick = ", ".join(
        f"{arm.removeprefix('sick_')} {table.mean(arm, SICK, 'accuracy'):.1f}"
        for arm in ("sick_static", "sick_minilm", "sick_bge", "sick_no_facts", "sick_claim")
    )
    roles = "; ".join(
        f"{task}: "
        + ", ".join(
            f"{arm.removeprefix('roles_')} {table.mean(arm, task, 'accuracy'):.1f}"
            for arm in table.recipes
            if arm.startswith("roles_")
        )
        for task in table.recipes["roles_guided"].roles.tasks
    )
    first = table.mean("world_official", _ALL, "relevant first")
    aucs = ", ".join(
        f"{arm.removeprefix('phrases_').replace('_', ' ')} {table.mean(arm, IDIOMS, 'AUC'):.1f}"
        for arm in ("phrases_full", "phrases_no_context", "phrases_no_graph")
    )
    return {
        "world_joint": f"joint {f1('world_joint'):.1f}, claim alone {f1('world_claim'):.1f}, "
        f"with a text CNN learned from these claims {f1('world_cnn'):.1f}; chance is 33.",
        "world_first": "two of ten passages hold the facts on average, so chance is 20.",
        "world_order": f"with a signed rank score {first:.1f} % have a relevant passage first: "
        "a score and its negative give the same label.",
        "liar_evidence": f"with evidence {liar('liar_joint'):.1f}, with metadata too "
        f"{liar('liar_metadata'):.1f}, claim alone {liar('liar_claim'):.1f}; the evidence is the "
        "checker's own justification, of which the first 5 sentences are read.",
        "liar_ranking": f"passages weighed alike {liar('liar_mean'):.1f}.",
        "sick_scorer": f"accuracy by vectors and form: {sick}.",
        "phrases_context": f"AUC: {aucs}; whole phrases are resampled.",
        "phrases_graph": "whether a phrase is listed in WordNet at all is one of the features.",
        "compounds": "over all compounds: the files don't say which are idiomatic.",
        "roles_gain": f"accuracy: {roles}.",
    }


def _figures(table: Runs) -> tuple[Figure, ...]:
    tasks = table.recipes["roles_guided"].roles.tasks
    guided = [arm for arm in table.recipes if arm.startswith("roles_")]
    sick = [arm for arm in table.recipes if arm.startswith("sick_")]
    return (
        Figure(
            title="Role-guided heads against their controls",
            kind="bar",
            x="",
            y="accuracy x100, mean over sets",
            series={
                "mean over seeds": tuple(
                    (
                        arm.removeprefix("roles_"),
                        round(float(np.mean([table.mean(arm, t, "accuracy") for t in tasks])), 3),
                    )
                    for arm in guided
                )
            },
        ),
        Figure(
            title="Entailment on SICK test",
            kind="bar",
            x="",
            y="accuracy x100",
            series={
                "mean over seeds": tuple(
                    (arm.removeprefix("sick_"), round(table.mean(arm, SICK, "accuracy"), 3))
                    for arm in sick
                )
            },
        ),
    )
