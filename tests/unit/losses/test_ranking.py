"""CoSENT and AnglE against loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.losses.angle import angle, angle_similarity
from broadsheet.losses.cosent import cosent

GOLD = torch.tensor([2.0, 5.0, 2.0, 0.5, 3.0])


def _draw(name: str, *shape: int) -> Tensor:
    generator = SeedTree(2).child(name).torch()
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_cosent_by_its_definition() -> None:
    sim = _draw("sim", 5) / 4
    total = 1.0
    for i in range(5):
        for j in range(5):
            if GOLD[i] > GOLD[j]:
                total += math.exp(20 * float(sim[j] - sim[i]))
    assert cosent(sim, GOLD).item() == pytest.approx(math.log(total), rel=1e-12)


def test_only_the_order_of_grades_counts() -> None:
    sim = _draw("sim", 5)
    assert torch.equal(cosent(sim, GOLD), cosent(sim, GOLD.exp() * 7))
    assert cosent(GOLD, GOLD).item() < 0.01  # the right order
    assert cosent(-GOLD, GOLD).item() > 10
    assert cosent(sim, torch.ones(5)).item() == 0.0


def test_angle_similarity_with_complex_numbers() -> None:
    x, y = _draw("x", 5, 6), _draw("y", 5, 6)
    for row in range(5):
        z = [complex(a, b) for a, b in zip(x[row, :3].tolist(), x[row, 3:].tolist(), strict=True)]
        w = [complex(c, d) for c, d in zip(y[row, :3].tolist(), y[row, 3:].tolist(), strict=True)]
        size_z = math.sqrt(sum(abs(part) ** 2 for part in z))
        size_w = math.sqrt(sum(abs(part) ** 2 for part in w))
        total = 0.0
        for one, other in zip(z, w, strict=True):
            ratio = one * other.conjugate() / size_w**2 / (size_z / size_w)
            total += ratio.real + ratio.imag
        assert angle_similarity(x, y)[row].item() == pytest.approx(abs(total), rel=1e-9)


def test_angle_is_cosent_of_the_angle_similarity() -> None:
    x, y = _draw("x", 5, 6), _draw("y", 5, 6)
    torch.testing.assert_close(angle(x, y, GOLD, 7.0), cosent(angle_similarity(x, y), GOLD, 7.0))


def test_gradients_are_those_of_finite_differences() -> None:
    sim = _draw("sim", 5).requires_grad_()
    torch.autograd.gradcheck(lambda sim: cosent(sim, GOLD, 3.0), (sim,))
    x, y = (_draw(name, 5, 4).requires_grad_() for name in "xy")
    torch.autograd.gradcheck(lambda x, y: angle(x, y, GOLD, 3.0), (x, y))


def test_a_vector_of_zeros_is_finite() -> None:
    x = torch.zeros(5, 4, requires_grad=True)
    angle(x, torch.ones(5, 4), GOLD).backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_complex_vectors_have_an_even_width() -> None:
    with pytest.raises(BadInput, match="even width"):
        angle(torch.ones(5, 3), torch.ones(5, 3), GOLD)
    with pytest.raises(BadInput, match="even width"):
        angle(torch.ones(5, 4), torch.ones(4, 4), GOLD)
