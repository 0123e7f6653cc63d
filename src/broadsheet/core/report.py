"""Reports: what was measured, which claims hold, at what cost (results/<slug>/<preset>.json)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from broadsheet.core.errors import BadInput

SCHEMA = 1
MAX_BYTES = 50_000

Verdict = Literal["held", "not held", "underpowered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """A claim of the card and what the experiment says of it.

    Args:
        id: The claim's id on the card.
        expected: Its margin, as on the card.
        observed: The measured effect, in the unit of the metric.
        interval: Ends of the effect's confidence interval.
        level: Its confidence level after correction, such as 0.95.
        p: Adjusted p-value of the margin's null, None where there is none.
        test: The procedure, such as "two-level bootstrap, 10,000 draws".
        correction: The correction over the claims of a system, such as "Holm over 7".
        verdict: held, not held or underpowered.
        reason: Why it failed or what to bear in mind; empty for a plain success.
    """

    id: str
    expected: str
    observed: float
    interval: tuple[float, float]
    level: float
    p: float | None
    test: str
    correction: str
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One number per seed of one arm on one data set."""

    arm: str
    dataset: str
    metric: str
    unit: str
    values: tuple[float, ...]
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure as data; the page draws it.

    Args:
        title: What it shows.
        kind: line, scatter, bar or heat.
        x: Label of the x axis, with unit.
        y: Label of the y axis, with unit.
        series: Name to points (x, y) or, for bars, (label, value); for a heat map the rows by
            name as (column, value).
    """

    title: str
    kind: Literal["line", "scatter", "bar", "heat"]
    x: str
    y: str
    series: Mapping[str, tuple[tuple[float | str, float], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the whole experiment took."""

    wall_s: float
    cpu_s: float
    peak_memory_mb: float
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that is published of one preset of one system."""

    slug: str
    preset: str
    seeds: tuple[int, ...]
    pilot_seed: int
    claims: tuple[ClaimResult, ...]
    measurements: tuple[Measurement, ...]
    cost: Cost
    provenance: Mapping[str, str] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()

    def verdicts(self) -> dict[str, int]:
        """Count the verdicts, all three keys always present."""
        names = ("held", "not held", "underpowered")
        return {name: sum(claim.verdict == name for claim in self.claims) for name in names}


def results_folder() -> Path:
    """Return the folder of the reports: inside an installed package, else the repository's own."""
    inside = Path(str(files("broadsheet"))) / "results"
    return inside if inside.is_dir() else Path(str(files("broadsheet"))).parents[1] / "results"


def write_report(report: Report, folder: Path | None = None) -> Path:
    """Write a report as <folder>/<slug>/<preset>.json and return the path.

    Numbers are written with six significant digits.

    Raises:
        BadInput: The report would be larger than 50 kB; nothing is written.
    """
    data = {"schema": SCHEMA, **_rounded(asdict(report))}
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    if len(text.encode()) > MAX_BYTES:
        raise BadInput(
            "the report is too large", received=f"{len(text):,} bytes", hint="fewer figure points"
        )
    path = (folder or results_folder()) / report.slug / f"{report.preset}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return path


def read_report(path: Path) -> Report:
    """Read a report.

    Raises:
        BadInput: The file is no report of this schema.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("schema") != SCHEMA:
            raise ValueError("another schema")
        data["claims"] = tuple(
            ClaimResult(**{**claim, "interval": tuple(claim["interval"])})
            for claim in data["claims"]
        )
        data["measurements"] = tuple(
            Measurement(**{**m, "values": tuple(m["values"])}) for m in data["measurements"]
        )
        data["figures"] = tuple(_figure(figure) for figure in data["figures"])
        data["cost"] = Cost(**data["cost"])
        for name in ("seeds", "notes"):
            data[name] = tuple(data[name])
        return Report(**data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"the report can't be read ({type(error).__name__}: {error})", received=path
        ) from None


def reports_of(slug: str) -> dict[str, Report]:
    """Return the published reports of a system by preset."""
    paths = sorted((results_folder() / slug).glob("*.json"))
    return {path.stem: read_report(path) for path in paths}


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def _figure(data: dict[str, Any]) -> Figure:
    series = {name: tuple(tuple(p) for p in points) for name, points in data["series"].items()}
    return Figure(**{**data, "series": series})
