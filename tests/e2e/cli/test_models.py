"""Model verbs with a tiny static encoder made on the spot: install, embed, search, damage."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from broadsheet.runtime.artefact import (
    Artefact,
    Variant,
    describe_files,
    fingerprint,
    write_artefact,
)

Run = Callable[..., subprocess.CompletedProcess[str]]

WORDS = ("[UNK]", "video", "embedding", "retrieval", "language", "model", "image", "brain")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The folder of an encoder that knows seven words, each a direction of its own."""
    return make_encoder(tmp_path / "tiny", len(WORDS))


def make_encoder(folder: Path, dim: int) -> Path:
    """Make an encoder with vectors of some length, zeros behind the first eight numbers."""
    folder.mkdir()
    table = {word: place for place, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(table, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    np.save(folder / "vectors.npy", np.eye(len(WORDS), dim, dtype=np.float32))
    files = describe_files(folder)
    artefact = Artefact(id="tiny", kind="static", dim=dim, max_tokens=0, licence="ours")
    variant = Variant(name="float32", runtime="numpy", file="vectors.npy")
    known = fingerprint({}, {name: facts.sha256 for name, facts in files.items()})
    write_artefact(folder, replace(artefact, files=files, variants=(variant,), fingerprint=known))
    return folder


def test_install_embed_use_and_search(loaded: Run, tiny: Path) -> None:
    installed = loaded("model", "install", tiny, "--json")
    assert json.loads(installed.stdout)["data"]["id"] == "tiny"
    assert "model embed tiny" in installed.stderr
    filled = json.loads(loaded("model", "embed", "--json").stdout)["data"]
    assert (filled["encoder"], filled["finished"]) == ("tiny", True)
    assert filled["encoded"] + filled["reused"] == 40
    again = json.loads(loaded("model", "embed", "tiny", "--json").stdout)["data"]
    assert again["encoded"] == 0
    assert loaded("model", "use", "tiny").returncode == 0
    page = json.loads(loaded("search", "brain", "--json").stdout)["data"]
    assert page["mode"] == "hybrid"
    states = json.loads(loaded("index", "status", "--json").stdout)["data"]
    vectors = next(item for item in states if item["index"] == "vectors tiny")
    assert (vectors["state"], vectors["papers"]) == ("current", 40)
    listed = json.loads(loaded("model", "list", "--json").stdout)["data"]
    assert {card["id"]: card["state"] for card in listed}["tiny"] == "active"


def test_vectors_are_cut_without_encoding_again(loaded: Run, tmp_path: Path, home: Path) -> None:
    loaded("model", "install", make_encoder(tmp_path / "wide", 192))
    loaded("model", "embed")
    before = json.loads(loaded("search", "brain", "--mode", "dense", "--json").stdout)["data"]

    def vectors() -> dict[str, object]:
        states = json.loads(loaded("index", "status", "--json").stdout)["data"]
        return {**next(item for item in states if item["index"] == "vectors tiny")}

    whole = vectors()
    done = loaded("index", "build", "--dims", 64)
    assert (done.returncode, "made anew" in done.stderr) == (0, False)
    short = vectors()
    assert (short["state"], short["papers"]) == ("current", 40)
    assert float(str(short["megabytes"])) < 0.5 * float(str(whole["megabytes"]))
    after = json.loads(loaded("search", "brain", "--mode", "dense", "--json").stdout)["data"]
    assert [hit["work"]["id"] for hit in after["hits"]] == [
        hit["work"]["id"] for hit in before["hits"]
    ]
    grown = loaded("index", "build", "--dims", 0)
    assert (grown.returncode, vectors()["papers"]) == (0, 40)
    assert vectors()["megabytes"] == whole["megabytes"]
    refused = loaded("index", "build", "--dims", 100)
    assert (refused.returncode, "one of 0, 256, 128, 64" in refused.stderr) == (2, True)


def test_doctor_finds_a_changed_model(loaded: Run, tiny: Path, home: Path) -> None:
    loaded("model", "install", tiny)
    assert loaded("doctor").returncode == 0
    path = home / "models" / "tiny" / "vectors.npy"
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    done = loaded("doctor", "--json")
    assert done.returncode == 4
    states = {item["check"]: item["state"] for item in json.loads(done.stdout)["data"]}
    assert states["model tiny"] == "bad"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["model", "embed"], 1),
        (["model", "use", "tiny"], 1),
        (["model", "install", "./nowhere"], 2),
        (["model", "install", "wordllama-256", "--mirror", "moon"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_not_there(loaded: Run, arguments: list[str], code: int) -> None:
    done = loaded(*arguments)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("broadsheet: ")
    assert done.stderr.count("\n") == 1
