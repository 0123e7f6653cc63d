"""Rotation, codes and clusters against plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.core.progress import Silent
from broadsheet.core.seeds import SeedTree
from broadsheet.index.compact import build_segment, native
from broadsheet.index.compact.arithmetic import dots, eight_dots, prepare, sign_sums
from broadsheet.index.compact.calibration import _falling
from broadsheet.index.compact.clusters import Clusters, cluster_rows, list_count
from broadsheet.index.compact.codes import encode, to_eights
from broadsheet.index.compact.layout import Bits, padded
from broadsheet.index.compact.planner import Costs
from broadsheet.index.compact.rotation import draw_signs, rotate, rotation_matrix
from broadsheet.index.compact.scanning import view_of


@pytest.mark.parametrize("wide", [64, 192, 384, 448, 1024])
def test_rotation_keeps_lengths_and_angles(wide: int) -> None:
    signs = draw_signs(wide, SeedTree(1))
    matrix = rotation_matrix(signs).astype(np.float64)
    assert np.abs(matrix @ matrix.T - np.eye(wide)).max() < 1e-5
    one = np.zeros((1, wide), dtype=np.float32)
    one[0, 3] = 1
    # A single number is spread over all.
    assert np.abs(rotate(one, signs)).max() < 12 / np.sqrt(wide)


@given(st.integers(1, 70), st.integers(0, 99))
def test_dots_are_inner_products(dim: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.standard_normal((9, dim)).astype(np.float32)
    query = generator.standard_normal(dim).astype(np.float32)
    assert np.allclose(dots(rows, query), rows.astype(np.float64) @ query, atol=1e-4)


def test_eights_are_exact_in_whole_numbers_and_near_in_value() -> None:
    generator = np.random.default_rng(1)
    rows = generator.standard_normal((50, 100)).astype(np.float32)
    query = generator.standard_normal(100).astype(np.float32)
    eights = to_eights(rows)
    whole = (eights.codes.astype(np.int64) - 128)[:, :100]
    assert (np.abs(whole).max(axis=1) == 127).all()
    prepared = prepare(query, draw_signs(128, SeedTree(1)))
    scores = eight_dots(eights.codes, eights.scales, prepared)
    by_hand = (whole * eights.scales[:, None]) @ (prepared.eight[:100] * prepared.step)
    assert np.allclose(scores, by_hand, rtol=1e-5)
    assert np.abs(scores - rows @ query).max() < 0.35


@pytest.mark.parametrize("kernels", native.supported())
@pytest.mark.parametrize("dim", [1, 15, 64, 100, 384])
def test_native_kernels_are_exact_against_numpy(kernels: str, dim: int) -> None:
    rows = np.random.default_rng(dim).standard_normal((2100, dim)).astype(np.float32)
    built = build_segment(rows, seeds=SeedTree(1), graph=False, progress=Silent())
    view = view_of(built.arrays, built.facts)
    single = native.Kernels(view, kernels)
    query = rows[5] * np.float32(0.3)
    prepared = prepare(query, built.arrays["signs"])
    ids = np.random.default_rng(1).integers(2100, size=333).astype(np.int32)
    arrays = built.arrays
    exact = dots(arrays["rows"][ids], query)
    assert single.exact(query, ids).tobytes() == exact.tobytes()
    eight = eight_dots(arrays["rows8"][ids], arrays["row_scales"][ids], prepared)
    assert single.eight(query, ids).tobytes() == eight.tobytes()
    sums = sign_sums(arrays["codes"], prepared.whole)[:2100].astype(np.float32)
    upper = arrays["offsets"] + arrays["factors"] * (prepared.whole_step * sums)
    mask = np.arange(2100) % 7 != 3
    for threshold in (-1.0, 0.0, float(np.median(upper))):
        count = int(((upper > np.float32(threshold)) & mask).sum())
        assert single.count_estimates(query, Bits.from_mask(mask), threshold) == count


def test_sign_sums_count_signs() -> None:
    generator = np.random.default_rng(1)
    signs = generator.random((16, 128)) < 0.5
    whole = generator.integers(-15, 16, size=128).astype(np.int32)
    packed = np.packbits(signs, axis=1, bitorder="little").view("<u8").reshape(2, 8, 2)
    sums = sign_sums(np.ascontiguousarray(packed.transpose(0, 2, 1)), whole)
    assert sums.tolist() == (np.where(signs, 1, -1) @ whole).tolist()


def test_estimates_are_unbiased_over_rotations() -> None:
    """The mean error over many rotations vanishes, and single errors are as wide as promised."""
    generator = np.random.default_rng(2)
    dim, count = 60, 40
    rows = (generator.standard_normal((count, dim)) + 1).astype(np.float32)
    query = (generator.standard_normal(dim) + 0.5).astype(np.float32)
    clusters = Clusters(
        centres=rows.mean(axis=0, keepdims=True),
        order=np.arange(count, dtype=np.int32),
        starts=np.array([0, count], dtype=np.int32),
    )
    truth = rows.astype(np.float64) @ query
    errors, widths = [], []
    for seed in range(400):
        signs = draw_signs(padded(dim), SeedTree(seed))
        arrays = encode(rows, clusters, signs, lambda _: None)
        prepared = prepare(query, signs)
        sums = sign_sums(arrays["codes"], prepared.whole) * prepared.whole_step
        centre = float(clusters.centres[0].astype(np.float64) @ query)
        errors.append(centre + arrays["offsets"] + arrays["factors"] * sums - truth)
        widths.append(arrays["factors"] * np.linalg.norm(query - clusters.centres[0]))
    by_row = np.array(errors)
    standard_error = by_row.std(axis=0) / np.sqrt(len(by_row))
    assert (np.abs(by_row.mean(axis=0)) < 4.5 * standard_error).all()
    ratio = np.sqrt((by_row**2).mean()) / np.sqrt((np.array(widths) ** 2).mean())
    assert 0.5 < ratio < 0.7  # sqrt(1 - 2 / pi) = 0.60 for long vectors


def test_clusters_are_a_partition_around_means() -> None:
    generator = np.random.default_rng(3)
    rows = generator.standard_normal((3000, 10)).astype(np.float32)
    clusters = cluster_rows(rows, seeds=SeedTree(1), progress=Silent(), threads=2)
    assert sorted(clusters.order.tolist()) == list(range(3000))
    assert clusters.starts[0] == 0
    assert clusters.starts[-1] == 3000
    assert (np.diff(clusters.starts) > 0).all()
    spread = 0.0
    for index, centre in enumerate(clusters.centres):
        members = clusters.order[clusters.starts[index] : clusters.starts[index + 1]]
        assert (np.diff(members) > 0).all()
        assert np.allclose(rows[members].mean(axis=0), centre, atol=1e-5)
        spread += float(((rows[members] - centre) ** 2).sum())
    assert spread < 0.75 * float(((rows - rows.mean(axis=0)) ** 2).sum())


def test_list_count_grows_with_the_root() -> None:
    assert [list_count(rows) for rows in (0, 1, 63, 300, 1_000_000)] == [0, 1, 1, 9, 2300]


def test_falling_shares_pool_neighbours_that_rise() -> None:
    above, total = np.array([9.0, 2, 4, 0]), np.array([10.0, 10, 10, 10])
    assert np.allclose(_falling(above, total), [0.9, 0.3, 0.3, 0], atol=1e-3)


def test_bits() -> None:
    mask = np.random.default_rng(1).random(130) < 0.4
    bits = Bits.from_mask(mask)
    assert bits.count == mask.sum()
    assert (bits.mask() == mask).all()
    assert (bits.positions() == np.flatnonzero(mask)).all()
    assert Bits.of(np.flatnonzero(mask), 130).words.tolist() == bits.words.tolist()


def test_ids_limit_is_where_the_paths_cost_the_same() -> None:
    costs = Costs(
        ids_base=10, ids_row=0.1, results=(10,), densities=(1.0, 0.01), table=((40.0, 160.0),)
    )
    limit = costs.ids_limit(10, 100_000)
    assert costs.of_ids(limit) == pytest.approx(costs.of_clusters(10, limit / 100_000), rel=0.15)
    assert costs.ids_limit(10, 50) == 50
