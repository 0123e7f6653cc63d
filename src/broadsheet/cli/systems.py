"""`systems list`, `show`, `run`, `report` and `new`: papers as trained and measured systems.

`list` and `show` read cards and reports only; what trains is reached by name when it is asked for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from broadsheet.cli.options import Json, examples, verbs
from broadsheet.cli.output import Table, emit, emit_fields, note
from broadsheet.core.registry import Registry

app = verbs()
systems = typer.Typer(help="List, run and report papers as trained and measured systems.")
app.add_typer(systems, name="systems")

ENGINE = Registry(
    "part of the engine",
    {
        "order": "broadsheet.systems.matrix:Order",
        "run": "broadsheet.systems.matrix:run",
        "dry run": "broadsheet.systems.matrix:dry_run",
        "report": "broadsheet.systems.reporting:make_report",
        "export": "broadsheet.systems.exporting:export_run",
        "results": "broadsheet.systems.reporting:default_results",
        "new": "broadsheet.systems.creation:create_system",
    },
)

Slug = Annotated[str, typer.Argument(metavar="SLUG", help="A system of `systems list`.")]
PresetName = Annotated[
    str, typer.Option("--preset", metavar="NAME", help="smoke, laptop, paper, or gpu.")
]
Seeds = Annotated[
    int | None, typer.Option("--seeds", min=1, help="How many of the preset's seeds.")
]
Arms = Annotated[
    str, typer.Option("--arms", metavar="A,B", help="Only these arms of the comparison.")
]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Change a setting of every arm."),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="FOLDER", help="Data sets (else BROADSHEET_DATA)."),
]
LaunchWay = Annotated[
    str, typer.Option("--launch", metavar="torchrun:N|ray:N", help="N processes a run.")
]
Runs = Annotated[Path, typer.Option("--runs", metavar="FOLDER", help="Folder of all runs.")]

_LIST = ("slug", "wing", "title", "year", "preset", "held", "not_held", "underpowered")
_CLAIMS = ("claim", "expected", "observed", "interval", "p", "verdict", "text")
_RUNS = ("arm", "seed", "state", "wall_s", "cpu_s", "memory_mb", "parameters", "folder")
_PLANS = (
    "arm",
    "parameters",
    "trainable",
    "steps",
    "weights_mb",
    "optimiser_mb",
    "activations_mb",
    "memory_mb",
)


@systems.command(
    name="list", epilog=examples("broadsheet systems list", "broadsheet systems list --json")
)
def list_systems(*, as_json: Json = False) -> None:
    """List the systems, with what became of their papers' claims."""
    from broadsheet.core.card import all_cards
    from broadsheet.core.catalogue import main_report
    from broadsheet.core.report import reports_of

    rows = []
    for card in all_cards():
        report = main_report(reports_of(card.slug))
        counts = report.verdicts() if report else {}
        verdicts = [counts.get(name) for name in ("held", "not held", "underpowered")]
        preset = report.preset if report else ""
        rows.append([card.slug, card.wing, card.title, card.year, preset, *verdicts])
    data = [dict(zip(_LIST, row, strict=True)) for row in rows]
    emit(data, Table(_LIST, rows), as_json=as_json)
    if not rows:
        note("Nothing found.")
        raise typer.Exit(1)


@systems.command(
    epilog=examples(
        "broadsheet systems show matryoshka_2d",
        "broadsheet systems show matryoshka_2d --preset laptop --json",
    )
)
def show(slug: Slug, *, preset: PresetName = "", as_json: Json = False) -> None:
    """Show a system's card and what its report says of each claim."""
    from broadsheet.core.card import find_card
    from broadsheet.core.catalogue import choose_report
    from broadsheet.core.report import reports_of

    card = find_card(slug)
    reports = reports_of(slug)
    report = choose_report(reports, preset)
    if as_json:
        emit_fields({"card": card.model_dump(), "reports": reports}, as_json=True)
        return
    fields: dict[str, object] = {
        "slug": card.slug,
        "title": card.title,
        "authors": card.authors,
        "year": card.year,
        "arxiv": card.arxiv,
        "summary": card.summary,
        "code": [f"{code.url} ({code.licence})" for code in card.code],
        "data": [f"{data.name} ({data.licence})" for data in card.data],
        "simplified": card.simplified,
        "serves": card.serves,
    }
    if report:
        fields["report"] = f"{report.preset}, {len(report.seeds)} seeds"
        fields["cost"] = _cost(report)
    emit_fields(fields, as_json=False)
    typer.echo("")
    emit(None, _claims(card, report), as_json=False)
    if report is None:
        note(f"No report yet: broadsheet systems run {slug} --preset laptop")


