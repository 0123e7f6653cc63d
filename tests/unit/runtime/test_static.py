from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from broadsheet.core.errors import BadInput
from broadsheet.runtime.encoder import load_encoder


def test_a_text_is_the_mean_of_its_tokens(
    static_folder: Path, table: npt.NDArray[np.float32]
) -> None:
    encoder = load_encoder(static_folder)
    (vector,) = encoder.encode(["a b\n\n b"])
    expected = (table[4] + 2 * table[5]) / 3
    np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), rtol=1e-5)
    assert encoder.quick
    assert encoder.dim == 4


def test_order_progress_and_nothing(static_folder: Path) -> None:
    encoder = load_encoder(static_folder)
    texts = [letter for letter in "abcdefghij" for _ in range(120)] + ["", "  "]
    done: list[int] = []
    vectors = encoder.encode(texts, advance=done.append)
    assert sum(done) == len(texts)
    np.testing.assert_array_equal(vectors[600], encoder.encode([texts[600]])[0])
    np.testing.assert_allclose(np.linalg.norm(vectors[:-2], axis=1), 1, rtol=1e-5)
    assert not vectors[-2:].any()
    assert encoder.encode([]).shape == (0, 4)


def test_a_table_of_another_size(static_folder: Path) -> None:
    path = static_folder / "vectors.npy"
    size = path.stat().st_size
    np.save(path, np.zeros((24, 4), dtype=np.float32).reshape(12, 8))
    assert path.stat().st_size == size
    with pytest.raises(BadInput, match="another size"):
        load_encoder(static_folder)
    path.write_bytes(b"\x93NUMPY" + bytes(size - 6))
    with pytest.raises(BadInput, match="can't be read"):
        load_encoder(static_folder)
