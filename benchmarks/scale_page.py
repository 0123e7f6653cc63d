"""The numbers of docs/guide/scale.md: a table of what was measured, and what follows from it.

    python benchmarks/scale_page.py

Writes the part of the page between two markers from results/bench/scale_out.json (builds and
questions on Ray) and scale_out_shards.json (bytes and memory of a shard). A test compares the page.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "guide" / "scale.md"
BEGIN, END = "<!-- numbers:begin -->\n", "<!-- numbers:end -->\n"
MILLIONS = 250
WIDTH = 104
TOGETHER = "jobs' CPU, 2 workers over 1"


def section() -> str:
    """Return the part of the page that the results are."""
    ray, alone = (_read(name) for name in ("scale_out", "scale_out_shards"))
    sizes = alone["measured: one shard by size"]
    return "\n".join(
        [
            *_building(ray, sizes[max(sizes, key=int)]),
            *_asking(ray),
            *_projected(ray, sizes[max(sizes, key=int)]),
            "",
        ]
    )


def write() -> None:
    """Put the numbers into the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(before + BEGIN + section() + END + after, encoding="utf-8")


def _read(name: str) -> Any:
    path = ROOT / "results" / "bench" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))["results"]


def _span(numbers: dict[str, float], digits: int = 2) -> str:
    low, middle, high = (f"{numbers[name]:,.{digits}f}" for name in ("min", "median", "max"))
    return f"{middle} ({low} to {high})"


def _per_million(ray: Any, workers: int) -> float:
    run = ray["measured: build"][f"{workers} workers"]
    seconds = run["jobs_cpu_s"]["median"] + run["driver_cpu_s"]["median"]
    return float(1e6 * seconds / ray["rows"])


def _building(ray: Any, shard: Any) -> list[str]:
    built = ray["measured: build"]
    load = built["2 workers"]["load"]["median"]
    said = "which says more about other programs than about this one." if load > 3 else ""
    peak = shard.get("build_peak_bytes_per_vector")
    return [
        "## Measured",
        "",
        _paragraph(
            f"{ray['rows']:,} generated papers of {ray['dim']} numbers, two cores, a local"
            " cluster; medians of three repeats, smallest and largest in brackets"
            " (`results/bench/scale_out.json`, `scale_out_shards.json`)."
        ),
        "",
        "| for a million papers | CPU seconds |",
        "| --- | --- |",
        f"| write the lake | {ray['lake']['write_cpu_s_per_million']:.0f} |",
        f"| sort and build {built['shards']} shards, one worker | {_per_million(ray, 1):.0f} |",
        f"| sort and build {built['shards']} shards, two workers | {_per_million(ray, 2):.0f} |",
        "",
        _paragraph(
            "From one worker to two, the CPU time of the busier one falls by a factor of"
            f" {_span(built['speed-up, CPU of the busiest worker'])}; all jobs together cost"
            f" {_span(built[TOGETHER])} times as much. The wall time fell by a factor of"
            f" {_span(built['speed-up, wall'])} at a load of {load:.1f} on the two cores"
            + (f", {said}" if said else ".")
        ),
        "",
        _paragraph(
            f"A vector takes {ray['lake']['bytes_per_vector']:,.0f} bytes in the lake, as many in"
            " the sorted parts until the build ends, and"
            f" {shard['bytes_per_vector']:,.0f} in its shard,"
            f" {shard['bytes_per_vector_without_rows']:,.0f} of them outside of the float32 rows,"
            " which stay on disk."
            + (f" A job that builds a shard holds up to {peak:,.0f} a vector." if peak else "")
        ),
        "",
    ]


def _asking(ray: Any) -> list[str]:
    asked, killed = ray["measured: asking"], ray["measured: a shard killed"]
    lines = [
        _paragraph(
            "Questions for ten papers, CPU microseconds of each, in the shards' processes and in"
            " the one that asks:"
        ),
        "",
        "| shards | filter | asked | recall | one by one: shards | asking | in batches: shards |"
        " asking |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    cells = [(name, about) for name in asked for about in ("all", "a tenth of time")]
    for name, about in cells:
        row = asked[name][about]
        costs = [
            f"{row[way][cost]['median']:,.0f}"
            for way in ("one", "batch")
            for cost in ("shards_cpu_us", "router_cpu_us")
        ]
        said = [name, about, f"{row['shards_asked']:.0f}", f"{row['recall']:.3f}", *costs]
        lines.append("| " + " | ".join(said) + " |")
    equal = all(asked[name][about]["equal_at_full_recall"] for name, about in cells)
    same = "the same" if killed["answers equal"] else "not the same"
    return [
        *lines,
        "",
        _paragraph(
            f"At recall 1 the answers were {'' if equal else 'not '}those of comparing everything,"
            f" for every split. A shard's process holds {asked['1 by time']['process_mb_each']} MB"
            " of its own beside the index. After its death the next answer came"
            f" {_span(killed['wall_s'], 1)} s later and was {same}."
        ),
        "",
    ]


def _projected(ray: Any, shard: Any) -> list[str]:
    rows, one, lake = ray["rows"], ray["measured: asking"]["1 by time"], ray["lake"]
    shards = round(MILLIONS * 1e6 / rows)
    hours = (lake["write_cpu_s_per_million"] + _per_million(ray, 2)) * MILLIONS / 3600
    disk = {
        "the lake": lake["bytes_per_vector"],
        "the sorted parts": lake["bytes_per_vector"],
        "the shards": shard["bytes_per_vector"],
    }
    asked = {
        way: sum(one["all"][way][cost]["median"] for cost in ("shards_cpu_us", "router_cpu_us"))
        for way in ("one", "batch")
    }
    memory = shard["bytes_per_vector_without_rows"] * MILLIONS / 1e3
    process = one["process_mb_each"] / 1e3
    each = ", ".join(f"{name} {size * MILLIONS / 1e3:,.0f} GB" for name, size in disk.items())
    return [
        f"## Projected to {MILLIONS} million works, not measured",
        "",
        "The numbers above, multiplied; nothing below was run.",
        "",
        "| | projected |",
        "| --- | --- |",
        f"| write the lake, sort, build | {hours:.1f} core hours |",
        f"| disk | {each} |",
        f"| memory of the shards, float32 rows on disk | {memory:,.0f} GB |",
        f"| processes of {shards:,} shards as large as those measured |"
        f" {shards * process:,.0f} GB more |",
        f"| a question to all, one by one | {shards * asked['one'] / 1e6:.1f} CPU seconds |",
        f"| a question to all, in batches | {shards * asked['batch'] / 1e6:.2f} CPU seconds |",
        "",
        _paragraph(
            "The last three fall with the number of shards: with a million papers each there are"
            f" {MILLIONS}, whose processes take {MILLIONS * process:,.0f} GB, and a question pays"
            " the fixed price of a call that many times. What a search costs in a shard of a"
            " million rows, and how many shards a filter by time leaves out, decides the rest. A"
            " network is not in these numbers. The process that plans holds"
            f" {2 * 8 * MILLIONS / 1e3:.0f} GB of document numbers while it looks for duplicates."
        ),
    ]


def _paragraph(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    write()
