"""The systems: what was built, what their papers claim, and what happened when they were run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import Request

from broadsheet.core.card import Card
from broadsheet.core.catalogue import choose_report
from broadsheet.core.errors import BroadsheetError
from broadsheet.core.report import Report
from broadsheet.papers.library import Library
from broadsheet.papers.model import Work
from broadsheet.web.drawing import draw_figure
from broadsheet.web.experiments import Experiment, Experiments, outcome_of, references_of
from broadsheet.web.pages import DATA_TWINS, Answer, page, site_of
from broadsheet.web.presenters import is_web_address
from broadsheet.web.reading import claim_lines, cost_facts, measurement_tables

router = APIRouter()

#: Wings in the order of the catalogue, and what they are called.
WINGS: Mapping[str, str] = {
    "text": "Text",
    "sequences": "Sequences",
    "reading": "Reading",
    "retrieval": "Retrieval",
    "vision_language": "Vision and language",
    "multimodal_evaluation": "Multimodal evaluation",
    "brain": "Brain",
    "video": "Video",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemSummary:
    """A system in the catalogue; `verdicts` is empty before its first report."""

    slug: str
    wing: str
    title: str
    year: int
    arxiv: str
    summary: str
    preset: str
    verdicts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemPage:
    """A system's card, its reports by preset, and the id of its paper in this library."""

    card: Card
    reports: Mapping[str, Report]
    work: str


@page(router, "/systems", twins=DATA_TWINS, shape=tuple[SystemSummary, ...])
def systems(request: Request, library: Library) -> Answer:
    """The catalogue of systems, by wing."""
    everything = _experiments(request).all()
    wings = [
        (name, label, [item for item in everything if item.card.wing == name])
        for name, label in WINGS.items()
    ]
    return Answer(
        template="systems.html",
        title="Systems",
        data=tuple(_summary(item) for item in everything),
        values={
            "nav": "systems",
            "systems_total": len(everything),
            "reported": sum(bool(item.reports) for item in everything),
            "wings": [wing for wing in wings if wing[2]],
        },
    )


@page(router, "/systems/{slug}", twins=DATA_TWINS, shape=SystemPage)
def system(request: Request, library: Library, slug: str, preset: str = "") -> Answer:
    """A system: its card, its claims with verdicts, its figures and how to run it."""
    experiment = _experiments(request).named(slug)
    report = choose_report(experiment.reports, preset)
    work = paper_of(library, experiment.card)
    return Answer(
        template="system.html",
        title=experiment.card.title,
        data=SystemPage(
            card=experiment.card, reports=experiment.reports, work=work.id if work else ""
        ),
        values={
            "nav": "systems",
            "card": experiment.card,
            "wing": WINGS[experiment.card.wing],
            "work": work,
            "code": _code(experiment.card),
            "report": report,
            "presets": experiment.presets,
            "outcome": outcome_of(report) if report else "",
            "claims": claim_lines(experiment.card, report),
            "figures": [draw_figure(figure) for figure in report.figures] if report else [],
            "tables": measurement_tables(report.measurements) if report else [],
            "cost": cost_facts(report.cost) if report else [],
            "commands": _commands(slug, report),
        },
    )


def paper_of(library: Library, card: Card) -> Work | None:
    """Return the paper of a system if this library holds it."""
    for reference in references_of(card):
        try:
            return library.find(reference)
        except BroadsheetError:  # not here, or several of that title
            continue
    return None


def _experiments(request: Request) -> Experiments:
    return site_of(request).experiments


def _summary(item: Experiment) -> SystemSummary:
    return SystemSummary(
        slug=item.slug,
        wing=item.card.wing,
        title=item.card.title,
        year=item.card.year,
        arxiv=item.card.arxiv,
        summary=item.card.summary,
        preset=item.main.preset if item.main else "",
        verdicts=item.main.verdicts() if item.main else {},
    )


def _code(card: Card) -> list[tuple[str, str, str]]:
    """Return name, address and licence of each implementation, named by its repository."""
    return [
        (_repository(code.url), code.url, code.licence)
        for code in card.code
        if is_web_address(code.url)
    ]


def _repository(address: str) -> str:
    parts = urlsplit(address).path.strip("/").split("/")
    return "/".join(parts[:2]) or "Code"


def _commands(slug: str, report: Report | None) -> Sequence[str]:
    preset = report.preset if report else "laptop"
    seeds = len(report.seeds) if report else 5
    return (
        f"broadsheet systems run {slug} --preset {preset} --seeds {seeds}",
        f"broadsheet systems report {slug} --preset {preset}",
    )
