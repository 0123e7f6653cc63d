"""Ways to fuse words and meaning: by rank, by scores, and by how sure the words are.

    python benchmarks/fusion.py --home HOME     (a home with the encoders of the catalogue)

Chosen on Cranfield's odd questions (nDCG@10) and on questions of two terms over 1,000 abstracts of
2018 (recall@10): of a family's settings within half a point of its best on Cranfield, the best on
two terms, for each encoder by itself. Then the choices are measured once on what nothing was chosen
on: Cranfield's even questions, titles against abstracts, LIMIT-small, two terms over 2021, and,
with bge-small only, sets in BEIR's layout whose folders --beir names. "taken" is what the
application does: one weight for both transformers, which lies between what is chosen for the one
and for the other.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import _tables
from _report import DATA, write_report
from _tables import Floats, Tables, World, clauses_of
from broadsheet.core.paths import default_home
from broadsheet.data.papers import read_acl
from broadsheet.index.clauses import Clause
from broadsheet.index.fusion import presence_beside, words_points
from broadsheet.index.predicates import Document
from broadsheet.papers.search.ranking import DEPTH, MEANING_WEIGHT, NEAREST, QUICK_WEIGHT
from broadsheet.runtime import models
from broadsheet.runtime.encoder import load_encoder
from search_quality import difference, words_index

#: With the weight of their meaning in the application.
ENCODERS: Mapping[str, float] = {
    "bge-small-en-v1.5": MEANING_WEIGHT,
    "all-minilm-l6-v2": MEANING_WEIGHT,
    "wordllama-256": QUICK_WEIGHT,
}
#: How far below its best on Cranfield, in points, a family may be chosen.
WITHIN = 0.5
#: The score of a document that is in no list.
_ABSENT = -np.inf

Way = Callable[[Tables, int], Floats]


@dataclass(frozen=True)
class Setting:
    """A way to fuse with its numbers: gives the scores of all documents for one question."""

    label: str
    way: Way


# -- parts ---------------------------------------------------------------------------------------


def _shown(scores_N: Floats, tables: Tables, row: int) -> Floats:
    return np.where(tables.listed[row] | tables.near[row], scores_N, _ABSENT)


def _between(scores_N: Floats, inside_N: Any) -> Floats:
    """Bring the scores inside a list to 0..1, the list's worst to 0."""
    if not inside_N.any():
        return np.zeros(len(scores_N))
    low, high = scores_N[inside_N].min(), scores_N[inside_N].max()
    return np.where(inside_N, (scores_N - low) / (high - low) if high > low else 1.0, 0.0)


# -- families ------------------------------------------------------------------------------------


def words(tables: Tables, row: int) -> Floats:
    return np.where(tables.listed[row] & (tables.bm25[row] > 0), tables.bm25[row], _ABSENT)


def meaning(tables: Tables, row: int) -> Floats:
    return np.where(tables.near[row], tables.cosine[row], _ABSENT)


def by_rank(weight: Callable[[Tables, int], float]) -> Way:
    """Reciprocal rank fusion; the weight of meaning may depend on the question."""

    def way(tables: Tables, row: int) -> Floats:
        near_N = weight(tables, row) * tables.meaning_rank[row]
        return _shown(tables.words_rank[row] + near_N, tables, row)

    return way


def covered(level: float, beside: float, sure: float) -> Way:
    """By rank; meaning counts less where some document holds that share of what is asked."""
    return by_rank(
        lambda tables, row: sure if tables.held[row].max() >= level else beside,
    )


def outstanding(gap: float, beside: float, sure: float) -> Way:
    """By rank; meaning counts less where the tenth by words is that much below the first."""

    def weight(tables: Tables, row: int) -> float:
        first, *_, tenth = np.sort(tables.bm25[row])[::-1][:10]
        return sure if first > 0 and (first - tenth) / first >= gap else beside

    return by_rank(weight)


def tiers(level: float, beside: float) -> Way:
    """By rank, but documents that hold that share of what is asked come first."""

    def way(tables: Tables, row: int) -> Floats:
        ranked_N = by_rank(lambda *_: beside)(tables, row)
        return ranked_N + (tables.held[row] >= level)

    return way


def by_range(share: float) -> Way:
    """A sum in which both lists are brought to 0..1 by their best and worst."""

    def way(tables: Tables, row: int) -> Floats:
        holding_N = tables.listed[row] & (tables.bm25[row] > 0)
        scores_N = (1 - share) * _between(tables.bm25[row], holding_N)
        near_N = share * _between(tables.cosine[row], tables.near[row])
        return _shown(scores_N + near_N, tables, row)

    return way


def by_lowest(share: float) -> Way:
    """A sum in which 0 is the lowest score in theory: 0 of BM25, -1 of a cosine (Bruch et al.)."""

    def way(tables: Tables, row: int) -> Floats:
        best = max(tables.bm25[row].max(), 1e-9)
        cosine_N = tables.cosine[row]
        floor = cosine_N[tables.near[row]].min()
        near_N = (np.maximum(cosine_N, floor) + 1) / (cosine_N.max() + 1)
        return _shown((1 - share) * tables.bm25[row] / best + share * near_N, tables, row)

    return way


