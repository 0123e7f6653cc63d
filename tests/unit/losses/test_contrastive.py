"""The contrastive core against loops, its masks, its temperatures."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.losses.contrastive import (
    LearnedTemperature,
    info_nce,
    mnr,
    same_keys,
    similarities,
    symmetric_info_nce,
)
from broadsheet.losses.gather import Gathered

T = 0.2


def _draw(rows: int, name: str, width: int = 6) -> Tensor:
    generator = SeedTree(1).child(name).torch()
    return torch.randn(rows, width, generator=generator, dtype=torch.float64)


def _slow(x: Tensor, y: Tensor, left_out: set[tuple[int, int]] = frozenset()) -> float:  # type: ignore[assignment]
    """The definition, one pair at a time, in plain numbers."""
    total = 0.0
    for i in range(len(x)):

        def score(j: int, i: int = i) -> float:
            return math.exp(float(F.cosine_similarity(x[i], y[j], dim=0)) / T)

        below = sum(score(j) for j in range(len(y)) if j == i or (i, j) not in left_out)
        total -= math.log(score(i) / below)
    return total / len(x)


def test_in_batch_negatives() -> None:
    x, y = _draw(5, "x"), _draw(5, "y")
    assert info_nce(x, y, temperature=T).item() == pytest.approx(_slow(x, y), rel=1e-9)


def test_hard_negatives_serve_every_anchor() -> None:
    x, y, hard = _draw(4, "x"), _draw(4, "y"), _draw(7, "hard")
    found = info_nce(x, y, temperature=T, hard_ND=hard).item()
    assert found == pytest.approx(_slow(x, torch.cat([y, hard])), rel=1e-9)
    assert found > info_nce(x, y, temperature=T).item()


def test_further_candidates_are_negatives() -> None:
    x, y = _draw(3, "x"), _draw(6, "y")
    assert info_nce(x, y, temperature=T).item() == pytest.approx(_slow(x, y), rel=1e-9)


def test_false_negatives_are_left_out_but_never_the_partner() -> None:
    x, y, hard = _draw(4, "x"), _draw(4, "y"), _draw(2, "hard")
    mask = torch.eye(4, dtype=torch.bool)
    mask[0, 2] = mask[3, 1] = True
    found = info_nce(x, y, temperature=T, positives_BC=mask).item()
    assert found == pytest.approx(_slow(x, y, {(0, 2), (3, 1)}), rel=1e-9)
    wide = F.pad(mask, (0, 2))
    wide[2, 5] = True
    found = info_nce(x, y, temperature=T, hard_ND=hard, positives_BC=wide).item()
    expected = _slow(x, torch.cat([y, hard]), {(0, 2), (3, 1), (2, 5)})
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_mask_of_everything_leaves_nothing_to_confuse() -> None:
    x = _draw(4, "x")
    assert info_nce(x, x, positives_BC=torch.ones(4, 4)).item() == pytest.approx(0.0, abs=1e-12)


def test_duplicates_share_a_key() -> None:
    x, y = _draw(4, "x"), _draw(4, "y")
    y[2] = y[0]
    mask = same_keys(torch.tensor([7, 1, 7, 3]))
    found = info_nce(x, y, temperature=T, positives_BC=mask).item()
    assert found == pytest.approx(_slow(x, y, {(0, 2), (2, 0)}), rel=1e-9)


def test_hard_negatives_may_be_duplicates_too() -> None:
    x, y, hard = _draw(3, "x"), _draw(3, "y"), _draw(2, "hard")
    keys = torch.tensor([7, 1, 5])
    mask = torch.cat([same_keys(keys), same_keys(keys, torch.tensor([1, 9]))], dim=1)
    found = info_nce(x, y, temperature=T, hard_ND=hard, positives_BC=mask).item()
    assert found == pytest.approx(_slow(x, torch.cat([y, hard]), {(1, 3)}), rel=1e-9)


def test_symmetric_is_the_mean_of_both_directions() -> None:
    x, y = _draw(5, "x"), _draw(5, "y")
    mask = same_keys(torch.tensor([1, 2, 1, 3, 4]))
    found = symmetric_info_nce(x, y, temperature=T, positives_BC=mask).item()
    out = {(0, 2), (2, 0)}
    assert found == pytest.approx((_slow(x, y, out) + _slow(y, x, out)) / 2, rel=1e-9)


def test_dot_product_keeps_lengths() -> None:
    x, y = _draw(4, "x"), _draw(4, "y")
    expected = F.cross_entropy(x @ y.T / T, torch.arange(4))
    found = info_nce(x, y, temperature=T, similarity="dot")
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(similarities(x, 3 * y), similarities(x, y))


def test_the_gathered_rows_decide_candidates_and_target() -> None:
    """As in the second of three processes."""
    x, everyone = _draw(2, "x"), _draw(6, "y")
    found = info_nce(
        x, everyone[2:4], temperature=T, gather=lambda rows: Gathered(everyone, 2)
    ).item()
    order = [2, 3, 0, 1, 4, 5]
    assert found == pytest.approx(_slow(x, everyone[order]), rel=1e-9)


@pytest.mark.parametrize("symmetric", [True, False])
def test_gradients_are_those_of_finite_differences(symmetric: bool) -> None:
    x, y, hard = (_draw(n, name, 3).requires_grad_() for n, name in ((4, "x"), (4, "y"), (2, "h")))
    temperature = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    mask = same_keys(torch.tensor([1, 2, 1, 3]))

    def loss(*parts: Tensor) -> Tensor:
        x, y, hard, temperature = parts
        if symmetric:
            return symmetric_info_nce(x, y, temperature=temperature, positives_BC=mask)
        return info_nce(x, y, temperature=temperature, hard_ND=hard, positives_BC=mask)

    parts: tuple[Any, ...] = (x, y, hard, temperature)
    torch.autograd.gradcheck(loss, parts)


@pytest.mark.parametrize("kind", ["log_scale", "direct"])
def test_a_learned_temperature_follows_its_gradient(kind: Any) -> None:
    """With orthogonal pairs any lower temperature is better, down to the floor."""
    temperature = LearnedTemperature(0.07, kind, floor=0.05)
    assert temperature().item() == pytest.approx(0.07)
    x = torch.eye(4)
    info_nce(x, x, temperature=temperature()).backward()
    grad = temperature.parameter.grad
    assert grad is not None
    assert (grad.item() < 0) == (kind == "log_scale")  # a larger scale is a lower temperature
    optimiser = torch.optim.SGD(temperature.parameters(), lr=1e5 if kind == "log_scale" else 1e3)
    optimiser.step()
    assert temperature().item() == pytest.approx(0.05)


def test_the_two_parametrisations_differ_by_the_chain_rule() -> None:
    x, y = _draw(5, "x").float(), _draw(5, "y").float()
    grads = {}
    for kind in ("log_scale", "direct"):
        temperature = LearnedTemperature(0.2, kind)  # type: ignore[arg-type]
        info_nce(x, y, temperature=temperature()).backward()
        grads[kind] = temperature.parameter.grad.item()  # type: ignore[union-attr]
    # d/d log(1/t) = -t d/dt
    assert grads["log_scale"] == pytest.approx(-0.2 * grads["direct"], rel=1e-4)


def test_scale_is_the_inverse_of_the_temperature() -> None:
    x, y = _draw(5, "x"), _draw(5, "y")
    torch.testing.assert_close(mnr(x, y, scale=5.0), info_nce(x, y, temperature=T))


def test_wrong_shapes_are_refused() -> None:
    x, y = _draw(4, "x"), _draw(4, "y")
    with pytest.raises(BadInput, match="needs its partner"):
        info_nce(x, y[:3])
    with pytest.raises(BadInput, match="needs its partner"):
        info_nce(x[:0], y[:0])
    for shape in ((3, 4), (4, 5)):
        with pytest.raises(BadInput, match="does not fit"):
            info_nce(x, y, positives_BC=torch.zeros(shape))
    with pytest.raises(BadInput, match="above its floor"):
        LearnedTemperature(0.001)
