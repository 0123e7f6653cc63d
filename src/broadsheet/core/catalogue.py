"""The catalogue of systems as Markdown, written from cards and reports: no number is typed.

`python -m broadsheet.core.catalogue --write` brings docs/systems, the README's table and the tables
in the systems' own READMEs up to date; a test compares them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from broadsheet.core.card import Card, all_cards, systems_folder
from broadsheet.core.errors import BadInput, NotFound
from broadsheet.core.report import ClaimResult, Measurement, Report, reports_of

#: Which report speaks for a system, the fullest first; smoke runs say nothing about a paper.
PRESETS = ("paper", "gpu", "laptop")
BEGIN, END = "<!-- {name}:begin -->", "<!-- {name}:end -->"
_NONE = "no report yet"


def main_report(reports: Mapping[str, Report]) -> Report | None:
    """Return the fullest report of a system, None when there is none."""
    return next((reports[name] for name in PRESETS if name in reports), None)


def choose_report(reports: Mapping[str, Report], preset: str) -> Report | None:
    """Return the report of a preset; the fullest when "" is asked for.

    Raises:
        NotFound: The preset has no report.
    """
    if not preset:
        return main_report(reports)
    if preset not in reports:
        hint = "one of " + ", ".join(reports) if reports else "broadsheet systems run"
        raise NotFound("there is no report of this preset", received=preset, hint=hint)
    return reports[preset]


def results_tables(card: Card, reports: Mapping[str, Report]) -> str:
    """Return claims with verdicts, then measurements, of a system's fullest report."""
    report = main_report(reports)
    if report is None:
        rows = [[claim.id, claim.text, claim.expected, _NONE] for claim in card.claims]
        return _table(["claim", "statement", "expected", "verdict"], rows)
    parts = [_claims_table(card, report), _explanations(report), _measurements_table(report)]
    return "\n".join(part for part in parts if part)


def system_page(card: Card, reports: Mapping[str, Report]) -> str:
    """Return docs/systems/<slug>.md."""
    report = main_report(reports)
    parts = [
        f"# {card.title}\n",
        _written_from(card),
        f"{', '.join(card.authors)}, {card.year}.{_links(card)}\n",
        f"{card.summary}\n",
        f"```sh\n{_how_to_run(card)}\n```\n",
        "## Claims and measurements\n",
        _heading(report),
        results_tables(card, reports),
        *([_cost(report)] if report else []),
        _list("What is simplified", card.simplified),
        _list("Where sources disagree", card.decided),
        _list("Notes", report.notes if report else ()),
        "## Data\n",
        _table(
            ["data", "licence", "use", "models may ship"],
            [[_linked(d.name, d.url), d.licence, d.use, _yes(d.ships)] for d in card.data],
        ),
        _code(card),
        f"## In the application\n\n{card.serves}\n" if card.serves else "",
    ]
    return "\n".join(part for part in parts if part)


def index_page(cards: Sequence[Card], reports: Mapping[str, Mapping[str, Report]]) -> str:
    """Return docs/systems/index.md."""
    return (
        "# Systems\n\n"
        "Papers as trained and measured systems, written from their cards and reports by\n"
        "`python -m broadsheet.core.catalogue --write`. "
        "[How to run one, and how to add one](../guide/systems.md).\n\n"
        + catalogue_table(cards, reports, folder="")
    )


def catalogue_table(
    cards: Sequence[Card], reports: Mapping[str, Mapping[str, Report]], *, folder: str
) -> str:
    """Return the table of all systems.

    Args:
        cards: Their cards.
        reports: Slug to preset to report.
        folder: Where the pages lie, seen from the table.
    """
    if not cards:
        return "None yet.\n"
    rows = []
    for card in cards:
        report = main_report(reports.get(card.slug, {}))
        counts = report.verdicts() if report else {}
        verdicts = [str(counts.get(name, "")) for name in ("held", "not held", "underpowered")]
        cost = f"{report.preset}, {_duration(report.cost.cpu_s)}" if report else _NONE
        rows.append([f"[{_cell(card.title)}]({folder}{card.slug}.md)", card.wing, *verdicts, cost])
    verdict_heads = ["claims held", "not held", "underpowered"]
    return _table(["paper", "wing", *verdict_heads, "report, CPU time"], rows)


def replace_between(text: str, name: str, new: str) -> str:
    r"""Return `text` with what stands between two markers replaced.

    Raises:
        BadInput: The markers are not there, once each and in order.

    Example:
        >>> replace_between("a <!-- x:begin --> old <!-- x:end --> z", "x", "new")
        'a <!-- x:begin -->\nnew\n<!-- x:end --> z'
    """
    begin, end = BEGIN.format(name=name), END.format(name=name)
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise BadInput("the markers of a generated part are missing", received=f"{begin} {end}")
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    return f"{before}{begin}\n{new.strip()}\n{end}{after}"


def pages(root: Path) -> dict[Path, str]:
    """Return every generated file below `root`, the source tree, with its right content."""
    cards = all_cards()
    reports = {card.slug: reports_of(card.slug) for card in cards}
    docs = root / "docs" / "systems"
    found = {docs / "index.md": index_page(cards, reports)}
    for card in cards:
        found[docs / f"{card.slug}.md"] = system_page(card, reports[card.slug])
        own = systems_folder() / card.wing / card.slug / "README.md"
        if not own.is_file():
            raise BadInput("a system has no README.md", received=own)
        tables = results_tables(card, reports[card.slug])
        found[own] = replace_between(own.read_text(encoding="utf-8"), "results", tables)
    readme = root / "README.md"
    table = catalogue_table(cards, reports, folder="docs/systems/")
    found[readme] = replace_between(readme.read_text(encoding="utf-8"), "systems", table)
    return found


