"""Checkpoints: weights as safetensors, the optimiser beside them, replaced so that a kill is safe.

```
run/checkpoint.safetensors   weights; its header says which step they are of
run/checkpoint-120.pt        the optimiser and what was not logged yet, of step 120
run/metrics.jsonl
```
The optimiser is written first, under a name that carries its step; renaming the new weights over
the old is the one moment at which the new checkpoint counts. Older optimiser files go last.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_model
from torch import nn

from broadsheet.core.errors import BadInput

WEIGHTS = "checkpoint.safetensors"
_HINT = "remove the folder to train from the start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What is kept beside the weights.

    Args:
        step: Steps done.
        identity: Settings and seed that the weights follow from.
        optimiser: State of the optimiser.
        sums: Sum and count of each metric since the last logged line.
        seconds: Training time so far.
    """

    step: int
    identity: Mapping[str, Any]
    optimiser: Mapping[str, Any] = field(default_factory=dict)
    sums: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    seconds: float = 0.0


def save_checkpoint(folder: Path, module: nn.Module, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint in `folder`."""
    state = folder / _state_name(checkpoint.step)
    content = {
        "optimiser": dict(checkpoint.optimiser),
        "sums": dict(checkpoint.sums),
        "seconds": checkpoint.seconds,
    }
    with _replacing(state) as partial:
        torch.save(content, partial)
    facts = {
        "step": str(checkpoint.step),
        "identity": json.dumps(dict(checkpoint.identity), sort_keys=True),
    }
    with _replacing(folder / WEIGHTS) as partial:
        save_model(module, str(partial), metadata=facts)
    for old in folder.glob("checkpoint-*.pt"):
        if old != state:
            old.unlink()


def load_checkpoint(
    folder: Path, module: nn.Module, *, identity: Mapping[str, Any] | None = None
) -> Checkpoint | None:
    """Put the weights of a checkpoint into `module`; None when the folder holds no checkpoint.

    Args:
        folder: Where it was saved.
        module: A module of the same shape.
        identity: Settings and seed that it must have; None takes any.

    Raises:
        BadInput: The files are damaged, of another module, or of other settings.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        return None
    try:
        with safe_open(str(path), framework="pt") as handle:
            facts = handle.metadata() or {}
        step, found = int(facts["step"]), json.loads(facts["identity"])
        expected = json.loads(json.dumps(dict(identity or found), sort_keys=True))
        if found != expected:
            changed = [key for key in {**found, **expected} if found.get(key) != expected.get(key)]
            raise BadInput(
                "the checkpoint is of a run with other settings",
                received=", ".join(f"{key}={found.get(key)}" for key in sorted(changed)),
                hint=_HINT,
            )
        load_model(module, str(path))
        content = torch.load(folder / _state_name(step), map_location="cpu", weights_only=True)
        return Checkpoint(step=step, identity=found, **content)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        first = str(error).splitlines()[0] if str(error) else ""
        raise BadInput(
            f"the checkpoint can't be read ({type(error).__name__}: {first})",
            received=path,
            hint=_HINT,
        ) from None


def _state_name(step: int) -> str:
    return f"checkpoint-{step}.pt"


class _replacing(contextlib.AbstractContextManager[Path]):  # noqa: N801 - reads as a verb
    """Give a path to write to; at the end the file is on the disk under the wanted name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.partial")

    def __enter__(self) -> Path:
        return self._partial

    def __exit__(self, *failure: object) -> None:
        try:
            if failure[0] is None:
                with self._partial.open("rb") as handle:
                    os.fsync(handle.fileno())
                self._partial.replace(self._path)
        finally:
            self._partial.unlink(missing_ok=True)
