"""The parts of distilled sentence embedding against slow references, and the way to a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.losses.distillation import logit_mse
from broadsheet.nn.poolings.top_layers import TopLayersConcatPooling
from broadsheet.systems.contract import Run, Workspace
from broadsheet.systems.text.distilled_sentence_embedding import experiment
from broadsheet.systems.text.distilled_sentence_embedding.building import make_student, make_teacher
from broadsheet.systems.text.distilled_sentence_embedding.data import TASKS, read_pairs
from broadsheet.systems.text.distilled_sentence_embedding.heads import (
    PairHead,
    PairIndex,
    ScalarHead,
    make_head,
)
from broadsheet.systems.text.distilled_sentence_embedding.logits import LogitCache
from broadsheet.systems.text.distilled_sentence_embedding.model import (
    CrossEncoder,
    LibraryClassifier,
    Student,
    make_encoder,
)
from broadsheet.systems.text.distilled_sentence_embedding.ragged import Ragged
from broadsheet.systems.text.distilled_sentence_embedding.recipe import EncoderSettings, presets
from broadsheet.systems.text.distilled_sentence_embedding.storage import int8_copy, top_components
from broadsheet.systems.text.distilled_sentence_embedding.students import TextVectors, training_pool
from broadsheet.systems.text.distilled_sentence_embedding.tasks import Task, Tasks, calibrate
from broadsheet.systems.text.distilled_sentence_embedding.teaching import (
    CrossEncoderTeacher,
    JoinedPairs,
    Teachers,
    teach,
    teacher_logits,
    teacher_loss,
    whole_teacher,
)
from broadsheet.systems.text.distilled_sentence_embedding.world import (
    best_alone,
    make_pairs,
)

BOTH = TASKS["sick"]
TINY = EncoderSettings(vocab=64, width=16, depth=3, heads=2, hidden=32, max_tokens=24)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smoke(arm: str):
    return next(recipe for recipe in presets()["smoke"].arms if recipe.arm == arm)


def workspace(folder: Path) -> Workspace:
    (folder / "run").mkdir(parents=True, exist_ok=True)
    (folder / "shared").mkdir(exist_ok=True)
    return Workspace(run=folder / "run", shared=folder / "shared")


# --- heads


@pytest.mark.parametrize("symmetric", [(), (0,), (0, 2)])
def test_scores_from_halves_are_those_of_the_plain_head(symmetric):
    head = PairHead(6, 10, 3, generator(), symmetric)
    u, v = torch.randn(5, 6, generator=generator(2)), torch.randn(7, 6, generator=generator(3))
    matrix = head.score_matrix(u, v, chunk=3)
    for i in range(5):
        for j in range(7):
            torch.testing.assert_close(matrix[i, j], head(u[i : i + 1], v[j : j + 1])[0])


def test_head_is_the_paper_s_when_nothing_is_symmetric():
    head = PairHead(4, 8, 2, generator())
    u, v = torch.randn(2, 3, 4, generator=generator(2))
    features = torch.cat([u, v, u * v, (u - v).abs()], dim=1)
    torch.testing.assert_close(head(u, v), head.out(F.relu(head.compare(features))))
    assert not torch.allclose(head(u, v), head(v, u))


def test_symmetric_columns_are_means_of_both_orders_and_others_are_not():
    plain = PairHead(4, 8, 2, generator())
    head = PairHead(4, 8, 2, generator(), symmetric=(0,))
    u, v = torch.randn(2, 3, 4, generator=generator(2))
    mean = 0.5 * (plain(u, v) + plain(v, u))
    torch.testing.assert_close(head(u, v)[:, 0], mean[:, 0])
    torch.testing.assert_close(head(u, v)[:, 1], plain(u, v)[:, 1])


@pytest.mark.parametrize("kind", ["dot", "cosine"])
def test_scalar_heads_score_matrix(kind):
    head = ScalarHead(kind, 4, 2)
    u, v = torch.randn(3, 4, generator=generator(2)), torch.randn(5, 4, generator=generator(3))
    wanted = torch.stack([head(row.expand(5, 4), v) for row in u])
    torch.testing.assert_close(head.score_matrix(u, v, chunk=2), wanted)


def test_head_gradient_is_the_numerical_one():
    head = PairHead(3, 5, 2, generator(), symmetric=(0,)).double()
    u, v = torch.randn(2, 2, 3, generator=generator(2), dtype=torch.float64)
    assert torch.autograd.gradcheck(head, (u.requires_grad_(), v.requires_grad_()))


def test_unknown_head_is_refused():
    with pytest.raises(BadInput, match="similarity"):
        make_head("euclid", 4, 4, 1, generator())


def test_search_with_a_full_shortlist_is_exact():
    head = PairHead(4, 8, 1, generator())
    rng = np.random.default_rng(0)
    vectors, queries = (rng.normal(size=(n, 4)).astype(np.float32) for n in (30, 3))
    places, scores = PairIndex(head, vectors).search(queries, shortlist=30, k=4)
    exact = head.score_matrix(torch.from_numpy(queries), torch.from_numpy(vectors))[..., 0]
    assert places.tolist() == exact.topk(4).indices.tolist()
    np.testing.assert_allclose(scores, exact.topk(4).values.numpy(), rtol=1e-5, atol=1e-6)
    with pytest.raises(BadInput, match="shortlist"):
        PairIndex(head, vectors).search(queries, shortlist=2, k=4)


# --- tasks and losses


def test_logit_distance_sums_over_classes_and_averages_over_the_batch():
    own, taught = torch.randn(2, 5, 4, generator=generator())
    wanted = sum(((own[i] - taught[i]) ** 2).sum() for i in range(5)) / 5
    torch.testing.assert_close(BOTH.distance(own, taught, "logit_mse"), wanted)
    torch.testing.assert_close(logit_mse(own, taught), wanted)


def test_kl_and_margins_leave_what_softmax_and_margins_leave():
    own = torch.randn(6, 4, generator=generator())
    shifted = own.clone()
    shifted[:, 1:] += 3.0  # one number on all classes changes no probability and no margin
    assert BOTH.distance(own, shifted, "kl").item() == pytest.approx(0, abs=1e-6)
    shifted[:, 0] += 2.0  # one number on the lone logit of all pairs changes no margin
    assert BOTH.distance(own, shifted, "margin_mse").item() == pytest.approx(0, abs=1e-5)
    assert BOTH.distance(own, shifted, "kl").item() == pytest.approx(4, rel=1e-5)


def test_task_loss_uses_labelled_rows_only():
    logits = torch.randn(4, 4, generator=generator())
    gold = torch.tensor([[0.5, 1], [1.0, 2], [0.0, 0], [9.0, 0]])
    wanted = F.mse_loss(logits[:3, 0], gold[:3, 0]) + F.cross_entropy(
        logits[:3, 1:], gold[:3, 1].long()
    )
    torch.testing.assert_close(BOTH.loss(logits, gold, torch.tensor([1.0, 1, 1, 0])), wanted)
    assert BOTH.loss(logits, gold, torch.zeros(4)).item() == 0


def test_two_logits_fold_to_their_difference():
    tasks = Tasks((Task(name="yes", kind="binary"), Task(name="r", kind="regression")))
    two = np.array([[1.0, 3.0, 0.25]], np.float32)
    assert tasks.fold(two).tolist() == [[2.0, 0.25]]
    assert tasks.fold(tasks.fold(two)).tolist() == [[2.0, 0.25]]
    with pytest.raises(BadInput, match="logits"):
        tasks.fold(np.zeros((1, 5), np.float32))


def test_loss_of_two_logits_is_cross_entropy():
    tasks = Tasks((Task(name="yes", kind="binary"),))
    logits = torch.randn(6, 2, generator=generator())
    gold = torch.tensor([0, 1, 1, 0, 1, 0])
    found = teacher_loss(tasks, logits, gold[:, None].float(), torch.ones(6))
    torch.testing.assert_close(found, F.cross_entropy(logits, gold))


def test_temperature_is_found_again():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3)) * 2
    chance = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    gold = np.array([rng.choice(3, p=row) for row in chance])
    tasks = Tasks((Task(name="c", kind="classes", classes=3),))
    sure = (3 * logits).astype(np.float32)
    assert calibrate(tasks, sure, gold[:, None].astype(np.float32))[0] == pytest.approx(3, rel=0.1)


# --- encoders


def test_vectors_skip_cls_keep_sep_and_join_the_top_layers():
    rng = generator()
    encoder = make_encoder(TINY, rng)
    student = Student(encoder, TopLayersConcatPooling(2), PairHead(32, 4, 1, rng))
    ids, mask = torch.tensor([[2, 9, 8, 3, 0]]), torch.tensor([[1, 1, 1, 1, 0]])
    states = encoder(ids, mask)
    wanted = torch.cat([state[0, 1:4].mean(dim=0) for state in states[-2:]])
    torch.testing.assert_close(student(ids, mask)[0], wanted)


@pytest.mark.parametrize("frozen", [1, 2, 3])
def test_kept_states_give_the_vectors_of_a_whole_pass(frozen, tmp_path):
    rng = generator()
    student = Student(
        make_encoder(TINY, rng), TopLayersConcatPooling(3), PairHead(48, 4, 1, rng), frozen
    )
    tokens = Ragged.of([[2, 9, 8, 3], [2, 7, 3], [2, 9, 9, 9, 9, 3]])
    with torch.no_grad():
        wanted = student(*tokens.padded(range(3))).numpy()
    for _ in range(2):  # made, then read
        found = TextVectors(student, tokens, "t", tmp_path).all()
        np.testing.assert_allclose(found, wanted, atol=2e-3)
    other = TextVectors(student, Ragged.of([[2, 7, 3], [2, 9, 8, 3]]), "t", tmp_path).all()
    np.testing.assert_allclose(other, wanted[[1, 0]], atol=2e-3)  # not those kept of other texts
    assert sum(p.requires_grad for p in student.encoder.parameters()) == 16 * (3 - frozen)


def test_cross_encoder_sees_both_texts_and_kept_states_change_nothing(tmp_path):
    rng = generator()
    cross = CrossEncoder(make_encoder(TINY, rng), "segments", 8, 1, rng, frozen=1)
    teacher = CrossEncoderTeacher(cross, Tasks((Task(name="r", kind="regression"),)))
    tokens = Ragged.of([[2, 9, 8, 3], [2, 7, 3], [2, 11, 3]])
    rows = JoinedPairs.of(tokens, np.array([0, 0]), np.array([1, 2]))
    assert rows.ids.padded([0])[0].tolist() == [[2, 9, 8, 3, 7, 3]]
    assert rows.second.padded([0])[0].tolist() == [[0, 0, 0, 0, 1, 1]]
    plain = teacher.logits(rows)
    kept = teacher.logits(rows.kept(cross, "a start", tmp_path))
    np.testing.assert_allclose(kept, plain, atol=2e-3)
    assert plain[0, 0] != plain[1, 0]


def test_any_sequence_classifier_can_teach():
    from transformers import BertConfig, BertForSequenceClassification

    sizes = BertConfig(
        vocab_size=64,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=3,
    )
    model = BertForSequenceClassification(sizes).eval()
    teacher = CrossEncoderTeacher(LibraryClassifier(model), TASKS["mnli"])
    rows = JoinedPairs.of(Ragged.of([[2, 9, 3], [2, 7, 3]]), np.array([0]), np.array([1]))
    with torch.no_grad():
        wanted = model(
            input_ids=torch.tensor([[2, 9, 3, 7, 3]]),
            token_type_ids=torch.tensor([[0, 0, 0, 1, 1]]),
        ).logits
    np.testing.assert_allclose(teacher.logits(rows), wanted.numpy(), atol=1e-5)


# --- teacher's logits


def test_cache_is_keyed_by_pair_and_model(tmp_path):
    cache = LogitCache(tmp_path)
    cache.put("m", ("a", "b"), np.array([[1.0], [2.0]], np.float32))
    cache.put("m", ("c",), np.array([[3.0]], np.float32))
    assert cache.get("m", ("c", "a")).tolist() == [[3.0], [1.0]]
    assert cache.missing("other", ("a",)) == ("a",)
    with pytest.raises(KeyError):
        cache.get("m", ("z",))


def test_training_pairs_are_scored_by_teachers_that_have_not_seen_them(tmp_path):
    recipe, seeds, place = smoke("dse"), SeedTree(3), workspace(tmp_path)
    data = read_pairs(recipe, seeds, place)
    make = Teachers(data.tasks, recipe, place)
    taught = teach(make, data, recipe, seeds, place)
    teacher = whole_teacher(make, data, recipe, seeds, place)
    folder = next((tmp_path / "shared").glob("teacher-*"))
    assert {path.name for path in folder.iterdir()} >= {"whole", "fold0", "fold1", "logits"}
    assert len(list((folder / "logits").glob("*.npz"))) == 2
    seen_NC = teacher_logits(teacher, data, data.train, recipe, place)
    assert (np.abs(taught.train_NC * taught.temperatures[0] - seen_NC) > 1e-4).mean() > 0.9
    again = teach(make, data, recipe, seeds, place)
    np.testing.assert_array_equal(again.targets, taught.targets)


def test_with_one_fold_the_teacher_of_all_pairs_scores_them(tmp_path):
    recipe, seeds, place = smoke("dse"), SeedTree(3), workspace(tmp_path)
    recipe = replace(recipe, teacher=replace(recipe.teacher, folds=1))
    data = read_pairs(recipe, seeds, place)
    make = Teachers(data.tasks, recipe, place)
    taught = teach(make, data, recipe, seeds, place)
    teacher = whole_teacher(make, data, recipe, seeds, place)
    seen_NC = teacher_logits(teacher, data, data.train, recipe, place)
    np.testing.assert_allclose(taught.train_NC * taught.temperatures[0], seen_NC, atol=1e-5)


def test_few_labels_with_and_without_the_teacher(tmp_path):
    recipe, seeds, place = smoke("dse_few"), SeedTree(3), workspace(tmp_path)
    data = read_pairs(recipe, seeds, place)
    taught = training_pool(data, recipe, seeds)
    assert (len(taught.first), taught.labelled.sum()) == (64, 16)
    alone = training_pool(data, replace(recipe, taught=False), seeds)
    assert (len(alone.first), alone.labelled.sum()) == (16, 16)
    np.testing.assert_array_equal(np.flatnonzero(taught.labelled), alone.places)


# --- training


def test_plain_attention_trains_as_the_fused_one_does(tmp_path):
    weights = []
    for attention in ("fused", "plain"):
        recipe = replace(smoke("dse_upper"), alpha=0.0, attention=attention)
        seeds, place = SeedTree(3), workspace(tmp_path / attention)
        state = experiment.build(recipe, seeds)
        data = experiment.data(recipe, seeds, place)
        experiment.fit(state, data, recipe, seeds, place)
        weights.append(state.module.state_dict())
    for name, tensor in weights[0].items():
        torch.testing.assert_close(tensor, weights[1][name], atol=1e-4, rtol=1e-3)


def test_a_second_look_draws_everything_from_other_seeds(tmp_path):
    recipe, place = smoke("dse"), workspace(tmp_path)
    again = replace(recipe, seed_shift=10)
    one, same = experiment.build(recipe, SeedTree(13)), experiment.build(again, SeedTree(3))
    for ours, theirs in zip(one.module.parameters(), same.module.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    pairs = [
        experiment.data(each, SeedTree(seed), place) for each, seed in ((recipe, 13), (again, 3))
    ]
    assert pairs[0].digest() == pairs[1].digest() != read_pairs(again, SeedTree(3), place).digest()
    looks = [recipe for recipe in presets()["laptop"].arms if recipe.seed_shift]
    seeds = {seed + one.seed_shift for one in looks for seed in presets()["laptop"].seeds}
    assert seeds == {11, 12, 13, 14, 15}


# --- the made world, storage


def test_every_pair_of_the_world_comes_in_both_orders():
    pairs = make_pairs(400, SeedTree(5))
    label = {(pair.a, pair.b): pair.label for pair in pairs}
    for (a, b), one in label.items():
        assert {one, label[b, a]} == {"0", "1"}
    assert best_alone(make_pairs(6000, SeedTree(5))) < 0.75


def test_a_similarity_is_right_in_exactly_half_of_the_world(tmp_path):
    recipe, seeds, place = smoke("cosine"), SeedTree(5), workspace(tmp_path)
    data = read_pairs(recipe, seeds, place)
    state = experiment.build(recipe, seeds)
    experiment.fit(state, data, recipe, seeds, place)
    [found] = experiment.evaluate(state, data, recipe, place)
    assert found.value == pytest.approx(50.0)


def test_small_copies_are_close():
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(200, 5)) @ rng.normal(size=(5, 32))).astype(np.float32)
    assert np.abs(int8_copy(vectors) - vectors).max() <= np.abs(vectors).max() / 127
    np.testing.assert_allclose(top_components(vectors, 5), vectors, atol=1e-4)


# --- the whole way


def test_smoke_preset_reaches_a_report(tmp_path):
    preset = presets()["smoke"]
    runs = []
    for seed in preset.seeds:
        for recipe in preset.arms:
            seeds = SeedTree(seed)
            place = workspace(tmp_path / f"{recipe.arm}-{seed}")
            state = experiment.build(recipe, seeds)
            data = experiment.data(recipe, seeds, place)
            experiment.fit(state, data, recipe, seeds, place)
            found = tuple(experiment.evaluate(state, data, recipe, place))
            runs.append(Run(arm=recipe.arm, seed=seed, observations=found))
    report = experiment.report(preset, runs)
    assert len(report.claims) == len({claim.id for claim in report.claims}) == 15
    assert {m.arm for m in report.measurements} == {recipe.arm for recipe in preset.arms}


def test_paper_has_the_size_of_the_paper():
    recipe = next(r for r in presets()["paper"].arms if r.arm == "dse")
    with torch.device("meta"):
        student = make_student(recipe, TASKS["mnli"], SeedTree(0))
        teacher = make_teacher(recipe, TASKS["mnli"], SeedTree(0))
    bert, pooler = 334_092_288, 1024 * 1024 + 1024
    head = 4 * 4096 * 512 + 512 + 512 * 3 + 3
    assert sum(p.numel() for p in student.parameters()) == bert + head
    assert sum(p.numel() for p in teacher.parameters()) == bert + pooler + 1024 * 3 + 3
    assert student.head.width == 4096
