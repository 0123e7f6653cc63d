"""The gradient cache gives the gradients of the whole batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.losses.contrastive import LearnedTemperature, info_nce
from broadsheet.losses.gradcache import cached_backward, cached_loss
from broadsheet.losses.matryoshka import matryoshka

Grads = dict[str, Tensor]


def _encoder(dropout: float, dtype: torch.dtype = torch.float64) -> nn.Module:
    model = nn.Sequential(nn.Linear(5, 12), nn.Tanh(), nn.Dropout(dropout), nn.Linear(12, 6))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=SeedTree(1).torch())
    return model.to(dtype)


def _texts(name: str, rows: int = 10) -> Tensor:
    generator = SeedTree(2).child(name).torch()
    return torch.randn(rows, 5, generator=generator, dtype=torch.float64)


def _grads(model: nn.Module) -> Grads:
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def _same(one: Grads, other: Grads, rtol: float = 1e-9) -> None:
    assert one.keys() == other.keys()
    assert one
    for name, grad in one.items():
        torch.testing.assert_close(grad, other[name], rtol=rtol, atol=rtol, msg=name)


def _loss(x: Tensor, y: Tensor) -> Tensor:
    return info_nce(x, y, temperature=0.5)


@pytest.mark.parametrize("rows", [1, 3, 10])
@pytest.mark.parametrize("way", ["loss", "backward"])
def test_gradients_of_the_whole_batch(rows: int, way: str) -> None:
    model, x, y = _encoder(0.0), _texts("x"), _texts("y")
    expected = _loss(model(x), model(y))
    expected.backward()
    whole = _grads(model)
    sides = [x.split(rows), y.split(rows)]
    if way == "loss":
        value = cached_loss(model, sides, _loss)
        value.backward()
    else:
        value = cached_backward(model, sides, _loss)
        assert not value.requires_grad
    assert value.item() == pytest.approx(expected.item(), rel=1e-12)
    _same(_grads(model), whole)


@pytest.mark.parametrize("way", [cached_loss, cached_backward])
def test_dropout_is_the_same_both_times(way: Any) -> None:
    model, x, y = _encoder(0.5), _texts("x"), _texts("y")
    with torch.random.fork_rng():
        torch.manual_seed(5)
        _loss(*(torch.cat([model(part) for part in side.split(4)]) for side in (x, y))).backward()
        whole, after = _grads(model), torch.rand(1)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        value = way(model, [x.split(4), y.split(4)], _loss)
        if way is cached_loss:
            value.backward()
        _same(_grads(model), whole)
        # What is drawn afterwards is also what it would have been.
        assert torch.equal(torch.rand(1), after)


def test_other_draws_would_be_noticed() -> None:
    """The comparison above can fail: another seed gives other gradients."""
    model, x, y = _encoder(0.5), _texts("x"), _texts("y")
    found = []
    for seed in (5, 6):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            cached_backward(model, [x.split(4), y.split(4)], _loss)
            found.append(_grads(model))
    assert not torch.allclose(found[0]["0.weight"], found[1]["0.weight"])


def test_three_sides_of_different_sizes_and_a_wrapped_loss() -> None:
    model, x, y, hard = _encoder(0.0), _texts("x"), _texts("y"), _texts("hard", 7)

    def loss(x: Tensor, y: Tensor, hard: Tensor) -> Tensor:
        return matryoshka(_loss, x, torch.cat([y, hard]), dims=(6, 3))

    loss(model(x), model(y), model(hard)).backward()
    whole = _grads(model)
    cached_loss(model, [x.split(3), y.split(4), hard.split(2)], loss).backward()
    _same(_grads(model), whole)


def test_gradients_add_up_and_scale_like_others() -> None:
    model, x, y = _encoder(0.0), _texts("x"), _texts("y")
    (3 * _loss(model(x), model(y)) + model(x).square().mean()).backward()
    whole = _grads(model)
    (3 * cached_loss(model, [x.split(3), y.split(3)], _loss) + model(x).square().mean()).backward()
    _same(_grads(model), whole)


def test_what_the_loss_itself_learns_gets_its_gradient() -> None:
    model, temperature, x, y = _encoder(0.0), LearnedTemperature(0.5), _texts("x"), _texts("y")

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return info_nce(x, y, temperature=temperature())

    loss(model(x), model(y)).backward()
    whole = _grads(temperature)
    _grads(model)
    cached_backward(model, [x.split(3), y.split(3)], loss)
    _same(_grads(temperature), whole, rtol=1e-6)


def test_a_side_without_gradient_is_left_out() -> None:
    model, x, y = _encoder(0.0), _texts("x"), _texts("y")
    _loss(model(x), model(y).detach()).backward()
    whole = _grads(model)
    cached_backward(model, [x.split(3), y.split(3)], lambda x, y: _loss(x, y.detach()))
    _same(_grads(model), whole)


def test_a_frozen_part_stays_frozen() -> None:
    model, x, y = _encoder(0.0), _texts("x"), _texts("y")
    for parameter in model[0].parameters():  # type: ignore[index]
        parameter.requires_grad_(False)
    cached_backward(model, [x.split(3), y.split(3)], _loss)
    assert set(_grads(model)) == {"3.weight", "3.bias"}


def test_autocast_is_the_same_both_times() -> None:
    model = _encoder(0.0, torch.float32)
    x, y = _texts("x").float(), _texts("y").float()
    kinds = []
    model[0].register_forward_hook(lambda *given: kinds.append(given[-1].dtype))  # type: ignore[index]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = cached_loss(model, [x.split(5), y.split(5)], _loss)
    value.backward()
    assert kinds == [torch.bfloat16] * 8


def test_only_the_last_backward_pass_is_synchronised() -> None:
    model, x, y = _encoder(0.0), _texts("x"), _texts("y")
    entered: list[str] = []

    @contextmanager
    def unsynced() -> Iterator[None]:
        entered.append("quiet")
        yield

    cached_backward(model, [x.split(5), y.split(5)], _loss, unsynced=unsynced)
    assert len(entered) == 3


def test_activations_of_one_chunk_at_a_time() -> None:
    """Counted: tensors that autograd saves and that are alive at once."""
    model, x, y = _encoder(0.0), _texts("x", 64), _texts("y", 64)
    alive = peak = 0

    class Saved:
        def __init__(self, tensor: Tensor) -> None:
            nonlocal alive, peak
            self.tensor = tensor
            alive += tensor.numel()
            peak = max(peak, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= self.tensor.numel()

    def measure(backward: Any) -> int:
        nonlocal alive, peak
        alive = peak = 0
        with torch.autograd.graph.saved_tensors_hooks(Saved, lambda saved: saved.tensor):
            backward()
        return peak

    def light(x: Tensor, y: Tensor) -> Tensor:
        return (x - y).sum()

    plain = measure(lambda: light(model(x), model(y)).backward())
    cached = measure(lambda: cached_backward(model, [x.split(4), y.split(4)], light))
    assert cached < plain / 10


def test_a_side_needs_chunks() -> None:
    for sides in ([], [[torch.ones(1, 5)], []]):
        with pytest.raises(BadInput, match="needs a chunk"):
            cached_loss(_encoder(0.0), sides, _loss)
