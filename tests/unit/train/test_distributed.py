"""Two processes at one global batch do what one process does."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
from typing import Any

import pytest
import torch

from broadsheet.core.errors import UsageError
from broadsheet.train.distributed import Group

_PROGRAM = """
import json, sys
from pathlib import Path
import torch
from torch import nn
from broadsheet.core.seeds import SeedTree
from broadsheet.losses.contrastive import info_nce
from broadsheet.losses.gather import across_processes
from broadsheet.train.checkpoints import load_checkpoint
from broadsheet.train.distributed import join_group
from broadsheet.train.loop import TrainSettings, train

out = Path(sys.argv[1])
group, seeds = join_group(), SeedTree(3)

class Towers(nn.Module):
    def __init__(self, dropout):
        super().__init__()
        self.body, self.drop = nn.Linear(12, 8), nn.Dropout(dropout)
        self.some, self.never = nn.Linear(8, 8), nn.Linear(8, 8)
        generator = seeds.child("weights").torch()
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)

def run(name, dropout, stop=None):
    module = Towers(dropout)
    def loss_at(step):
        if step == stop:
            raise KeyboardInterrupt
        generator = seeds.child("batch", step).torch()
        x, y = torch.randn(2, 16, 12, generator=generator)
        own = group.share(16)
        a, b = module.drop(module.body(x[own])), module.drop(module.body(y[own]))
        loss = info_nce(a, b, gather=across_processes)
        if group.rank == group.size - 1:  # the last rows' owner also trains a part of its own
            last = slice(-4, None)
            loss = loss + module.some(a[last]).square().mean() * group.size
        return {"loss": loss, "width": a.norm(dim=1).mean()}
    settings = TrainSettings(steps=6, learning_rate=0.01, checkpoint_every_s=1e6, log_every=1)
    try:
        return module, train(module, loss_at, settings, seeds, folder=out / f"{name}{dropout}")
    except KeyboardInterrupt:
        return module, None

def facts_of(dropout):
    module, log = run("whole", dropout)
    run("parts", dropout, stop=3)
    again, second = run("parts", dropout)
    kept = Towers(dropout)
    load_checkpoint(out / f"whole{dropout}", kept)
    weights = [p.tolist() for p in module.parameters()]
    return {
        "size": group.size, "losses": log.column("loss"), "widths": log.column("width"),
        "weights": weights, "begun_at": second.begun_at,
        "resumed": weights == [p.tolist() for p in again.parameters()],
        "written": weights == [p.tolist() for p in kept.parameters()],
    }

facts = {str(dropout): facts_of(dropout) for dropout in (0.0, 0.3)}
(out / f"facts-{group.rank}.json").write_text(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Any]]]:
    """What one process alone found, then what each of two found."""
    folder = tmp_path_factory.mktemp("processes")
    program = folder / "program.py"
    program.write_text(_PROGRAM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["program", str(folder)])
        runpy.run_path(str(program))
    alone = json.loads((folder / "facts-0.json").read_text())

    launcher = ["-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1"]
    (folder / "two").mkdir()
    command = [sys.executable, *launcher, "--nproc-per-node", "2", str(program)]
    child = subprocess.Popen(
        [*command, str(folder / "two")],
        env=os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = child.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)  # the processes it started too
        said, _ = child.communicate()
    assert child.returncode == 0, said[-3000:]
    two = [json.loads((folder / "two" / f"facts-{rank}.json").read_text()) for rank in range(2)]
    return [alone, *two]


def test_two_processes_give_the_loss_of_one(facts: list[dict[str, dict[str, Any]]]) -> None:
    alone, first, second = (found["0.0"] for found in facts)
    assert (first["size"], alone["size"]) == (2, 1)
    for name in ("losses", "widths"):
        one, two = (torch.tensor(found[name]) for found in (alone, first))
        torch.testing.assert_close(two, one, rtol=2e-6, atol=1e-6)
    assert first["weights"] == second["weights"]
    for ours, theirs in zip(first["weights"], alone["weights"], strict=True):
        torch.testing.assert_close(torch.tensor(ours), torch.tensor(theirs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dropout", ["0.0", "0.3"])
def test_several_processes_resume_with_the_same_bits(
    facts: list[dict[str, dict[str, Any]]], dropout: str
) -> None:
    for found in facts:
        assert found[dropout]["begun_at"] == 3
        assert found[dropout]["resumed"]
        assert found[dropout]["written"]
    assert facts[1][dropout]["weights"] == facts[2][dropout]["weights"]


def test_a_batch_is_shared_evenly_or_not_at_all() -> None:
    rows = list(range(12))
    shares = [rows[Group(rank=rank, size=3).share(12)] for rank in range(3)]
    assert [row for share in shares for row in share] == rows
    with pytest.raises(UsageError, match="evenly"):
        Group(rank=0, size=5).share(12)
