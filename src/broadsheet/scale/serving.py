"""Answer queries from the shards of an index: one Ray actor a shard, and a router that asks them.

The router leaves out shards whose summary rules out every match, asks the others at the same time
and merges. A shard that dies is started again and asked again. An answer is whole or an error that
names the shards it lacks: there is no third case.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from broadsheet.core.errors import BadInput, SourceError
from broadsheet.index.predicates import EVERYTHING, Predicate
from broadsheet.scale.cluster import what_it_raised
from broadsheet.scale.merging import Hits, merged
from broadsheet.scale.plans import IndexFile
from broadsheet.scale.rows import Numbers, Vectors
from broadsheet.scale.shard import Shard
from broadsheet.scale.summaries import Chance

#: Seconds until an answer that lacks a shard is given up.
TIMEOUT_S = 30.0
#: A shard that stays silent in so many queries one after the other is replaced.
STRIKES = 2
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Question:
    """What one query asks.

    Args:
        query: float32 [dim].
        k: How many documents.
        predicate: Which documents count.

    Example:
        >>> Question(np.zeros(2, dtype=np.float32), 10).predicate == EVERYTHING
        True
    """

    query: Vectors
    k: int
    predicate: Predicate = EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The nearest documents of all shards.

    Args:
        numbers: int64 [m], best first, equal scores by number.
        scores: float32 [m].
        matches: How many documents satisfy the predicate.
        asked: Shards that were asked.
        restarts: How often a shard had to be started again on the way.

    Example:
        >>> none = np.zeros(0)
        >>> Answer(numbers=none, scores=none, matches=0, asked=(), restarts=0).asked
        ()
    """

    numbers: Numbers
    scores: Vectors
    matches: int
    asked: tuple[str, ...]
    restarts: int

    def __len__(self) -> int:
        return len(self.numbers)


class ShardServer:
    """The actor of one shard. The shard is opened by the first call, so that a damaged one answers.

    Args:
        folder: Of the shard.
        plan: Identity of the plan that it must belong to.

    Example:
        >>> ShardServer("no-such-folder", "0123").process() == os.getpid()
        True
    """

    def __init__(self, folder: str, plan: str) -> None:
        self._folder = Path(folder)
        self._plan = plan
        self._shard: Shard | None = None

    def process(self) -> int:
        """Return the process that serves."""
        return os.getpid()

    def search(self, questions: Sequence[Question], recall: float) -> tuple[list[Hits], float]:
        """Return the answer to each question, and the CPU seconds they took.

        Raises:
            BadInput: The shard is damaged, or of another index.
            NotFound: The shard is not there.
        """
        begun = time.process_time()
        if self._shard is None:
            shard = Shard(self._folder)
            if shard.manifest.plan != self._plan:
                raise BadInput("a shard is of another index", received=self._folder.name)
            self._shard = shard
        found = [
            self._shard.search(one.query, one.k, one.predicate, recall=recall) for one in questions
        ]
        return found, time.process_time() - begun


