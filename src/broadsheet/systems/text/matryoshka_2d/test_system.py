"""2D Matryoshka: equations against slow ones and against sentence-transformers, cuts, funnel."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from broadsheet.core.errors import UsageError
from broadsheet.core.seeds import SeedTree
from broadsheet.losses.cosent import cosent
from broadsheet.losses.matryoshka import matryoshka
from broadsheet.systems.contract import Workspace
from broadsheet.systems.text.matryoshka_2d import experiment
from broadsheet.systems.text.matryoshka_2d.corpus import TokenRows, Training
from broadsheet.systems.text.matryoshka_2d.data import read_corpus
from broadsheet.systems.text.matryoshka_2d.encoder import (
    ElasticState,
)
from broadsheet.systems.text.matryoshka_2d.model import (
    EspressoLoss,
    LastLayerLoss,
    MatryoshkaLoss,
    StarbucksSchedule,
    TwoDMatryoshkaLoss,
    feature_kl,
    layer_weight,
    rank_summary,
)
from broadsheet.systems.text.matryoshka_2d.recipe import Recipe, all_presets
from broadsheet.systems.text.matryoshka_2d.reference import ReferenceLoss
from broadsheet.systems.text.matryoshka_2d.training import Batch, loss_function

GOLD = torch.tensor([1.0, 0.2, 0.6])


def exits_of(depth: int = 3, width: int = 6, seed: int = 0) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.randn(6, width, generator=draw, requires_grad=True) for _ in range(depth + 1)]


def base(x_PD: torch.Tensor) -> torch.Tensor:
    a_BD, b_BD = x_PD.chunk(2)
    return cosent(functional.cosine_similarity(a_BD, b_BD), GOLD)


def slow_base(x_PD: torch.Tensor) -> float:
    """CoSENT as loops."""
    a, b = x_PD.detach().double().chunk(2)
    cosine = [float(p @ q / p.norm() / q.norm()) for p, q in zip(a, b, strict=True)]
    terms = [
        math.exp(20 * (cosine[j] - cosine[i]))
        for i in range(3)
        for j in range(3)
        if GOLD[i] > GOLD[j]
    ]
    return math.log(1 + sum(terms))


def slow_kl(student: torch.Tensor, teacher: torch.Tensor) -> float:
    """Mean KL(teacher || student) of softmaxes over vectors of root mean square 1, as loops."""
    total = 0.0
    for s, t in zip(student.detach().double(), teacher.detach().double(), strict=True):
        p, q = (torch.softmax(v / v.pow(2).mean().sqrt(), dim=0) for v in (t, s))
        total += float((p * (p / q).log()).sum())
    return total / len(student)


def recipe_named(arm: str) -> Recipe:
    found: Recipe = next(r for r in all_presets()["smoke"].arms if r.arm == arm)
    return found


def state_of(arm: str, folder: Path) -> tuple[ElasticState, object]:
    recipe = recipe_named(arm)
    workspace = Workspace(run=folder, shared=folder)
    corpus = read_corpus(recipe, SeedTree(1), workspace)
    state = experiment.build(recipe, SeedTree(1))
    state.with_tokenizer(corpus.tokenizer)
    return state, corpus


def test_version_one_is_the_sum_of_its_six_terms() -> None:
    exits = exits_of()
    loss = TwoDMatryoshkaLoss(dims=(6, 3), kl_weight=0.7)
    layer, dim = loss.pick(3, 6, torch.Generator().manual_seed(5))
    value = loss(exits, base, torch.Generator().manual_seed(5))
    last, early = exits[-1], exits[layer]
    slow = slow_base(last) + slow_base(last[:, :dim])
    slow += slow_base(early) + slow_base(early[:, :dim])
    slow += 0.7 * (slow_kl(early, last) + slow_kl(early[:, :dim], last[:, :dim]))
    assert value.item() == pytest.approx(slow, rel=1e-4)
    value.backward()
    for n, x_PD in enumerate(exits):
        assert (x_PD.grad is not None) == (n in (layer, 3))


def test_version_one_draws_every_layer_but_the_last_and_every_smaller_size() -> None:
    loss = TwoDMatryoshkaLoss(dims=(8, 4, 2))
    draw = torch.Generator().manual_seed(0)
    found = {loss.pick(4, 8, draw) for _ in range(300)}
    assert found == {(n, d) for n in (1, 2, 3) for d in (4, 2)}
    with pytest.raises(UsageError, match="nothing to draw"):
        loss.pick(1, 8, draw)
    with pytest.raises(UsageError, match="no such size"):
        loss.pick(4, 7, draw)


def test_the_teacher_of_the_alignment_gets_no_gradient() -> None:
    exits = exits_of()
    TwoDMatryoshkaLoss(dims=(6, 3))(exits, lambda x: x.sum() * 0, torch.Generator()).backward()
    assert exits[-1].grad is not None
    assert not exits[-1].grad.any()
    assert any(x.grad is not None and x.grad.any() for x in exits[1:-1])


def test_matryoshka_is_the_librarys_divided_by_the_number_of_sizes() -> None:
    exits = exits_of()
    dims = (6, 4, 2)
    ours = MatryoshkaLoss(dims)(exits, base, torch.Generator())
    a_BD, b_BD = exits[-1].chunk(2)
    theirs = matryoshka(lambda a, b: base(torch.cat([a, b])), a_BD, b_BD, dims)
    assert ours.item() == pytest.approx(theirs.item() / 3, rel=1e-6)
    assert LastLayerLoss()(exits, base, torch.Generator()).item() == base(exits[-1]).item()


def test_espresso_is_what_the_paper_writes() -> None:
    exits, k = exits_of(depth=3, width=6), 3

    def short(x_PD: torch.Tensor) -> torch.Tensor:
        x_PK, target_PK = x_PD[:, :k], rank_summary(x_PD, k)
        signs = torch.sign((x_PK * target_PK).sum(0))
        target_PK = target_PK * signs
        p, log_q = torch.softmax(target_PK, -1), torch.log_softmax(x_PK, -1)
        divergence = (p * (p.log() - log_q)).sum() / len(x_PK)
        return base(x_PK) + (x_PK - target_PK).square().mean() + divergence

    torch.manual_seed(3)
    slow = base(exits[3]) + short(exits[3])
    slow = slow + (short(exits[1]) / (1 + math.log(2)) + short(exits[2]) / (1 + math.log(3))) / 2
    torch.manual_seed(3)
    ours = EspressoLoss(size=k)(exits, base, torch.Generator())
    assert ours.item() == pytest.approx(slow.item(), rel=1e-4)
    ours.backward()
    assert exits[0].grad is None
    assert all(x.grad is not None for x in exits[1:])
    assert layer_weight(0) == 1.0


def test_the_rank_summary_keeps_what_a_full_svd_keeps() -> None:
    """Two blocks of equal columns leave a matrix of rank 2; its axes may be turned, so compare
    what the summary says of the texts' similarities."""
    columns = 3 * exits_of(width=2)[0].detach()
    x_PD = columns[:, [0, 0, 0, 0, 1, 1]]
    scores_DD = torch.softmax(x_PD.T @ x_PD / math.sqrt(6), dim=-1)
    u, s, _ = torch.linalg.svd(scores_DD)
    torch.manual_seed(1)
    ours = rank_summary(x_PD, 2)
    exact = x_PD @ (u[:, :2] * s[:2])
    torch.testing.assert_close(ours @ ours.T, exact @ exact.T, rtol=1e-3, atol=1e-3)


