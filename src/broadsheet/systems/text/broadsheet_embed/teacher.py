"""Vectors that are computed once for each text and kept on disk: the teacher's and the rivals'."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from broadsheet.core.paths import default_cache
from broadsheet.core.progress import Progress
from broadsheet.evals.score import Encode
from broadsheet.nn.pretrained import load_backbone
from broadsheet.systems.contract import Workspace
from broadsheet.systems.text.broadsheet_embed.recipe import Recipe

_CHUNK = 1_000


class VectorStore:
    """Vectors by the hash of their text, in one file.

    An interrupted run goes on, and a changed corpus computes only what is new.

    Args:
        path: The file, made when missing.
        encode: Computes what is missing.
    """

    def __init__(self, path: Path, encode: Encode) -> None:
        self._path = path
        self._encode = encode

    def vectors(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        """Return one row for each text, [texts, D] float32."""
        keys = np.array([_key(text) for text in texts], dtype=np.uint64)
        known, rows = self._load()
        distinct, places = np.unique(keys, return_index=True)
        new = places[~np.isin(distinct, known)].tolist()
        new.sort(key=lambda i: len(texts[i]))
        advance = progress.start(self._path.stem, len(new), "texts")
        for start in range(0, len(new), _CHUNK):
            part = new[start : start + _CHUNK]
            found = np.asarray(self._encode([texts[i] for i in part]), dtype=np.float16)
            known = np.concatenate([known, keys[part]])
            rows = np.concatenate([rows, found]) if len(rows) else found
            self._save(known, rows)
            advance(len(part))
        order = np.argsort(known)
        return rows[order[np.searchsorted(known, keys, sorter=order)]].astype(np.float32)

    def _load(self) -> tuple[np.ndarray, np.ndarray]:
        if not self._path.is_file():
            return np.zeros(0, dtype=np.uint64), np.zeros((0, 0), dtype=np.float16)
        with np.load(self._path) as saved:
            return saved["keys"], saved["vectors"]

    def _save(self, keys: np.ndarray, vectors: np.ndarray) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial.npz")
        np.savez(partial, keys=keys, vectors=vectors)
        partial.replace(self._path)


def centred(vectors: np.ndarray) -> np.ndarray:
    """Return vectors minus their mean, each of length 1: a teacher without a common direction."""
    moved = vectors - vectors.mean(axis=0)
    unit: np.ndarray = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return unit


def token_vectors(recipe: Recipe, tokenizer: Tokenizer, workspace: Workspace) -> Tensor:
    """Return the teacher's vector of [CLS] token [SEP] for each token, [vocabulary, D].

    Without a teacher (the smoke preset) they are drawn.
    """
    size = tokenizer.get_vocab_size()
    if recipe.corpus.teacher == "none":
        drawn = np.random.default_rng(0).standard_normal((size, recipe.dim))
        return torch.from_numpy(drawn.astype(np.float32))
    path = workspace.shared / "teacher" / f"{recipe.corpus.teacher}-tokens.npy"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, _contextless(recipe.corpus.teacher, tokenizer))
    return torch.from_numpy(np.load(path))


def _contextless(teacher: str, tokenizer: Tokenizer) -> np.ndarray:
    encoder, _ = load_backbone(teacher, default_cache() / "backbones")
    encoder.eval()
    first, last = (tokenizer.encode("").ids[place] for place in (0, -1))
    found = []
    with torch.no_grad():
        for start in range(0, tokenizer.get_vocab_size(), 512):
            ids_B = torch.arange(start, min(start + 512, tokenizer.get_vocab_size()))
            ends = torch.full_like(ids_B, first), torch.full_like(ids_B, last)
            ids_BL = torch.stack([ends[0], ids_B, ends[1]], dim=1)
            states = encoder(ids_BL, torch.ones_like(ids_BL))
            found.append(torch.nn.functional.normalize(states[-1][:, 0], dim=1).numpy())
    return np.concatenate(found)


def _key(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
