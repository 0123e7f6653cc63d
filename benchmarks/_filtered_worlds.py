"""The worlds of the filtered-search benchmark: generated papers of any size, and real abstracts."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from _report import DATA
from broadsheet.core.paths import default_home
from broadsheet.core.progress import Progress
from broadsheet.core.seeds import SeedTree
from broadsheet.data.files import json_lines
from broadsheet.data.worlds.attributes import MISSING, Attributes, Labels
from broadsheet.data.worlds.paper_attributes import SINGLE
from broadsheet.data.worlds.papers import PaperSpec, PaperWorld
from broadsheet.runtime.encoder import load_encoder
from broadsheet.runtime.models import model_folder

Vectors = npt.NDArray[np.float32]
ENCODER = "all-minilm-l6-v2"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Rows to search, held-out papers that ask, and what both are filed under.

    Args:
        name: Of the results file.
        vectors: [n, d], mapped from `path`.
        path: The .npy file of the vectors.
        attributes: Of the n rows.
        queries: [q, d].
        asking: Attributes of the q queries.
        single: Label attributes with at most one label a row.
        about: How it was made, for the report.
    """

    name: str
    vectors: Vectors
    path: Path
    attributes: Attributes
    queries: Vectors
    asking: Attributes
    single: tuple[str, ...]
    about: dict[str, object]


def made_world(
    rows: int, spec: PaperSpec, seed: int, queries: int, cache: Path, progress: Progress
) -> World:
    """Return a generated world; its vectors are made once and kept in the cache."""
    world = PaperWorld(spec, SeedTree(seed))
    key = hashlib.sha256(repr((spec, seed, rows)).encode()).hexdigest()[:16]
    path = cache / f"papers-{rows}x{spec.dim}-{key}.npy"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npy")
        out = np.lib.format.open_memmap(
            partial, mode="w+", dtype=np.float32, shape=(rows, spec.dim)
        )
        world.papers(rows, out=out, progress=progress)
        out.flush()
        del out
        partial.rename(path)
    vectors: Vectors = np.load(path, mmap_mode="r")
    asking = world.papers(queries, part="queries")
    return World(
        name=f"papers_{_short(rows)}x{spec.dim}",
        vectors=vectors,
        path=path,
        attributes=world.attributes(rows),
        queries=asking.vectors,
        asking=asking.attributes,
        single=SINGLE,
        about={"kind": "generated papers", "rows": rows, "seed": seed, "spec": repr(spec)},
    )


def real_world(queries: int, cache: Path, progress: Progress) -> World:
    """Return the abstracts of the ACL Anthology and of the daily feeds, some of them held out."""
    texts, attributes = read_abstracts()
    vectors = encoded(texts, cache, progress)
    order = SeedTree(20261123).child("real queries").numpy().permutation(len(texts))
    asking, rows = np.sort(order[:queries]), np.sort(order[queries:])
    path = cache / f"abstracts-{len(rows)}-{ENCODER}.npy"
    if not path.is_file():
        np.save(path, vectors[rows])
    return World(
        name="abstracts",
        vectors=np.load(path, mmap_mode="r"),
        path=path,
        attributes=attributes.take(rows),
        queries=vectors[asking],
        asking=attributes.take(asking),
        single=("venue", "year", "period"),
        about={
            "kind": "titles and abstracts, ACL Anthology 2016-2022 and daily feeds 2024-2025",
            "rows": len(rows),
            "encoder": ENCODER,
        },
    )


def read_abstracts() -> tuple[list[str], Attributes]:
    """Read the papers: title and abstract; venue, year, period, authors, words; arrival and day.

    The arrival is a paper's place by day, then by its place in the files, as a reader's library
    would number what comes in: days alone are shared by hundreds of papers.
    """
    records: dict[str, dict[str, object]] = {}
    for folder in ("acl-anthology", "hf-daily-papers"):
        for file in sorted((DATA / folder).glob("*.jsonl.zst")):
            for _, data in json_lines(file):
                records.setdefault(f"{folder}:{data['id']}", data)
    papers = list(records.values())
    texts = [f"{one['title']}\n{one['abstract']}" for one in papers]
    days = [_day(one) for one in papers]
    labels = {
        "venue": Labels.of([tuple(_list(one.get("venue")))[:1] or ("daily",) for one in papers]),
        "year": Labels.of([(str(_year(day)),) for day in days]),
        "period": Labels.of([(_period(_year(day)),) for day in days]),
        "author": Labels.of(
            [[name.casefold() for name in _list(one["authors"])] for one in papers]
        ),
        "word": Labels.of(_words(texts)),
    }
    authors = [len(_list(one["authors"])) or MISSING for one in papers]
    numbers = {
        "arrival": np.argsort(np.argsort(days, kind="stable")).astype(np.int64),
        "day": np.array(days, np.int64),
        "authors": np.array(authors, np.int64),
    }
    return texts, Attributes(labels, numbers)


def encoded(texts: Sequence[str], cache: Path, progress: Progress) -> Vectors:
    """Return the texts' vectors, each chunk of 512 kept as soon as it is done."""
    encoder = load_encoder(model_folder(default_home(), ENCODER), threads=1)
    folder = cache / f"vectors-{encoder.version.replace('@', '-')}"
    folder.mkdir(parents=True, exist_ok=True)
    advance = progress.start("encoding", len(texts), "texts")
    parts = []
    for begin in range(0, len(texts), 512):
        chunk = texts[begin : begin + 512]
        name = hashlib.sha256("\x1f".join(chunk).encode()).hexdigest()[:20]
        path = folder / f"{name}.npy"
        if not path.is_file():
            partial = path.with_suffix(".partial.npy")
            np.save(partial, encoder.encode(chunk))
            partial.rename(path)
        parts.append(np.load(path))
        advance(len(chunk))
    return np.concatenate(parts)


def _words(texts: Sequence[str]) -> list[list[str]]:
    """Return each text's words of 3 letters or more that at least 3 texts hold."""
    found = [set(re.findall(r"[a-z]{3,}", text.lower())) for text in texts]
    totals = Counter(word for words in found for word in words)
    return [sorted(word for word in words if totals[word] >= 3) for words in found]


def _day(paper: dict[str, object]) -> int:
    """Return the ordinal of the paper's day; of the month's first where only that is known."""
    if "day" in paper:
        return datetime.date.fromisoformat(str(paper["day"])[:10]).toordinal()
    name = str(paper.get("month", ""))[:3].lower()
    month = _MONTHS.index(name) + 1 if name in _MONTHS else 1
    return datetime.date(int(str(paper["year"])), month, 1).toordinal()


def _year(day: int) -> int:
    return datetime.date.fromordinal(day).year


def _period(year: int) -> str:
    return "2016-2019" if year < 2020 else "2020-2022" if year < 2023 else "2023-"


def _list(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _short(rows: int) -> str:
    return f"{rows // 1_000_000}m" if rows % 1_000_000 == 0 else f"{rows // 1000}k"
