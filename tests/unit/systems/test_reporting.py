"""From runs to a report: complete, from one data, true to its card; cost and provenance filled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from broadsheet.core.errors import BadInput, NotFound, UsageError
from broadsheet.systems.jobs import Job
from broadsheet.systems.reporting import make_report
from broadsheet.systems.worker import execute

Jobs = Callable[..., tuple[Job, ...]]


def test_a_report_has_the_cost_of_all_runs_and_their_provenance(jobs: Jobs, tmp_path: Path) -> None:
    for job in jobs():
        execute(job)
    report = make_report("toy", "smoke", runs=tmp_path / "runs")
    assert report.cost.parameters == 12
    assert report.cost.wall_s > 0
    provenance = report.provenance
    assert provenance["data"] == "made in code"
    assert provenance["runs"] == "4"
    assert f"a={jobs()[0].config}" in provenance["config"]
    assert "torch " in provenance["versions"]
    assert report.notes == ()


def test_missing_runs_are_named(jobs: Jobs, tmp_path: Path) -> None:
    for job in jobs()[:3]:
        execute(job)
    with pytest.raises(NotFound, match=r"1 of 4 runs are missing.*b, seed 2.*--partial"):
        make_report("toy", "smoke", runs=tmp_path / "runs")


def test_a_partial_report_uses_whole_seeds_and_says_so(jobs: Jobs, tmp_path: Path) -> None:
    for job in jobs()[:3]:
        execute(job)
    report = make_report("toy", "smoke", runs=tmp_path / "runs", partial=True)
    assert report.seeds == (1,)
    assert report.notes == ("Partial: 1 of 2 seeds are complete and reported.",)
    assert report.provenance["runs"] == "2"


def test_without_one_whole_seed_there_is_no_partial_report(jobs: Jobs, tmp_path: Path) -> None:
    execute(jobs()[0])
    with pytest.raises(NotFound, match="3 of 4 runs are missing"):
        make_report("toy", "smoke", runs=tmp_path / "runs", partial=True)


def test_the_pilot_seed_is_never_reported(toy: Any, jobs: Jobs, tmp_path: Path) -> None:
    for job in jobs():
        execute(job)
    toy.pilot_seed = 2
    with pytest.raises(UsageError, match="pilot seed"):
        make_report("toy", "smoke", runs=tmp_path / "runs")


def test_runs_on_different_data_are_not_mixed(toy: Any, jobs: Jobs, tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    toy.reads = ("d.txt",)
    (inputs / "d.txt").write_text("first")
    for job in jobs(inputs=inputs):
        execute(job)
    report = make_report("toy", "smoke", runs=tmp_path / "runs")
    assert report.provenance["data"].endswith("(1 files)")
    last = jobs(inputs=inputs)[-1]
    (last.folder / "observations.json").unlink()
    (inputs / "d.txt").write_text("second")
    execute(last)
    with pytest.raises(BadInput, match=r"different data.*d\.txt"):
        make_report("toy", "smoke", runs=tmp_path / "runs")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"claims": ()}, "0 verdicts"),
        ({"slug": "other"}, "another run"),
        ({"seeds": (1,)}, "other seeds"),
        ({"id": "less"}, "0 verdicts"),
        ({"expected": ">= 9"}, "another margin"),
        ({"observed": float("nan")}, "no finite number"),
        ({"values": (1.0,)}, "1 values"),
    ],
    ids=str,
)
def test_a_report_that_does_not_fit_its_card_is_refused(
    toy: Any,
    jobs: Jobs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    says: str,
) -> None:
    for job in jobs():
        execute(job)
    honest = toy.report

    def twisted(preset: Any, runs: Any) -> Any:
        report = honest(preset, runs)
        [name] = change
        if hasattr(report, name):
            return replace(report, **change)
        part = "claims" if hasattr(report.claims[0], name) else "measurements"
        first, *others = getattr(report, part)
        return replace(report, **{part: (replace(first, **change), *others)})

    monkeypatch.setattr(toy, "report", twisted)
    with pytest.raises(BadInput, match=says):
        make_report("toy", "smoke", runs=tmp_path / "runs")
