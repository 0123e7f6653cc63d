"""Topic heads as numbers: what numpy reads says what the trained model says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.contract import Workspace
from broadsheet.systems.reading.local_topic_segmentation import experiment
from broadsheet.systems.reading.local_topic_segmentation.data import read_data
from broadsheet.systems.reading.local_topic_segmentation.document_head import (
    read_document_head,
    write_document_head,
)
from broadsheet.systems.reading.local_topic_segmentation.presets import make_presets
from broadsheet.systems.reading.local_topic_segmentation.recipe import Recipe
from broadsheet.systems.reading.local_topic_segmentation.topic_head import read_head, write_head
from broadsheet.systems.reading.local_topic_segmentation.training import padded_documents
from broadsheet.systems.reading.local_topic_segmentation.world import TOPICS


def smoke(arm: str) -> Recipe:
    return next(recipe for recipe in make_presets()["smoke"].arms if recipe.arm == arm)


def workspace(folder: Path) -> Workspace:
    return Workspace(run=folder / "run", shared=folder / "shared")


def test_a_written_topic_head_says_what_the_model_says(tmp_path: Path) -> None:
    recipe = smoke("stp+tc+nsp")
    found = read_data(recipe, workspace(tmp_path))
    state = experiment.build(recipe, SeedTree(1))
    path = tmp_path / "head.npz"
    write_head(state, found.corpus, found.dev, path)
    head = read_head(path)
    assert head.classes == TOPICS
    with torch.no_grad():
        logits = state.joint.tc(state.joint.sentence(torch.from_numpy(found.test.vectors)))
    wanted = (logits / head.temperature).softmax(dim=1).numpy()
    np.testing.assert_allclose(head.probabilities(found.test.vectors), wanted, atol=1e-5)
    with pytest.raises(BadInput, match="rows of 32"):
        head.probabilities(np.zeros((1, 3)))
    with pytest.raises(BadInput, match="single sentences"):
        write_head(experiment.build(smoke("c=2"), SeedTree(1)), found.corpus, found.dev, path)
    path.write_bytes(b"no head")
    with pytest.raises(BadInput, match="not a topic head"):
        read_head(path)


def test_a_written_tagger_says_what_the_model_says(tmp_path: Path) -> None:
    recipe = smoke("tagger")
    found = read_data(recipe, workspace(tmp_path))
    state = experiment.build(recipe, SeedTree(1))
    path = tmp_path / "tagger.npz"
    write_document_head(state, found.corpus, found.dev, path)
    head = read_document_head(path)
    state.module.eval()
    for row in range(3):
        x, lengths, _, _ = padded_documents(found.test, [row])
        with torch.no_grad():
            same, classes = state.tagger(x, lengths)
        rows = x[0, : int(lengths[0])].numpy()
        wanted = (classes[0] / head.temperature).softmax(dim=1).numpy()[: len(rows)]
        np.testing.assert_allclose(head.probabilities(rows), wanted, atol=1e-5)
        boundary = same[0].softmax(dim=1).numpy()[: len(rows) - 1, 0]
        np.testing.assert_allclose(head.boundaries(rows), boundary, atol=1e-5)
    with pytest.raises(BadInput, match="rows of 32"):
        head.probabilities(np.zeros((1, 3)))
    other = experiment.build(smoke("stp"), SeedTree(1))
    with pytest.raises(BadInput, match="only a tagger"):
        write_document_head(other, found.corpus, found.dev, path)
    path.write_bytes(b"no head")
    with pytest.raises(BadInput, match="not a tagger"):
        read_document_head(path)
