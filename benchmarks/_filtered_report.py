"""From the lines of all cells to tables: ours against the best rival of each cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Line = dict[str, Any]

#: An arm counts in a cell when its mean recall reaches this.
ENOUGH = 0.95
#: Correlations beyond this are positive or negative.
APART = 0.02
_DRAWS = 2000
TABLES = ("ready", "end_to_end")


def make_report(lines: Sequence[Line], bandwidth_gb_s: float, dim: int) -> dict[str, Any]:
    """Return every table, and what the whole says."""
    report: dict[str, Any] = {"bandwidth_gb_s": round(bandwidth_gb_s, 2)}
    for table in TABLES:
        for k in sorted({line["k"] for line in lines}):
            rows = [_row(line, table, bandwidth_gb_s, dim) for line in lines if line["k"] == k]
            report[f"{table}, k={k}"] = {
                "cells": rows,
                "summary": _summary(rows, [line for line in lines if line["k"] == k], table),
            }
    report["strata"] = {
        f"k={k}": _strata([line for line in lines if line["k"] == k])
        for k in sorted({line["k"] for line in lines})
    }
    report["pareto: q/s @ recall of arms that nothing dominates, predicate evaluated"] = {
        f"{line['cell']}, k={line['k']}": "; ".join(
            f"{arm} {speed:g} @ {recall:g}" for arm, speed, recall in curve(line, front=True)
        )
        for line in lines
    }
    return report


def curve(line: Line, *, front: bool) -> list[tuple[str, float, float]]:
    """Return name, queries a second and recall of the arms, fastest first.

    Args:
        line: A cell.
        front: Only those that no other arm beats in both.
    """
    arms = [
        (name, _digits(1e6 / _mean(arm, "ready")), round(float(np.mean(arm["recall"])), 3))
        for name, arm in line["arms"].items()
    ]
    arms.sort(key=lambda one: -one[1])
    if not front:
        return arms
    return [one for one in arms if not any(s > one[1] and r >= one[2] for _, s, r in arms)]


def ours_of(line: Line) -> tuple[str, dict[str, Any]]:
    return next((name, arm) for name, arm in line["arms"].items() if arm["engine"] == "ours")


def _times(arm: dict[str, Any], table: str) -> Floats:
    search = np.array(arm["search_us"])
    return search if table == "ready" else search + np.array(arm["prepare_us"])


def _mean(arm: dict[str, Any], table: str) -> float:
    return float(max(_times(arm, table).mean(), 1e-3))


def _row(line: Line, table: str, bandwidth_gb_s: float, dim: int) -> dict[str, Any]:
    _, ours = ours_of(line)
    low, high = _interval_of_mean(np.array(ours["recall"]))
    row: dict[str, Any] = {
        "cell": line["cell"],
        "matches": round(float(np.mean(line["matches"]))),
        "questions": len(ours["recall"]),
        "ours q/s": _digits(1e6 / _mean(ours, table)),
        "recall": round(float(np.mean(ours["recall"])), 4),
        "recall interval": [low, high],
        "paths": ours["paths"],
    }
    if table == "ready" and ours["work"]:
        row["share of bandwidth"] = round(
            _at_limit_us(ours["work"], bandwidth_gb_s, dim) / _mean(ours, table), 3
        )
    rivals = _qualified(line, table)
    if not rivals:
        return {**row, "best rival": "none reaches the recall"}
    best = min(rivals, key=lambda name: _mean(line["arms"][name], table))
    ratio, ratio_low, ratio_high = paired_ratio(line["arms"][best], ours, table)
    return {
        **row,
        "best rival": best,
        "rival q/s": _digits(1e6 / _mean(line["arms"][best], table)),
        "rival recall": round(float(np.mean(line["arms"][best]["recall"])), 3),
        "rival questions": len(line["arms"][best]["recall"]),
        "ratio": round(ratio, 3),
        "ratio interval": [round(ratio_low, 3), round(ratio_high, 3)],
    }


def _qualified(line: Line, table: str) -> list[str]:
    """Return the rivals that reach the recall; databases only where all evaluate the predicate."""
    return [
        name
        for name, arm in line["arms"].items()
        if arm["engine"] != "ours"
        and (table == "end_to_end" or not arm["evaluates"])
        and arm["recall"]
        and np.mean(arm["recall"]) >= ENOUGH
    ]


def paired_ratio(
    rival: dict[str, Any], ours: dict[str, Any], table: str
) -> tuple[float, float, float]:
    """Return the rival's time over ours on the questions both answered, and its interval."""
    common = min(len(rival["recall"]), len(ours["recall"]))
    theirs, mine = _times(rival, table)[:common], _times(ours, table)[:common]
    draw = np.random.default_rng(20261123)
    drawn = draw.integers(0, common, (_DRAWS, common))
    ratios = theirs[drawn].sum(axis=1) / mine[drawn].sum(axis=1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(theirs.sum() / mine.sum()), float(low), float(high)


def _interval_of_mean(values: Floats) -> tuple[float, float]:
    draw = np.random.default_rng(20261123)
    means = values[draw.integers(0, len(values), (_DRAWS, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return round(float(low), 4), round(float(high), 4)


def _at_limit_us(work: Sequence[float], bandwidth_gb_s: float, dim: int) -> float:
    """Return the time to read what a query read once, in order, from memory."""
    wide = -(-dim // 64) * 64
    codes, reranked, exact = work
    read = codes * (wide / 8 + 8) + reranked * (wide + 4) + exact * 4 * dim
    return read / (1e3 * bandwidth_gb_s)


def _summary(rows: Sequence[dict[str, Any]], lines: Sequence[Line], table: str) -> dict[str, Any]:
    ratios = [row["ratio"] for row in rows if "ratio" in row]
    large = [row for row in rows if row["matches"] >= 1000 and "ratio" in row]
    summary: dict[str, Any] = {
        "cells": len(rows),
        "lowest recall": min(row["recall"] for row in rows),
        "lowest lower end of recall": min(row["recall interval"][0] for row in rows),
        "cells with recall < .95": [row["cell"] for row in rows if row["recall"] < ENOUGH],
        "cells with lower end < .94": [
            row["cell"] for row in rows if row["recall interval"][0] < 0.94
        ],
        "geometric mean over best rival per cell": _geometric(ratios),
        "cells below 1.0x with >= 1,000 matches": [
            row["cell"] for row in large if row["ratio"] < 1.0
        ],
        "cells below 1.0x": [row["cell"] for row in rows if row.get("ratio", 1.0) < 1.0],
        "best single setting": _single_setting(lines, table),
    }
    if table == "end_to_end":
        engines = {arm["engine"] for line in lines for arm in line["arms"].values()}
        for engine in sorted(engines - {"ours"}):
            summary[f"geometric mean over {engine}, its fastest setting in each cell"] = (
                _over_engine(lines, engine)
            )
    return summary


def _single_setting(lines: Sequence[Line], table: str) -> dict[str, Any]:
    """Return the fastest rival setting among those that reach the recall in the most cells."""
    found: dict[str, list[float]] = {}
    for line in lines:
        _, ours = ours_of(line)
        for name in _qualified(line, table):
            found.setdefault(name, []).append(paired_ratio(line["arms"][name], ours, table)[0])
    if not found:
        return {}
    most = max(map(len, found.values()))
    best = min((name for name in found if len(found[name]) == most), key=lambda n: _log(found[n]))
    return {"arm": best, "cells it holds": most, "geometric mean": _geometric(found[best])}


def _over_engine(lines: Sequence[Line], engine: str) -> dict[str, Any]:
    """Compare with the engine's fastest setting in each cell, whatever recall it reaches."""
    ratios, recalls = [], []
    for line in lines:
        _, ours = ours_of(line)
        arms = [arm for arm in line["arms"].values() if arm["engine"] == engine and arm["recall"]]
        good = [arm for arm in arms if np.mean(arm["recall"]) >= ENOUGH] or arms
        if good:
            fastest = min(good, key=lambda arm: _mean(arm, "end_to_end"))
            ratios.append(paired_ratio(fastest, ours, "end_to_end")[0])
            recalls.append(float(np.mean(fastest["recall"])))
    return {
        "ratio": _geometric(ratios),
        "cells it holds": sum(one >= ENOUGH for one in recalls),
        "lowest recall": round(min(recalls), 3) if recalls else None,
    }


def _strata(lines: Sequence[Line]) -> dict[str, Any]:
    """Return recall and time of ours by the correlation of query and filter, over all cells."""
    recall, times, rho = [], [], []
    for line in lines:
        _, ours = ours_of(line)
        count = len(ours["recall"])
        recall += ours["recall"]
        times += ours["search_us"]
        rho += line["correlation"][:count]
    r, t, c = np.array(recall), np.array(times), np.array(rho)
    found = {}
    for name, inside in (
        ("negative", c < -APART),
        ("none", np.abs(c) <= APART),
        ("positive", c > APART),
    ):
        if inside.any():
            found[name] = {
                "questions": int(inside.sum()),
                "mean correlation": round(float(c[inside].mean()), 3),
                "recall": round(float(r[inside].mean()), 4),
                "us": round(float(t[inside].mean()), 1),
            }
    return found


def _log(ratios: Sequence[float]) -> float:
    return float(np.mean(np.log(ratios)))


def _geometric(ratios: Sequence[float]) -> float | None:
    return round(float(np.exp(_log(ratios))), 3) if ratios else None


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def as_text(name: str, report: dict[str, Any], lines: Sequence[Line]) -> str:
    """Write the report as Markdown: tables, then the curve of every cell."""
    out = [f"# Filtered search, {name}", "", f"Memory bandwidth {report['bandwidth_gb_s']} GB/s."]
    for title, table in report.items():
        if not isinstance(table, dict) or "cells" not in table:
            continue
        out += ["", f"## {title}", "", _HEAD, "|" + "---|" * 8]
        out += [_text_row(row) for row in table["cells"]]
        out += ["", *(f"- {key}: {value}" for key, value in table["summary"].items())]
    out += ["", "## By correlation", ""]
    out += [
        f"- {k}, {stratum}: {what}"
        for k, by in report["strata"].items()
        for stratum, what in by.items()
    ]
    out += ["", "## Queries per core-second at recall, fastest first", ""]
    for line in lines:
        arms = (f"{arm} {speed:g} @ {recall:g}" for arm, speed, recall in curve(line, front=False))
        out.append(f"- {line['cell']}, k={line['k']}: {'; '.join(arms)}")
    return "\n".join(out) + "\n"


_HEAD = (
    "| cell | matches | ours q/s | recall [95 %] | path | best rival (recall) | rival q/s |"
    " ratio [95 %] |"
)


def _text_row(row: dict[str, Any]) -> str:
    low, high = row["recall interval"]
    paths = ", ".join(f"{path} {count}" for path, count in row["paths"].items())
    if "ratio" not in row:
        rival = f"{row['best rival']} | | |"
    else:
        ends = row["ratio interval"]
        rival = (
            f"{row['best rival']} ({row['rival recall']:.3f}) | {row['rival q/s']:g} |"
            f" {row['ratio']:.2f} [{ends[0]:.2f}, {ends[1]:.2f}] |"
        )
    return (
        f"| {row['cell']} | {row['matches']:,} | {row['ours q/s']:g} |"
        f" {row['recall']:.3f} [{low:.3f}, {high:.3f}] | {paths} | {rival}"
    )
