"""Plain segmenters against slow references: cutting, thresholds, TextTiling, C99, cosine drop."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from broadsheet.core.errors import BadInput
from broadsheet.evals.lexical_segmenters import C99, TextTiling, divide, ranks, smoothed
from broadsheet.evals.segmenters import (
    CosineDrop,
    calibrate,
    cut,
    cut_into,
    depths,
    even_masses,
    random_masses,
    typical_segments,
)
from broadsheet.metrics.segmentation import boundaries_of, pk

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from nltk.tokenize.texttiling import TextTilingTokenizer, TokenSequence

WORDS = ["cat", "dog", "sun", "moon", "tree", "river", "stone", "cloud", "bread", "wine", "road"]
scores = st.lists(st.floats(0, 1, width=16), min_size=0, max_size=12)


def text(seed: int, units: int, words: int = 9) -> list[str]:
    """Units whose words drift from one half of the vocabulary to the other."""
    rng = np.random.default_rng(seed)
    found = []
    for at in range(units):
        pool = WORDS[:7] if (at // 4) % 2 else WORDS[5:]
        found.append(" ".join(rng.choice(pool, size=int(rng.integers(3, words)))) + " and the")
    return found


# --- cutting


@given(scores, st.floats(0, 1, width=16))
def test_cut_without_a_shortest_length_takes_all_high_gaps(one: list[float], at: float) -> None:
    assert boundaries_of(cut(one, at)).tolist() == [score >= at for score in one]


@given(scores, st.floats(0, 1, width=16), st.integers(1, 5))
def test_no_segment_is_shorter_than_told(one: list[float], at: float, shortest: int) -> None:
    masses = cut(one, at, shortest=shortest)
    assert sum(masses) == len(one) + 1
    assert min(masses) >= min(shortest, len(one) + 1)
    kept = boundaries_of(masses)
    assert all(one[gap] >= at for gap in np.flatnonzero(kept))
    # A gap that was passed over is too near to an end or to a boundary that scores as high.
    for gap in np.flatnonzero(~kept):
        if one[gap] >= at and shortest <= gap + 1 <= len(one) + 1 - shortest:
            near = kept[max(gap + 1 - shortest, 0) : gap + shortest]
            high = np.array(one)[max(gap + 1 - shortest, 0) : gap + shortest]
            assert (near & (high >= one[gap])).any()


@given(scores, st.integers(1, 6))
def test_cut_into_takes_the_highest(one: list[float], segments: int) -> None:
    masses = cut_into(one, segments)
    assert len(masses) == min(segments, len(one) + 1)
    kept = boundaries_of(masses)
    lowest = min((one[gap] for gap in np.flatnonzero(kept)), default=math.inf)
    assert all(one[gap] <= lowest for gap in np.flatnonzero(~kept))


def test_bad_scores_are_refused() -> None:
    for bad in ([math.nan], [[0.5]]):
        with pytest.raises(BadInput, match="finite"):
            cut(bad, 0.5)
    with pytest.raises(BadInput, match="at least one"):
        cut([0.5], 0.5, shortest=0)
    with pytest.raises(BadInput, match="at least one"):
        cut_into([0.5], 0)


def test_the_threshold_is_the_best_of_all() -> None:
    rng = np.random.default_rng(3)
    references = [random_masses(12, 4, rng) for _ in range(6)]
    curves = [boundaries_of(one) * 0.4 + rng.random(11) for one in references]
    found = calibrate(curves, references, steps=200)
    every = [*np.concatenate(curves), math.inf]
    best = min(
        float(np.mean([pk(ref, cut(one, at)) for one, ref in zip(curves, references, strict=True)]))
        for at in every
    )
    assert found.pk == pytest.approx(best)
    again = [
        pk(ref, cut(one, found.threshold)) for one, ref in zip(curves, references, strict=True)
    ]
    assert float(np.mean(again)) == pytest.approx(best)


def test_a_threshold_may_be_above_all_scores() -> None:
    found = calibrate([[0.9, 0.1, 0.2, 0.3]], [(5,)])
    assert cut([0.9, 0.1, 0.2, 0.3], found.threshold) == (5,)
    with pytest.raises(BadInput, match="long enough"):
        calibrate([[0.5]], [(1, 1)])


@given(st.integers(1, 30), st.data())
def test_even_and_random_segments_have_the_told_number(units: int, data: st.DataObject) -> None:
    segments = data.draw(st.integers(1, units))
    even = even_masses(units, segments)
    drawn = random_masses(units, segments, np.random.default_rng(0))
    for masses in (even, drawn):
        assert sum(masses) == units
        assert len(masses) == segments
    assert max(even) - min(even) <= 1
    assert 1 <= typical_segments(units, 2.5) <= units
    with pytest.raises(BadInput, match="fit"):
        even_masses(units, units + 1)
    with pytest.raises(BadInput, match="fit"):
        random_masses(units, 0, np.random.default_rng(0))


# --- cosine drop and depths


@given(st.integers(2, 9), st.integers(1, 4))
def test_cosine_drop_compares_the_sums_of_blocks(units: int, block: int) -> None:
    vectors = np.random.default_rng(units).normal(size=(units, 3))
    for gap, score in enumerate(CosineDrop(block=block).scores(vectors), start=1):
        left = vectors[max(gap - block, 0) : gap].mean(axis=0)
        right = vectors[gap : gap + block].mean(axis=0)
        cosine = left @ right / np.linalg.norm(left) / np.linalg.norm(right)
        assert score == pytest.approx(-cosine)


def slow_depth(curve: Sequence[float], at: int) -> float:
    left = right = at
    while left > 0 and curve[left - 1] >= curve[left]:
        left -= 1
    while right < len(curve) - 1 and curve[right + 1] >= curve[right]:
        right += 1
    return curve[left] + curve[right] - 2 * curve[at]


@given(scores)
def test_depths_climb_to_the_next_peaks(curve: list[float]) -> None:
    expected = [slow_depth(curve, at) for at in range(len(curve))]
    assert depths(curve).tolist() == pytest.approx(expected)


def test_cosine_drop_refuses_what_is_no_row_per_unit() -> None:
    with pytest.raises(BadInput, match="one vector"):
        CosineDrop().scores([1.0, 2.0])
    with pytest.raises(BadInput, match="one vector"):
        CosineDrop(block=0).scores([[1.0]])


# --- TextTiling


@pytest.mark.parametrize(("width", "block"), [(5, 2), (7, 3), (4, 10)])
def test_similarities_and_smoothing_are_those_of_nltk(width: int, block: int) -> None:
    stop = frozenset({"and", "the"})
    for seed in range(3):
        units = [one + " " + " ".join(WORDS) * 3 for one in text(seed, 12)]
        rival = TextTilingTokenizer(w=width, k=block, stopwords=stop, demo_mode=True)
        gaps, smooth, deep, _ = rival.tokenize("\n\n".join(units))
        ours = TextTiling(width=width, block=block, stop_words=stop)
        pieces, _ = ours._pieces([ours.words(unit) for unit in units])
        np.testing.assert_allclose(ours.similarities(pieces), gaps, atol=1e-12)
        # At both ends nltk mirrors another point than the neighbour; the rest is the same.
        np.testing.assert_allclose(smoothed(np.array(gaps), 2)[1:-1], smooth[1:-1], atol=1e-12)
        inside = np.flatnonzero(np.array(deep))  # it leaves out the gaps at the ends
        np.testing.assert_allclose(depths(smooth)[inside], np.array(deep)[inside], atol=1e-12)
        assert len(inside) > 5
        assert isinstance(TokenSequence(0, []), TokenSequence)


def test_a_pseudo_sentence_s_gap_goes_to_the_nearest_end_of_a_unit() -> None:
    units = ["cat dog cat dog cat", "dog cat dog cat", "sun moon sun", "moon sun moon sun moon sun"]
    tiling = TextTiling(width=3, block=3, smoothing=0)
    scores = tiling.scores(units)
    deep = np.array([0.0, scores[0], scores[1], scores[2], 0.0])  # five gaps of pseudo-sentences
    assert cut_into(scores, 2) == (2, 2)
    assert tiling.segment(units) == cut(scores, deep.mean() - deep.std() / 2) == (1, 1, 1, 1)


def test_tiling_of_too_little_text_is_one_segment() -> None:
    assert TextTiling().segment(["one", "two"]) == (2,)
    assert TextTiling(width=0).segment(["..."]) == (1,)
    with pytest.raises(BadInput, match="range"):
        TextTiling(block=0)


# --- C99


def slow_ranks(sim: np.ndarray, width: int) -> np.ndarray:
    n, reach = len(sim), width // 2
    found = np.zeros((n, n))
    for i, j in itertools.product(range(n), range(n)):
        near = [
            sim[a, b]
            for a in range(max(i - reach, 0), min(i + reach + 1, n))
            for b in range(max(j - reach, 0), min(j + reach + 1, n))
            if (a, b) != (i, j)
        ]
        found[i, j] = sum(one < sim[i, j] for one in near) / max(len(near), 1)
    return found


def slow_density(rank: np.ndarray, edges: list[int]) -> float:
    blocks = [rank[a:b, a:b] for a, b in itertools.pairwise(edges)]
    return float(sum(b.sum() for b in blocks) / sum(b.size for b in blocks))


@settings(max_examples=25)
@given(st.integers(2, 9), st.sampled_from([3, 5]), st.integers(0, 99))
@example(7, 3, 93)  # two cuts are equally good at one step
def test_c99_agrees_with_a_slow_reference(units: int, width: int, seed: int) -> None:
    half = np.random.default_rng(seed).random((units, 4))
    sim = half @ half.T
    rank = ranks(sim, width)
    np.testing.assert_allclose(rank, slow_ranks(sim, width))
    splits, density = divide(rank)
    assert sorted(splits) == list(range(units - 1))
    edges = [0, units]
    assert density[0] == pytest.approx(slow_density(rank, edges))
    for gap, value in zip(splits.tolist(), density[1:], strict=True):
        closed = [cut for cut in range(1, units) if cut not in edges]
        best = max(slow_density(rank, sorted([*edges, cut])) for cut in closed)
        edges = sorted([*edges, gap + 1])
        assert value == pytest.approx(slow_density(rank, edges)) == pytest.approx(best)


def test_c99_finds_pieces_and_their_number() -> None:
    pool = [f"{a}{b}" for a in "bcdfgh" for b in "aeiou"]
    rng = np.random.default_rng(5)
    units = [
        " ".join(rng.choice(pool[6 * topic : 6 * topic + 6], size=8))
        for topic in range(5)
        for _ in range(8)
    ]
    assert C99().segment(units, segments=5) == (8,) * 5
    assert C99().segment(units) == (8,) * 5
    assert C99().segment(["alone"]) == (1,)


def test_c99_refuses_what_it_cannot_cut() -> None:
    with pytest.raises(BadInput, match="square"):
        C99().segment_similar(np.zeros((2, 3)))
    with pytest.raises(BadInput, match="square"):
        C99().segment(["a", "b"], segments=3)
    with pytest.raises(BadInput, match="odd"):
        C99(rank=4)
