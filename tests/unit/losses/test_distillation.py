"""Distillation losses against loops, and what they leave free."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.losses.distillation import (
    embedding_mse,
    kl_at_temperature,
    logit_mse,
    margin_mse,
    similarity_kl,
)


def _draw(name: str, *shape: int) -> Tensor:
    generator = SeedTree(4).child(name).torch()
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_logit_mse_sums_classes_and_averages_rows() -> None:
    student, teacher = _draw("s", 4, 3), _draw("t", 4, 3)
    expected = sum(float(((s - t) ** 2).sum()) for s, t in zip(student, teacher, strict=True)) / 4
    assert logit_mse(student, teacher).item() == pytest.approx(expected)


def test_kl_at_temperature_by_its_definition() -> None:
    student, teacher = _draw("s", 4, 3), _draw("t", 4, 3)
    total = 0.0
    for s, t in zip(student, teacher, strict=True):
        p, q = (t / 3).softmax(0), (s / 3).softmax(0)
        total += float((p * (p / q).log()).sum())
    assert kl_at_temperature(student, teacher, 3.0).item() == pytest.approx(9 * total / 4)


def test_kl_tends_to_centred_logit_mse() -> None:
    student, teacher = _draw("s", 4, 3), _draw("t", 4, 3)
    centred = [x - x.mean(dim=1, keepdim=True) for x in (student, teacher)]
    expected = logit_mse(*centred).item() / (2 * 3)
    assert kl_at_temperature(student, teacher, 1e3).item() == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("negatives", [(5,), (5, 3)])
def test_margin_mse_leaves_the_level_of_a_query_free(negatives: tuple[int, ...]) -> None:
    positive, teacher_positive = _draw("p", 5), _draw("tp", 5)
    negative, teacher_negative = _draw("n", *negatives), _draw("tn", *negatives)
    found = margin_mse(positive, negative, teacher_positive, teacher_negative).item()
    shape = (-1, 1) if len(negatives) == 1 else (5, 3)
    gaps = (positive[:, None] - negative.reshape(shape)) - (
        teacher_positive[:, None] - teacher_negative.reshape(shape)
    )
    assert found == pytest.approx(float((gaps**2).mean()))
    level = torch.arange(5.0)
    moved = margin_mse(
        positive + level,
        negative + (level if len(negatives) == 1 else level[:, None]),
        teacher_positive,
        teacher_negative,
    )
    assert moved.item() == pytest.approx(found)


def test_similarity_kl_by_its_definition() -> None:
    x, teacher = _draw("x", 5, 4), _draw("t", 5, 7)
    total = 0.0
    for i in range(5):
        others = [j for j in range(5) if j != i]
        p, q = (
            torch.stack([F.cosine_similarity(v[i], v[j], dim=0) / 0.2 for j in others]).softmax(0)
            for v in (teacher, x)
        )
        total += float((p * (p / q).log()).sum())
    assert similarity_kl(x, teacher, 0.2).item() == pytest.approx(total / 5)


def test_similarity_kl_does_not_see_a_turned_space() -> None:
    teacher = _draw("t", 6, 4)
    turn = torch.linalg.qr(_draw("q", 4, 4)).Q
    assert similarity_kl(3 * teacher @ turn, teacher).item() == pytest.approx(0.0, abs=1e-12)
    assert embedding_mse(3 * teacher @ turn, teacher).item() > 0.5


def test_embedding_mse_is_the_mean_over_numbers() -> None:
    x, teacher = _draw("x", 5, 4), _draw("t", 5, 4)
    assert embedding_mse(x, teacher).item() == pytest.approx(float(((x - teacher) ** 2).mean()))
    unit, other = F.normalize(x, dim=1), F.normalize(teacher, dim=1)
    cosine = (unit * other).sum(dim=1).mean()
    assert embedding_mse(unit, other).item() == pytest.approx(float(2 * (1 - cosine) / 4))


CASES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "logit_mse": logit_mse,
    "kl": kl_at_temperature,
    "margin": lambda s, t: margin_mse(s[:, 0], s[:, 1:], t[:, 0], t[:, 1:]),
    "similarity_kl": similarity_kl,
    "embedding_mse": embedding_mse,
}


@pytest.mark.parametrize("loss", CASES.values(), ids=CASES)
def test_gradients(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    student = _draw("s", 4, 3).requires_grad_()
    teacher = _draw("t", 4, 3).requires_grad_()
    torch.autograd.gradcheck(lambda student: loss(student, teacher.detach()), (student,))
    loss(student, teacher).backward()  # type: ignore[no-untyped-call]
    assert teacher.grad is None
    assert loss(teacher, teacher).item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("loss", CASES.values(), ids=CASES)
def test_shapes_must_agree(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    with pytest.raises(BadInput):
        loss(_draw("s", 4, 3), _draw("t", 5, 3))


def test_two_rows_have_nothing_to_compare() -> None:
    with pytest.raises(BadInput, match="3 rows"):
        similarity_kl(_draw("s", 2, 3), _draw("t", 2, 3))
