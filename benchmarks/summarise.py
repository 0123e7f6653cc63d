"""Write the README's table of measurements from the reports under results/bench.

python benchmarks/summarise.py
"""

from __future__ import annotations

import json
from typing import Any

from _report import ROOT

BEGIN, END = "<!-- measured:begin -->", "<!-- measured:end -->"
README = ROOT / "README.md"
RATIO = "geometric mean over best rival per cell"


def load(name: str) -> dict[str, Any]:
    """Return the results of a report."""
    text = (ROOT / "results" / "bench" / f"{name}.json").read_text(encoding="utf-8")
    results: dict[str, Any] = json.loads(text)["results"]
    return results


def reading() -> list[tuple[str, str, str]]:
    """Return the rows about reading papers in, and what survives."""
    ingest, drill, fuzz = load("ingest"), load("kill_drill"), load("fuzz_parsers")
    trending = load("trending")["editions"]
    stages = ingest["stages"]
    vectors = "words and vectors" if ingest["static_vectors"] else "words"
    return [
        (
            f"{ingest['works']:,} papers: parse, store, index {vectors}",
            f"{stages['all']['wall_s']['median']:.0f} s, {ingest['peak_mb_max']:.0f} MB at most",
            "ingest",
        ),
        ("the same files again", f"{stages['again']['wall_s']['median']:.1f} s", "ingest"),
        (
            "`kill -9` during ingest, indexing and publishing, then run again: equal state",
            f"{drill['equal']} of {drill['kills']}",
            "kill_drill",
        ),
        (
            "mutated inputs to the parsers: failures",
            f"{fuzz['failures']} of {fuzz['inputs']:,}",
            "fuzz_parsers",
        ),
        (
            "editions rebuilt byte for byte",
            f"{trending['rebuilt_byte_for_byte']} of {trending['editions']}",
            "trending",
        ),
    ]


def searching() -> list[tuple[str, str, str]]:
    """Return the rows about search: speed and quality."""
    speed, pages = load("search_speed_bge-small-en-v1.5"), load("pages")
    start, quality, encode = load("cli_start"), load("search_quality"), load("encode")
    filtered = load("filtered_ann_papers_200kx384")
    hybrid = speed["in process"]["hybrid"]["all"]
    ndcg = quality["cranfield, all judgements relevant"]["ndcg10"]["even (reported)"]
    encoders = encode["encoders"]
    faster = ", ".join(
        f"{encoders[f'minilm {name}']['times_torch']:.2f} ({name.split()[0]})"
        for name in ("onnxruntime int8-fused", "openvino int8-nncf")
    )
    return [
        (
            f"hybrid search of {speed['papers']:,} papers "
            "(query encoded by bge-small, random paper vectors)",
            f"p50 {hybrid['p50_ms']:.0f} ms, p95 {hybrid['p95_ms']:.0f} ms",
            "search_speed_bge-small-en-v1.5",
        ),
        (
            "filtered search of 200,000 vectors, 24 kinds of filter, one setting: lowest recall; "
            "speed against the best engine for each",
            f"{filtered['end_to_end, k=10']['summary']['lowest recall']:.3f}; "
            f"{filtered['end_to_end, k=10']['summary'][RATIO]:.1f}x (k = 10), "
            f"{filtered['end_to_end, k=100']['summary'][RATIO]:.1f}x (k = 100)",
            "filtered_ann_papers_200kx384",
        ),
        (
            "largest page, compressed",
            f"{pages['largest_compressed_kB']:.0f} kB",
            "pages",
        ),
        (
            "`broadsheet --help`; a cold hybrid search (CPU)",
            f"{start['help']['cpu_s_median']:.2f} s; "
            f"{speed['cold command line']['hybrid']['cpu_s_median']:.2f} s",
            "cli_start",
        ),
        (
            "Cranfield nDCG@10 (even queries): bm25s, our words, hybrid",
            f"{ndcg['bm25s']:.3f}, {ndcg['words']:.3f}, {ndcg['hybrid bge-small-en-v1.5']:.3f}",
            "search_quality",
        ),
        ("CPU per abstract, sentence-transformers on torch = 1", faster, "encode"),
    ]


def table() -> str:
    """Return the table as Markdown."""
    rows = [f"| {what} | {value} | {name} |" for what, value, name in reading() + searching()]
    return "\n".join(["| what | result | report |", "| --- | --- | --- |", *rows])


def with_table(readme: str) -> str:
    """Return the README's text with the table between its marks."""
    head, _, rest = readme.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table()}\n{END}{tail}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
