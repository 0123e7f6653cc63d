"""The splits of the real corpora, where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from broadsheet.systems.contract import Workspace
from broadsheet.systems.reading.local_topic_segmentation.corpora import read_corpus
from broadsheet.systems.reading.local_topic_segmentation.recipe import Recipe


@pytest.mark.data
@pytest.mark.parametrize(
    ("world", "sizes"),
    [("csabstruct", [1668, 295, 226]), ("wiki", [46, 14, 27]), ("choi", [87, 60, 160])],
)
def test_splits_of_real_corpora(
    world: str, sizes: list[int], data_folder: Path, tmp_path: Path
) -> None:
    place = Workspace(run=tmp_path, shared=tmp_path, inputs=data_folder)
    corpus = read_corpus(Recipe(arm="x", world=world), place)  # type: ignore[arg-type]
    parts = (corpus.train, corpus.dev, corpus.test)
    assert [len(part) for part in parts] == sizes
    seen = [{one.units for one in part} for part in parts]
    # The same abstract stands twice in CSAbstruct's own splits now and then; ours never share one.
    if world == "wiki":
        assert not seen[0] & seen[1]
        assert not (seen[0] | seen[1]) & seen[2]