def test_similarity_target_is_zero_when_the_short_vector_says_all() -> None:
    x_PD = torch.zeros(6, 4)
    x_PD[:, :2] = torch.randn(6, 2, generator=torch.Generator().manual_seed(2))
    loss = EspressoLoss(size=2, target="similarities")
    value = loss([x_PD, x_PD], lambda x: x.sum() * 0, torch.Generator())
    assert value.item() == pytest.approx(0.0, abs=1e-6)


def test_starbucks_takes_all_its_pairs_and_the_full_one_once() -> None:
    exits = exits_of()
    pairs = ((1, 2), (2, 4), (3, 6))
    slow = slow_base(exits[3])
    for n, d in pairs[:2]:
        p, q = (torch.softmax(exits[m].detach()[:, :d].double(), -1) for m in (3, n))
        divergence = float((p * (p / q).log()).sum()) / 6
        slow += slow_base(exits[n][:, :d]) + 0.3 * divergence
    value = StarbucksSchedule(pairs)(exits, base, torch.Generator())
    assert value.item() == pytest.approx(slow, rel=1e-4)
    with pytest.raises(UsageError, match="no such layer"):
        StarbucksSchedule(((4, 2),))(exits, base, torch.Generator())


@pytest.mark.parametrize("arm", ["minilm-st-matryoshka2d", "debian-st-matryoshka2d"])
def test_the_reference_is_the_librarys_formula_over_our_exits(arm: str, tmp_path: Path) -> None:
    """One size only, so that the layer is the one random choice; its loss is among ours."""
    state, corpus = state_of(arm, tmp_path)
    recipe, sentence = state.recipe, state.sentence
    assert sentence is not None
    full = recipe.dims[0]
    reference = ReferenceLoss(sentence, recipe.loss, (full,), recipe.scale)
    batch = Batch.draw(corpus.training, recipe, 0, SeedTree(1), torch.device("cpu"))
    ours_base = batch.base_loss(recipe)
    exits = batch.exits(sentence)
    possible = {}
    for n in range(recipe.layers):
        # The library's divergence: raw numbers over 0.3, summed over both sides of a pair.
        divergence = feature_kl(exits[n], exits[-1], temperature=0.3, unit_scale=False)
        possible[n] = (ours_base(exits[-1]) + ours_base(exits[n]) + 0.3 * divergence).item()
    seen = set()
    for number in range(25):
        value = reference(batch.sides, batch.gold_B, SeedTree(number)).item()
        near = [
            n for n, expected in possible.items() if math.isclose(value, expected, rel_tol=2e-4)
        ]
        assert near, (value, possible)
        seen.update(near)
    assert seen == set(range(recipe.layers)), "the library also draws the embedding output"


