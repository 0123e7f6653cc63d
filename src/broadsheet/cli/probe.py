"""`probe-heads`: does a local language model copy from its text, and which heads do it.

What needs torch is reached by name when the verb runs.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from broadsheet.cli.options import Json, examples, verbs
from broadsheet.cli.output import Table, emit, emit_fields, note
from broadsheet.core.registry import Registry

app = verbs()

ENGINE = Registry(
    "part of the probe",
    {
        "order": "broadsheet.systems.reading.retrieval_heads.probing:ProbeOrder",
        "run": "broadsheet.systems.reading.retrieval_heads.probing:probe",
    },
)

_GRID = ("tokens", "depth", "recall")


class Dtype(StrEnum):
    """Numbers that a model computes with."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"


Needles = Annotated[
    Path | None,
    typer.Option("--needles", metavar="FILE", help="JSON lines: opening, answer, question."),
]
Haystack = Annotated[
    Path | None,
    typer.Option("--haystack", metavar="FILE", help="A text (else an invented one)."),
]
Scores = Annotated[
    Path | None,
    typer.Option("--scores", metavar="FILE", help="Write every head's scores as JSON."),
]
MaskTop = Annotated[
    int, typer.Option("--mask-top", min=1, help="Strongest heads to switch off together.")
]
MaskRandom = Annotated[
    int, typer.Option("--mask-random", min=1, help="Random sets of as many other heads.")
]
Documents = Annotated[
    int, typer.Option("--documents", min=2, help="Fresh prompts that masks are tried on.")
]
Device = Annotated[
    str, typer.Option("--device", metavar="NAME", help="cpu, or cuda where there is one.")
]


@app.command(
    name="probe-heads",
    epilog=examples(
        "broadsheet probe-heads smollm2-135m-instruct",
        "broadsheet probe-heads ./my-model --context-max 4000 --lengths 5 --dtype bfloat16",
        "broadsheet probe-heads model.gguf --haystack book.txt --needles facts.jsonl --json",
    ),
)
def probe_heads(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="smollm2-135m-instruct, a folder, a .gguf file, or owner/name on a hub.",
        ),
    ],
    *,
    context_min: Annotated[
        int, typer.Option("--context-min", min=50, help="Tokens of the shortest text.")
    ] = 250,
    context_max: Annotated[
        int, typer.Option("--context-max", min=50, help="Tokens of the longest text.")
    ] = 1000,
    lengths: Annotated[int, typer.Option("--lengths", min=1, help="Lengths between them.")] = 3,
    depths: Annotated[
        int, typer.Option("--depths", min=1, help="Depths of the needle in each.")
    ] = 4,
    mask_top: MaskTop = 5,
    mask_random: MaskRandom = 3,
    documents: Documents = 8,
    needles: Needles = None,
    haystack: Haystack = None,
    scores: Scores = None,
    dtype: Annotated[
        Dtype, typer.Option("--dtype", help="Numbers to compute with.")
    ] = Dtype.FLOAT32,
    device: Device = "cpu",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of needles and masks.")] = 1,
    as_json: Json = False,
) -> None:
    """See whether a language model copies from its text, and which heads do it.

    Facts are hidden in a text and asked for. Then the strongest heads are switched off, and as
    many random ones of the same layers: if only the first makes it miss the facts, it copies from
    the text through them. Code that comes with a model is never run; weights are read from
    safetensors or GGUF only.
    """
    from broadsheet.core.progress import show_progress

    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))
    order = ENGINE.load("order")(
        model=model,
        context_min=context_min,
        context_max=context_max,
        lengths=lengths,
        depths=depths,
        needles=needles,
        haystack=haystack,
        mask_top=mask_top,
        draws=mask_random,
        documents=documents,
        dtype=dtype.value,
        device=device,
        seed=seed,
    )
    with show_progress() as progress:
        found = ENGINE.load("run")(order, scores=scores, progress=progress)
    _show(found, mask_top, as_json=as_json)


def _show(found: Any, top: int, *, as_json: bool) -> None:
    data = asdict(found)
    if as_json:
        emit_fields(data, as_json=True)
        return
    interval = found.share_interval
    fields: dict[str, object] = {
        "model": found.model,
        "heads": f"{found.layers} layers x {found.heads}",
        "needles found": f"{found.counted} of {found.trials}",
        "copying heads": f"{100 * found.share:.1f} % score 0.1 or more"
        + (f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else ""),
        "always active": found.always,
        "strongest": [f"{name} ({score:g})" for name, score in found.strongest],
        "recall": round(found.whole, 3),
        f"recall, {top} strongest off": round(found.without_top, 3),
        f"recall, {top} random off": round(found.without_random, 3),
    }
    emit_fields(fields, as_json=False)
    typer.echo("")
    emit(None, Table(_GRID, found.recall), as_json=False)
    low, high = (100 * end for end in found.difference_interval)
    gap = 100 * (found.without_random - found.without_top)
    note(f"Random against strongest heads off: {gap:.0f} points ({low:.0f} to {high:.0f}).")
    if not found.counted:
        note("No needle was found, so the scores say nothing: try shorter texts.")