@systems.command(
    epilog=examples(
        "broadsheet systems run matryoshka_2d --preset smoke",
        "broadsheet systems run matryoshka_2d --preset laptop --seeds 5 --data ~/data",
        "broadsheet systems run matryoshka_2d --preset laptop --set train.batch_size=64",
        "broadsheet systems run matryoshka_2d --preset paper --dry-run",
    )
)
def run(
    slug: Slug,
    *,
    preset: PresetName,
    seeds: Seeds = None,
    arms: Arms = "",
    changes: Changes = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Runs at the same time.")] = 1,
    data: Data = None,
    launch: LaunchWay = "",
    pilot: Annotated[
        bool, typer.Option("--pilot", help="Run the pilot seed, which no report uses.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would take.")
    ] = False,
    runs: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """Run the arms and seeds of a preset.

    Each run keeps its checkpoint, metrics and observations in runs/SLUG/CONFIG/SEED. Finished
    runs are not repeated; interrupted ones go on from their checkpoint. One run that fails
    leaves the others as they are.
    """
    order = ENGINE.load("order")(
        slug=slug,
        preset=preset,
        arms=tuple(name.strip() for name in arms.split(",") if name.strip()),
        changes=tuple(changes or ()),
        seeds=seeds,
        pilot=pilot,
        parallel=jobs,
        launch=launch,
        runs=runs,
        inputs=data,
    )
    if dry_run:
        _emit_plan(ENGINE.load("dry run")(order), as_json=as_json)
        return
    from broadsheet.core.progress import show_progress

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with show_progress() as progress:
        lines = ENGINE.load("run")(order, progress, note)
    rows = [_run_row(line) for line in lines]
    data_rows = [dict(zip(_RUNS, row, strict=True)) for row in rows]
    emit(data_rows, Table(_RUNS, rows, _RUNS[:-1]), as_json=as_json)
    if not pilot and not changes:
        note(f"Next: broadsheet systems report {slug} --preset {preset}")


@systems.command(
    epilog=examples(
        "broadsheet systems report matryoshka_2d --preset laptop",
        "broadsheet systems report matryoshka_2d --preset laptop --partial --results ./results",
    )
)
def report(
    slug: Slug,
    *,
    preset: PresetName,
    partial: Annotated[
        bool, typer.Option("--partial", help="Report the complete seeds only, with a note.")
    ] = False,
    runs: Runs = Path("runs"),
    results: Annotated[
        Path | None,
        typer.Option("--results", metavar="FOLDER", help="Where to write it."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn the runs of a preset into its report: claims with verdicts, cost, provenance.

    It is written into the source tree's results; a smoke report says nothing about the paper
    and stays beside the runs.
    """
    from broadsheet.core.card import find_card
    from broadsheet.core.report import write_report

    made = ENGINE.load("report")(slug, preset, runs=runs, partial=partial)
    beside = runs / "results" if preset == "smoke" else None
    path = write_report(made, results or beside or ENGINE.load("results")())
    if as_json:
        emit_fields({"file": str(path), "report": made}, as_json=True)
        return
    emit(None, _claims(find_card(slug), made), as_json=False)
    for sentence in made.notes:
        note(sentence)
    note(f"Written to {path}. Cost: {_cost(made)}.")


@systems.command(
    epilog=examples(
        "broadsheet systems export broadsheet_embed --arm elastic --to ./broadsheet-embed",
        "broadsheet systems export matryoshka_2d --arm minilm-2dmse --seed 3 --to ./elastic",
    )
)
def export(
    slug: Slug,
    *,
    arm: Annotated[str, typer.Option("--arm", metavar="NAME", help="Which arm.")],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where to; must be empty.")],
    preset: PresetName = "laptop",
    seed: Annotated[
        int | None, typer.Option("--seed", help="Which seed (the preset's first).")
    ] = None,
    data: Data = None,
    runs: Runs = Path("runs"),
) -> None:
    """Write a trained arm as a model of the application, if it passes the gates."""
    from broadsheet.core.progress import show_progress

    chosen = data or os.environ.get("BROADSHEET_DATA")
    with show_progress() as progress:
        artefact = ENGINE.load("export")(
            slug,
            preset,
            arm,
            seed=seed,
            runs=runs,
            inputs=Path(chosen) if chosen else None,
            folder=to,
            progress=progress,
        )
    size = sum(facts.bytes for facts in artefact.files.values()) / 1e6
    note(f"Written to {to}: {artefact.version}, {size:.1f} MB.")
    for variant in artefact.variants:
        gates = ", ".join(f"{name} {value:g}" for name, value in variant.gate.items())
        note(f"  {variant.name}: {gates}")


@systems.command(
    epilog=examples(
        'broadsheet systems new text sentence_order "Sentence Order as a Signal"',
    )
)
def new(
    wing: Annotated[str, typer.Argument(metavar="WING", help="text, retrieval, video, ...")],
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="Lower case with underscores.")],
    title: Annotated[str, typer.Argument(metavar="TITLE", help="Title of the paper.")],
    *,
    as_json: Json = False,
) -> None:
    """Make the folder of a new system, small but complete: it passes the contract as it is."""
    paths = ENGINE.load("new")(wing, slug, title)
    emit_fields({"folder": str(paths[0].parent), "files": [p.name for p in paths]}, as_json=as_json)
    note(f"Next: broadsheet systems run {slug} --preset smoke")


def _claims(card: Any, report: Any) -> Table:
    results = {claim.id: claim for claim in report.claims} if report else {}
    rows = []
    for claim in card.claims:
        found = results.get(claim.id)
        row: list[object] = [claim.id, claim.expected, None, None, None, "not run", claim.text]
        if found:
            low, high = found.interval
            row[2:6] = [found.observed, f"{low:.4g} to {high:.4g}", found.p, found.verdict]
        rows.append(row)
    return Table(_CLAIMS, rows)


def _cost(report: Any) -> str:
    cost = report.cost
    return (
        f"{cost.wall_s:,.0f} s, CPU {cost.cpu_s:,.0f} s, at most {cost.peak_memory_mb:,.0f} MB, "
        f"{cost.parameters:,} parameters"
    )


def _run_row(line: Any) -> list[object]:
    cost = line.cost
    return [
        line.arm,
        line.seed,
        line.state,
        round(cost.wall_s, 1),
        round(cost.cpu_s, 1),
        round(cost.peak_memory_mb),
        cost.parameters,
        line.folder,
    ]


def _emit_plan(plan: Any, *, as_json: bool) -> None:
    rows = []
    for one in plan.plans:
        sizes = (one.weights_mb, one.optimiser_mb, one.activations_mb, one.memory_mb)
        rounded = [round(size, 1) for size in sizes]
        rows.append([one.arm, one.parameters, one.trainable, one.steps, *rounded])
    emit(plan, Table(_PLANS, rows), as_json=as_json)
    for sentence in dict.fromkeys(one.assumption for one in plan.plans):
        note(
            f"{', '.join(one.arm for one in plan.plans if one.assumption == sentence)}: {sentence}"
        )
    note("optimiser: gradients and AdamW's moments in fp32, 12 bytes a trained parameter")
    note(f"seeds: {plan.seeds}" + (f"; needs {plan.needs}" if plan.needs else ""))
    note(f"launch: {plan.launch}")
    if plan.underneath:
        note(f"each run: {plan.underneath}")
