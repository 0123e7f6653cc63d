"""Vectors of sentences that are made once and kept on disk: a frozen encoder's, or made-up ones.

Legend: N units, D width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.seeds import SeedTree
from broadsheet.evals.lexical_segmenters import lower_words
from broadsheet.nn.poolings.mean import MeanPooling
from broadsheet.nn.pretrained import load_backbone
from broadsheet.nn.sentence import SentenceEncoder
from broadsheet.systems.contract import Workspace
from broadsheet.systems.reading.local_topic_segmentation.recipe import EncoderSettings

Floats = NDArray[np.float32]
_CHUNK = 2_000


def stored_vectors(units: Sequence[str], settings: EncoderSettings, workspace: Workspace) -> Floats:
    """Return a unit vector for each unit; what was made before is read from the shared folder.

    Shape:
        [N, D]
    """
    if not settings.start:
        return bag_vectors(units, settings.width)
    distinct = sorted(dict.fromkeys(units), key=lambda unit: (len(unit), unit))
    digest = hashlib.sha256("\x1f".join(distinct).encode()).hexdigest()[:12]
    path = workspace.shared / "vectors" / f"{settings.start}-{settings.max_tokens}-{digest}.npy"
    if not path.is_file():
        _make(path, distinct, settings, workspace)
    rows = np.load(path).astype(np.float32)
    place = {unit: at for at, unit in enumerate(distinct)}
    found: Floats = rows[[place[unit] for unit in units]]
    return found


def bag_vectors(units: Sequence[str], width: int) -> Floats:
    """Return the normalised sum of a random row for each word: vectors that need no model.

    A word's row depends on the word alone.

    Example:
        >>> one, same = bag_vectors(["a b", "b a"], 8)
        >>> bool(abs(one - same).max() < 1e-6)
        True
    """
    known: dict[str, NDArray[np.float64]] = {}
    rows = np.zeros((len(units), width))
    for at, unit in enumerate(units):
        for word in lower_words(unit):
            if word not in known:
                known[word] = SeedTree(7).child("word", word).numpy().standard_normal(width)
            rows[at] += known[word]
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    found: Floats = (rows / np.where(norms > 0, norms, 1.0)).astype(np.float32)
    return found


def sentence_encoder(settings: EncoderSettings, workspace: Workspace) -> SentenceEncoder:
    """Return the pretrained encoder with mean pooling, ready to encode.

    Raises:
        SourceError: No mirror could deliver it.
    """
    encoder, tokenizer = load_backbone(
        settings.start, workspace.shared / "backbones", workspace.progress
    )
    sentence = SentenceEncoder(encoder, MeanPooling(), tokenizer, settings.max_tokens)
    return sentence.eval()


def _make(
    path: Path, distinct: Sequence[str], settings: EncoderSettings, workspace: Workspace
) -> None:
    sentence = sentence_encoder(settings, workspace)
    advance = workspace.progress.start("sentence vectors", len(distinct), "sentences")
    parts = []
    for start in range(0, len(distinct), _CHUNK):
        part = distinct[start : start + _CHUNK]
        parts.append(sentence.encode(part).astype(np.float16))
        advance(len(part))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npy")
    np.save(partial, np.concatenate(parts))
    partial.replace(path)