class Router:
    """Asks the shards of an index. Thread-safe; close it, or use it in a `with` block.

    Args:
        ray: As `connected` yields it.
        folder: Of the index; all machines must see it under this path.
        timeout_s: Seconds until a query without an answer of every shard fails.
        cpus: Cores that Ray sets aside for each shard; 0 lets any number share a machine.

    Raises:
        BadInput: The index is damaged.
        NotFound: There is no finished index.
    """

    def __init__(
        self, ray: Any, folder: Path, *, timeout_s: float = TIMEOUT_S, cpus: float = 0.0
    ) -> None:
        self._ray = ray
        self.folder = folder.resolve()
        self.index = IndexFile.read(self.folder)
        self.timeout_s = timeout_s
        self._actor = ray.remote(ShardServer).options(num_cpus=cpus, max_restarts=-1)
        self._lock = threading.Lock()
        self._servers: dict[str, Any] = {}
        self._strikes: dict[str, int] = {}
        #: CPU seconds that the shards have spent on searches.
        self.shard_cpu_s = 0.0
        for name, summary in self.index.shards.items():
            if summary.rows:
                self._server(name)

    def __enter__(self) -> Router:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all shards."""
        with self._lock:
            for server in self._servers.values():
                self._ray.kill(server)
            self._servers.clear()

    def processes(self) -> dict[str, int]:
        """Return the process that serves each shard."""
        names = [name for name, summary in self.index.shards.items() if summary.rows]
        asked = [self._server(name).process.remote() for name in names]
        return dict(zip(names, self._ray.get(asked, timeout=self.timeout_s), strict=True))

    def search(
        self, query: Vectors, k: int, predicate: Predicate = EVERYTHING, *, recall: float = 0.95
    ) -> Answer:
        """Return the k nearest documents that satisfy a predicate; never fewer than there are.

        Args:
            query: float32 [dim].
            k: How many.
            predicate: Which documents count.
            recall: Share of the true k nearest to aim at; at 1 every match is compared in full.

        Raises:
            BadInput: The query does not fit; a file of a shard is damaged.
            SourceError: A shard did not answer in time; the message names it.
        """
        return self.search_many([Question(query, k, predicate)], recall=recall)[0]

    def search_many(self, questions: Sequence[Question], *, recall: float = 0.95) -> list[Answer]:
        """Answer several questions with one call to each shard that some question needs.

        Args:
            questions: What is asked.
            recall: As in `search`.

        Raises:
            BadInput: As in `search`.
            SourceError: As in `search`.
        """
        for one in questions:
            if np.shape(one.query) != (self.index.dim,) or one.k < 1:
                raise BadInput(
                    f"a question has {self.index.dim} numbers and asks for a document or more",
                    received=f"shape {np.shape(one.query)}, k {one.k}",
                )
        needed = {
            name: [
                place
                for place, one in enumerate(questions)
                if summary.chance(one.predicate) is not Chance.NONE
            ]
            for name, summary in self.index.shards.items()
        }
        work = {
            name: [questions[place] for place in places]
            for name, places in needed.items()
            if places
        }
        found, restarts = self._ask(work, recall)
        answers = []
        for place, one in enumerate(questions):
            asked = tuple(name for name in work if place in needed[name])
            parts = [found[name][needed[name].index(place)] for name in asked]
            best = merged(parts, one.k)
            if len(best) < min(one.k, best.matches):
                raise SourceError("shards gave too few documents", received=", ".join(asked))
            answers.append(
                Answer(
                    numbers=best.numbers,
                    scores=best.scores,
                    matches=best.matches,
                    asked=asked,
                    restarts=sum(restarts.get(name, 0) for name in asked),
                )
            )
        return answers

    # -- asking shards ---------------------------------------------------------------------

    def _ask(
        self, work: dict[str, list[Question]], recall: float
    ) -> tuple[dict[str, list[Hits]], dict[str, int]]:
        deadline = time.monotonic() + self.timeout_s
        found: dict[str, list[Hits]] = {}
        restarts: dict[str, int] = {}
        waiting = {self._send(name, work[name], recall): name for name in work}
        while waiting:
            left = max(deadline - time.monotonic(), 0.0)
            ready, _ = self._ray.wait(list(waiting), num_returns=len(waiting), timeout=left)
            lost = []
            for reference in ready:
                name = waiting.pop(reference)
                answer = self._receive(name, reference)
                if answer is None:
                    lost.append(name)
                else:
                    found[name] = answer
            if time.monotonic() >= deadline and (lost or waiting):
                raise self._silent([*lost, *waiting.values()])
            for name in lost:
                restarts[name] = restarts.get(name, 0) + 1
                waiting[self._send(name, work[name], recall)] = name
            if lost:
                time.sleep(_PAUSE_S)
        with self._lock:
            for name in work:
                self._strikes.pop(name, None)
        return found, restarts

    def _send(self, name: str, questions: list[Question], recall: float) -> Any:
        return self._server(name).search.remote(questions, recall)

    def _receive(self, name: str, reference: Any) -> list[Hits] | None:
        """Return a shard's answers, None when its process is gone."""
        errors = self._ray.exceptions
        try:
            answers, seconds = self._ray.get(reference)
        except errors.ActorUnavailableError:
            return None  # Ray is starting it again; the next call waits for that
        except errors.RayActorError:
            with self._lock:
                self._servers.pop(name, None)
            return None
        except errors.RayTaskError as error:
            raise what_it_raised(error, name) from error
        except errors.RayError:
            return None  # the answer got lost on its way, or Ray ended the process to save memory
        with self._lock:
            self.shard_cpu_s += seconds
        found: list[Hits] = answers
        return found

    def _server(self, name: str) -> Any:
        with self._lock:
            if name not in self._servers:
                folder = str(self.folder / name)
                self._servers[name] = self._actor.remote(folder, self.index.plan)
            return self._servers[name]

    def _silent(self, names: Sequence[str]) -> SourceError:
        """Return the error that names the missing shards; replace those silent again and again."""
        with self._lock:
            for name in names:
                self._strikes[name] = self._strikes.get(name, 0) + 1
                if self._strikes[name] >= STRIKES and name in self._servers:
                    self._ray.kill(self._servers.pop(name))
                    del self._strikes[name]
        return SourceError(
            f"no answer from a part of the index in {self.timeout_s:g} s",
            received=", ".join(sorted(names)),
            hint="ask again: a shard that stays silent is started anew",
        )