def by_share(weight: float, presence: float | None) -> Way:
    """A sum of what is asked for and nearness; presence None goes with the weight of meaning."""

    def way(tables: Tables, row: int) -> Floats:
        asked = tables.asked[row]
        if presence is None:
            scores_N = tables.bm25[row] + presence_beside(weight) * asked * tables.held[row]
            points_N = np.array(words_points(scores_N.tolist(), asked=asked, meaning=weight))
        else:
            bm25_N = tables.bm25[row] / max(asked, 1e-9)
            points_N = (1 - presence) * bm25_N + presence * tables.held[row]
        points_N = np.where(tables.listed[row], points_N, 0.0)
        return _shown(points_N + weight * tables.nearness[row], tables, row)

    return way


WEIGHTS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5)
SHARES = tuple(round(0.1 * step, 1) for step in range(1, 10))
FAMILIES: Mapping[str, Sequence[Setting]] = {
    "by rank, equal": [Setting("1.0", by_rank(lambda *_: 1.0))],
    "by rank": [Setting(f"{w}", by_rank(lambda *_, w=w: w)) for w in WEIGHTS],
    "by rank, gate on coverage": [
        Setting(f"from {level}: {sure}, else 1.0", covered(level, 1.0, sure))
        for level in (0.7, 0.8, 0.9, 0.95, 0.99)
        for sure in (0.0, 0.05, 0.1, 0.2, 0.5)
    ],
    "by rank, gate on the gap": [
        Setting(f"from {gap}: {sure}, else 1.0", outstanding(gap, 1.0, sure))
        for gap in (0.2, 0.3, 0.4, 0.5, 0.6)
        for sure in (0.0, 0.05, 0.1, 0.2, 0.5)
    ],
    "by rank, full coverage first": [
        Setting(f"from {level}, {beside}", tiers(level, beside))
        for level in (0.7, 0.8, 0.9, 0.95, 0.99)
        for beside in (0.5, 1.0)
    ],
    "sum, best and worst": [Setting(f"{s}", by_range(s)) for s in SHARES],
    "sum, lowest in theory": [Setting(f"{s}", by_lowest(s)) for s in (*SHARES, 0.95)],
    "sum, share of BM25": [Setting(f"{w}", by_share(w, 0.0)) for w in (*WEIGHTS, 2.0, 3.0)],
    "sum, share held": [Setting(f"{w}", by_share(w, 1.0)) for w in (*WEIGHTS, 2.0, 3.0)],
    "sum, half and half": [Setting(f"{w}", by_share(w, 0.5)) for w in (*WEIGHTS, 2.0, 3.0)],
    "sum, with the weight": [
        Setting(f"{w}", by_share(w, None)) for w in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2)
    ],
}
TAKEN = "taken"
RIVALS = (
    "words",
    "by rank, equal",
    "by rank",
    "by rank, full coverage first",
    "sum, best and worst",
)


# -- measures ------------------------------------------------------------------------------------


def first(scores_N: Floats, depth: int) -> list[int]:
    depth = min(depth, len(scores_N))
    places = np.flatnonzero(scores_N >= np.partition(scores_N, -depth)[-depth])
    order = places[np.argsort(-scores_N[places], kind="stable")][:depth]
    return [int(place) for place in order if scores_N[place] > _ABSENT]


def ndcg10(best: Sequence[int], right: frozenset[int]) -> float:
    found = sum(1 / np.log2(rank + 2) for rank, one in enumerate(best[:10]) if one in right)
    return float(found / sum(1 / np.log2(rank + 2) for rank in range(min(10, len(right)))))


def recall(best: Sequence[int], right: frozenset[int], depth: int) -> float:
    return len(right.intersection(best[:depth])) / len(right)


def reciprocal(best: Sequence[int], right: frozenset[int]) -> float:
    return next((1 / rank for rank, one in enumerate(best, 1) if one in right), 0.0)


Measure = Callable[[Sequence[int], frozenset[int]], float]


def measures(world: World) -> dict[str, Measure]:
    if world.name == "titles":
        return {"reciprocal rank": reciprocal}
    if world.name.startswith("limit"):
        return {f"recall@{n}": lambda best, right, n=n: recall(best, right, n) for n in (2, 10)}
    if world.name.startswith("two terms"):
        return {"recall@10": lambda best, right: recall(best, right, 10)}
    return {"nDCG@10": ndcg10}


def measured(tables: Tables, way: Way) -> dict[str, dict[str, float]]:
    """Return for each measure the value of each question."""
    kept = [(str(row), right) for row, right in enumerate(tables.world.right) if right]
    depth = 1000 if tables.world.name == "titles" else 10
    lists = {name: first(way(tables, int(name)), depth) for name, _ in kept}
    return {
        name: {row: measure(lists[row], right) for row, right in kept}
        for name, measure in measures(tables.world).items()
    }


