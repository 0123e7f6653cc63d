"""What vectors gain when their mean is taken out, and lose when their tail is cut off.

    python benchmarks/compact_vectors.py --home HOME

HOME has the encoders installed. The means are taken over papers of the ACL Anthology of 2016 to
2019 that no test holds. Which texts to take them over, whether to take them out at all, and what to
do with the query's prompt, is chosen on STS-B dev, SICK trial, the odd queries of Cranfield and
half of the Anthology's titles; all else is reported once. docs/decisions/short-vectors.md says what
was chosen.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from _report import DATA, write_report
from _texts import Vectors, acl_papers, centred, vectors
from broadsheet.core.paths import default_home
from broadsheet.data.records import ScoredPair
from broadsheet.data.sick import read_sick
from broadsheet.data.sts import read_stsb
from broadsheet.metrics.bootstrap import Resampled, averaged, combined, difference, resample
from broadsheet.metrics.resampling import Items, mean_of, spearman_of
from broadsheet.runtime import models
from broadsheet.runtime.encoder import Encoder, load_encoder
from broadsheet.runtime.shortening import shortened
from search_quality import read_cranfield

ENCODERS = ("bge-small-en-v1.5", "all-minilm-l6-v2", "wordllama-256")
DIMS = (384, 256, 128, 64)
PAPERS, MEAN_PAPERS = 2_000, 500
NDCG_AT, RECALL_AT = 10, 10
DRAWS = 10_000


@dataclass(frozen=True)
class Raw:
    """An encoder's vectors of all texts, before anything is taken out or cut off."""

    pairs: dict[str, tuple[Vectors, Vectors, np.ndarray]]
    documents: dict[str, Vectors]
    queries: dict[str, dict[str, Vectors]]  # data set, then "prompt" or "plain"
    means: dict[str, Vectors]


@dataclass(frozen=True)
class Form:
    """What is done to the vectors."""

    name: str
    document_mean: str = ""
    query_mean: str = ""
    prompt: str = "prompt"
    dims: int = 0


def mean_papers(data: Path) -> list[Any]:
    """Return the papers that means are taken over: by chance, in no test."""
    _, others = acl_papers(data / "acl-anthology", PAPERS)
    return random.Random(11).sample(others, MEAN_PAPERS)


def encode_all(encoder: Encoder, data: Path) -> Raw:
    """Encode every text of every task."""
    pairs = {}
    for name, read in pair_sets(data).items():
        texts = sorted({text for pair in read for text in (pair.a, pair.b)})
        rows = dict(zip(texts, vectors(encoder, texts, "document"), strict=True))
        a, b = np.stack([rows[p.a] for p in read]), np.stack([rows[p.b] for p in read])
        pairs[name] = (a, b, np.array([pair.score for pair in read]))
    documents, questions, _ = read_cranfield(data / "cranfield")
    papers, _ = acl_papers(data / "acl-anthology", PAPERS)
    texts = {
        "Cranfield": ["\n".join(part for part in (d.title, d.body) if part) for d in documents],
        "ACL": [paper.abstract for paper in papers],
    }
    asked = {"Cranfield": list(questions.values()), "ACL": [paper.title for paper in papers]}
    chosen = mean_papers(data)
    titles = [paper.title for paper in chosen]
    whole = vectors(encoder, [f"{p.title}\n{p.abstract}" for p in chosen], "document")
    plain = vectors(encoder, titles, "document")
    return Raw(
        pairs=pairs,
        documents={name: vectors(encoder, some, "document") for name, some in texts.items()},
        queries={
            name: {
                "prompt": vectors(encoder, some, "query"),
                "plain": vectors(encoder, some, "document"),
            }
            for name, some in asked.items()
        },
        means={
            "papers": whole.mean(axis=0),
            "titles": plain.mean(axis=0),
            "both": (whole.mean(axis=0) + plain.mean(axis=0)) / 2,
            "prompted titles": vectors(encoder, titles, "query").mean(axis=0),
        },
    )


def pair_sets(data: Path) -> dict[str, Sequence[ScoredPair]]:
    """Return the pairs of each test and of what settings are chosen on."""
    return {
        "STS-B dev": read_stsb(data / "stsb", "dev"),
        "STS-B": read_stsb(data / "stsb", "test"),
        "SICK dev": read_sick(data / "sts12-16-sick", "dev"),
        "SICK": read_sick(data / "sts12-16-sick", "test"),
    }


# -- one form of the vectors on one task -------------------------------------------------------


def formed(raw: Raw, form: Form, rows: Vectors, mean: str) -> Vectors:
    """Take the mean out and cut."""
    if mean:
        rows = centred(rows, raw.means[mean])
    return shortened(rows, form.dims) if 0 < form.dims < rows.shape[1] else rows


def pair_items(raw: Raw, form: Form, name: str) -> Items:
    """Return the cosines of pairs beside their gold scores."""
    a, b, gold = raw.pairs[name]
    a, b = (formed(raw, form, rows, form.document_mean) for rows in (a, b))
    return {"prediction": (a * b).sum(axis=1), "gold": gold}


def order(raw: Raw, form: Form, name: str) -> np.ndarray:
    """Return, for each query, the documents from the nearest on."""
    documents = formed(raw, form, raw.documents[name], form.document_mean)
    queries = formed(raw, form, raw.queries[name][form.prompt], form.query_mean)
    return np.argsort(-(queries @ documents.T), axis=1, kind="stable")


