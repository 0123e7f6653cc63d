"""The systems' cards and reports, kept in memory and read again when a file changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from broadsheet.core import card as cards
from broadsheet.core import report as reports
from broadsheet.core.card import Card
from broadsheet.core.catalogue import PRESETS, main_report
from broadsheet.core.errors import NotFound
from broadsheet.core.report import Report
from broadsheet.papers.identity import normalise_title, parse_arxiv_id
from broadsheet.papers.model import Work

#: How long a changed file may go unseen.
LOOK_AGAIN_S = 2.0

_VERDICTS = ("held", "not held", "underpowered")

_Stamps = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A system: its card, and what was published of it, by preset."""

    card: Card
    reports: Mapping[str, Report]

    @property
    def slug(self) -> str:
        """Return its name in addresses."""
        return self.card.slug

    @property
    def address(self) -> str:
        """Return the address of its page."""
        return f"/systems/{self.card.slug}"

    @property
    def presets(self) -> tuple[str, ...]:
        """Return the presets with a report, the fullest first."""
        rank = {name: place for place, name in enumerate(PRESETS)}
        return tuple(sorted(self.reports, key=lambda name: (rank.get(name, len(rank)), name)))

    @property
    def main(self) -> Report | None:
        """Return the report that speaks for it, None when there is none."""
        return main_report(self.reports)

    @property
    def outcome(self) -> str:
        """Say in words what became of the claims, "" without a report."""
        return outcome_of(self.main) if self.main else ""


def outcome_of(report: Report) -> str:
    """Say in words what became of the claims of a report."""
    counted = report.verdicts()
    said = [
        f"{counted[name]} {name}" for name in _VERDICTS if counted[name] or name != _VERDICTS[2]
    ]
    size = " (at smoke size, which tests the code only)" if report.preset == "smoke" else ""
    return ", ".join(said) + size


class Experiments:
    """All systems as they are on disk. Safe to use from several threads.

    Args:
        look_again_s: Seconds between two looks at the files.

    Example:
        >>> from broadsheet.papers.model import Work
        >>> Experiments().of_work(Work(id="x", title="Nobody Built This", title_text="No"))
        ()
    """

    def __init__(self, look_again_s: float = LOOK_AGAIN_S) -> None:
        self._look_again_s = look_again_s
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._stamps: _Stamps | None = None
        self._all: tuple[Experiment, ...] = ()
        self._by_paper: dict[str, tuple[Experiment, ...]] = {}

    def all(self) -> tuple[Experiment, ...]:
        """Return all systems, ordered by wing and slug.

        Raises:
            BadInput: A card or a report can't be read.
        """
        with self._lock:
            if time.monotonic() - self._looked >= self._look_again_s:
                stamps = _stamps()
                if stamps != self._stamps:
                    self._read()
                    self._stamps = stamps
                self._looked = time.monotonic()
            return self._all

    def named(self, slug: str) -> Experiment:
        """Return one system.

        Raises:
            NotFound: There is none of that name.
        """
        for experiment in self.all():
            if experiment.slug == slug:
                return experiment
        raise NotFound("no such system", received=slug, hint="/systems lists them")

    def of_work(self, work: Work) -> tuple[Experiment, ...]:
        """Return the systems that build a paper, by its arXiv id, else by its title."""
        self.all()
        found = self._by_paper.get(f"arxiv:{work.ids.get('arxiv', '')}")
        return found or self._by_paper.get(f"title:{normalise_title(work.title_text)}", ())

    def _read(self) -> None:
        self._all = tuple(
            Experiment(card=card, reports=reports.reports_of(card.slug))
            for card in cards.all_cards()
        )
        self._by_paper = {}
        for experiment in self._all:
            for key in _paper_keys(experiment.card):
                self._by_paper[key] = (*self._by_paper.get(key, ()), experiment)


def references_of(card: Card) -> tuple[str, ...]:
    """Return what the library may know the paper of a card by, the surest first."""
    arxiv = parse_arxiv_id(card.arxiv)
    return (*((f"arXiv:{arxiv[0]}",) if arxiv else ()), card.title)


def _paper_keys(card: Card) -> list[str]:
    arxiv = parse_arxiv_id(card.arxiv)
    title = f"title:{normalise_title(card.title)}"
    return [f"arxiv:{arxiv[0]}", title] if arxiv else [title]


def _stamps() -> _Stamps:
    paths: list[Path] = sorted(cards.systems_folder().glob("*/*/card.toml"))
    paths += sorted(reports.results_folder().glob("*/*.json"))
    facts = [(str(path), path.stat()) for path in paths]
    return tuple((name, fact.st_mtime_ns, fact.st_size) for name, fact in facts)
