"""The gate before a host: its pace and its closing times, on disk, shared by all processes.

stamina and tenacity count retries inside one process; ours must survive restarts and be seen by
cron jobs and the page alike, so the state is a small JSON file per host under a file lock.
"""

from __future__ import annotations

import fcntl
import json
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from broadsheet.core.paths import write_atomically
from broadsheet.papers.live.trouble import Kind, Trouble

FIRST_BACKOFF_S = 5.0
BACKOFF_FACTOR = 4.0
LONGEST_BACKOFF_S = 6 * 3600.0
#: A number in [0, 1), new at each call.
JITTER = random.SystemRandom().random
_LONGEST_CLOSURE_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """What is known of a host. Times are Unix seconds.

    Args:
        next_turn: No request before this time: the pace.
        not_before: No request before this time: the host wants to be left alone.
        strikes: Failures in a row.
        why: The last failure, for people.
    """

    next_turn: float = 0.0
    not_before: float = 0.0
    strikes: int = 0
    why: str = ""


def host_of(url: str) -> str:
    """Return the host of an address, with its port if it names one."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


class Gate:
    """Lets one request through every `every_s` seconds, and none while the host is closed.

    Args:
        folder: Where gates keep their state (`home/fetch`).
        host: Host name, with its port if it has one.
        every_s: Seconds between the starts of two requests.
        clock: Unix time.
        sleep: Waits.
        jitter: A number in [0, 1), new at each call.
    """

    def __init__(
        self,
        folder: Path,
        host: str,
        *,
        every_s: float,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = JITTER,
    ) -> None:
        name = re.sub(r"[^a-z0-9.-]", "_", host)[:100]
        self.path = folder / f"{name}.json"
        self._lock = folder / f"{name}.lock"
        self._every_s = every_s
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter

    def state(self) -> GateState:
        """Return the state on disk; a missing or damaged file is a host we know nothing of."""
        try:
            data = json.loads(self.path.read_bytes())
            return GateState(
                next_turn=float(data["next_turn"]),
                not_before=float(data["not_before"]),
                strikes=max(0, int(data["strikes"])),
                why=str(data["why"]),
            )
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return GateState()

    def closed_until(self) -> float:
        """Return the time until which the host is to be left alone, 0 when it is open.

        A time further away than any closure we would write (a clock that was wrong) is cut.
        """
        now = self._clock()
        until = min(self.state().not_before, now + _LONGEST_CLOSURE_S)
        return until if until > now else 0.0

    def pass_through(self, latest: float) -> None:
        """Wait for our turn, and take it.

        Args:
            latest: The last moment at which it is worth asking.

        Raises:
            Trouble: The host is closed, or our turn would come after `latest`.
        """
        with self._locked() as state:
            now = self._clock()
            if self.closed_until():
                raise Trouble(Kind.THROTTLED, state.why or "asked to be left alone")
            turn = max(now, min(state.next_turn, now + 60 * self._every_s))
            if turn > latest:
                raise Trouble(Kind.OURS, "stopped when its time was over")
            self._save(replace(state, next_turn=turn + self._every_s))
        if turn > now:
            self._sleep(turn - now)

    def close(self, why: str, *, after_s: float) -> float:
        """Close the gate after a failure and return for how many seconds.

        At least `after_s` (the host's own Retry-After); 5 s at first, four times as long after
        each further failure, up to 6 hours, each spread by half so that clients don't come back
        together.
        """
        with self._locked() as state:
            strikes = min(state.strikes + 1, 50)
            longest = min(FIRST_BACKOFF_S * BACKOFF_FACTOR ** (strikes - 1), LONGEST_BACKOFF_S)
            delay = max(after_s, longest * (0.5 + 0.5 * self._jitter()))
            until = self._clock() + delay
            self._save(replace(state, not_before=until, strikes=strikes, why=why))
            return delay

    def open(self) -> None:
        """Forget past failures: the host answered well."""
        with self._locked() as state:
            if state.strikes:
                self._save(replace(state, not_before=0.0, strikes=0, why=""))

    @contextmanager
    def _locked(self) -> Iterator[GateState]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a+b") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield self.state()

    def _save(self, state: GateState) -> None:
        write_atomically(self.path, json.dumps(asdict(state)).encode())
