"""Words engines side by side: tantivy as we use it, SQLite FTS5 and bm25s.

Same documents, same queries, one process; for each engine index CPU seconds, megabytes on disk,
latency by kind of query and the cost of adding 1,000 documents.

30k are real titles and abstracts (Daily Papers and ACL). More are synthetic: 5 to 9 real sentences
and a real title each, from a fixed seed. Every engine indexes title and abstract with English
stemming; tantivy and FTS5 with positions and nothing stored but the number.

    python benchmarks/words.py                              30k, minutes
    python benchmarks/words.py --documents 1000000          an hour; results are kept per engine,
                                                            so it can be stopped and run again
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import random
import re
import shutil
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import bm25s
import Stemmer
import zstandard

from _report import DATA, ROOT, write_report
from broadsheet.index.clauses import Clause
from broadsheet.index.predicates import Document
from broadsheet.index.words import WordIndex, WordWriter

FILES = (
    "hf-daily-papers/daily-2024.jsonl.zst",
    "hf-daily-papers/daily-2025.jsonl.zst",
    "acl-anthology/acl-2016-2019.jsonl.zst",
    "acl-anthology/acl-2020-2022.jsonl.zst",
)
WORK = ROOT / "runs" / "bench-words"
KINDS = ("2 AND", "3 AND", "5 OR", "prefix", "phrase")
ADDED = 1_000
#: More documents than this are synthetic.
REAL_MOST = 30_000
TOP = 20
BATCH = 20_000
#: A kind of query ends after this long; the report says how many were asked.
PATIENCE_S = 60.0
#: bm25s holds everything in memory: about 5 kB a document while it builds.
BM25S_MOST = 100_000

Paper = tuple[str, str]


# -- documents and queries ---------------------------------------------------------------------


def real_papers(data: Path) -> list[Paper]:
    papers = []
    for name in FILES:
        with (data / name).open("rb") as raw:
            plain = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(raw))
            rows = [json.loads(line) for line in plain if line.strip()]
        papers += [(row["title"], row["abstract"]) for row in rows]
    return papers


def synthetic_papers(real: Sequence[Paper], count: int) -> Iterator[Paper]:
    sentences = [part for _, text in real for part in re.split(r"(?<=[.!?]) ", text) if part]
    draw = random.Random(7)
    for _ in range(count):
        yield draw.choice(real)[0], " ".join(draw.choices(sentences, k=draw.randint(5, 9)))


def papers_for(real: Sequence[Paper], count: int) -> Iterator[Paper]:
    held = real[:-ADDED]
    return synthetic_papers(held, count) if count > REAL_MOST else iter(held[:count])


def queries_from(real: Sequence[Paper], each: int) -> dict[str, list[list[str]]]:
    """Draw queries from real titles: words that stand apart, a cut word, two neighbours."""
    draw = random.Random(11)
    titles = [re.findall(r"[a-z]{4,}", title.lower()) for title, _ in real]
    long = [words for words in titles if len(set(words)) >= 5]
    queries: dict[str, list[list[str]]] = {kind: [] for kind in KINDS}
    for _ in range(each):
        queries["2 AND"].append(draw.sample(sorted(set(draw.choice(long))), 2))
        queries["3 AND"].append(draw.sample(sorted(set(draw.choice(long))), 3))
        queries["5 OR"].append(draw.sample(sorted(set(draw.choice(long))), 5))
        queries["prefix"].append([draw.choice(draw.choice(long))[:4]])
        words = draw.choice(long)
        start = draw.randrange(len(words) - 1)
        queries["phrase"].append(words[start : start + 2])
    return queries


# -- engines -----------------------------------------------------------------------------------


class Engine(Protocol):
    """A words engine in a folder."""

    kinds: Sequence[str]

    def build(self, papers: Iterator[Paper]) -> None:
        """Index papers from nothing."""

    def ask(self, kind: str, words: list[str]) -> list[int]:
        """Return the numbers of the best papers."""

    def add(self, papers: Sequence[Paper], first: int) -> None:
        """Index more papers, numbered from `first`."""


class Tantivy:
    """Our own index, through its public interface."""

    kinds = KINDS

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index: WordIndex | None = None

    def build(self, papers: Iterator[Paper]) -> None:
        """Index papers from nothing."""
        with WordWriter(self._folder, terms=(), numbers=()) as writer:
            for start in itertools.count(0, BATCH):
                batch = list(itertools.islice(papers, BATCH))
                if not batch:
                    break
                writer.apply(_documents(batch, start), deleted=[], revision=start + len(batch))

    def ask(self, kind: str, words: list[str]) -> list[int]:
        """Return the numbers of the best papers."""
        if self._index is None:
            self._index = WordIndex(self._folder, terms=(), numbers=())
        if kind == "phrase":
            clauses = [Clause(text=" ".join(words), kind="phrase")]
        elif kind == "prefix":
            clauses = [Clause(text=words[0], kind="prefix")]
        elif kind == "5 OR":
            clauses = [Clause(text=word) for word in words]
        else:  # a phrase of one word is a required word
            clauses = [Clause(text=word, kind="phrase") for word in words]
        return [number for number, _ in self._index.search(clauses, limit=TOP).hits]

    def add(self, papers: Sequence[Paper], first: int) -> None:
        """Index more papers, numbered from `first`."""
        with WordWriter(self._folder, terms=(), numbers=()) as writer:
            writer.apply(_documents(papers, first), deleted=[], revision=first + len(papers))
        self._index = None


class Fts5:
    """SQLite FTS5: porter stemming, contentless, BM25 over two columns."""

    kinds = KINDS

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(folder / "fts5.sqlite")

    def build(self, papers: Iterator[Paper]) -> None:
        """Index papers from nothing."""
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute(
            "CREATE VIRTUAL TABLE papers USING fts5(title, body, content='',"
            " tokenize='porter unicode61', prefix='2 3')"
        )
        self._insert(papers, 0)
        with self._base:
            self._base.execute("INSERT INTO papers(papers) VALUES ('optimize')")
        self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def ask(self, kind: str, words: list[str]) -> list[int]:
        """Return the numbers of the best papers."""
        if kind == "phrase":
            match = '"' + " ".join(words) + '"'
        elif kind == "prefix":
            match = words[0] + "*"
        else:
            match = (" OR " if kind == "5 OR" else " AND ").join(f'"{word}"' for word in words)
        sql = "SELECT rowid FROM papers WHERE papers MATCH ? ORDER BY bm25(papers) LIMIT ?"
        return [row[0] for row in self._base.execute(sql, (match, TOP))]

    def add(self, papers: Sequence[Paper], first: int) -> None:
        """Index more papers, numbered from `first`."""
        self._insert(iter(papers), first)

    def _insert(self, papers: Iterator[Paper], first: int) -> None:
        rows = ((number, *paper) for number, paper in enumerate(papers, first))
        with self._base:
            self._base.executemany("INSERT INTO papers(rowid, title, body) VALUES (?,?,?)", rows)


class Bm25s:
    """bm25s in memory: Lucene's BM25, English stemming and stop words; only OR, no update."""

    kinds = ("5 OR",)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stemmer = Stemmer.Stemmer("english")
        self._engine = bm25s.BM25(k1=1.5, b=0.75)

    def build(self, papers: Iterator[Paper]) -> None:
        """Index papers from nothing."""
        self._engine.index(self._tokens([" ".join(one) for one in papers]), show_progress=False)
        self._engine.save(self._folder, show_progress=False)

    def ask(self, kind: str, words: list[str]) -> list[int]:
        """Return the numbers of the best papers."""
        tokens = self._tokens([" ".join(words)])
        found, _ = self._engine.retrieve(tokens, k=TOP, show_progress=False)
        return [int(number) for number in found[0]]

    def add(self, papers: Sequence[Paper], first: int) -> None:
        """Index more papers, numbered from `first`."""
        raise NotImplementedError("bm25s builds anew")

    def _tokens(self, texts: list[str]) -> Any:
        return bm25s.tokenize(texts, stopwords="en", stemmer=self._stemmer, show_progress=False)


