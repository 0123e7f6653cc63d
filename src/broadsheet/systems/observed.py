"""Observations of a run on disk: numbers in JSON, arrays for resampling in one .npz beside it."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from broadsheet.core.errors import BadInput
from broadsheet.core.paths import hash_file, write_atomically
from broadsheet.systems.contract import Observation
from broadsheet.systems.jobs import read_json

NUMBERS = "observations.json"
ARRAYS = "observations.npz"


def is_finished(folder: Path) -> bool:
    """Tell whether the run in `folder` came to its end: its observations are there."""
    return (folder / NUMBERS).is_file()


def check_observations(observations: Sequence[Observation]) -> None:
    """Refuse observations that no report could use.

    Raises:
        BadInput: A number is not finite, a name comes twice, or items are not of length n.
    """
    seen = set()
    for one in observations:
        name = f"{one.metric} on {one.dataset}"
        if name in seen:
            raise BadInput("a run observed one thing twice", received=name)
        seen.add(name)
        if not math.isfinite(one.value):
            raise BadInput("a run observed no finite number", received=f"{name}: {one.value}")
        for key, values in one.items.items():
            if np.ndim(values) == 0 or len(values) != one.n:
                raise BadInput(
                    f"the items {key} of {name} are not of length {one.n}",
                    received=f"shape {np.shape(values)}",
                )
    if not observations:
        raise BadInput("a run observed nothing")


def write_observations(folder: Path, observations: Sequence[Observation]) -> None:
    """Write the observations; the JSON file comes last and marks the run as finished.

    Raises:
        BadInput: They are not usable.
    """
    check_observations(observations)
    arrays = {
        f"{place}/{key}": np.asarray(values)
        for place, one in enumerate(observations)
        for key, values in one.items.items()
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(folder / ARRAYS, buffer.getvalue())
    rows = [
        {
            "dataset": one.dataset,
            "metric": one.metric,
            "unit": one.unit,
            "value": float(one.value),
            "n": int(one.n),
            "items": list(one.items),
        }
        for one in observations
    ]
    data = {"schema": 1, "arrays": hash_file(folder / ARRAYS), "observations": rows}
    write_atomically(folder / NUMBERS, (json.dumps(data, indent=1) + "\n").encode())


def read_observations(folder: Path) -> tuple[Observation, ...]:
    """Read what `write_observations` wrote.

    Raises:
        BadInput: A file is missing, damaged or not the one that was written.
    """
    data = read_json(folder / NUMBERS)
    arrays = folder / ARRAYS
    try:
        if hash_file(arrays) != data["arrays"]:
            raise ValueError("not the file that was written")
        with np.load(arrays, allow_pickle=False) as stored:
            return tuple(
                _observation(row, place, stored) for place, row in enumerate(data["observations"])
            )
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise BadInput(
            f"the observations can't be read ({type(error).__name__}: {error})",
            received=arrays,
            hint=f"delete {folder / NUMBERS} and run it again: only the measuring is repeated",
        ) from None


def _observation(row: dict[str, Any], place: int, stored: Any) -> Observation:
    names = row.pop("items")
    return Observation(**row, items={name: stored[f"{place}/{name}"] for name in names})
