"""The loop: right update, schedule, metrics, errors, and the same bits after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.core.seeds import SeedTree
from broadsheet.train import checkpoints
from broadsheet.train.checkpoints import WEIGHTS, load_checkpoint
from broadsheet.train.loop import TrainSettings, train

SEEDS = SeedTree(5)
SETTINGS = TrainSettings(steps=12, learning_rate=0.01, checkpoint_every_s=0, log_every=4)


def make_module() -> nn.Module:
    generator = SEEDS.child("weights").torch()
    module = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.Dropout(0.3), nn.Linear(16, 4))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return module


def loss_of(module: nn.Module) -> Callable[[int], Tensor]:
    def loss_at(step: int) -> Tensor:
        generator = SEEDS.child("batch", step).torch()
        x = torch.randn(32, 8, generator=generator)
        loss: Tensor = (module(x) - x[:, :4]).square().mean()
        return loss

    return loss_at


def bits(module: nn.Module) -> list[bytes]:
    return [tensor.numpy().tobytes() for tensor in module.state_dict().values()]


@pytest.fixture(scope="module")
def undisturbed() -> list[bytes]:
    module = make_module()
    train(module, loss_of(module), SETTINGS, SEEDS)
    return bits(module)


def test_matches_a_plain_loop_with_torch_schedulers() -> None:
    settings = TrainSettings(steps=30, learning_rate=0.02, weight_decay=0.1, warmup=0.2, clip=0.05)
    ours, theirs = make_module().eval(), make_module().eval()
    for module in (ours, theirs):
        module[2] = nn.Identity()  # type: ignore[operator]
    train(ours, loss_of(ours), settings, SEEDS)

    weights = [p for p in theirs.parameters() if p.ndim == 2]
    rest = [p for p in theirs.parameters() if p.ndim == 1]
    groups = [{"params": weights, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=0.02, foreach=False)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: (s + 1) / 6 if s < 6 else (30 - s) / 24
    )
    for step in range(30):
        optimiser.zero_grad()
        loss_of(theirs)(step).backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), 0.05)
        optimiser.step()
        schedule.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]),
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("cosine", [0.5, 1.0, 1.0, 0.853553, 0.5, 0.146447]),
    ],
)
def test_schedules(schedule: str, expected: list[float]) -> None:
    settings = TrainSettings(steps=6, learning_rate=1.0, warmup=1 / 3, schedule=schedule)  # type: ignore[arg-type]
    assert [settings.rate_at(step) for step in range(6)] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"learning_rate": 0.0}, {"warmup": 1.0}, {"schedule": "step"}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="Received"):
        TrainSettings(**{"steps": 3, "learning_rate": 0.1, **wrong})  # type: ignore[arg-type]


def test_same_seed_same_bits_and_global_randomness_is_left_alone(undisturbed: list[bytes]) -> None:
    torch.manual_seed(123)
    before = torch.get_rng_state()
    module = make_module()
    torch.set_rng_state(before)
    train(module, loss_of(module), SETTINGS, SEEDS)
    assert bits(module) == undisturbed
    assert torch.equal(torch.get_rng_state(), before)
    other = make_module()
    train(other, loss_of(other), SETTINGS, SeedTree(6))  # another dropout
    assert bits(other) != undisturbed


def test_metrics_are_means_and_reach_the_file(tmp_path: Path) -> None:
    module = make_module()
    seen = []

    def loss_at(step: int) -> dict[str, Tensor]:
        loss = loss_of(module)(step)
        seen.append(loss.item())
        return {"loss": loss, "twice": 2 * loss}

    log = train(module, loss_at, SETTINGS, SEEDS, folder=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [4, 8, 12]
    assert lines == list(log.rows)
    means = [sum(seen[at : at + 4]) / 4 for at in (0, 4, 8)]
    assert log.column("loss") == pytest.approx(means)
    assert log.column("twice") == pytest.approx([2 * mean for mean in means])
    assert log.column("gradient_norm")[0] > 0


_CHILD = """
import sys, time
sys.path.insert(0, sys.argv[2])
import torch
torch.set_num_threads(int(sys.argv[3]))
from pathlib import Path
from test_loop import SEEDS, SETTINGS, loss_of, make_module, train
module = make_module()
inner = loss_of(module)
def slow(step):
    print(step, flush=True)
    time.sleep(0.05)
    return inner(step)
