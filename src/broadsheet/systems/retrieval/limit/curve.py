"""The critical n: how many documents free vectors of d numbers can rank in every way asked for.

A search over n: double the step until a run fails, halve the bracket, then look at the
neighbourhood, since runs near the border succeed and fail by chance. Each run is kept in a file of
JSON lines under a key of everything that decides it, so a killed search goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.data.files import json_lines
from broadsheet.systems.retrieval.limit.model import FreeEmbeddings
from broadsheet.systems.retrieval.limit.worlds import SubsetWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimisation:
    """How free vectors are trained.

    Args:
        temperature: T.
        learning_rate: Of Adam.
        max_steps: Cap; the paper has 100,000.
        check_every: Steps between looks at the accuracy.
        patience: Steps without a fall of the loss by `least_fall` after which a run ends.
        least_fall: See `patience`.
        cells: Logits in memory at a time.
        sweep: How far below and above the bracket the search looks; as in the authors' code.
    """

    temperature: float = 0.1
    learning_rate: float = 0.01
    max_steps: int = 100_000
    check_every: int = 50
    patience: int = 1000
    least_fall: float = 1e-5
    cells: int = 4_000_000
    sweep: tuple[int, int] = (4, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One run.

    Args:
        n: Documents.
        d: Numbers of a vector.
        k: Relevant documents of a query.
        seed: Root of its first vectors.
        steps: Steps done.
        accuracy: The highest share of exact sets that was seen during the run.
        loss: The last.
        key: Names everything that decides the run.
    """

    n: int
    d: int
    k: int
    seed: int
    steps: int
    accuracy: float
    loss: float
    key: int

    @property
    def solved(self) -> bool:
        """Tell whether every query got exactly its documents at some moment of the run."""
        return self.accuracy == 1.0


def attempt(n: int, d: int, k: int, how: Optimisation, seeds: SeedTree) -> Attempt:
    """Train free vectors on all k-subsets of n documents and say how far it came.

    Example:
        >>> attempt(5, 4, 2, Optimisation(max_steps=500), SeedTree(1)).solved
        True
    """
    _, log = train_free(SubsetWorld.all_subsets(n, k), d, how, _of(seeds, n, d, k))
    return Attempt(
        n=n,
        d=d,
        k=k,
        seed=seeds.root,
        steps=log.steps,
        accuracy=log.best,
        loss=log.loss,
        key=attempt_key(n, d, k, how, seeds),
    )


@dataclass(slots=True)
class FreeLog:
    """How a run of free vectors went: steps, best accuracy seen, last loss."""

    steps: int = 0
    best: float = 0.0
    loss: float = float("inf")


def train_free(
    world: SubsetWorld, d: int, how: Optimisation, seeds: SeedTree
) -> tuple[FreeEmbeddings, FreeLog]:
    """Return trained free vectors; the run ends at accuracy 1, at the cap or by patience."""
    free = FreeEmbeddings(len(world), world.documents, d, seeds.torch(), how.temperature)
    adam = torch.optim.Adam(free.parameters(), lr=how.learning_rate, fused=True)
    log = FreeLog(best=free.accuracy(world, how.cells))
    lowest, since = float("inf"), 0
    while log.steps < how.max_steps and log.best < 1.0:
        log.loss = free.backward(world, how.cells)
        adam.step()
        free.project()
        log.steps += 1
        since = 0 if log.loss < lowest - how.least_fall else since + 1
        lowest = min(lowest, log.loss) if since == 0 else lowest
        last = log.steps == how.max_steps or since >= how.patience
        if last or log.steps % how.check_every == 0:
            log.best = max(log.best, free.accuracy(world, how.cells))
        if since >= how.patience:
            break
    if log.loss == float("inf"):
        log.loss = float(free.loss(world, how.cells).item())
    return free, log


def attempt_key(n: int, d: int, k: int, how: Optimisation, seeds: SeedTree) -> int:
    """Return the 52-bit number that names a run: equal exactly if nothing that matters differs."""
    content = {"n": n, "d": d, "k": k, **asdict(how), "seed": seeds.integer()}
    del content["sweep"]  # decides which runs there are, not how they go
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 12


class Attempts:
    """Runs that are kept, one JSON line each.

    Args:
        path: The file; a last line that a kill cut short is dropped.

    Raises:
        BadInput: A whole line is no run.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "metrics.jsonl"
        >>> how = Optimisation(max_steps=500)
        >>> one = Attempts(path).run(3, 2, 2, how, SeedTree(1))
        >>> Attempts(path).run(3, 2, 2, how, SeedTree(1)) == one
        True
        >>> len(path.read_text().splitlines())
        1
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[int, Attempt] = {}
        if path.is_file():
            raw = path.read_bytes()
            whole = raw[: raw.rfind(b"\n") + 1]
            if whole != raw:
                path.write_bytes(whole)
            for number, row in json_lines(path):
                try:
                    one = Attempt(**row)
                except TypeError as error:
                    raise BadInput(f"line {number} is no run: {error}", received=path) from None
                self._known[one.key] = one

    def run(self, n: int, d: int, k: int, how: Optimisation, seeds: SeedTree) -> Attempt:
        """Return a run, from the file if it was done before."""
        known = self._known.get(attempt_key(n, d, k, how, seeds))
        if known is None:
            known = attempt(n, d, k, how, seeds)
            self._known[known.key] = known
            with self._path.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(asdict(known)) + "\n")
        return known


@dataclass(frozen=True, slots=True, kw_only=True)
class Critical:
    """What a search over n found.

    Args:
        largest: The largest n that was solved; k, which needs no training, if none was.
        unbroken: The largest n such that no n tried up to it failed; k likewise.
        tried: n to whether it was solved.
    """

    largest: int
    unbroken: int
    tried: Mapping[int, bool] = field(default_factory=dict)


def critical_n(
    solve: Callable[[int], bool], *, start: int, least: int, sweep: tuple[int, int] = (4, 5)
) -> Critical:
    """Search for the largest n that is solved.

    Args:
        solve: Tells whether a run with n documents succeeds; asked once for each n.
        start: First n.
        least: Smallest n that makes sense (k + 1).
        sweep: How far below and above the bracket to look.

    Raises:
        BadInput: start < least.

    Example:
        >>> critical_n(lambda n: n <= 37, start=10, least=3).largest
        37
    """
    if start < least:
        raise BadInput("the search starts too low", received=start, hint=f"{least} or more")
    tried: dict[int, bool] = {}

    def asked(n: int) -> bool:
        if n not in tried:
            tried[n] = solve(n)
        return tried[n]

    low, high = _bracket(asked, start, least)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if asked(middle) else (low, middle)
    below, above = sweep
    for n in range(max(least, low - below), low + above + 1):
        asked(n)
    failed = [n for n, solved in tried.items() if not solved]
    solved = [n for n, solved in tried.items() if solved]
    return Critical(
        largest=max(solved, default=least - 1),
        unbroken=max((n for n in solved if n < min(failed)), default=least - 1),
        tried=dict(sorted(tried.items())),
    )


def _bracket(asked: Callable[[int], bool], start: int, least: int) -> tuple[int, int]:
    """Return a solved n (or least - 1) and a failed n above it."""
    step, at = 1, start
    if asked(start):
        while asked(at + step):
            at, step = at + step, 2 * step
        return at, at + step
    while at - step >= least and not asked(at - step):
        at, step = at - step, 2 * step
    return max(at - step, least - 1), at


def _of(seeds: SeedTree, n: int, d: int, k: int) -> SeedTree:
    return seeds.child("free", f"{n} {d} {k}")
