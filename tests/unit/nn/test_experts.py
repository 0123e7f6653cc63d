"""Expert layers: no change before training, the right expert for each token, an even load."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.nn.experts import (
    EnforcedExperts,
    LearnedExperts,
    Route,
    dispatch,
    feed_forward_paths,
    imbalance,
    put_experts,
)

Batch = tuple[Tensor, Tensor]


def _x() -> Tensor:
    return torch.randn(3, 4, 6, generator=SeedTree(1).torch())


def _dense() -> nn.Module:
    dense = nn.Linear(6, 6)
    with torch.no_grad():
        for parameter in dense.parameters():
            parameter.normal_(generator=SeedTree(2).torch())
    return dense


def _spread(experts: nn.ModuleList) -> None:
    """Make the experts differ."""
    with torch.no_grad():
        for number, expert in enumerate(experts):
            for parameter in expert.parameters():
                parameter += number


@pytest.mark.parametrize(
    "domains", [torch.tensor([2, 0, 2]), torch.tensor([1, 1, 1]), torch.arange(12).view(3, 4) % 3]
)
def test_copies_change_nothing(domains: Tensor) -> None:
    route, dense, x = Route(), _dense(), _x()
    experts = EnforcedExperts(dense, 3, route)
    with route.batch(domains=domains):
        torch.testing.assert_close(experts(x), dense(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("family", ["transformer", "decoder", "bert", "mpnet", "modernbert"])
def test_an_encoder_with_copies_gives_what_the_dense_one_gives(
    make_encoder: Any, batch: Batch, family: str
) -> None:
    encoder = make_encoder(family)
    before = encoder(*batch)
    paths = feed_forward_paths(encoder)
    assert len(paths) == (6 if family in ("bert", "mpnet") else 3)
    route = Route()
    put_experts(encoder, paths, 3, route)
    with route.batch(domains=torch.tensor([2, 0, 1])):
        after = encoder(*batch)
    for x, y in zip(after, before, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", ["transformer", "bert", "modernbert"])
def test_training_one_domain_leaves_the_others(
    make_encoder: Any, batch: Batch, family: str
) -> None:
    encoder, route = make_encoder(family), Route()
    put_experts(encoder, feed_forward_paths(encoder, layers=[1]), 2, route)
    with route.batch(domains=torch.tensor([1, 1, 1])):
        encoder(*batch)[-1].square().sum().backward()
    for name, parameter in encoder.named_parameters():
        if "experts.0" in name:
            assert parameter.grad is None, name
        if "experts.1" in name:
            assert parameter.grad is not None, name


def test_only_the_layers_asked_for() -> None:
    model = nn.ModuleDict({"layers": nn.ModuleList(nn.ModuleDict({"mlp": _dense()}) for _ in "ab")})
    assert feed_forward_paths(model, layers=[1]) == ("layers.1.mlp",)
    with pytest.raises(BadInput, match="no feed-forward"):
        feed_forward_paths(_dense())
    with pytest.raises(BadInput, match="no such part"):
        put_experts(model, ["layers.7.mlp"], 2, Route())


@pytest.mark.parametrize("tokens", [True, False])
def test_every_token_goes_through_its_own_expert(tokens: bool) -> None:
    route, x = Route(), _x()
    experts = EnforcedExperts(_dense(), 4, route)
    _spread(experts.experts)
    domains = (
        torch.tensor([[3, 0, 0, 1], [1, 1, 3, 0], [0, 3, 3, 3]])
        if tokens
        else (torch.tensor([3, 0, 1]))
    )
    with route.batch(domains=domains):
        found = experts(x)
    for row in range(3):
        for token in range(4):
            number = int(domains[row, token] if tokens else domains[row])
            expected = experts.experts[number](x[row, token])
            torch.testing.assert_close(found[row, token], expected, rtol=1e-5, atol=1e-5)


def test_experts_without_tokens_are_not_run() -> None:
    called: list[int] = []
    experts = nn.ModuleList(_dense() for _ in range(3))
    for number, expert in enumerate(experts):
        expert.register_forward_hook(lambda *_, number=number: called.append(number))
    dispatch(experts, _x().flatten(0, 1), torch.tensor([2, 0] * 6))
    assert called == [0, 2]


def test_domains_are_asked_for_and_checked() -> None:
    route = Route()
    experts = EnforcedExperts(_dense(), 2, route)
    with pytest.raises(BadInput, match="needs the domain"):
        experts(_x())
    for wrong, message in (
        (torch.zeros(4, dtype=torch.long), "one domain for each"),
        (torch.tensor([0, 2, 0]), "has no expert"),
        (torch.tensor([0, -1, 0]), "has no expert"),
    ):
        with route.batch(domains=wrong), pytest.raises(BadInput, match=message):
            experts(_x())
    with route.batch(domains=torch.tensor([0, 1, 0])):
        experts(_x())
    assert route.domains is None
    with pytest.raises(BadInput, match="one expert or more"):
        EnforcedExperts(_dense(), 0, route)


def _learned(top: int, route: Route) -> LearnedExperts:
    layer = LearnedExperts(_dense(), 4, route, 6, SeedTree(3).torch(), top=top)
    with torch.no_grad():
        layer.router.weight.mul_(50)
    return layer


@pytest.mark.parametrize("top", [1, 2, 4])
def test_learned_copies_change_nothing(top: int) -> None:
    x = _x()
    torch.testing.assert_close(_learned(top, Route())(x), _dense()(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("top", [1, 2, 4])
def test_learned_routing_mixes_the_best_experts(top: int) -> None:
    layer, x = _learned(top, Route()), _x()
    _spread(layer.experts)
    found = layer(x)
    for row in range(3):
        for token in range(4):
            shares = layer.router(x[row, token]).softmax(dim=0)
            chosen = shares.argsort(descending=True)[:top]
            weights = shares[chosen] / shares[chosen].sum()
            each = [layer.experts[int(number)](x[row, token]) for number in chosen]
            expected = (weights[:, None] * torch.stack(each)).sum(dim=0)
            torch.testing.assert_close(found[row, token], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("top", [1, 2])
def test_the_router_learns_from_the_loss(top: int) -> None:
    layer = _learned(top, Route())
    _spread(layer.experts)
    layer(_x()).square().sum().backward()
    assert layer.router.weight.grad is not None
    assert layer.router.weight.grad.abs().sum() > 0


def test_imbalance_is_1_when_even_and_E_when_one_takes_all() -> None:
    even = torch.full((8, 4), 0.25)
    assert imbalance(even, torch.arange(8)[:, None] % 4).item() == pytest.approx(1.0)
    one = torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(8, 1)
    assert imbalance(one, torch.zeros(8, 1, dtype=torch.long)).item() == pytest.approx(4.0)


def test_padding_has_no_part_in_the_balance() -> None:
    shares = torch.eye(4).repeat(2, 1)
    chosen = torch.arange(8)[:, None] % 4
    mask = torch.tensor([[1, 0, 0, 0], [1, 0, 0, 0]])
    assert imbalance(shares, chosen, mask).item() == pytest.approx(4.0)


def test_balancing_evens_the_load() -> None:
    route = Route()
    layer = LearnedExperts(nn.Identity(), 4, route, 6, SeedTree(3).torch())
    x = torch.randn(8, 16, 6, generator=SeedTree(4).torch()) + 1
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.01)

    def load() -> float:
        chosen = layer.router(x.flatten(0, 1)).argmax(dim=1)
        return float(torch.bincount(chosen, minlength=4).max() / 128)

    with torch.no_grad():
        layer.router.weight[0] += 1
    before = load()
    for _ in range(150):
        optimiser.zero_grad()
        layer(x)
        route.imbalance().backward()
        optimiser.step()
    assert before > 0.9
    assert load() < 0.5


def test_the_imbalance_is_taken_once() -> None:
    route = Route()
    with pytest.raises(BadInput, match="no layer with learned routing"):
        route.imbalance()
    layer = _learned(2, route)
    layer(_x())
    layer(_x())
    assert route.imbalance().item() >= 0.5
    with pytest.raises(BadInput, match="no layer with learned routing"):
        route.imbalance()


def test_passes_without_gradient_have_no_part_in_the_loss() -> None:
    route = Route()
    layer = _learned(2, route)
    with torch.no_grad():
        layer(_x())
    with pytest.raises(BadInput, match="no layer with learned routing"):
        route.imbalance()


def test_a_copy_of_a_model_listens_to_the_same_route(make_encoder: Any, batch: Batch) -> None:
    encoder, route = make_encoder("transformer"), Route()
    put_experts(encoder, feed_forward_paths(encoder), 2, route)
    with route.batch(domains=torch.tensor([1, 0, 1])):
        expected = encoder(*batch, layers=2)
        found = encoder.cut(2)(*batch)
    assert all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))


def test_more_experts_for_a_token_than_there_are() -> None:
    with pytest.raises(BadInput, match="a token's experts"):
        LearnedExperts(_dense(), 2, Route(), 6, SeedTree(1).torch(), top=3)
