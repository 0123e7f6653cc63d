"""What a pair is asked: one number, yes or no, or one of several classes; and the losses of that.

A model gives one row of logits for a pair, the logits of all its tasks beside each other. A task of
kind "binary" has one logit; a teacher that gives two is folded, t = z1 - z0.

Legend: B pairs, C logits, T tasks, K teacher's logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from broadsheet.core.errors import BadInput
from broadsheet.losses.distillation import kl_at_temperature, logit_mse, margin_mse

Kind = Literal["binary", "classes", "regression"]
Distance = Literal["logit_mse", "kl", "margin_mse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One question about a pair.

    Args:
        name: Such as "entailment".
        kind: What the answer is.
        classes: How many, for the kind "classes".
        symmetric: The answer for (b, a) is that for (a, b) by definition, so a student's head is
            averaged over both orders.

    Example:
        >>> Task(name="entailment", kind="classes", classes=3).logits
        3
    """

    name: str
    kind: Kind
    classes: int = 2
    symmetric: bool = False

    @property
    def logits(self) -> int:
        """Return how many logits a student has for it."""
        return self.classes if self.kind == "classes" else 1


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks that one model answers together.

    Args:
        tasks: In the order of their logits.

    Example:
        >>> both = Tasks((Task(name="r", kind="regression", symmetric=True),
        ...               Task(name="e", kind="classes", classes=3)))
        >>> both.logits, both.symmetric, both.columns("e")
        (4, (0,), slice(1, 4, None))
    """

    tasks: tuple[Task, ...]

    @property
    def logits(self) -> int:
        """Return the length of a row of logits."""
        return sum(task.logits for task in self.tasks)

    @property
    def symmetric(self) -> tuple[int, ...]:
        """Return the columns whose task doesn't ask for the order of the pair."""
        return tuple(
            column
            for task in self.tasks
            if task.symmetric
            for column in range(*self.columns(task.name).indices(self.logits))
        )

    def columns(self, name: str) -> slice:
        """Return where a task's logits are.

        Raises:
            BadInput: There is no such task.
        """
        first = 0
        for task in self.tasks:
            if task.name == name:
                return slice(first, first + task.logits)
            first += task.logits
        raise BadInput("no such task", received=name, hint=", ".join(t.name for t in self.tasks))

    def parts(self, logits_BC: Tensor) -> list[tuple[Task, Tensor]]:
        """Return each task with its columns."""
        return [(task, logits_BC[:, self.columns(task.name)]) for task in self.tasks]

    def loss(self, logits_BC: Tensor, gold_BT: Tensor, labelled_B: Tensor) -> Tensor:
        """Return the sum of the tasks' losses, mean over the labelled rows; 0 without any.

        Shape:
            [B, C], gold [B, T] (a class is its number), labelled [B] of 0 and 1 -> scalar.
        """
        total_B = torch.zeros_like(labelled_B)
        for place, (task, part_BC) in enumerate(self.parts(logits_BC.float())):
            total_B = total_B + _task_loss(task, part_BC, gold_BT[:, place])
        return (total_B * labelled_B).sum() / labelled_B.sum().clamp_min(1.0)

    def distance(
        self, logits_BC: Tensor, taught_BC: Tensor, kind: Distance, temperature: float = 2.0
    ) -> Tensor:
        """Return how far a student's logits are from the (folded) logits of its teacher.

        "logit_mse" is the paper's. "kl" compares softmax at a temperature (a lone logit of a
        binary task against 0) and keeps the squared difference for regression, which has no
        classes. "margin_mse" compares differences only: between neighbouring pairs of the batch
        for lone logits, between neighbouring classes else.

        Source:
            arXiv 1908.05161, equation 2.
        """
        if kind == "logit_mse":
            return logit_mse(logits_BC, taught_BC)
        total = logits_BC.new_zeros(())
        for (task, own_BC), (_, taught_Bc) in zip(
            self.parts(logits_BC), self.parts(taught_BC), strict=True
        ):
            total = total + _other_distance(task, own_BC, taught_Bc, kind, temperature)
        return total

    def fold(self, teacher_BK: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a teacher's logits as a student's: two logits of a binary task become one.

        Raises:
            BadInput: Neither one nor two logits for each binary task.

        Source:
            The authors' code: the logit of "yes" minus the logit of "no".
        """
        binary = [task for task in self.tasks if task.kind == "binary"]
        width = teacher_BK.shape[1]
        if width == self.logits:
            return teacher_BK
        if width != self.logits + len(binary):
            raise BadInput(
                "the teacher's logits are not those of the tasks",
                received=f"{width} logits",
                hint=f"{self.logits}, or {self.logits + len(binary)} with two per binary task",
            )
        parts, first = [], 0
        for task in self.tasks:
            size = task.logits + (task.kind == "binary")
            part = teacher_BK[:, first : first + size]
            parts.append(part[:, 1:] - part[:, :1] if task.kind == "binary" else part)
            first += size
        return np.concatenate(parts, axis=1)

    def answers(self, logits_BC: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return the answer to each task: the number, 0 or 1, or the class."""
        found = {}
        for task in self.tasks:
            part = logits_BC[:, self.columns(task.name)]
            if task.kind == "classes":
                found[task.name] = part.argmax(axis=1).astype(np.float32)
            elif task.kind == "binary":
                found[task.name] = (part[:, 0] > 0).astype(np.float32)
            else:
                found[task.name] = part[:, 0]
        return found

    def cooled(
        self, logits_BC: NDArray[np.float32], temperatures: Sequence[float]
    ) -> NDArray[np.float32]:
        """Return the logits of each task over its temperature."""
        scale = np.ones(self.logits, np.float32)
        for task, temperature in zip(self.tasks, temperatures, strict=True):
            scale[self.columns(task.name)] = 1.0 / temperature
        return logits_BC * scale


def calibrate(
    tasks: Tasks, logits_BC: NDArray[np.float32], gold_BT: NDArray[np.float32]
) -> tuple[float, ...]:
    """Return the temperature of each task at which its logits fit the labels best.

    The cross-entropy is convex in 1 / T, so a search by thirds finds it. Regression keeps 1, and
    so does a teacher without a mistake, which would be fitted best by the smallest temperature.

    Source:
        On calibration of modern neural networks (arXiv 1706.04599), section 4.2.

    Example:
        >>> tasks = Tasks((Task(name="yes", kind="binary"),))
        >>> sure = np.array([[9.0], [9.0], [-9.0], [9.0]], np.float32)
        >>> gold = np.array([[1], [1], [0], [0]], np.float32)
        >>> calibrate(tasks, sure, gold)[0] > 3  # too sure: one answer of four is wrong
        True
    """
    temperatures = []
    for place, task in enumerate(tasks.tasks):
        part = torch.from_numpy(np.array(logits_BC[:, tasks.columns(task.name)], np.float64))
        gold = torch.from_numpy(np.array(gold_BT[:, place], np.float64))
        fixed = task.kind == "regression" or _all_right(task, part, gold)
        temperatures.append(1.0 if fixed else _best(task, part, gold))
    return tuple(temperatures)


def _all_right(task: Task, part_BC: Tensor, gold_B: Tensor) -> bool:
    """Tell whether no temperature is best: the smaller, the better."""
    answer_B = part_BC[:, 0] > 0 if task.kind == "binary" else part_BC.argmax(dim=1)
    return bool((answer_B.long() == gold_B.long()).all())


def _best(task: Task, part_BC: Tensor, gold_B: Tensor) -> float:
    low, high = 0.02, 50.0
    for _ in range(60):
        first, second = low + (high - low) / 3, high - (high - low) / 3
        losses = [_task_loss(task, part_BC * inverse, gold_B).mean() for inverse in (first, second)]
        low, high = (low, second) if losses[0] < losses[1] else (first, high)
    return round(2.0 / (low + high), 4)


def _task_loss(task: Task, part_BC: Tensor, gold_B: Tensor) -> Tensor:
    if task.kind == "regression":
        return (part_BC[:, 0] - gold_B).square()
    if task.kind == "binary":
        return F.binary_cross_entropy_with_logits(part_BC[:, 0], gold_B, reduction="none")
    return F.cross_entropy(part_BC, gold_B.long(), reduction="none")


def _other_distance(
    task: Task, own_BC: Tensor, taught_BC: Tensor, kind: Distance, temperature: float
) -> Tensor:
    if kind == "kl":
        if task.kind == "regression":
            return logit_mse(own_BC, taught_BC)
        if task.kind == "binary":
            own_BC, taught_BC = (F.pad(part, (1, 0)) for part in (own_BC, taught_BC))
        return kl_at_temperature(own_BC, taught_BC, temperature)
    dim = 1 if task.kind == "classes" else 0
    own, taught = own_BC.reshape(-1), taught_BC.reshape(-1)
    return margin_mse(
        own, own_BC.roll(1, dim).reshape(-1), taught, taught_BC.roll(1, dim).reshape(-1)
    )
