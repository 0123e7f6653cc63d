"""One run: what it leaves behind, resumed pieces, failures, the data it read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broadsheet.core.errors import BadInput, SourceError
from broadsheet.core.paths import exclusive
from broadsheet.systems.contract import Observation
from broadsheet.systems.jobs import Job
from broadsheet.systems.observed import (
    is_finished,
    read_observations,
    write_observations,
)
from broadsheet.systems.pieces import cost_of, open_piece, read_pieces
from broadsheet.systems.worker import execute

Jobs = Callable[..., tuple[Job, ...]]


def test_a_run_leaves_recipe_environment_cost_and_observations(jobs: Jobs) -> None:
    job = jobs()[0]
    execute(job)
    assert job.folder.parts[-3:] == ("toy", job.config, "1")
    recipe = json.loads((job.folder / "recipe.json").read_text())
    assert recipe["recipe"] == {"arm": "a", "batch_size": 4, "max_tokens": 8, "steps": 3}
    assert recipe["hash"] == job.config
    [piece] = read_pieces(job.folder)
    assert piece["ended"] == "finished"
    assert piece["environment"] == json.loads((job.folder / "environment.json").read_text())
    assert {"python", "machine", "threads", "version torch"} <= set(piece["environment"])
    assert cost_of(job.folder).parameters == 12
    assert cost_of(job.folder).peak_memory_mb > 10
    [observed] = read_observations(job.folder)
    assert (observed.value, observed.items["hit"].tolist()) == (1.0, [0.0, 1.0, 2.0])


def test_a_finished_run_is_not_repeated(toy: Any, jobs: Jobs) -> None:
    execute(jobs()[0])
    execute(jobs()[0])
    assert toy.fitted == [("a", 1)]


def test_an_interrupted_run_goes_on_and_its_pieces_add_up(toy: Any, jobs: Jobs) -> None:
    job = jobs()[0]
    toy.fails_in = "fit"
    with pytest.raises(KeyboardInterrupt):
        execute(job)
    assert not is_finished(job.folder)
    toy.fails_in = ""
    execute(job)
    pieces = read_pieces(job.folder)
    assert [piece["ended"] for piece in pieces] == ["interrupted", "finished"]
    assert cost_of(job.folder).wall_s == pytest.approx(sum(p["wall_s"] for p in pieces), abs=0.01)
    assert toy.fitted == [("a", 1), ("a", 1)]


def test_a_number_that_is_none_fails_the_run_and_keeps_it_unfinished(toy: Any, jobs: Jobs) -> None:
    toy.fails_in = "evaluate"
    with pytest.raises(BadInput, match="no finite number"):
        execute(jobs()[0])
    assert not is_finished(jobs()[0].folder)
    assert [piece["ended"] for piece in read_pieces(jobs()[0].folder)] == ["failed"]


def test_two_processes_can_t_do_one_run(jobs: Jobs) -> None:
    job = jobs()[0]
    with (
        exclusive(job.folder / "lock", "the test"),
        pytest.raises(SourceError, match="another process"),
    ):
        execute(job)


def test_the_files_that_were_read_are_noted_and_no_others(
    toy: Any, jobs: Jobs, tmp_path: Path
) -> None:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    for name in ("read.txt", "unread.txt"):
        (inputs / name).write_text(name)
    toy.reads = ("read.txt",)
    job = jobs(inputs=inputs)[0]
    execute(job)
    noted = json.loads((job.folder / "data.json").read_text())
    assert list(noted) == ["read.txt"]


def test_damaged_observations_are_refused(jobs: Jobs) -> None:
    job = jobs()[0]
    execute(job)
    arrays = job.folder / "observations.npz"
    arrays.write_bytes(arrays.read_bytes()[:-20])
    with pytest.raises(BadInput, match=r"only the measuring is repeated"):
        read_observations(job.folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"items": {"x": np.zeros(4)}}, "not of length 3"),
        ({"items": {"x": np.zeros(())}}, "not of length 3"),
        ({"value": float("inf")}, "no finite number"),
    ],
)
def test_observations_that_no_report_can_use_are_refused(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    good = {"dataset": "d", "metric": "m", "unit": "", "value": 1.0, "n": 3}
    with pytest.raises(BadInput, match=says):
        write_observations(tmp_path, [Observation(**{**good, **change})])
    with pytest.raises(BadInput, match="twice"):
        write_observations(tmp_path, [Observation(**good), Observation(**good)])  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="nothing"):
        write_observations(tmp_path, [])
    assert not list(tmp_path.iterdir())


def test_a_piece_that_is_killed_has_its_cost_up_to_its_last_beat(tmp_path: Path) -> None:
    with open_piece(tmp_path, environment={}, every_s=0.01) as piece:
        piece.parameters = 7
        deadline = time.monotonic() + 20
        while cost_of(tmp_path).parameters != 7:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        [during] = read_pieces(tmp_path)
    [after] = read_pieces(tmp_path)
    assert (during["ended"], after["ended"]) == ("killed", "finished")
    assert 0 < during["wall_s"] <= after["wall_s"]


def test_processes_of_one_piece_share_its_time_and_add_their_memory(tmp_path: Path) -> None:
    for rank in (0, 1):
        with open_piece(tmp_path, rank=rank, environment={}):
            pass
    pieces = read_pieces(tmp_path)
    total = cost_of(tmp_path)
    assert total.wall_s == max(piece["wall_s"] for piece in pieces)
    assert total.peak_memory_mb == sum(piece["peak_memory_mb"] for piece in pieces)
