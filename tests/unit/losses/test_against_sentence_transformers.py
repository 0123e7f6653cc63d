"""Each loss that sentence-transformers has too gives its value and its gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from broadsheet.core.seeds import SeedTree
from broadsheet.losses import contrastive, distillation
from broadsheet.losses.angle import angle
from broadsheet.losses.cosent import cosent
from broadsheet.losses.matryoshka import matryoshka

GOLD = torch.tensor([0.1, 0.9, 0.4, 0.4, 0.0, 1.0, 0.7])


def _draw(name: str, *shape: int) -> Tensor:
    generator = SeedTree(6).child(name).torch()
    return torch.randn(*(shape or (7, 6)), generator=generator).requires_grad_()


def _compare(ours: Tensor, theirs: Tensor, leaves: tuple[Tensor, ...]) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)
    for mine, other in zip(
        torch.autograd.grad(ours, leaves), torch.autograd.grad(theirs, leaves), strict=True
    ):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)


def _cosines(x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cosine_similarity(x, y)


def _dots(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum(dim=1)


class _Table(nn.Module):
    """Stands in for a model: the vectors of column k are a parameter."""

    def __init__(self, *columns: Tensor) -> None:
        super().__init__()
        self.columns = columns

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"sentence_embedding": self.columns[int(features["column"])]}


@pytest.fixture(scope="module")
def library() -> Any:
    from sentence_transformers.sentence_transformer import losses

    return losses


def test_multiple_negatives_ranking(library: Any) -> None:
    x, y, hard = _draw("x"), _draw("y"), _draw("hard")
    loss = library.MultipleNegativesRankingLoss(nn.Identity())
    _compare(contrastive.mnr(x, y), loss.compute_loss_from_embeddings([x, y], None), (x, y))
    _compare(
        contrastive.info_nce(x, y, hard_ND=hard, temperature=1 / 20),
        loss.compute_loss_from_embeddings([x, y, hard], None),
        (x, y, hard),
    )


def test_symmetric_ranking(library: Any) -> None:
    x, y = _draw("x"), _draw("y")
    loss = library.MultipleNegativesRankingLoss(
        nn.Identity(),
        directions=("query_to_doc", "doc_to_query"),
        partition_mode="per_direction",
    )
    theirs = loss.compute_loss_from_embeddings([x, y], None)
    _compare(contrastive.symmetric_info_nce(x, y, temperature=1 / 20), theirs, (x, y))


def test_cosent(library: Any) -> None:
    x, y = _draw("x"), _draw("y")
    theirs = library.CoSENTLoss(nn.Identity()).compute_loss_from_embeddings([x, y], GOLD)
    _compare(cosent(_cosines(x, y), GOLD), theirs, (x, y))


def test_angle(library: Any) -> None:
    x, y = _draw("x"), _draw("y")
    theirs = library.AnglELoss(nn.Identity()).compute_loss_from_embeddings([x, y], GOLD)
    _compare(angle(x, y, GOLD), theirs, (x, y))


@pytest.mark.parametrize("negatives", [1, 3])
def test_margin_mse(library: Any, negatives: int) -> None:
    query, positive = _draw("q"), _draw("p")
    others = [_draw(f"n{k}") for k in range(negatives)]
    teacher = _draw("t", 7, negatives + 1).detach()
    loss = library.MarginMSELoss(nn.Identity())
    theirs = loss.compute_loss_from_embeddings([query, positive, *others], teacher)
    ours = distillation.margin_mse(
        _dots(query, positive),
        torch.stack([_dots(query, other) for other in others], dim=1),
        teacher[:, 0],
        teacher[:, 1:],
    )
    _compare(ours, theirs, (query, positive, *others))


def test_kl(library: Any) -> None:
    query, others = _draw("q"), [_draw(f"n{k}") for k in range(3)]
    teacher = _draw("t", 7, 3).detach()
    loss = library.DistillKLDivLoss(nn.Identity(), temperature=2.0)
    theirs = loss.compute_loss_from_embeddings([query, *others], teacher)
    student = torch.stack([_dots(query, other) for other in others], dim=1)
    _compare(distillation.kl_at_temperature(student, teacher, 2.0), theirs, (query, *others))


def test_embedding_mse(library: Any) -> None:
    x, teacher = _draw("x"), _draw("t").detach()
    theirs = library.MSELoss(nn.Identity()).compute_loss_from_embeddings([x], [teacher])
    _compare(distillation.embedding_mse(x, teacher), theirs, (x,))


@pytest.mark.parametrize(
    ("inner", "ours"),
    [
        ("MultipleNegativesRankingLoss", contrastive.mnr),
        ("CoSENTLoss", lambda x, y: cosent(_cosines(x, y), GOLD)),
    ],
)
def test_matryoshka(library: Any, inner: str, ours: Callable[[Tensor, Tensor], Tensor]) -> None:
    x, y = _draw("x"), _draw("y")
    model = _Table(x, y)
    model.get_embedding_dimension = lambda: 6  # type: ignore[assignment]
    loss = library.MatryoshkaLoss(
        model,
        getattr(library, inner)(model),
        matryoshka_dims=[6, 3, 2],
        matryoshka_weights=[1, 0.5, 2],
    )
    columns = [{"column": torch.tensor(number)} for number in (0, 1)]
    theirs = loss(columns, GOLD)
    _compare(matryoshka(ours, x, y, (6, 3, 2), (1, 0.5, 2)), theirs, (x, y))
