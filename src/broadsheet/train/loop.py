"""The training loop: plain torch, one optimiser, resumed bit for bit after a kill.

What makes a resumed run equal: `loss_at(step)` is a pure function of the step and the seeds, the
random numbers inside a step (dropout) come from a generator of that step, and a checkpoint holds
everything that the next step reads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.core.progress import Progress, Silent
from broadsheet.core.seeds import SeedTree
from broadsheet.train.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from broadsheet.train.distributed import Group, join_group
from broadsheet.train.metrics_file import MetricsFile
from broadsheet.train.optimiser import TrainSettings, adamw

__all__ = ["TrainLog", "TrainSettings", "train"]

Loss = Tensor | Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainLog:
    """What happened in a training run.

    Args:
        steps: Steps done in all.
        begun_at: Step that this call began at: 0, or that of the checkpoint it went on from.
        rows: Lines of metrics.jsonl: step, loss, learning_rate, gradient_norm and what else the
            loss function gave, each the mean over the steps since the line before.
        seconds: Training time of all calls together.
    """

    steps: int
    begun_at: int
    rows: tuple[Mapping[str, float], ...]
    seconds: float

    def column(self, name: str) -> tuple[float, ...]:
        """Return one metric, line by line."""
        return tuple(row[name] for row in self.rows)


def train(
    module: nn.Module,
    loss_at: Callable[[int], Loss],
    settings: TrainSettings,
    seeds: SeedTree,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> TrainLog:
    """Train `module` in place.

    With a folder the run writes metrics.jsonl and a checkpoint there, goes on from the checkpoint
    if there is one, and returns at once when it is of the last step. Ctrl-C saves one before it
    leaves. In several processes each calls `train` with its own share of the batch
    (`train.distributed`).

    Args:
        module: Everything trainable, also parameters of the loss.
        loss_at: Makes the batch of a step (counted from 0) and returns its loss, or a mapping
            whose "loss" is minimised and whose other scalars are logged. A loss that needs no
            gradient says that the function did the backward pass itself (gradient cache).
        settings: Steps, rate, schedule.
        seeds: The run's seeds.
        folder: Where the run is kept; None keeps nothing.
        progress: Where rate and time left are shown.

    Raises:
        BadInput: The loss or its gradient is not finite, or the checkpoint is of another run.
        UsageError: The loss is not a scalar, or left no gradient; or the processes disagree.

    Example:
        >>> line = nn.Linear(1, 1)
        >>> x = torch.linspace(-1, 1, 16)[:, None]
        >>> settings = TrainSettings(steps=400, learning_rate=0.05)
        >>> log = train(line, lambda step: (line(x) - 3 * x).square().mean(), settings, SeedTree(1))
        >>> log.steps, round(line.weight.item(), 1)
        (400, 3.0)
    """
    run = _Run(module, settings, seeds, folder)
    run.group.wait()
    run.resume()
    run.group.agree(run.step)
    begun_at = run.step
    if run.step < settings.steps:
        label = f"training from step {run.step:,}" if run.step else "training"
        advance = (progress or Silent()).start(label, settings.steps - run.step, "steps")
        module.train()
        try:
            while run.step < settings.steps:
                run.one_step(loss_at)
                advance(1)
                run.save(force=False)
        except KeyboardInterrupt:
            run.save(force=True)
            raise
        run.save(force=True)
    run.group.wait()
    return TrainLog(
        steps=run.step, begun_at=begun_at, rows=tuple(run.metrics.rows), seconds=run.seconds
    )


@dataclass
class _Run:
    """The state of a run between two steps."""

    module: nn.Module
    settings: TrainSettings
    seeds: SeedTree
    folder: Path | None
    step: int = 0
    seconds: float = 0.0
    group: Group = field(default_factory=join_group)

    def __post_init__(self) -> None:
        self._parameters = [p for p in self.module.parameters() if p.requires_grad]
        self._optimiser = adamw(self.module, self.settings)
        self._identity = {**self.settings.mathematics(), "seed": self.seeds.integer()}
        writes = self.folder is not None and self.group.rank == 0
        self._keeps = self.folder if writes else None
        self.metrics = MetricsFile(self._keeps)
        self._updating = False
        self._saved_at = time.monotonic()
        self._devices = {p.device.index for p in self._parameters if p.device.type == "cuda"}

    def resume(self) -> None:
        """Take up the checkpoint in the folder, if there is one."""
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        found = load_checkpoint(self.folder, self.module, identity=self._identity)
        if found:
            self.step, self.seconds = found.step, found.seconds
            self._optimiser.load_state_dict(dict(found.optimiser))
            self.metrics.sums = dict(found.sums)
        self.metrics.cut(self.step)

    def one_step(self, loss_at: Callable[[int], Loss]) -> None:
        """Compute a loss, its gradient, and move the weights."""
        begun = time.perf_counter()
        rate = self.settings.rate_at(self.step)
        self._optimiser.zero_grad(set_to_none=True)
        with self._own_randomness():
            values = _as_mapping(loss_at(self.step))
            loss = values["loss"]
            if loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
        if all(p.grad is None for p in self._parameters) and self.group.size == 1:
            raise UsageError(
                "the loss gave no gradient to any parameter", received=f"step {self.step}"
            )
        measured = self.group.average(self._parameters, values)
        clip = self.settings.clip or math.inf
        norm = nn.utils.clip_grad_norm_(self._parameters, clip)
        self._check(measured["loss"], norm)
        self._updating = True
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.step()
        self.step += 1
        self._log({**measured, "learning_rate": torch.tensor(rate), "gradient_norm": norm})
        self.seconds += time.perf_counter() - begun
        self._updating = False

    def save(self, *, force: bool) -> None:
        """Write a checkpoint when it is time; never one of a half-made update."""
        due = time.monotonic() - self._saved_at >= self.settings.checkpoint_every_s
        if self._keeps is None or self._updating or not (due or force):
            return
        checkpoint = Checkpoint(
            step=self.step,
            identity=self._identity,
            optimiser=self._optimiser.state_dict(),
            sums=self.metrics.sums,
            seconds=self.seconds,
        )
        save_checkpoint(self._keeps, self.module, checkpoint)
        self._saved_at = time.monotonic()

    @contextmanager
    def _own_randomness(self) -> Iterator[None]:
        names = (
            ("step", self.step) if self.group.size == 1 else ("step", self.step, self.group.rank)
        )
        with torch.random.fork_rng(devices=self._devices):
            torch.manual_seed(self.seeds.child(*names).integer())
            yield

    def _check(self, loss: Tensor, norm: Tensor) -> None:
        for what, value in (("loss", loss.item()), ("gradient", norm.item())):
            if not math.isfinite(value):
                raise BadInput(
                    f"the {what} of step {self.step} is not finite; the weights were left alone",
                    received=value,
                    hint="a lower learning rate, longer warm-up or tighter clip",
                )

    def _log(self, values: Mapping[str, Tensor]) -> None:
        self.metrics.add({name: value.item() for name, value in values.items()})
        if self.step % self.settings.log_every == 0 or self.step == self.settings.steps:
            self.metrics.write(self.step)


def _as_mapping(given: Loss) -> dict[str, Tensor]:
    values = {"loss": given} if isinstance(given, Tensor) else dict(given)
    if "loss" not in values:
        raise UsageError('the mapping has no "loss"', received=", ".join(values))
    for name, value in values.items():
        if value.numel() != 1:
            raise UsageError(f"{name} must be one number", received=tuple(value.shape))
    return {name: value.reshape(()) for name, value in values.items()}
