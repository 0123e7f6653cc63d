"""Read damaged inputs of every format: no crash, no hang, bounded memory, every reject located.

Each input is one of our golden files, changed by one to four random mutations (cut, bit flips,
splices of other files, repeated pieces, deep nesting, huge numbers), read by its own source, or by
the one that is detected, or packed (gzip, zstd, zip), damaged once more and opened from disk.
Input number N of a seed is always the same: `--only N` repeats it alone.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import multiprocessing
import random
import resource
import signal
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import zstandard

from broadsheet.core.errors import BadInput
from broadsheet.papers.model import Facts, Reject, SourceRecord, canonical_json
from broadsheet.papers.sources import detect, source_named
from broadsheet.papers.sources.base import Origin, Source
from broadsheet.papers.sources.opening import HEAD, open_inputs
from broadsheet.papers.tex import to_html, to_plain

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden"
FORMATS = ("page", "hf", "arxiv", "acl", "bibtex", "jsonl-hf", "jsonl-acl")
LARGEST = 200_000
HANG_S = 10.0
TOKENS = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b"<",
        b">",
        b"&",
        b"$",
        b"@",
        b",",
        b"\n\n",
        b"\r",
        b"#",
    ),
    *(
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\xe2\x80\xae",
        b"\x1f\x8b",
    ),
    *(b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"<!--", b"]]>", b"<![CDATA[", b"<paper id='1'>"),
    *(b"</entry>", b"<entry>", b"<volume id='2'>", b"</collection>", b"xmlns:a='b'", b"&#0;"),
    *(b"\\text{<svg/onload=a>}", b"\\frac{", b"$$", b"\\left(", b"Sep 2", b"Daily Papers\n\n"),
    *(
        b'{"paper":',
        b'"id":null,',
        b"NaN",
        b"-1",
        b"1e999",
        b"9" * 5_000,
        b"@string{a=b#c}",
        b"and ",
    ),
)


class Hang(BaseException):
    """An input took longer than `HANG_S`."""


@dataclass
class Tally:
    """What happened to a range of inputs."""

    inputs: Counter[str] = field(default_factory=Counter)
    records: int = 0
    rejects: int = 0
    unparsed: int = 0
    undetected: int = 0
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest: int = -1
    peak_growth_mb: float = 0.0


def seeds() -> list[tuple[str, bytes]]:
    """Return the golden files with their formats, in a fixed order."""
    paths = [path for name in FORMATS for path in sorted((GOLDEN / name).iterdir())]
    return [(path.parent.name, path.read_bytes()) for path in paths if path.is_file()]


def _piece(rng: random.Random, content: bytes, most: int = 400) -> bytes:
    start = rng.randrange(len(content) + 1)
    return content[start : start + rng.randrange(1, most)]


def _at(rng: random.Random, content: bytes, new: bytes, drop: int = 0) -> bytes:
    place = rng.randrange(len(content) + 1)
    return content[:place] + new + content[place + drop :]


def _flip(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randrange(1, 9) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def mutate(rng: random.Random, content: bytes, other: bytes) -> bytes:
    """Return `content` with one random change."""
    kinds: tuple[Callable[[], bytes], ...] = (
        lambda: content[: rng.randrange(len(content) + 1)],
        lambda: content[rng.randrange(len(content) + 1) :],
        lambda: _flip(rng, content),
        lambda: _at(rng, content, b"", rng.randrange(1, 300)),
        lambda: _at(rng, content, _piece(rng, other), rng.randrange(100)),
        lambda: _at(rng, content, _piece(rng, content) * rng.randrange(2, 40)),
        lambda: _at(rng, content, rng.choice(TOKENS)),
        lambda: _at(rng, content, rng.choice(TOKENS), rng.randrange(1, 20)),
        lambda: _at(rng, content, rng.choice(TOKENS[:24]) * rng.randrange(2, 4_000)),
        lambda: _at(rng, content, rng.randbytes(rng.randrange(1, 200))),
        lambda: content + other,
    )
    return rng.choice(kinds)()[:LARGEST]


def _pack(rng: random.Random, content: bytes) -> bytes:
    kind = rng.randrange(3)
    if kind == 0:
        return gzip.compress(content, compresslevel=1, mtime=0)
    if kind == 1:
        return zstandard.ZstdCompressor(write_checksum=bool(rng.randrange(2))).compress(content)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(rng.randrange(1, 4)):
            archive.writestr(rng.choice(("a", "../b", "c/d", "/e", "f.gz")) + str(number), content)
    return target.getvalue()


def make(seed: int, index: int, bases: list[tuple[str, bytes]]) -> tuple[str, str, bytes]:
    """Return format, way of reading ("own", "detected" or "opened") and bytes of one input."""
    rng = random.Random(f"{seed}:{index}")
    name, content = rng.choice(bases)
    for _ in range(rng.randrange(1, 5)):
        content = mutate(rng, content, rng.choice(bases)[1])
    way = rng.choices(("own", "detected", "opened"), (5, 2, 3))[0]
    if way == "opened":
        content = _pack(rng, content)
        for _ in range(rng.randrange(3)):
            content = rng.choice((_flip(rng, content), mutate(rng, content, content)))
    return name, way, content


def _check_reject(reject: Reject, size: int) -> None:
    located = reject.origin and reject.unit in ("line", "byte") and reject.reason
    if not located or not 0 <= reject.offset <= size + 1:
        raise AssertionError(f"a reject without its place: {reject}")


def _check_facts(facts: Facts) -> None:
    canonical_json(asdict(facts) | {"flags": sorted(facts.flags)})
    for text in (facts.title, facts.abstract):
        if text != " ".join(text.split()):
            raise AssertionError(f"white space in {text!r}")
        to_plain(text)
    if "<script" in to_html(facts.title) or "<svg" in to_html(facts.title):
        raise AssertionError(f"live markup from {facts.title!r}")


def _drain(source: Source, items: Iterable[SourceRecord | Reject], size: int, tally: Tally) -> None:
    for item in items:
        if isinstance(item, Reject):
            tally.rejects += 1
            _check_reject(item, size)
            continue
        tally.records += 1
        try:
            _check_facts(source.parse(item))
        except BadInput:
            tally.unparsed += 1


def _read(content: bytes, source: Source | None, tally: Tally) -> None:
    try:
        chosen = source or detect(content[:HEAD], "fuzz")
    except BadInput:
        tally.undetected += 1
        return
    origin = Origin(name="fuzz", modified="2026-01-01")
    _drain(chosen, chosen.split(io.BytesIO(content), origin), len(content), tally)


def _open(content: bytes, path: Path, tally: Tally) -> None:
    path.write_bytes(content)
    for item in open_inputs([str(path)]):
        if isinstance(item, Reject):
            tally.rejects += 1
            _check_reject(item, 2**32)
            continue
        try:
            source = detect(item.head, item.origin.name)
        except BadInput:
            tally.undetected += 1
            continue
        _drain(source, source.split(item.stream, item.origin), 10 * LARGEST, tally)


def _ring(signum: int, frame: FrameType | None) -> None:
    raise Hang


def run(seed: int, first: int, last: int) -> Tally:
    """Read inputs `first` to `last` - 1 in this process and return what happened."""
    bases = seeds()
    tally = Tally()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    earlier = signal.signal(signal.SIGALRM, _ring)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input"
        for index in range(first, last):
            name, way, content = make(seed, index, bases)
            tally.inputs[f"{name} {way}"] += 1
            begun = time.perf_counter()
            signal.setitimer(signal.ITIMER_REAL, HANG_S)
            try:
                if way == "opened":
                    _open(content, path, tally)
                else:
                    _read(content, source_named(name) if way == "own" else None, tally)
            except Hang:
                tally.failures.append(f"{index}: longer than {HANG_S} s")
            except Exception:
                tally.failures.append(f"{index}: {traceback.format_exc(limit=-3)}")
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            took = time.perf_counter() - begun
            if took > tally.slowest_s:
                tally.slowest_s, tally.slowest = took, index
    signal.signal(signal.SIGALRM, earlier)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tally.peak_growth_mb = (after - before) / 1024
    return tally


def _summed(tallies: list[Tally]) -> dict[str, Any]:
    inputs: Counter[str] = sum((tally.inputs for tally in tallies), Counter())
    slowest = max(tallies, key=lambda tally: tally.slowest_s)
    return {
        "inputs": inputs.total(),
        "inputs_by_format_and_way": dict(sorted(inputs.items())),
        "records": sum(tally.records for tally in tallies),
        "rejects_all_located": sum(tally.rejects for tally in tallies),
        "records_refused_by_parse": sum(tally.unparsed for tally in tallies),
        "inputs_of_no_known_format": sum(tally.undetected for tally in tallies),
        "failures": sum(len(tally.failures) for tally in tallies),
        "failures_shown": [text for tally in tallies for text in tally.failures][:10],
        "slowest_input_s": round(slowest.slowest_s, 3),
        "slowest_input": slowest.slowest,
        "peak_memory_growth_mb": round(max(tally.peak_growth_mb for tally in tallies), 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=120_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--workers", type=int, default=2, choices=(1, 2))
    parser.add_argument("--only", type=int, help="read one input alone and show what happened")
    options = parser.parse_args()
    if options.only is not None:
        alone = _summed([run(options.seed, options.only, options.only + 1)])
        print(json.dumps(alone, indent=1))
        return 1 if alone["failures"] else 0
    edges = [options.inputs * part // options.workers for part in range(options.workers + 1)]
    ranges = [(options.seed, *edge) for edge in pairwise(edges)]
    begun = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
        results = _summed(pool.starmap(run, ranges))
    results |= {"seed": options.seed, "wall_s": round(time.perf_counter() - begun, 1)}
    print(json.dumps(results, indent=1))
    from _report import write_report

    write_report(
        "fuzz_parsers",
        results,
        spread="one run; the inputs are a function of the seed, the times are not",
    )
    return 1 if results["failures"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
