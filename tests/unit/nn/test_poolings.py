"""Every pooling against a slow reference, and the promise that padding never matters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.nn.latents import LatentAttention, LatentShape
from broadsheet.nn.poolings.cls import ClsPooling
from broadsheet.nn.poolings.last import LastPooling
from broadsheet.nn.poolings.mean import MeanPooling
from broadsheet.nn.poolings.multilayer import MultiLayerPooling
from broadsheet.nn.poolings.top_layers import TopLayersConcatPooling
from broadsheet.nn.poolings.trainable import TrainablePooling
from broadsheet.nn.poolings.weighted import WeightedPooling

LATENTS = LatentShape(width=8, latents=3, heads=2)


def _seed() -> torch.Generator:
    return SeedTree(4).child("pooling").torch()


POOLINGS: dict[str, Callable[[], nn.Module]] = {
    "mean": MeanPooling,
    "cls": ClsPooling,
    "last": LastPooling,
    "weighted": WeightedPooling,
    "trainable": lambda: TrainablePooling(LATENTS, _seed()),
    "layers-tokens": lambda: MultiLayerPooling(LATENTS, 3, _seed(), "tokens"),
    "layers-mean": lambda: MultiLayerPooling(LATENTS, 3, _seed(), "mean"),
    "layers-last": lambda: MultiLayerPooling(LATENTS, 3, _seed(), "last"),
    "top-mean": lambda: TopLayersConcatPooling(2, mode="mean"),
    "top-sqrt": lambda: TopLayersConcatPooling(2, mode="sqrt"),
    "top-max": lambda: TopLayersConcatPooling(2, mode="max"),
    "top-with-cls": lambda: TopLayersConcatPooling(3, skip_cls=False),
}


def _states(rows: int = 3, tokens: int = 5, layers: int = 3) -> tuple[Tensor, ...]:
    generator = SeedTree(5).torch()
    return tuple(torch.randn(rows, tokens, 8, generator=generator) for _ in range(layers + 1))


def _lively(pooling: Any) -> Any:
    """Weights far from zero, so that every part of a trainable pooling counts."""
    with torch.no_grad():
        for parameter in pooling.parameters():
            parameter += 0.5 * torch.randn(parameter.shape, generator=_seed())
    return pooling


@pytest.fixture(params=POOLINGS)
def pooling(request: pytest.FixtureRequest) -> Any:
    return _lively(POOLINGS[request.param]())


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_never_changes_a_vector(pooling: Any, side: str) -> None:
    states, counts = _states(), (5, 2, 4)
    mask = torch.zeros(3, 5)
    for row, count in enumerate(counts):
        mask[row, 5 - count :] = side == "left"
        mask[row, :count] = torch.where(mask[row, :count] == 1, 1.0, float(side == "right"))
    together = pooling(states, mask)
    assert together.shape == (3, pooling.pooled_width(8))
    for row in range(3):
        real = mask[row].bool()
        alone = tuple(x[row : row + 1, real] for x in states)
        single = pooling(alone, torch.ones(1, int(real.sum())))
        torch.testing.assert_close(single[0], together[row], rtol=1e-5, atol=1e-6)


def test_a_row_without_tokens_is_finite(pooling: Any) -> None:
    mask = torch.tensor([[1, 1, 1, 0, 0], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]])
    assert pooling(_states(), mask).isfinite().all()


def test_gradients_reach_tokens_and_weights(pooling: Any) -> None:
    states = tuple(x.requires_grad_() for x in _states())
    pooling(states, torch.ones(3, 5)).square().sum().backward()
    assert states[-1].grad is not None
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in pooling.parameters())


MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]])


@pytest.mark.parametrize(
    ("pooling", "reference"),
    [
        (MeanPooling(), lambda x: x.mean(dim=0)),
        (ClsPooling(), lambda x: x[0]),
        (LastPooling(), lambda x: x[-1]),
        (
            WeightedPooling(),
            lambda x: (
                sum(((k + 1) * row for k, row in enumerate(x)), torch.zeros(8))
                / (len(x) * (len(x) + 1) / 2)
            ),
        ),
    ],
)
def test_plain_poolings(pooling: Any, reference: Callable[[Tensor], Tensor]) -> None:
    states = _states()
    for row, vector in enumerate(pooling(states, MASK)):
        expected = reference(states[-1][row, MASK[row].bool()])
        torch.testing.assert_close(vector, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", ["mean", "sqrt", "max"])
@pytest.mark.parametrize("skip_cls", [True, False])
def test_top_layers_beside_each_other(mode: Any, skip_cls: bool) -> None:
    states = _states()
    found = TopLayersConcatPooling(2, skip_cls=skip_cls, mode=mode)(states, MASK)
    for row in range(3):
        real = torch.cat([states[2][row], states[3][row]], dim=-1)[MASK[row].bool()]
        real = real[1:] if skip_cls else real
        expected = {
            "mean": real.mean(dim=0),
            "sqrt": real.sum(dim=0) / len(real) ** 0.5,
            "max": real.amax(dim=0),
        }[mode]
        torch.testing.assert_close(found[row], expected, rtol=1e-5, atol=1e-6)


def test_top_layers_need_layers() -> None:
    with pytest.raises(BadInput, match="too few layers"):
        TopLayersConcatPooling(4)(_states(), MASK)
    for wrong in ({"n": 0}, {"mode": "median"}):
        with pytest.raises(BadInput, match="no such pooling"):
            TopLayersConcatPooling(**wrong)  # type: ignore[arg-type]


def test_latent_attention_against_a_loop() -> None:
    reader = _lively(LatentAttention(LATENTS, _seed()))
    states = _states()[-1]
    found = reader(states, MASK)
    for row in range(3):
        x = reader.state_norm(states[row, MASK[row].bool()])
        query, key, value = (
            reader.query(reader.latent_norm(reader.latents)),
            *(part(x) for part in (reader.key, reader.value)),
        )
        latents = []
        for latent in range(3):
            heads = []
            for head in range(2):
                span = slice(4 * head, 4 * head + 4)
                scores = torch.stack([query[latent, span] @ k[span] / 4**0.5 for k in key])
                heads.append((scores.softmax(dim=0)[:, None] * value[:, span]).sum(dim=0))
            latents.append(reader.latents[latent] + reader.output(torch.cat(heads)))
        hidden = torch.stack(latents)
        gate, up = reader.up(reader.hidden_norm(hidden)).chunk(2, dim=-1)
        hidden = hidden + reader.down(nn.functional.gelu(gate) * up)
        torch.testing.assert_close(found[row], hidden.mean(dim=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("keys", ["tokens", "mean", "last"])
def test_layer_weights_are_shares(keys: Any) -> None:
    pooling = _lively(MultiLayerPooling(LATENTS, 3, _seed(), keys))
    weights = pooling.layer_weights(_states(), MASK)
    assert weights.shape == (3, 3)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3))
    assert weights.std(dim=1).min() > 1e-3


def test_layer_weights_find_the_layer_that_a_query_wants() -> None:
    pooling: Any = MultiLayerPooling(LatentShape(width=8, latents=1, heads=1), 3, _seed(), "mean")
    with torch.no_grad():
        for part in (pooling.reader.query, pooling.reader.key):
            part.weight.copy_(8 * torch.eye(8))
        pooling.reader.latents.copy_(torch.eye(8)[:1])
    states = [torch.randn(2, 4, 8, generator=_seed()) * 0.1 for _ in range(4)]
    states[2] = states[2] + torch.eye(8)[0]
    weights = pooling.layer_weights(tuple(states), torch.ones(2, 4))
    assert weights.argmax(dim=1).tolist() == [1, 1]  # layer 2 is the second that is read
    assert weights[:, 1].min() > 0.9


def test_a_shallow_exit_uses_the_first_rows_of_layers() -> None:
    pooling = _lively(MultiLayerPooling(LATENTS, 3, _seed(), "mean"))
    states = _states()
    before = pooling(states[:3], MASK)
    with torch.no_grad():
        pooling.layer_rows.weight[2] += 5
    assert torch.equal(pooling(states[:3], MASK), before)
    with pytest.raises(BadInput, match="no row for so many layers"):
        pooling((*states, states[-1]), MASK)
    with pytest.raises(BadInput, match="no row for so many layers"):
        pooling(states[:1], MASK)


def test_the_pooling_of_the_paper_has_1_3_billion_parameters() -> None:
    shape = LatentShape(width=4096, latents=768, heads=32, head_size=2048)
    with torch.device("meta"):
        pooling = MultiLayerPooling(shape, 32, torch.Generator(), "mean")
    matrices = 4 * 4096 * 65_536
    feed_forward = 4096 * 2 * 16_384 + 2 * 16_384 + 16_384 * 4096 + 4096
    rest = 768 * 4096 + 32 * 4096 + 3 * 2 * 4096
    assert sum(p.numel() for p in pooling.parameters()) == matrices + feed_forward + rest


def test_wrong_latent_shapes_are_refused() -> None:
    with pytest.raises(BadInput, match="heads must divide"):
        LatentAttention(LatentShape(width=8, heads=3), _seed())
    with pytest.raises(BadInput, match="no such pooling of layers"):
        MultiLayerPooling(LATENTS, 3, _seed(), "words")  # type: ignore[arg-type]