ENGINES: dict[str, Callable[[Path], Engine]] = {"tantivy": Tantivy, "fts5": Fts5, "bm25s": Bm25s}


def _documents(papers: Sequence[Paper], first: int) -> list[Document]:
    return [
        Document(number=number, title=title, body=body)
        for number, (title, body) in enumerate(papers, first)
    ]


# -- measuring ---------------------------------------------------------------------------------


def measure_build(name: str, count: int, real: Sequence[Paper], folder: Path) -> dict[str, Any]:
    """Build one engine's index; what it measured is kept beside it and not measured again."""
    target = folder / name
    kept = folder / f"{name}.json"
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    shutil.rmtree(target, ignore_errors=True)
    papers = papers_for(real, count)
    begun, cpu = time.perf_counter(), time.process_time()
    if count > REAL_MOST:  # what drawing the texts costs is taken out
        for _ in papers_for(real, count):
            pass
    drawn = time.process_time() - cpu
    begun, cpu = time.perf_counter(), time.process_time()
    engine = ENGINES[name](target)
    engine.build(papers)
    result = {
        "index_cpu_s": round(time.process_time() - cpu - drawn, 2),
        "index_wall_s": round(time.perf_counter() - begun, 2),
        "megabytes": round(
            sum(p.stat().st_size for p in target.rglob("*") if p.is_file()) / 1e6, 1
        ),
    }
    if name != "bm25s":
        seconds = []
        for turn in range(3):
            cpu = time.process_time()
            engine.add(real[-ADDED:], count + turn * ADDED)
            seconds.append(time.process_time() - cpu)
        result["add_1000_cpu_s"] = [round(one, 3) for one in sorted(seconds)]
        kept.write_text(json.dumps(result))
    ask_all[name] = engine
    return result


