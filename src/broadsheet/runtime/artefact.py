"""An artefact: a folder that holds one model and says everything needed to run it.

```
bge-small-en-v1.5/
  artefact.json     what `Artefact` holds
  model.onnx        or vectors.npy for a static encoder
  tokenizer.json
  fast/...          converted variants, made once at install
```
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from broadsheet.core.errors import BadInput
from broadsheet.core.paths import hash_file, write_atomically

SCHEMA = 1
NAME = "artefact.json"
KINDS = ("static", "onnx", "cross-encoder")
POOLINGS = ("mean", "cls", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """Size and hash of a file of an artefact."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One form of the model: which engine runs which file, and how close it is to the original.

    Args:
        name: E.g. "as-shipped", "int8-fused".
        runtime: "numpy", "onnxruntime" or "openvino".
        file: Name of the model file inside the folder.
        token_budget: Tokens in a batch that suit the engine best (measured).
        equal_lengths: The graph has no padding mask: a batch must hold texts of one length.
        layers: After how many layers it stops; 0 where all are run.
        gate: Measurements that let the variant pass, e.g. {"mean_cosine": 0.995}.
    """

    name: str
    runtime: str
    file: str
    token_budget: int = 1024
    equal_lengths: bool = False
    layers: int = 0
    gate: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """What `artefact.json` says.

    Args:
        id: Name of the model, and of its folder.
        kind: "static" (a table of token vectors), "onnx" or "cross-encoder".
        dim: Length of a vector; 1 for a cross-encoder.
        pooling: How token states become one vector: "mean", "cls" or "none".
        normalise: Whether vectors are scaled to length 1.
        max_tokens: Longer texts are cut here; 0 means that nothing is cut.
        prompts: Text put before a "query" or a "document".
        licence: Licence of the weights.
        base_model: Name of the model these files were made from.
        files: Name to size and hash of each file in the folder.
        provenance: Where the files came from: mirror, package or addresses, version.
        variants: Forms of the model, the preferred first.
        fingerprint: Identity of the vectors; variants that pass the gate share it.
        notes: What to know, e.g. a conversion that did not pass the gate.
    """

    id: str
    kind: str
    dim: int
    pooling: str = "mean"
    normalise: bool = True
    max_tokens: int = 256
    prompts: Mapping[str, str] = field(default_factory=dict)
    licence: str = ""
    base_model: str = ""
    files: Mapping[str, FileFacts] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
    fingerprint: str = ""
    notes: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """Return the name of the vectors it makes: id and fingerprint."""
        return f"{self.id}@{self.fingerprint}"


def read_artefact(folder: Path, *, verify: bool = False) -> Artefact:
    """Read and check the artefact in `folder`.

    File sizes are always compared; with `verify` the sha256 of every file too.

    Raises:
        BadInput: The folder is not an artefact, or a file is missing or changed.
    """
    hint = "remove the folder and run `broadsheet model install` again"
    try:
        data = json.loads((folder / NAME).read_text(encoding="utf-8"))
        artefact = _from_json(data)
    except FileNotFoundError:
        raise BadInput(f"no {NAME} in the model folder", received=folder, hint=hint) from None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise BadInput(
            f"{NAME} can't be read ({type(error).__name__}: {error})", received=folder, hint=hint
        ) from None
    for name, facts in artefact.files.items():
        path = folder / name
        if not path.is_file():
            raise BadInput("a file of the model is missing", received=path, hint=hint)
        if path.stat().st_size != facts.bytes or (verify and hash_file(path) != facts.sha256):
            raise BadInput("a file of the model is not the one installed", received=path, hint=hint)
    return artefact


def write_artefact(folder: Path, artefact: Artefact) -> None:
    """Write `artefact.json` into `folder`."""
    text = json.dumps(asdict(artefact) | {"schema": SCHEMA}, indent=2, ensure_ascii=False)
    write_atomically(folder / NAME, text.encode() + b"\n")


def describe_files(folder: Path) -> dict[str, FileFacts]:
    """Return size and hash of every file under `folder` except `artefact.json`."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return {
        path.relative_to(folder).as_posix(): FileFacts(
            bytes=path.stat().st_size, sha256=hash_file(path)
        )
        for path in paths
    }


def fingerprint(settings: Mapping[str, Any], hashes: Mapping[str, str]) -> str:
    """Return 10 hex digits that name the vectors: settings and hashes of the original files."""
    canonical = json.dumps([dict(settings), dict(hashes)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:10]


def _from_json(data: dict[str, Any]) -> Artefact:
    schema = data.pop("schema")
    if schema != SCHEMA:
        raise ValueError(f"schema {schema}, this version reads {SCHEMA}")
    data["files"] = {name: FileFacts(**facts) for name, facts in data["files"].items()}
    data["variants"] = tuple(Variant(**variant) for variant in data["variants"])
    data["notes"] = tuple(data.get("notes", ()))
    artefact = Artefact(**data)
    if artefact.kind not in KINDS or artefact.pooling not in POOLINGS:
        raise ValueError(f"unknown kind or pooling: {artefact.kind}, {artefact.pooling}")
    if not isinstance(artefact.dim, int) or artefact.dim < 1 or not artefact.variants:
        raise ValueError("dim must be at least 1 and there must be a variant")
    names = [*artefact.files, *(variant.file for variant in artefact.variants)]
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in names):
        raise ValueError("a file name leaves the folder")
    return artefact
