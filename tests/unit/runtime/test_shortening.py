"""Short vectors: a renormalised prefix, a version of its own, derived from longer ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from broadsheet.core.errors import UsageError
from broadsheet.runtime import models
from broadsheet.runtime.encoder import Derived, load_encoder
from broadsheet.runtime.shortening import ShortEncoder, shortened

ROOT = Path(__file__).resolve().parents[3]
TEXTS = ["a b c", "", "d e f"]


def test_a_prefix_of_unit_length(bert_folder: Path) -> None:
    whole = load_encoder(bert_folder, threads=1)
    short = ShortEncoder(whole, 6)
    assert (short.id, short.dim, short.quick) == (whole.id, 6, whole.quick)
    found = short.encode(TEXTS)
    for row, vector in zip(found, whole.encode(TEXTS)[:, :6], strict=True):
        length = np.linalg.norm(vector) or 1.0
        np.testing.assert_allclose(row, vector / length, atol=1e-6)
    query = short.encode(["a"], role="query")
    np.testing.assert_array_equal(query, short.encode(["q a"]))


def test_it_is_made_of_longer_vectors_but_never_of_shorter(bert_folder: Path) -> None:
    whole = load_encoder(bert_folder, threads=1)
    short, middle = ShortEncoder(whole, 4), ShortEncoder(whole, 8)
    assert len({whole.version, short.version, middle.version}) == 3
    assert isinstance(short, Derived)
    for longer in (whole, middle):
        derive = short.derive(longer.version)
        assert derive is not None
        np.testing.assert_allclose(derive(longer.encode(TEXTS)), short.encode(TEXTS), atol=1e-6)
    assert middle.derive(short.version) is None
    assert short.derive("other@1:8") is None


@pytest.mark.parametrize("dims", [0, -1, 16, 17])
def test_only_shorter_lengths_are_taken(bert_folder: Path, dims: int) -> None:
    with pytest.raises(UsageError, match="16 numbers"):
        ShortEncoder(load_encoder(bert_folder, threads=1), dims)


def test_cutting_twice_is_cutting_once() -> None:
    rows = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)
    np.testing.assert_allclose(shortened(shortened(rows, 8), 4), shortened(rows, 4), atol=1e-6)


def test_the_home_folder_says_how_many_numbers_are_kept(
    bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    models.install(str(bert_folder), home)
    monkeypatch.setattr(models, "DIMS", (0, 64, 8))
    assert models.open_encoder(home, "tiny-bert").dim == 16
    models.use(home, "tiny-bert")
    models.keep_dims(home, 8)
    assert models.open_encoder(home, "tiny-bert").dim == 8
    assert json.loads((home / "settings.json").read_text()) == {"encoder": "tiny-bert", "dims": 8}
    models.keep_dims(home, 64)  # longer than this encoder's vectors
    assert models.open_encoder(home, "tiny-bert").dim == 16
    models.keep_dims(home, 0)
    assert models.kept_dims(home) == 0
    with pytest.raises(UsageError, match="can't be cut there"):
        models.keep_dims(home, 7)
    (home / "settings.json").write_text('{"dims": "many"}')
    assert models.kept_dims(home) == 0


def test_the_guide_tells_what_was_measured() -> None:
    report = json.loads((ROOT / "results/bench/compact_vectors.json").read_text())["results"]
    guide = (ROOT / "docs/guide/models.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in guide.splitlines()
        if line.count("|") == 9 and line.split("|")[2].strip().isdigit()
    ]
    assert {int(row[1]) for row in rows} >= set(models.DIMS) - {0}
    tasks = ("STS-B Spearman", "SICK Spearman", "Cranfield nDCG@10", "ACL MRR")
    for encoder, dims, size, *scores, lost in rows:
        measured = report[encoder]["reported"][f"{dims} numbers"]
        assert size.replace(",", "") == str(report[encoder]["bytes"][dims])
        assert scores == [f"{measured[task]['value']:.1f}" for task in tasks]
        assert lost.split(" ")[0] == (
            f"{measured['mean of four']['difference']:.1f}"
            if "difference" in measured["mean of four"]
            else ""
        )
