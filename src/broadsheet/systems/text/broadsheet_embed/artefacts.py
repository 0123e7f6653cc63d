"""The trained arms as artefacts that the application runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from tokenizers import Tokenizer
from torch import nn

from broadsheet.core.errors import BadInput
from broadsheet.data.catalogue import require_shippable
from broadsheet.data.records import RetrievalSet
from broadsheet.export.sample import passage_search
from broadsheet.export.static import export_static
from broadsheet.export.transformer import Exit, Facts, export_exits, heads_of
from broadsheet.nn.bert_names import bert_weights
from broadsheet.nn.pretrained import PretrainedEncoder
from broadsheet.nn.transformer import Transformer
from broadsheet.runtime.artefact import Artefact
from broadsheet.runtime.bert_graph import BertShape, Readout
from broadsheet.systems.text.broadsheet_embed.model import ElasticEmbedder, StaticTable
from broadsheet.systems.text.broadsheet_embed.recipe import Recipe

#: What the real corpus is made of, by the names of the data catalogue.
TRAINED_ON = ("acl-anthology", "daily-papers", "wordnet")
_MAX_TOKENS = 256
_LICENCE = "Apache-2.0"
#: As int8 this layer alone costs the first two exits .8 % of nDCG; as float32, 1.8 MB.
_PRECISE = ("encoder.layer.0.output.dense",)


class ExitEncode(Protocol):
    """Encodes texts at an exit."""

    def __call__(self, texts: Sequence[str], exit_at: int | None = None) -> np.ndarray:
        """Return unit vectors at an exit (by default the last), [texts, D]."""
        ...


def export_arm(
    module: nn.Module,
    tokenizer: Tokenizer,
    recipe: Recipe,
    encode: ExitEncode,
    gate: RetrievalSet | None,
    folder: Path,
) -> Artefact:
    """Write the artefact of an arm.

    Args:
        module: The trained module.
        tokenizer: Its tokenizer.
        recipe: Its settings.
        encode: Its own vectors, at an exit given as `exit_at`.
        gate: What the loss of nDCG is measured on.
        folder: Where to.

    Raises:
        UsageError: It was trained on something that no shipped model may be trained on.
        BadInput: The artefact does not answer as the module does.
    """
    real = recipe.corpus.source == "real"
    facts = Facts(
        id=f"broadsheet-{'static' if recipe.kind == 'static' else 'embed'}",
        licence=_LICENCE,
        base_model=recipe.backbone if recipe.kind == "elastic" else recipe.corpus.teacher,
        provenance={"system": "broadsheet_embed", "arm": recipe.arm},
        notes=require_shippable(TRAINED_ON) if real else (),
    )
    sample = gate if real else passage_search(words=100)
    if isinstance(module, StaticTable):
        table = module.bag.weight.detach().numpy()
        return export_static(table, tokenizer, folder, facts, encode=encode, sample=sample)
    if not isinstance(module, ElasticEmbedder):
        raise BadInput("only our own arms are exported", received=recipe.arm)
    encoder = module.encoder
    if not isinstance(encoder, PretrainedEncoder | Transformer):
        raise BadInput("this encoder can't be exported", received=type(encoder).__name__)
    return export_exits(
        bert_weights(encoder),
        BertShape(heads=heads_of(encoder), pooling="mean"),
        tokenizer,
        folder,
        facts,
        exits=[
            Exit(layers=n, encode=partial(encode, exit_at=n), readout=_readout(module, n))
            for n in sorted(recipe.exits, reverse=True)
        ],
        max_tokens=_MAX_TOKENS,
        sample=sample,
        precise=_PRECISE,
    )


def _readout(module: ElasticEmbedder, exit_at: int) -> Readout:
    head, static = (matrix.detach().numpy() for matrix in module.maps(exit_at))
    weight = module.token_weight.detach().numpy()
    return Readout(head=head, static=static, token_weight=weight)
