"""Two processes give the loss and the gradients of one process with the whole batch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from broadsheet.losses.contrastive import same_keys
from broadsheet.losses.gather import across_processes, local

#: Run by every process; the first one also runs the whole batch alone, before it meets the other.
WORKER = '''
import json, sys
from datetime import timedelta
from pathlib import Path
import torch
from torch import distributed as dist, nn
from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.losses.contrastive import (
    LearnedTemperature, info_nce, same_keys, symmetric_info_nce
)
from broadsheet.losses.gather import across_processes
from broadsheet.losses.gradcache import cached_backward, cached_loss

KEYS = torch.tensor([1, 2, 3, 4, 1, 5, 2, 6])


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 4)).double()
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=SeedTree(2).torch())
        self.temperature = LearnedTemperature(0.5).double()

    def forward(self, x):
        return self.layers(x)


class Batch:
    """The rows of one process, and the losses."""

    def __init__(self, rank, world):
        def mine(rows):
            count = len(rows) // world
            return rows[rank * count : (rank + 1) * count]

        def draw(name, rows):
            generator = SeedTree(1).child(name).torch()
            return mine(torch.randn(rows, 5, generator=generator, dtype=torch.float64))

        self.world = world
        self.sides = [draw("x", 8), draw("y", 8), draw("hard", 12)]
        self.keys = mine(KEYS)

    def one_way(self, model, x, y, hard):
        return info_nce(
            x, y, hard_ND=hard, temperature=model.temperature(), gather=across_processes,
            positives_BC=same_keys(self.keys, gather=across_processes),
        )

    def both_ways(self, model, x, y):
        return symmetric_info_nce(
            x, y, temperature=model.temperature(), gather=across_processes,
            positives_BC=same_keys(self.keys, gather=across_processes),
        )

    def mean(self, tensor):
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor / self.world

    def measure(self, take, averaged=()):
        """Value and gradients, as means over processes (those in `averaged` are already)."""
        model = Model()
        value = take(model)
        if value.requires_grad:
            value.backward()
        numbers = [self.mean(value.detach().clone())]
        for name, parameter in model.named_parameters():
            done = name.startswith(averaged)
            numbers.append(parameter.grad if done else self.mean(parameter.grad))
        return torch.cat([part.flatten() for part in numbers]).tolist()

    def all(self):
        chunks = [side.split(2) for side in self.sides]
        found = {
            "one way": self.measure(
                lambda model: self.one_way(model, *map(model, self.sides))
            ),
            "both ways": self.measure(
                lambda model: self.both_ways(model, *map(model, self.sides[:2]))
            ),
            "cached": self.measure(
                lambda model: cached_loss(
                    model, chunks, lambda *sides: self.one_way(model, *sides)
                )
            ),
        }

        def in_the_library(model):
            """DistributedDataParallel averages gradients, once for the whole batch."""
            replica = nn.parallel.DistributedDataParallel(model.layers)
            return cached_backward(
                replica, chunks, lambda *sides: self.one_way(model, *sides),
                unsynced=replica.no_sync,
            )

        if self.world > 1:
            found["in the library"] = self.measure(in_the_library, averaged=("layers.",))
        return found


torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
rank, folder = int(sys.argv[1]), Path(sys.argv[2])
if rank == 0:
    (folder / "alone.json").write_text(json.dumps(Batch(0, 1).all()))
dist.init_process_group(
    "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2,
    timeout=timedelta(seconds=60),
)
results = Batch(rank, 2).all()
try:
    across_processes(torch.zeros(2 + rank, 3))
    results["unequal"] = "accepted"
except BadInput as error:
    results["unequal"] = str(error)
(folder / f"rank-{rank}.json").write_text(json.dumps(results))
dist.barrier()
dist.destroy_process_group()
'''


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("gather")
    program = folder / "worker.py"
    program.write_text(WORKER)
    workers = [
        subprocess.Popen(
            [sys.executable, program, str(rank), folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        for worker in workers:
            output, _ = worker.communicate(timeout=120)
            assert worker.returncode == 0, output
    finally:
        for worker in workers:
            worker.kill()
    return {path.stem: json.loads(path.read_text()) for path in Path(folder).glob("*.json")}


@pytest.mark.parametrize("kind", ["one way", "both ways", "cached", "in the library"])
def test_two_processes_give_what_one_gives(results: dict[str, Any], kind: str) -> None:
    alone = torch.tensor(results["alone"]["cached" if kind == "in the library" else kind])
    assert alone.abs().min() > 0  # the loss, and every gradient
    for who in ("rank-0", "rank-1"):
        found = torch.tensor(results[who][kind])
        torch.testing.assert_close(found, alone, rtol=1e-6, atol=1e-9)


def test_the_cached_loss_is_the_same_loss(results: dict[str, Any]) -> None:
    for who in ("alone", "rank-0"):
        plain, cached = (torch.tensor(results[who][kind]) for kind in ("one way", "cached"))
        torch.testing.assert_close(cached, plain, rtol=1e-9, atol=1e-12)


def test_unequal_processes_are_refused(results: dict[str, Any]) -> None:
    for who in ("rank-0", "rank-1"):
        assert "different numbers of rows. Received: [2, 3]" in results[who]["unequal"]


def test_without_other_processes_rows_stay_as_they_are() -> None:
    rows = torch.ones(3, 2)
    for gather in (local, across_processes):
        found = gather(rows)
        assert found.rows_GD is rows
        assert found.start == 0
    assert same_keys(torch.tensor([1, 2]), gather=across_processes).tolist() == [
        [True, False],
        [False, True],
    ]
