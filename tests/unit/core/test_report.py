"""Reports: written and read back, held to their size, refused when damaged."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from broadsheet.core.errors import BadInput
from broadsheet.core.report import (
    ClaimResult,
    Cost,
    Figure,
    Measurement,
    Report,
    read_report,
    reports_of,
    write_report,
)


def make_report(points: int = 2) -> Report:
    line = tuple((float(place), place / 8) for place in range(points))
    return Report(
        slug="two_towers",
        preset="laptop",
        seeds=(1, 2),
        pilot_seed=0,
        claims=(
            ClaimResult(
                id="better",
                expected=">= 1",
                observed=2.5,
                interval=(1.25, 3.5),
                level=0.95,
                p=None,
                test="two-level bootstrap",
                correction="none",
                verdict="held",
            ),
        ),
        measurements=(
            Measurement(arm="a", dataset="d", metric="m", unit="x100", values=(1.5, 2.5), n=10),
        ),
        cost=Cost(wall_s=1.5, cpu_s=2.5, peak_memory_mb=300.0, parameters=10),
        provenance={"git": "abc"},
        figures=(Figure(title="t", kind="line", x="x", y="y", series={"a": line}),),
        notes=("Partial.",),
    )


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = write_report(make_report(), tmp_path)
    assert path == tmp_path / "two_towers" / "laptop.json"
    assert read_report(path) == make_report()
    assert [entry.name for entry in path.parent.iterdir()] == ["laptop.json"]


def test_numbers_have_six_digits(tmp_path: Path) -> None:
    claim = dataclasses.replace(make_report().claims[0], observed=1 / 3, p=2 / 30_000)
    written = write_report(dataclasses.replace(make_report(), claims=(claim,)), tmp_path)
    found = read_report(written).claims[0]
    assert (found.observed, found.p) == (0.333333, 6.66667e-05)


def test_verdicts_are_counted_with_all_three_names() -> None:
    assert make_report().verdicts() == {"held": 1, "not held": 0, "underpowered": 0}


def test_a_report_that_is_too_large_is_not_written(tmp_path: Path) -> None:
    write_report(make_report(), tmp_path)
    before = (tmp_path / "two_towers" / "laptop.json").read_bytes()
    with pytest.raises(BadInput, match="too large"):
        write_report(make_report(points=4000), tmp_path)
    assert (tmp_path / "two_towers" / "laptop.json").read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"claims": [{"id": "x"}]},
        {"cost": {}},
        {"figures": 3},
        {"surprise": 1},
    ],
    ids=str,
)
def test_another_schema_or_a_damaged_report_is_refused(
    tmp_path: Path, change: dict[str, object]
) -> None:
    path = write_report(make_report(), tmp_path)
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(data | change), encoding="utf-8")
    with pytest.raises(BadInput, match="can't be read"):
        read_report(path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(BadInput, match="can't be read"):
        read_report(path)


def test_a_system_without_reports_has_none() -> None:
    assert reports_of("no_such_system") == {}
