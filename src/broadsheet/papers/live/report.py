"""What a fetch did, source by source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from broadsheet.core.errors import BroadsheetError, PartialResult, SourceError


@dataclass(slots=True, kw_only=True)
class SourceReport:
    """What was fetched from one source.

    Args:
        state: "complete": every day that was due; "late": not all of them; "skipped": not asked.
        why: Why it is late or skipped, as a sentence.
        not_before: When it may be asked again (ISO 8601), "" when at once.
        last_good: When it last gave all it was asked for, "" when never.
        days_due: Days that were to be asked.
        days_done: Days whose list was kept completely.
        requests: Requests sent.
        records: Source records received.
        new: Of these, not known before.
        new_works: Papers that were not in the library.
        changed_works: Papers that were, and learned something.
        rejects: Pieces that could not be read; they are kept and counted.
    """

    name: str
    label: str
    state: Literal["complete", "late", "skipped"] = "complete"
    why: str = ""
    not_before: str = ""
    last_good: str = ""
    days_due: int = 0
    days_done: int = 0
    requests: int = 0
    records: int = 0
    new: int = 0
    new_works: int = 0
    changed_works: int = 0
    rejects: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchReport:
    """What was fetched from all sources."""

    sources: tuple[SourceReport, ...]

    @property
    def complete(self) -> bool:
        """Tell whether every source gave all it was asked for."""
        return all(source.state == "complete" for source in self.sources)

    @property
    def new_works(self) -> int:
        """Return how many papers are new in the library."""
        return sum(source.new_works for source in self.sources)

    def failure(self) -> BroadsheetError | None:
        """Return the error that a command line ends with, None when all is well.

        A `SourceError` (exit 3) when nothing was got from any source that failed, a
        `PartialResult` (exit 5) when something was.
        """
        failed = [source for source in self.sources if source.state != "complete"]
        if not failed:
            return None
        what = "; ".join(f"{source.label} is {source.state}: {source.why}" for source in failed)
        hint = "run the same command later, it goes on where it stopped"
        if len(failed) < len(self.sources) or any(source.days_done for source in failed):
            return PartialResult(what, hint=hint)
        return SourceError(what, hint=hint)
