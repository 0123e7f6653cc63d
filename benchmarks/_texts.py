"""Texts that vectors are compared on, a cache of what was encoded, and vectors less their mean."""

from __future__ import annotations

import hashlib
import io
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

from _report import ROOT
from broadsheet.runtime.encoder import Encoder, Role, unit_rows

Vectors = npt.NDArray[np.float32]

CACHE = ROOT / "runs" / "bench-vectors"


@dataclass(frozen=True)
class OwnAbstract:
    """A paper whose title is the query and whose abstract is the one right document."""

    title: str
    abstract: str


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read packed JSON lines."""
    with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as plain:
        yield from (json.loads(line) for line in io.TextIOWrapper(plain) if line.strip())


def vectors(encoder: Encoder, texts: Sequence[str], role: Role) -> Vectors:
    """Encode, keeping what was encoded in a file named by encoder and texts."""
    digest = hashlib.sha256(json.dumps([encoder.version, role, *texts]).encode()).hexdigest()
    path = CACHE / f"{digest[:20]}.npy"
    if path.exists():
        kept: Vectors = np.load(path)
        return kept
    begun = time.process_time()
    made = encoder.encode(texts, role=role)
    print(f"  {encoder.id}: {len(texts)} texts in {time.process_time() - begun:.0f} CPU s")
    CACHE.mkdir(parents=True, exist_ok=True)
    np.save(path, made)
    return made


def centred(rows: Vectors, mean: Vectors) -> Vectors:
    """Return unit vectors less a mean, scaled to length 1 again (all-but-the-top's first step)."""
    return unit_rows(rows - mean)


def acl_papers(folder: Path, papers: int) -> tuple[list[OwnAbstract], list[OwnAbstract]]:
    """Return `papers` papers of the Anthology by chance, and the others of 2016 to 2019."""
    early = list(lines(folder / "acl-2016-2019.jsonl.zst"))
    rows = early + list(lines(folder / "acl-2020-2022.jsonl.zst"))
    random.Random(7).shuffle(rows)
    chosen = {row["id"] for row in rows[:papers]}
    return (
        [OwnAbstract(row["title"], row["abstract"]) for row in rows[:papers]],
        [OwnAbstract(row["title"], row["abstract"]) for row in early if row["id"] not in chosen],
    )
