"""A model repository on a hub, by address: reads its settings and fetches its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from broadsheet.core.errors import BadInput, SourceError, UsageError
from broadsheet.core.progress import Progress, Silent
from broadsheet.runtime.catalogue import Model, Part
from broadsheet.runtime.fetching import download


def fetch_from_hub(
    address: str, model_id: str, staging: Path, progress: Progress, *, sha256: str
) -> Model:
    """Fetch an encoder from a repository laid out as sentence-transformers does.

    Reads `config.json`, `1_Pooling/config.json` and `sentence_bert_config.json` beside the model
    file `onnx/model.onnx`.

    Args:
        address: E.g. "https://huggingface.co/BAAI/bge-small-en-v1.5".
        model_id: Name to give it.
        staging: Where the files go.
        progress: Shows the downloads.
        sha256: Of `onnx/model.onnx`.

    Raises:
        UsageError: No sha256 was given.
        SourceError: A file can't be fetched.
        BadInput: The model file has another hash, or the settings make no sense.
    """
    if len(sha256) != 64:
        raise UsageError(
            "installing from an address needs the sha256 of the model file",
            received=sha256 or "none",
            hint=f"--sha256 ..., as shown at {address.rstrip('/')}/blob/main/onnx/model.onnx",
        )
    base = address.rstrip("/") + "/resolve/main/"
    config = _json(base + "config.json", staging, required=True)
    pooling = _json(base + "1_Pooling/config.json", staging)
    limits = _json(base + "sentence_bert_config.json", staging)
    url = base + "onnx/model.onnx"
    download(url, staging / "model.onnx", progress, sha256=sha256)
    download(base + "tokenizer.json", staging / "tokenizer.json", progress)
    try:
        dim, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    except (KeyError, TypeError, ValueError):
        raise BadInput(
            "config.json names no hidden_size or num_attention_heads", received=base
        ) from None
    part = Part(name="model.onnx", sha256=sha256, bytes=0, url=url)
    return Model(
        id=model_id,
        kind="onnx",
        dim=dim,
        heads=heads,
        pooling="cls" if pooling.get("pooling_mode_cls_token") else "mean",
        max_tokens=min(int(limits.get("max_seq_length", 256)), 256),
        summary="",
        licence="see the model card",
        base_model=address,
        mirrors={"hub": (part,)},
    )


def _json(url: str, staging: Path, *, required: bool = False) -> dict[str, Any]:
    target = staging / "settings.json"
    try:
        download(url, target, Silent())
        data = json.loads(target.read_bytes())
    except SourceError:
        if required:
            raise
        return {}
    except ValueError:
        raise BadInput("a settings file of the repository is not JSON", received=url) from None
    finally:
        target.unlink(missing_ok=True)
    if not isinstance(data, dict):
        raise BadInput("a settings file of the repository is not an object", received=url)
    return data
