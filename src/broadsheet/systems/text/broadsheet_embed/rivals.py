"""The encoders that ours have to beat."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from broadsheet.core.paths import default_cache
from broadsheet.evals.score import Encode
from broadsheet.nn.poolings.mean import MeanPooling
from broadsheet.nn.pretrained import load_backbone
from broadsheet.nn.sentence import SentenceEncoder
from broadsheet.systems.contract import Workspace
from broadsheet.systems.text.broadsheet_embed.data import installed_encoder
from broadsheet.systems.text.broadsheet_embed.recipe import Recipe
from broadsheet.systems.text.broadsheet_embed.teacher import VectorStore

#: Not in the application's catalogue: run from its published weights.
_BACKBONES = ("paraphrase-minilm-l3-v2",)


def rival_encode(recipe: Recipe, workspace: Workspace) -> Encode:
    """Return a rival's encoder; each text is encoded once and its vector kept on disk."""
    if recipe.backbone == "tiny":
        return _bag_of_words
    folder = workspace.shared / "vectors"
    if recipe.backbone in _BACKBONES:
        encoder, tokenizer = load_backbone(recipe.backbone, default_cache() / "backbones")
        sentence = SentenceEncoder(encoder, MeanPooling(), tokenizer, max_tokens=256)
        store = VectorStore(folder / f"{recipe.backbone}.npz", sentence.encode)
    else:
        installed = installed_encoder(recipe.backbone)
        name = installed.version.replace("@", "-")
        store = VectorStore(folder / f"{name}.npz", installed.encode)
    return lambda texts: store.vectors(texts, workspace.progress)


def _bag_of_words(texts: Sequence[str]) -> np.ndarray:
    """Encode a text as its words' counts in 64 buckets: the rival of the smoke preset."""
    rows = np.zeros((len(texts), 64), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        for word in text.split():
            row[zlib.crc32(word.encode()) % 64] += 1
    return rows
