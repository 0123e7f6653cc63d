"""Static encoders: a table of token vectors, averaged. Encoding costs little more than tokenising.

Source: model2vec and WordLlama (token tables distilled from larger models).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from broadsheet.core.errors import BadInput
from broadsheet.core.progress import Advance
from broadsheet.runtime.artefact import Artefact
from broadsheet.runtime.encoder import Role, Vectors, choose_variant, load_tokenizer, unit_rows

_CHUNK = 512


class StaticEncoder:
    """The mean of a text's token vectors.

    Args:
        folder: An artefact folder with `tokenizer.json` and a table `[tokens, dim]` as `.npy`.
        artefact: What its `artefact.json` says.

    Raises:
        BadInput: The table is not what the artefact says.
    """

    quick = True

    def __init__(self, folder: Path, artefact: Artefact) -> None:
        self.id = artefact.id
        self.version = artefact.version
        self.dim = artefact.dim
        self._prompts = dict(artefact.prompts)
        self._normalise = artefact.normalise
        self._tokenizer = load_tokenizer(folder)
        if artefact.max_tokens:
            self._tokenizer.enable_truncation(artefact.max_tokens)
        path = folder / choose_variant(artefact).file
        try:
            self._table = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError) as error:
            raise BadInput(f"the token table can't be read ({error})", received=path) from None
        scales = path.with_suffix(".scales.npy")
        self._scales = np.load(scales, allow_pickle=False) if scales.is_file() else None
        if self._table.ndim != 2 or self._table.shape[1] != self.dim:
            raise BadInput("the token table has another size", received=self._table.shape)

    def encode(
        self, texts: Sequence[str], *, role: Role = "document", advance: Advance | None = None
    ) -> Vectors:
        """Encode texts; see `Encoder.encode`. White space runs count as one blank."""
        prompt = self._prompts.get(role, "")
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), _CHUNK):
            chunk = [prompt + " ".join(text.split()) for text in texts[start : start + _CHUNK]]
            encodings = self._tokenizer.encode_batch_fast(chunk, add_special_tokens=False)
            for row, encoding in enumerate(encodings, start):
                if encoding.ids:
                    vectors[row] = self._mean(encoding.ids)
            if advance:
                advance(len(chunk))
        return unit_rows(vectors) if self._normalise else vectors

    def _mean(self, ids: list[int]) -> Vectors:
        rows = self._table[ids]
        if self._scales is None:
            mean: Vectors = rows.mean(axis=0, dtype=np.float32)
        else:
            mean = self._scales[ids].astype(np.float32) @ rows.astype(np.float32)
            mean /= np.float32(len(ids))
        return mean
