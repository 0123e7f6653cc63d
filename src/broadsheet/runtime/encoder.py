"""What an encoder is, and how a folder becomes one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from broadsheet.core.errors import BadInput
from broadsheet.core.optional import available
from broadsheet.core.progress import Advance
from broadsheet.runtime.artefact import Artefact, Variant, read_artefact

Vectors = npt.NDArray[np.float32]
Role = Literal["document", "query"]

#: Turns stored vectors of one version into those of another, without the texts.
Derivation = Callable[[Vectors], Vectors]


class Encoder(Protocol):
    """Turns texts into unit vectors.

    `id` names the model, `version` the vectors: equal versions may be compared and stored
    together. `quick` is true for static encoders, a thousand times faster than a transformer.
    """

    @property
    def id(self) -> str:
        """Return the name of the model."""
        ...

    @property
    def version(self) -> str:
        """Return the name of the vectors it makes."""
        ...

    @property
    def dim(self) -> int:
        """Return the length of a vector."""
        ...

    @property
    def quick(self) -> bool:
        """Tell whether encoding costs about as much as tokenising."""
        ...

    def encode(
        self, texts: Sequence[str], *, role: Role = "document", advance: Advance | None = None
    ) -> Vectors:
        """Encode texts in the order given.

        Args:
            texts: Plain text. A text without any token gives a row of zeros.
            role: Chooses the prompt: models such as bge treat queries differently.
            advance: Called with the number of texts done since the last call.

        Shape:
            [len(texts), dim], float32, rows of length 1.
        """
        ...


@runtime_checkable
class Derived(Protocol):
    """An encoder whose vectors can be made out of stored ones of an earlier version."""

    def derive(self, version: str) -> Derivation | None:
        """Return how vectors of `version` become this encoder's, None when they can't."""
        ...


def load_encoder(
    folder: Path, *, threads: int = 0, verify: bool = False, layers: int = 0
) -> Encoder:
    """Open the encoder in an artefact folder with the best engine that is installed.

    Args:
        folder: An artefact (see `runtime.artefact`).
        threads: Threads of a transformer's engine; 0 leaves the choice to it.
        verify: Compare the sha256 of every file first.
        layers: Of an elastic encoder: stop after so many; 0 takes the artefact's first variant.

    Raises:
        BadInput: The folder is damaged, or holds a model that is not an encoder, or one without
            such an exit.
    """
    artefact = read_artefact(folder, verify=verify)
    if layers:
        artefact = at_exit(artefact, layers)
    if artefact.kind == "static":
        from broadsheet.runtime.static import StaticEncoder

        return StaticEncoder(folder, artefact)
    if artefact.kind == "onnx":
        from broadsheet.runtime.transformer import TransformerEncoder

        return TransformerEncoder(folder, artefact, threads=threads)
    raise BadInput("this model is a reranker, not an encoder", received=artefact.id)


def at_exit(artefact: Artefact, layers: int) -> Artefact:
    """Return an elastic artefact with one exit only; its vectors are of a version of their own.

    Raises:
        BadInput: It has no such exit.
    """
    kept = tuple(variant for variant in artefact.variants if variant.layers == layers)
    if not kept:
        exits = sorted({variant.layers for variant in artefact.variants} - {0})
        raise BadInput(
            f"{artefact.id} can't stop there",
            received=f"{layers} layers",
            hint="one of " + ", ".join(map(str, exits)) if exits else "all layers",
        )
    if kept[0].layers == artefact.variants[0].layers:
        return replace(artefact, variants=kept)
    name = f"{artefact.fingerprint}-{layers}layers"
    return replace(artefact, variants=kept, fingerprint=name)


def choose_variant(artefact: Artefact) -> Variant:
    """Return the first variant whose engine is installed.

    Raises:
        BadInput: None can run here.
    """
    for variant in artefact.variants:
        if variant.runtime != "openvino" or available("openvino"):
            return variant
    raise BadInput(
        "this model needs OpenVINO", received=artefact.id, hint="pip install 'broadsheet[fast]'"
    )


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read `tokenizer.json` without the padding and truncation it may ask for.

    Raises:
        BadInput: The file is missing or not a tokenizer.
    """
    path = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise BadInput(f"the tokenizer can't be read ({error})", received=path) from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def unit_rows(vectors: Vectors) -> Vectors:
    """Scale each row to length 1 in place; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return vectors