def mean(values: Mapping[str, float]) -> float:
    return round(100 * float(np.mean(list(values.values()))), 2)


def choose(odd: Tables, two: Tables) -> tuple[dict[str, Setting], dict[str, Any]]:
    """Choose one setting of each family, and return all that were tried."""
    chosen, tried = {}, {}
    for family, settings in FAMILIES.items():
        rows = [
            (
                one,
                mean(measured(odd, one.way)["nDCG@10"]),
                mean(measured(two, one.way)["recall@10"]),
            )
            for one in settings
        ]
        best = max(cranfield for _, cranfield, _ in rows)
        close = [row for row in rows if row[1] >= best - WITHIN]
        chosen[family] = max(close, key=lambda row: row[2])[0]
        tried[family] = {
            one.label: {"cranfield odd, nDCG@10 x 100": a, "two terms, recall@10 x 100": b}
            for one, a, b in rows
        }
        print(family, chosen[family].label, tried[family][chosen[family].label], flush=True)
    return chosen, tried


def compare(tables: Tables, ways: Mapping[str, Setting]) -> dict[str, Any]:
    """Measure words, meaning and each family's choice; compare what is taken with some."""
    found = {name: measured(tables, one.way) for name, one in ways.items()}
    result: dict[str, Any] = {"questions": len(next(iter(found["words"].values())))}
    for measure in measures(tables.world):
        result[f"{measure} x 100"] = {name: mean(row[measure]) for name, row in found.items()}
        result[f"{measure}, differences"] = {
            f"{TAKEN} - {other}": difference(found[TAKEN][measure], found[other][measure])
            for other in RIVALS
        }
    print(tables.world.name, {k: v for k, v in result.items() if "x 100" in k}, flush=True)
    return result


# -- cost ----------------------------------------------------------------------------------------


def cost() -> dict[str, Any]:
    """Return what counting presence adds to words search, over all abstracts of the ACL."""
    papers = [one for one in read_acl(DATA / "acl-anthology") if one.abstract]
    documents = [
        Document(number=place, title=one.title, body=one.abstract)
        for place, one in enumerate(papers)
    ]
    chooser = np.random.default_rng(7)
    near = [int(one) for one in chooser.choice(len(documents), NEAREST, replace=False)]
    titles = [documents[int(one)].title.split() for one in chooser.choice(len(documents), 200)]
    result: dict[str, Any] = {"documents": len(documents), "questions": len(titles)}
    with words_index(documents) as index:
        for name, length in (("one word", 1), ("three words", 3), ("a title", 100)):
            asked = [clauses_of(" ".join(words[-length:])) for words in titles]
            result[f"{name}, CPU ms a question"] = {
                "BM25": _cpu_ms(lambda one: index.search(one, limit=DEPTH), asked),
                "with presence": _cpu_ms(
                    lambda one: index.search(one, limit=DEPTH, presence=1.0), asked
                ),
                "words of 200 near ones, where the list is cut": _cpu_ms(
                    lambda one: index.scores(one, near, presence=1.0), asked
                ),
            }
    print(result, flush=True)
    return result


def _cpu_ms(search: Callable[[list[Clause]], object], asked: Sequence[list[Clause]]) -> float:
    """Return the lowest mean of three rounds."""
    rounds = []
    for _ in range(3):
        begun = time.process_time()
        for one in asked:
            search(one)
        rounds.append(1e3 * (time.process_time() - begun) / len(asked))
    return round(min(rounds), 3)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--home", type=Path, default=default_home())
    options.add_argument("--beir", type=Path, nargs="*", default=[])
    asked = options.parse_args()
    odd, two = _tables.cranfield(odd=True), _tables.two_terms(2018, seed=5)
    tested = [
        _tables.cranfield(odd=False),
        _tables.titles(),
        _tables.limit_small(),
        _tables.two_terms(2021, seed=6),
    ]
    beir = [_tables.beir(folder) for folder in asked.beir]
    results: dict[str, Any] = {
        "taken": dict(ENCODERS),
        "cost": cost(),
        "rule": f"within {WITHIN} points of the family's best on Cranfield odd, best on two terms",
    }
    for name, weight in ENCODERS.items():
        print("==", name, flush=True)
        encoder = load_encoder(models.model_folder(asked.home, name))
        chosen, tried = choose(_tables.tables(odd, encoder), _tables.tables(two, encoder))
        fixed = {
            "words": Setting("", words),
            "meaning": Setting("", meaning),
            TAKEN: Setting(f"{weight}", by_share(weight, None)),
        }
        results[name] = {
            "tried": tried,
            "chosen": {family: one.label for family, one in chosen.items()},
            "measured": {
                world.name: compare(_tables.tables(world, encoder), fixed | chosen)
                for world in (odd, two, *tested, *beir)
            },
        }
        beir = []
    write_report("fusion", results, spread="paired bootstrap over questions, 95 %, 10,000 draws")


if __name__ == "__main__":
    main()
