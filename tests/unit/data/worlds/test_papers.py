"""The world of papers: reproducible, held out, correlated as asked, of the stated geometry."""

from __future__ import annotations

import numpy as np
import pytest

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.data.worlds import papers as module
from broadsheet.data.worlds.geometry import geometry_of, two_nn
from broadsheet.data.worlds.paper_attributes import HOURS, SINGLE
from broadsheet.data.worlds.papers import PaperSpec, PaperWorld

SMALL = PaperSpec(dim=32, fields=3, categories=9, topics=60)


def test_the_same_seed_makes_the_same_papers_and_another_does_not():
    one, same, other = (PaperWorld(SMALL, SeedTree(seed)).papers(300) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.vectors, same.vectors)
    for name, labels in one.attributes.labels.items():
        np.testing.assert_array_equal(labels.codes, same.attributes.labels[name].codes)
    assert not np.array_equal(one.vectors, other.vectors)
    np.testing.assert_allclose(np.linalg.norm(one.vectors, axis=1), 1.0, atol=1e-5)


def test_blocks_are_put_together_in_order_and_out_may_be_given(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 64)
    world = PaperWorld(SMALL, SeedTree(3))
    out = np.zeros((150, 32), np.float32)
    papers = world.papers(150, out=out)
    assert papers.vectors is out
    blocks = list(world.blocks(150))
    assert [len(block) for block, _ in blocks] == [64, 64, 22]
    np.testing.assert_array_equal(np.concatenate([block for block, _ in blocks]), out)
    again = world.attributes(150)
    for name, labels in papers.attributes.labels.items():
        np.testing.assert_array_equal(labels.codes, again.labels[name].codes)
        np.testing.assert_array_equal(labels.starts, again.labels[name].starts)
    np.testing.assert_array_equal(papers.attributes.numbers["hour"], again.numbers["hour"])


def test_queries_are_other_papers_of_the_same_world():
    world = PaperWorld(SMALL, SeedTree(4))
    rows, queries = world.papers(2000), world.papers(200, part="queries")
    nearest = (queries.vectors @ rows.vectors.T).max(axis=1)
    assert nearest.max() < 0.999
    assert nearest.mean() > (queries.vectors @ rows.vectors.T).mean() + 0.2


def test_every_paper_has_one_of_each_single_label_and_an_hour():
    papers = PaperWorld(SMALL, SeedTree(5)).papers(500).attributes
    for name in SINGLE:
        assert np.diff(papers.labels[name].starts).tolist() == [1] * 500
    assert 2 <= np.diff(papers.labels["subject"].starts).mean() <= 3
    hours = papers.numbers["hour"]
    assert hours.min() >= 0
    assert hours.max() <= HOURS


@pytest.mark.parametrize(("following", "alike"), [(1.0, True), (0.0, False)])
def test_attributes_follow_the_topic_as_far_as_asked(following, alike):
    spec = PaperSpec(dim=32, fields=3, categories=9, topics=60, following=following)
    world = PaperWorld(spec, SeedTree(6))
    papers = world.papers(1500)
    own = [
        f"category:{world.category_of[topic]}" in papers.attributes.labels["subject"].row(row)
        for row, topic in enumerate(papers.topics)
    ]
    assert np.mean(own) == 1.0 if alike else np.mean(own) < 0.6


def test_the_geometry_is_that_of_sentence_embeddings():
    """The targets hold at 200,000 rows; neighbours are farther and dimensions fewer in 20,000."""
    found = geometry_of(
        PaperWorld(PaperSpec(), SeedTree(1)).papers(20_000).vectors, SeedTree(2), probes=150
    )
    assert found.mean_cosine == pytest.approx(0.194, abs=0.01)
    assert found.effective_rank == pytest.approx(97, abs=8)
    assert found.tenth_neighbour == pytest.approx(0.58, abs=0.03)
    assert found.intrinsic_dimension == pytest.approx(34, abs=7)


def test_another_spectrum_is_another_geometry():
    flat, steep = (
        geometry_of(
            PaperWorld(PaperSpec(dim=64, power=power), SeedTree(1)).papers(2000).vectors,
            SeedTree(2),
        )
        for power in (0.2, 2.0)
    )
    assert flat.effective_rank > 1.5 * steep.effective_rank


def test_two_nn_finds_the_dimension_of_a_cube_s_face():
    draw = np.random.default_rng(1)
    points = np.concatenate([draw.random((4000, 3)), np.ones((4000, 1))], axis=1)
    squared = ((points[:200, None] - points[None]) ** 2).sum(-1)
    squared[np.arange(200), np.arange(200)] = np.inf
    near = np.sort(squared, axis=1)[:, :2]
    assert two_nn(1 - near[:, 0] / 2, 1 - near[:, 1] / 2) == pytest.approx(3.0, abs=0.6)


def test_worlds_that_cannot_be_are_refused():
    with pytest.raises(BadInput, match="categories"):
        PaperSpec(fields=10, categories=5)
    with pytest.raises(BadInput, match="share"):
        PaperSpec(following=1.5)
    with pytest.raises(BadInput, match="12 rows"):
        geometry_of(np.ones((3, 2), np.float32), SeedTree(1))
