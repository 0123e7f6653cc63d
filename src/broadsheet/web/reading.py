"""From a report to what its page draws: claims, tables of measurements, costs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from broadsheet.core.card import Card
from broadsheet.core.report import ClaimResult, Cost, Measurement, Report
from broadsheet.web.drawing import Drawing, draw_interval
from broadsheet.web.drawing.scales import number_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimLine:
    """A claim of the card beside its result; `verdict` is "" before it was run."""

    id: str
    text: str
    metric: str
    expected: str
    source: str
    verdict: str = ""
    effect: str = ""
    interval: str = ""
    level: str = ""
    chance: str = ""
    test: str = ""
    reason: str = ""
    drawing: Drawing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasurementTable:
    """The measurements of a data set: a row for each arm, a column for each metric."""

    dataset: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    seeds: int
    items: int


def claim_lines(card: Card, report: Report | None) -> list[ClaimLine]:
    """Return the claims in the card's order, then results whose claim the card no longer has."""
    results = {claim.id: claim for claim in report.claims} if report else {}
    lines = [
        _line(
            ClaimLine(
                id=claim.id,
                text=claim.text,
                metric=claim.metric,
                expected=claim.expected,
                source=claim.source,
            ),
            results.pop(claim.id, None),
        )
        for claim in card.claims
    ]
    for left in results.values():
        empty = ClaimLine(id=left.id, text="", metric="", expected=left.expected, source="")
        lines.append(_line(empty, left))
    return lines


def _line(line: ClaimLine, result: ClaimResult | None) -> ClaimLine:
    if result is None:
        return line
    low, high = map(number_text, result.interval)
    correction = f", {result.correction}" if result.correction else ""
    return ClaimLine(
        id=line.id,
        text=line.text,
        metric=line.metric,
        expected=result.expected,
        source=line.source,
        verdict=result.verdict,
        effect=number_text(result.observed),
        interval=f"{low} to {high}",
        level=f"{result.level * 100:.4g} %",
        chance=_chance(result.p),
        test=result.test + correction,
        reason=result.reason,
        drawing=draw_interval(result),
    )


def _chance(p: float | None) -> str:
    if p is None:
        return ""
    return "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("0.", ".", 1)


def measurement_tables(measurements: Sequence[Measurement]) -> list[MeasurementTable]:
    """Return one table for each data set, in the order of the report."""
    tables = []
    for dataset in dict.fromkeys(item.dataset for item in measurements):
        own = [item for item in measurements if item.dataset == dataset]
        heads = list(dict.fromkeys((item.metric, item.unit) for item in own))
        cells = {(item.arm, item.metric, item.unit): _mean(item.values) for item in own}
        tables.append(
            MeasurementTable(
                dataset=dataset,
                columns=tuple(f"{metric}, {unit}" if unit else metric for metric, unit in heads),
                rows=tuple(
                    (arm, tuple(cells.get((arm, *head), "") for head in heads))
                    for arm in dict.fromkeys(item.arm for item in own)
                ),
                seeds=max(len(item.values) for item in own),
                items=max(item.n for item in own),
            )
        )
    return tables


def _mean(values: Sequence[float]) -> str:
    """Write mean and standard deviation over the seeds."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return "not finite" if values else ""
    mean = number_text(statistics.fmean(known))
    return f"{mean} ± {number_text(statistics.stdev(known))}" if len(known) > 1 else mean


def cost_facts(cost: Cost) -> list[tuple[str, str]]:
    """Return what the experiment took, in words."""
    return [
        ("wall time", duration(cost.wall_s)),
        ("CPU time", duration(cost.cpu_s)),
        ("most memory", f"{cost.peak_memory_mb:,.0f} MB"),
        ("parameters", _amount(cost.parameters)),
    ]


def duration(seconds: float) -> str:
    """Write a time with the unit that suits it.

    Example:
        >>> duration(42.3), duration(600), duration(7500)
        ('42 s', '10 min', '2 h 5 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def _amount(number: int) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return str(number)
