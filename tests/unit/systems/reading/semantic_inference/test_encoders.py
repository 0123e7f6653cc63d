"""Labels of many checkers, and text encoders, against slow references."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from broadsheet.core.errors import BadInput
from broadsheet.data.claims import Claim
from broadsheet.systems.reading.semantic_inference.claim_data import (
    trimmed,
    word_ids,
)
from broadsheet.systems.reading.semantic_inference.encoders import (
    BiLstmEncoder,
    MultiScaleTextCNN,
)
from broadsheet.systems.reading.semantic_inference.labels import (
    LabelSpace,
    evidence_mrr,
    macro_f1_by_domain,
)
from broadsheet.systems.reading.semantic_inference.recipe import VerifySettings


def dice(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def space() -> LabelSpace:
    return LabelSpace(("a", "b"), (("no", "yes"), ("false", "half", "true")))


# --- labels


def test_labels_a_checker_never_uses_are_not_counted():
    gold, guess = np.array([2, 2, 4, 4, 0]), np.array([2, 2, 4, 4, 1])
    by_domain = macro_f1_by_domain(gold, guess, np.array([1, 1, 1, 1, 0]))
    assert by_domain[1] == (1.0, 1.0)  # label 3 ("half") never occurs and adds no zero
    assert by_domain[0] == (0.0, 0.0)


def test_label_space_and_unknown_names():
    claims = [
        Claim(id="1", text="", label=label, domain=d)
        for d, label in (("b", "true"), ("a", "yes"), ("b", "half"), ("a", "no"), ("b", "false"))
    ]
    assert LabelSpace.of(claims) == space()
    assert space().code("b", "half") == 3
    for call in (lambda: space().code("a", "half"), lambda: space().domain_of("c")):
        with pytest.raises(BadInput):
            call()


def test_reciprocal_rank_of_claims_with_a_relevant_passage():
    rank = np.array([[0.1, 0.9, 0.5], [0.3, 0.2, 0.1], [0.1, 0.2, 0.3]])
    relevant = np.array([[True, False, True], [False, False, False], [True, False, False]])
    np.testing.assert_allclose(evidence_mrr(rank, relevant), [1 / 2, 1 / 3])


# --- text encoders


def test_convolutions_are_those_of_a_plain_loop():
    cnn = MultiScaleTextCNN(9, 4, 3, (1, 2, 3), dice())
    ids = torch.tensor([[3, 4, 5, 0, 0]])
    x = torch.cat([torch.zeros(1, 4), cnn.words(ids[0, :3]), torch.zeros(3, 4)])
    wanted = []
    for width, scale in zip((1, 2, 3), cnn.scales, strict=True):
        begin = 1 - (width - 1) // 2
        windows = [x[begin + i : begin + i + width].flatten() for i in range(3)]
        wanted.append(torch.stack([scale(w).relu() for w in windows]).amax(dim=0))
    torch.testing.assert_close(cnn(ids)[0], torch.cat(wanted))


@pytest.mark.parametrize("kind", ["cnn", "lstm"])
def test_padding_and_empty_texts(kind):
    cnn = MultiScaleTextCNN(9, 4, 3, (1, 3), dice())
    model = cnn if kind == "cnn" else BiLstmEncoder(9, 4, 6, dice())
    one, wider = torch.tensor([[3, 4]]), torch.tensor([[3, 4, 0, 0, 0]])
    torch.testing.assert_close(model(one), model(wider))
    assert (model(torch.zeros(2, 3, 4, dtype=torch.long)) == 0).all()


def test_columns_of_padding_are_cut():
    ids = torch.tensor([[[3, 4, 0, 0], [5, 0, 0, 0]]])
    assert trimmed(ids).shape == (1, 2, 2)
    assert trimmed(torch.zeros(2, 3, dtype=torch.long)).shape == (2, 1)


def test_words_that_were_not_learned_from_are_unknown():
    settings = VerifySettings(max_tokens=4)
    ids = word_ids(["new old, old"], ["old old ,"], settings)
    assert ids.tolist() == [[1, 2, 3, 2]]