def test_the_reference_leaves_pythons_generator_alone(tmp_path: Path) -> None:
    import random

    state, corpus = state_of("minilm-st-matryoshka2d", tmp_path)
    loss_at = loss_function(state.sentence, corpus.training, state.recipe, SeedTree(1))  # type: ignore[arg-type]
    before = random.getstate()
    first, again = loss_at(0).item(), loss_at(0).item()
    assert random.getstate() == before
    assert first == again


def test_accumulated_batches_give_the_gradient_of_their_mean(tmp_path: Path) -> None:
    recipe = replace(recipe_named("minilm-base"), accumulate=2)
    state, corpus = state_of("minilm-base", tmp_path)
    sentence = state.sentence
    assert sentence is not None
    value = loss_function(sentence, corpus.training, recipe, SeedTree(1))(1)
    assert not value.requires_grad
    found = [p.grad.clone() for p in state.module.parameters() if p.grad is not None]
    state.module.zero_grad(set_to_none=True)
    one = loss_function(sentence, corpus.training, replace(recipe, accumulate=1), SeedTree(1))
    mean = (one(2) + one(3)) / 2
    mean.backward()
    wanted = [p.grad for p in state.module.parameters() if p.grad is not None]
    assert value.item() == pytest.approx(mean.item(), rel=1e-6)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_batches_hold_each_pair_once_an_epoch_and_pad_little() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(3, 40, 600)
    rows = TokenRows.of([[1] * int(size) for size in sizes])
    training = Training(rows, rows, np.empty(0, np.float32), TokenRows.of([]))
    seen = np.concatenate([training.rows(step, 20, SeedTree(4)) for step in range(30)])
    assert sorted(seen) == list(range(600))
    assert not np.array_equal(training.rows(0, 20, SeedTree(4)), training.rows(30, 20, SeedTree(4)))
    padded = sum(sizes[training.rows(s, 20, SeedTree(4))].max() * 20 for s in range(30))
    assert padded < 1.15 * sizes.sum()


def test_sides_of_unlike_length_give_the_same_exits_in_one_pass_or_two(tmp_path: Path) -> None:
    state, corpus = state_of("debian-base", tmp_path)
    sentence = state.sentence
    assert sentence is not None
    short, long = (
        corpus.training.left.batch([0, 1]),
        TokenRows.of([[2, 5, 3] * 4] * 2).batch([0, 1]),
    )
    both = Batch((short, long), torch.empty(0)).exits(sentence)
    apart = [Batch((side,), torch.empty(0)).exits(sentence) for side in (short, long)]
    for n, x_PD in enumerate(both):
        torch.testing.assert_close(x_PD, torch.cat([one[n] for one in apart]))
