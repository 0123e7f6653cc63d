"""Encoders under test: one vector per text, or one per word piece, from whatever makes them.

Legend: T texts, L word pieces of a text, D width.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from broadsheet.core.optional import require
from broadsheet.core.paths import default_cache, default_home, write_atomically
from broadsheet.evals.score import unit_rows
from broadsheet.nn.backbones import backbone_named
from broadsheet.nn.poolings.cls import ClsPooling
from broadsheet.nn.poolings.mean import MeanPooling
from broadsheet.nn.pretrained import load_backbone
from broadsheet.nn.sentence import SentenceEncoder
from broadsheet.runtime.batching import plan_batches
from broadsheet.runtime.catalogue import CATALOGUE
from broadsheet.runtime.models import open_encoder
from broadsheet.systems.contract import Workspace

Floats = NDArray[np.float32]
Side = Literal["document", "query"]
_BATCH_TOKENS = 4096
_HASHED_DIM = 4096


class Vectors(Protocol):
    """Makes one vector per text."""

    @property
    def name(self) -> str:
        """Names the vectors."""
        ...

    def encode(self, texts: Sequence[str], side: Side) -> Floats:
        """Return unit rows, [T, D]."""
        ...


class RandomWords:
    """The mean of random word vectors: nothing is learned, only the length of a vector counts.

    A word's vector is drawn from its own letters, so it is the same everywhere.

    Example:
        >>> rows = RandomWords(64).encode(["ada likes figs", "figs"], "document")
        >>> rows.shape, bool(rows[0] @ rows[1] > 0.3)
        ((2, 64), True)
    """

    def __init__(self, dim: int = _HASHED_DIM) -> None:
        self.name = f"random words {dim}"
        self._dim = dim
        self._known: dict[str, Floats] = {}

    def encode(self, texts: Sequence[str], side: Side) -> Floats:
        """Return unit rows, [T, D]."""
        rows = np.zeros((len(texts), self._dim), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in text.lower().replace(",", " ").replace(".", " ").replace("?", " ").split():
                row += self._of(word)
        return unit_rows(rows, len(texts))

    def _of(self, word: str) -> Floats:
        if word not in self._known:
            rng = np.random.default_rng(zlib.crc32(word.encode()))
            self._known[word] = rng.standard_normal(self._dim).astype(np.float32)
        return self._known[word]


class Installed:
    """An encoder that is installed in the application's home folder."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._encoder = open_encoder(default_home(), name, threads=1)

    def encode(self, texts: Sequence[str], side: Side) -> Floats:
        """Return unit rows, [T, D]."""
        return unit_rows(self._encoder.encode(texts, role=side), len(texts))


class Library:
    """An encoder that sentence-transformers loads by its name on the hub, or from a folder."""

    def __init__(self, name: str) -> None:
        library = require("sentence_transformers", extra="train", why="this encoder")
        self.name = name
        self._model = library.SentenceTransformer(name)

    def encode(self, texts: Sequence[str], side: Side) -> Floats:
        """Return unit rows, [T, D]; the model's own prompts are used."""
        make = self._model.encode_query if side == "query" else self._model.encode_document
        return unit_rows(make(list(texts), show_progress_bar=False), len(texts))


class Pretrained:
    """A backbone in float32, with its own pooling and prompts; also gives one row per word piece.

    Args:
        name: See `nn.backbones`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        backbone = backbone_named(name)
        encoder, tokenizer = load_backbone(name, default_cache() / "backbones")
        pooling = MeanPooling() if backbone.pooling == "mean" else ClsPooling()
        self._sentence = SentenceEncoder(encoder, pooling, tokenizer, backbone.max_tokens).eval()
        prompts = next((model.prompts for model in CATALOGUE if model.id == name), {})
        self._query_prompt = prompts.get("query", "")

    def encode(self, texts: Sequence[str], side: Side) -> Floats:
        """Return unit rows, [T, D]."""
        return self._sentence.encode(self._prompted(texts, side), batch_tokens=_BATCH_TOKENS)

    @torch.no_grad()
    def pieces(self, texts: Sequence[str], side: Side) -> Iterator[tuple[int, Floats]]:
        """Yield the place of each text and its unit rows, [L, D], without [CLS] and [SEP].

        Texts of like length come together, so not in order.
        """
        prompted = self._prompted(texts, side)
        encoded = self._sentence.tokenizer.encode_batch_fast(prompted)
        for batch in plan_batches([len(one.ids) for one in encoded], _BATCH_TOKENS):
            tokens = self._sentence.tokenise([prompted[place] for place in batch])
            states_BLD = F.normalize(self._sentence.states(tokens)[-1].float(), dim=2)
            for row, place in zip(states_BLD, batch, strict=True):
                yield place, row[1 : len(encoded[place].ids) - 1].numpy()

    def _prompted(self, texts: Sequence[str], side: Side) -> list[str]:
        prompt = self._query_prompt if side == "query" else ""
        return [prompt + text for text in texts]


def open_vectors(name: str) -> Vectors:
    """Return an encoder: "" random words, "hf:NAME" on the hub, "home:NAME" installed, a backbone.

    Raises:
        UsageError: No such backbone.
        NotFound: It is not installed.
    """
    if not name:
        return RandomWords()
    if name.startswith("hf:"):
        return Library(name.removeprefix("hf:"))
    if name.startswith("home:"):
        return Installed(name.removeprefix("home:"))
    return Pretrained(name)


def encoded(name: str, texts: Sequence[str], side: Side, workspace: Workspace) -> Floats:
    """Return unit rows of texts, kept in the shared folder under a hash of texts and encoder."""
    return kept(
        workspace.shared,
        "vectors",
        ("1", name, side, *texts),
        lambda: open_vectors(name).encode(texts, side),
    )


def kept(folder: Path, what: str, key: Sequence[str], make: Callable[[], Floats]) -> Floats:
    """Return an array that is made once; `key` is everything that it follows from."""
    digest = hashlib.sha256("\x1f".join(key).encode()).hexdigest()[:24]
    path = folder / what / f"{digest}.npy"
    if path.is_file():
        found: Floats = np.load(path, allow_pickle=False)
        return found
    made = make()
    buffer = io.BytesIO()
    np.save(buffer, made)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())
    return made