#: Engines that were built in this process and hold their index in memory.
ask_all: dict[str, Engine] = {}


def measure_queries(
    engines: dict[str, Engine], queries: dict[str, list[list[str]]], rounds: int
) -> dict[str, dict[str, Any]]:
    """Ask every engine the same queries, engine after engine within each query."""
    results: dict[str, dict[str, Any]] = {name: {} for name in engines}
    for kind, asked in queries.items():
        for engine in engines.values():
            if kind in engine.kinds:
                engine.ask(kind, asked[0])  # the first question opens files
        spent = dict.fromkeys(engines, 0.0)
        taken: dict[str, list[list[float]]] = {name: [] for name in engines}
        for words in asked:
            for name, engine in engines.items():
                if kind not in engine.kinds or spent[name] > PATIENCE_S:
                    continue
                times = []
                for _ in range(rounds):
                    begun = time.perf_counter()
                    engine.ask(kind, words)
                    times.append(time.perf_counter() - begun)
                spent[name] += sum(times)
                taken[name].append(times)
        for name, rows in taken.items():
            if rows:
                results[name][kind] = summary(rows)
    return results


def summary(rows: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return p50 and p95 over queries for each round, as [lowest, median, highest]."""

    def spread(share: float) -> list[float]:
        each = [
            sorted(column)[int(share * (len(column) - 1))] for column in zip(*rows, strict=True)
        ]
        return [round(1e3 * one, 3) for one in (min(each), statistics.median(each), max(each))]

    return {"queries": len(rows), "p50_ms": spread(0.5), "p95_ms": spread(0.95)}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, default=DATA)
    options.add_argument("--documents", type=int, default=30_000)
    options.add_argument("--queries", type=int, default=100, help="of each kind")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--engines", default=",".join(ENGINES))
    chosen = options.parse_args()
    real = real_papers(chosen.data)
    folder = WORK / str(chosen.documents)
    folder.mkdir(parents=True, exist_ok=True)
    names = [
        name
        for name in chosen.engines.split(",")
        if name != "bm25s" or chosen.documents <= BM25S_MOST
    ]
    built = {}
    for name in names:
        built[name] = measure_build(name, chosen.documents, real, folder)
        print(name, built[name], flush=True)
    engines = {name: ask_all.get(name) or ENGINES[name](folder / name) for name in names}
    asked = measure_queries(engines, queries_from(real, chosen.queries), chosen.rounds)
    synthetic = chosen.documents > REAL_MOST
    results = {
        "documents": chosen.documents if synthetic else len(real) - ADDED,
        "synthetic": synthetic,
        "engines": {name: built[name] | {"latency": asked[name]} for name in names},
    }
    print(json.dumps(results, indent=1))
    suffix = f"_{chosen.documents / 1e6:g}m" if synthetic else ""
    write_report(
        f"words{suffix}",
        results,
        spread=f"latency: lowest, median and highest of {chosen.rounds} rounds over the same"
        " queries, engines asked in turn; index built once; adding repeated 3 times",
    )


if __name__ == "__main__":
    main()
