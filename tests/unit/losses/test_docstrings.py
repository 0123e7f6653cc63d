"""Every loss is documented by the same grammar."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from broadsheet.losses import contrastive, distillation, gradcache
from broadsheet.losses.angle import angle
from broadsheet.losses.cosent import cosent
from broadsheet.losses.language import next_token
from broadsheet.losses.matryoshka import matryoshka

LOSSES: list[Callable[..., Any]] = [
    *(contrastive.info_nce, contrastive.symmetric_info_nce, contrastive.mnr),
    *(distillation.logit_mse, distillation.kl_at_temperature, distillation.margin_mse),
    *(distillation.similarity_kl, distillation.embedding_mse),
    *(gradcache.cached_loss, gradcache.cached_backward),
    *(angle, cosent, matryoshka, next_token),
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
def test_the_grammar_of_a_loss(loss: Callable[..., Any]) -> None:
    text = inspect.getdoc(loss) or ""
    sections = ["Inputs", "Negatives per anchor", "Relations", "Shape", "Source", "Example"]
    places = [text.find(f"\n{name}:\n") for name in sections]
    assert -1 not in places, dict(zip(sections, places, strict=True))
    assert places == sorted(places)
    assert text.startswith(("Return ", "Add "))