train(module, slow, SETTINGS, SEEDS, folder=Path(sys.argv[1]))
"""


def test_a_killed_run_ends_with_the_same_bits(tmp_path: Path, undisturbed: list[bytes]) -> None:
    threads = str(torch.get_num_threads())  # the bits depend on it
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", _CHILD, str(tmp_path), here, threads]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip() == "6":
            time.sleep(0.02)
            child.kill()
            break
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    with (tmp_path / "metrics.jsonl").open("a") as handle:
        handle.write('{"step": 99, "loss"')  # half a line, as a kill may leave
    module = make_module()
    log = train(module, loss_of(module), SETTINGS, SEEDS, folder=tmp_path)
    assert 0 < log.begun_at < 12
    assert bits(module) == undisturbed
    kept = train(make_module(), loss_of(make_module()), SETTINGS, SEEDS, folder=tmp_path)
    assert kept.begun_at == 12
    assert [row["step"] for row in kept.rows] == [4, 8, 12]


@pytest.mark.parametrize("breaks_at", ["save_model", "torch.save", "glob"])
def test_a_kill_inside_a_save_keeps_one_whole_checkpoint(
    tmp_path: Path, undisturbed: list[bytes], monkeypatch: pytest.MonkeyPatch, breaks_at: str
) -> None:
    class Killed(BaseException):
        pass

    def stop(*args: object, **named: object) -> None:
        raise Killed

    module = make_module()
    inner = loss_of(module)

    def loss_at(step: int) -> Tensor:
        if step == 7:  # from here on nothing can be saved
            target: object = {"save_model": checkpoints, "torch.save": torch, "glob": Path}[
                breaks_at
            ]
            monkeypatch.setattr(target, breaks_at.removeprefix("torch."), stop)
        return inner(step)

    with pytest.raises(Killed):
        train(module, loss_at, SETTINGS, SEEDS, folder=tmp_path)
    monkeypatch.undo()
    again = make_module()
    log = train(again, loss_of(again), SETTINGS, SEEDS, folder=tmp_path)
    assert log.begun_at == (8 if breaks_at == "glob" else 7)
    assert bits(again) == undisturbed
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-12.pt",
        WEIGHTS,
        "metrics.jsonl",
    ]


def test_an_interrupt_saves_and_leaves(tmp_path: Path, undisturbed: list[bytes]) -> None:
    module = make_module()
    inner = loss_of(module)
    settings = TrainSettings(steps=12, learning_rate=0.01, checkpoint_every_s=1e6, log_every=4)

    def loss_at(step: int) -> Tensor:
        if step == 5:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        return inner(step)

    with pytest.raises(KeyboardInterrupt):
        train(module, loss_at, settings, SEEDS, folder=tmp_path)
    again = make_module()
    log = train(again, loss_of(again), settings, SEEDS, folder=tmp_path)
    assert log.begun_at == 5
    assert bits(again) == undisturbed


def test_a_loss_that_is_not_finite_names_the_step(tmp_path: Path) -> None:
    module = make_module()
    inner = loss_of(module)
    with pytest.raises(BadInput, match="loss of step 3 is not finite"):
        train(module, lambda s: inner(s) * (float("nan") if s == 3 else 1), SETTINGS, SEEDS)
    kept = bits(module)
    with pytest.raises(BadInput, match="gradient of step 0 is not finite"):
        train(module, lambda s: inner(s) + (module[0].weight * 0).sum().sqrt(), SETTINGS, SEEDS)  # type: ignore[index]
    assert bits(module) == kept


def test_wrong_losses_are_refused() -> None:
    module = make_module()
    with pytest.raises(UsageError, match="no gradient to any"):
        train(module, lambda step: torch.tensor(1.0), SETTINGS, SEEDS)
    with pytest.raises(UsageError, match="one number"):
        train(module, lambda step: module(torch.ones(2, 8)), SETTINGS, SEEDS)
    with pytest.raises(UsageError, match='no "loss"'):
        train(module, lambda step: {"other": torch.tensor(1.0)}, SETTINGS, SEEDS)
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(BadInput, match="no trainable"):
        train(module, loss_of(module), SETTINGS, SEEDS)


def test_a_loss_may_do_its_own_backward_pass(undisturbed: list[bytes]) -> None:
    module = make_module()
    inner = loss_of(module)

    def loss_at(step: int) -> Tensor:
        loss = inner(step)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    train(module, loss_at, SETTINGS, SEEDS)
    assert bits(module) == undisturbed


def test_a_checkpoint_of_other_settings_or_damaged_is_refused(tmp_path: Path) -> None:
    module = make_module()
    train(module, loss_of(module), SETTINGS, SEEDS, folder=tmp_path)
    longer = TrainSettings(steps=20, learning_rate=0.01)
    with pytest.raises(BadInput, match=r"other settings.*steps=12"):
        train(module, loss_of(module), longer, SEEDS, folder=tmp_path)
    with pytest.raises(BadInput, match="can't be read"):
        load_checkpoint(tmp_path, nn.Linear(2, 2))
    (tmp_path / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(BadInput, match="can't be read"):
        train(module, loss_of(module), SETTINGS, SEEDS, folder=tmp_path)


def test_shared_and_frozen_parameters_survive_a_checkpoint(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)
            self.two.weight = self.one.weight
            self.one.bias.requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.two(self.one(x))
            return out

    module = Tied()
    frozen = module.one.bias.clone()
    train(
        module, lambda s: module(torch.ones(1, 4)).square().sum(), SETTINGS, SEEDS, folder=tmp_path
    )
    assert torch.equal(frozen, module.one.bias)
    other = Tied()
    found = load_checkpoint(tmp_path, other)
    assert found is not None
    assert found.step == 12
    assert bits(other) == bits(module)
    assert other.two.weight is other.one.weight