def cranfield_items(raw: Raw, form: Form, data: Path) -> dict[str, np.ndarray]:
    """Return nDCG@10 (binary gain, every judgement relevant) of odd and of even queries."""
    documents, questions, judged = read_cranfield(data / "cranfield")
    places = {document.number: place for place, document in enumerate(documents)}
    relevant: dict[str, set[int]] = {}
    for query, document, _ in judged:
        relevant.setdefault(query, set()).add(places[int(document)])
    discounts = 1 / np.log2(np.arange(2, NDCG_AT + 2))
    values: dict[str, list[float]] = {"odd": [], "even": []}
    for query, found in zip(questions, order(raw, form, "Cranfield"), strict=True):
        own = relevant.get(query, set())
        hits = np.array([place in own for place in found[:NDCG_AT].tolist()])
        ideal = discounts[: min(len(own), NDCG_AT)].sum()
        values["odd" if int(query) % 2 else "even"].append(float(discounts[hits].sum() / ideal))
    return {half: 100 * np.array(rows) for half, rows in values.items()}


def acl_items(raw: Raw, form: Form) -> dict[str, np.ndarray]:
    """Return the reciprocal rank of each paper's own abstract, and whether it is in ten."""
    found = order(raw, form, "ACL")
    ranks = np.argmax(found == np.arange(len(found))[:, None], axis=1) + 1
    values = {"MRR": 100 / ranks, "recall": 100.0 * (ranks <= RECALL_AT)}
    return {
        f"{name} {half}": row[start::2]
        for name, row in values.items()
        for start, half in enumerate(("chosen", "reported"))
    }


def measured(raw: Raw, form: Form, data: Path, *, part: str) -> dict[str, Resampled]:
    """Return every task's score of the half that settings are chosen on, or that is reported."""
    suffix = " dev" if part == "chosen" else ""
    cranfield = cranfield_items(raw, form, data)["odd" if part == "chosen" else "even"]
    acl = acl_items(raw, form)
    scores: dict[str, Resampled] = {}
    for name in ("STS-B", "SICK"):
        items = pair_items(raw, form, name + suffix)
        scores[f"{name} Spearman"] = drawn(items, spearman_of("prediction", "gold"), 100.0)
    plain = {
        "Cranfield nDCG@10": cranfield,
        "ACL MRR": acl[f"MRR {part}"],
        "ACL recall@10": acl[f"recall {part}"],
    }
    for name, values in plain.items():
        scores[name] = drawn({"score": values}, mean_of("score"), 1.0)
    four = [score for name, score in scores.items() if name != "ACL recall@10"]
    return {**scores, "mean of four": averaged(four)}


def drawn(items: Items, statistic: Any, factor: float) -> Resampled:
    """Resample items, always with the same draws for as many items."""
    found = resample([items], statistic, rng=np.random.default_rng(7), draws=DRAWS)
    return Resampled(found.observed * factor, found.draws * factor, found.n)


def compared(found: Mapping[str, Resampled], base: Mapping[str, Resampled]) -> dict[str, Any]:
    """Return values, and differences from the vectors as the encoder gives them."""
    rows: dict[str, Any] = {}
    for task, score in found.items():
        rows[task] = {"value": round(float(score.observed[0]), 2), "items": score.n}
        if found is not base:
            gap = combined(difference, score, base[task]).interval(np.random.default_rng(7))
            ends = [round(gap.low, 2), round(gap.high, 2)]
            rows[task] |= {"difference": round(gap.observed, 2), "interval": ends}
    return rows


def table(raw: Raw, forms: Sequence[Form], data: Path, *, part: str) -> dict[str, Any]:
    """Return all forms on all tasks; the first form is what the others are compared with."""
    base = measured(raw, forms[0], data, part=part)
    found = {forms[0].name: compared(base, base)}
    for form in forms[1:]:
        found[form.name] = compared(measured(raw, form, data, part=part), base)
    return found


# -- the report --------------------------------------------------------------------------------

CANDIDATES = (
    Form("as it is"),
    Form("no prompt", prompt="plain"),
    Form("papers' mean", "papers", "papers"),
    Form("titles' mean", "titles", "titles"),
    Form("mean of both", "both", "both"),
    Form("mean of both, no prompt", "both", "both", prompt="plain"),
    Form("a mean for each role", "papers", "prompted titles"),
)


def reported(dim: int) -> list[Form]:
    """Return the forms of the final table: whole and cut, with and without the mean."""
    lengths = [dims for dims in DIMS if dims <= dim]
    plain = [Form(f"{dims} numbers", dims=dims) for dims in lengths]
    return plain + [
        Form(f"{dims} numbers, mean removed", "both", "both", dims=dims) for dims in lengths
    ]


def main() -> None:
    """Measure and write results/bench/compact_vectors.json."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, default=DATA)
    options.add_argument("--home", type=Path, default=default_home())
    chosen = options.parse_args()
    results: dict[str, Any] = {}
    for name in ENCODERS:
        encoder = load_encoder(models.model_folder(chosen.home, name), threads=1)
        raw = encode_all(encoder, chosen.data)
        results[name] = {
            "bytes": {str(dims): 4 * dims for dims in DIMS if dims <= encoder.dim},
            "length of the mean": round(float(np.linalg.norm(raw.means["both"])), 3),
            "chosen on": table(raw, CANDIDATES, chosen.data, part="chosen"),
            "reported": table(raw, reported(encoder.dim), chosen.data, part="reported"),
        }
        for form, row in results[name]["reported"].items():
            print(name, form, {task: cell["value"] for task, cell in row.items()})
    write_report(
        "compact_vectors",
        {"mean over": f"titles, and titles with abstracts, of {MEAN_PAPERS} papers", **results},
        spread="vectors are deterministic; intervals are paired bootstraps over pairs or queries,"
        f" {DRAWS:,} draws, 95 %, one at a time",
    )


if __name__ == "__main__":
    main()