def outdated(root: Path) -> list[Path]:
    """Return the generated files that are missing, differ, or belong to no system any more."""
    wanted = pages(root)
    strays = [path for path in (root / "docs" / "systems").glob("*.md") if path not in wanted]
    differ = [
        path
        for path, text in wanted.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    return sorted([*differ, *strays])


def write(root: Path) -> list[Path]:
    """Bring all generated files up to date and return those that changed."""
    wanted = pages(root)
    changed = outdated(root)
    for path in changed:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    return changed


def _claims_table(card: Card, report: Report) -> str:
    results = {claim.id: claim for claim in report.claims}
    rows = []
    for claim in card.claims:
        found = results.get(claim.id)
        seen = _effect(found) if found else ["", "", "", _NONE]
        rows.append([claim.text, claim.expected, *seen])
    return _table(["claim", "expected", "observed", "interval", "p", "verdict"], rows)


def _effect(found: ClaimResult) -> list[str]:
    low, high = found.interval
    p = "" if found.p is None else f"{found.p:.2g}"
    level = f"{100 * found.level:.4g} %"
    verdict = f"**{found.verdict}**"
    return [_number(found.observed), f"{_number(low)} to {_number(high)} ({level})", p, verdict]


def _explanations(report: Report) -> str:
    lines = [f"- `{claim.id}`: {claim.reason}\n" for claim in report.claims if claim.reason]
    tests = sorted({f"{claim.test}, correction {claim.correction}" for claim in report.claims})
    return "".join(lines) + ("\n" if lines else "") + "".join(f"Test: {one}.\n" for one in tests)


def _measurements_table(report: Report) -> str:
    arms = list(dict.fromkeys(one.arm for one in report.measurements))
    by: dict[tuple[str, str, str], dict[str, Measurement]] = {}
    for one in report.measurements:
        by.setdefault((one.dataset, one.metric, one.unit), {})[one.arm] = one
    rows = []
    for (dataset, metric, unit), values in by.items():
        cells = [_spread(values[arm].values) if arm in values else "" for arm in arms]
        rows.append([dataset, f"{metric} ({unit})" if unit else metric, *cells])
    return _table(["data", "metric", *arms], rows) if rows else ""


def _spread(values: Sequence[float]) -> str:
    mean = sum(values) / len(values)
    if len(values) < 2:
        return _number(mean)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return f"{_number(mean)} ± {_number(variance**0.5)}"


def _number(value: float) -> str:
    text = f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return "0" if text == "-0" else text


def _heading(report: Report | None) -> str:
    if report is None:
        return ""
    seeds = "1 seed" if len(report.seeds) == 1 else f"{len(report.seeds)} seeds"
    return (
        f"Preset `{report.preset}`, {seeds}, mean ± standard deviation over seeds "
        f"(`results/{report.slug}/{report.preset}.json`).\n"
    )


def _cost(report: Report) -> str:
    cost = report.cost
    lines = [
        "## Cost and provenance\n",
        f"{_duration(cost.wall_s)} of wall time, {_duration(cost.cpu_s)} of CPU time, "
        f"{cost.peak_memory_mb:,.0f} MB at most, {cost.parameters:,} parameters in the largest arm."
        "\n",
        "".join(f"- {name}: {value}\n" for name, value in report.provenance.items() if value),
    ]
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _how_to_run(card: Card) -> str:
    return (
        f"broadsheet systems run {card.slug} --preset laptop\n"
        f"broadsheet systems report {card.slug} --preset laptop"
    )


def _written_from(card: Card) -> str:
    folder = f"src/broadsheet/systems/{card.wing}/{card.slug}"
    return f"Written from the card and the reports; the code is in `{folder}`.\n"


def _links(card: Card) -> str:
    links = [f"[arXiv {card.arxiv}](https://arxiv.org/abs/{card.arxiv})"] if card.arxiv else []
    links += [f"[page]({card.url})"] if card.url else []
    return " " + ", ".join(links) + "." if links else ""


def _code(card: Card) -> str:
    rows = [[code.url, code.licence, code.note] for code in card.code]
    return "## Other code\n\n" + _table(["where", "licence", "note"], rows) if rows else ""


def _list(heading: str, items: Sequence[str]) -> str:
    return f"## {heading}\n\n" + "".join(f"- {item}\n" for item in items) if items else ""


def _linked(name: str, url: str) -> str:
    return f"[{_cell(name)}]({url})" if url else name


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [list(columns), ["---"] * len(columns), *rows]
    cells = [[cell if cell.startswith("[") else _cell(cell) for cell in row] for row in lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def main(arguments: Sequence[str]) -> int:
    """List the outdated pages, or write them with --write; 1 when something is outdated."""
    root = Path(str(files("broadsheet"))).parents[1]
    changed = write(root) if "--write" in arguments else outdated(root)
    for path in changed:
        sys.stdout.write(f"{path.relative_to(root)}\n")
    return 0 if "--write" in arguments else int(bool(changed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
