"""Fetching against a server on this machine; nothing without its sha256 is accepted."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from broadsheet.core import optional
from broadsheet.core.errors import BadInput, SourceError, UsageError
from broadsheet.core.progress import Advance
from broadsheet.data.catalogue import DataFile, DataSet, catalogue, data_set, require_shippable
from broadsheet.data.fetching import adopt, fetch, inspect

BODIES = {
    "/base/a.csv": b"a,b,1.0\n" * 999,
    "/base/2012/b.tsv": b"1\ta\tb\n",
    "/base/by/hash": b"c",
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves the bodies; `/broken/` gives the same paths with other bytes."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = BODIES.get(self.path.replace("/broken/", "/base/"))
        if body is None:
            self.send_error(404)
            return
        body = body[::-1] if self.path.startswith("/broken/") else body
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Handler.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def published(base: str) -> DataSet:
    """A data set whose files the server has."""
    names = {"a.csv": "", "2012/b.tsv": "", "c": "by/hash"}
    files = tuple(
        DataFile(
            name=name,
            sha256=hashlib.sha256(BODIES[f"/base/{path or name}"]).hexdigest(),
            bytes=len(BODIES[f"/base/{path or name}"]),
            path=path,
        )
        for name, path in names.items()
    )
    return DataSet(
        slug="toy", title="Toy", folder="toy", use="try", licence="ours", base=base, files=files
    )


class Watched:
    """Progress that remembers its sums."""

    def __init__(self) -> None:
        self.sums: dict[str, int] = {}

    def start(self, label: str, total: int | None, unit: str) -> Advance:
        self.sums[label] = 0

        def advance(amount: int) -> None:
            self.sums[label] += amount

        return advance


def test_only_what_is_missing_is_fetched(server: str, tmp_path: Path) -> None:
    toy = published(f"{server}/base")
    watched = Watched()
    place = fetch(toy, tmp_path, watched)
    assert place == tmp_path / "toy"
    assert {p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()} == {
        "a.csv",
        "2012/b.tsv",
        "c",
    }
    assert watched.sums["fetching a.csv"] == len(BODIES["/base/a.csv"])
    assert Handler.asked == ["/base/a.csv", "/base/2012/b.tsv", "/base/by/hash"]
    (place / "2012" / "b.tsv").unlink()
    (place / "c").write_bytes(b"damaged")
    fetch(toy, tmp_path)
    assert Handler.asked[3:] == ["/base/2012/b.tsv", "/base/by/hash"]
    assert {state.state for state in inspect(toy, tmp_path)} == {"right"}
    fetch(toy, tmp_path)
    assert len(Handler.asked) == 5


def test_other_bytes_are_refused_and_what_was_there_is_kept(server: str, tmp_path: Path) -> None:
    toy = published(f"{server}/broken")
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "a.csv").write_bytes(b"mine")
    with pytest.raises(BadInput, match=r"a\.csv is not the published file"):
        fetch(toy, tmp_path)
    assert [path.name for path in (tmp_path / "toy").iterdir()] == ["a.csv"]
    assert (tmp_path / "toy" / "a.csv").read_bytes() == b"mine"
    assert inspect(toy, tmp_path)[0].state == "other"


def test_a_server_that_fails(server: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"404.*bring the files in a folder"):
        fetch(published(f"{server}/elsewhere"), tmp_path)
    with pytest.raises(SourceError, match=r"can't be fetched"):
        fetch(published("http://127.0.0.1:9/base"), tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_set_without_published_files_is_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no public files with a known sha256.*data\.md"):
        fetch(data_set("acl-anthology"), tmp_path)
    with pytest.raises(UsageError, match="no public files"):
        adopt(data_set("acl-anthology"), tmp_path, tmp_path)


def test_pooch_is_asked_for_only_when_needed(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = published(f"{server}/base")
    fetch(toy, tmp_path)
    monkeypatch.setattr(optional, "available", lambda name: False)
    fetch(toy, tmp_path)
    with pytest.raises(UsageError, match=r"broadsheet\[train\]"):
        fetch(toy, tmp_path / "elsewhere")


def test_a_local_folder_packed_or_not(tmp_path: Path) -> None:
    toy = published("unused")
    source = tmp_path / "source"
    (source / "2012").mkdir(parents=True)
    (source / "a.csv.zst").write_bytes(zstandard.compress(BODIES["/base/a.csv"]))
    (source / "2012" / "b.tsv").write_bytes(BODIES["/base/2012/b.tsv"])
    with pytest.raises(BadInput, match=r"not the published files of toy.*c \(missing\)"):
        adopt(toy, source, tmp_path / "data")
    assert not (tmp_path / "data").exists()
    (source / "c").write_bytes(b"changed")
    with pytest.raises(BadInput, match=r"c \(other\)"):
        adopt(toy, source, tmp_path / "data")
    (source / "c").write_bytes(b"c")
    place = adopt(toy, source, tmp_path / "data")
    assert (place / "a.csv").read_bytes() == BODIES["/base/a.csv"]
    (source / "a.csv.zst").write_bytes(b"not zstd at all")
    assert inspect(toy, source)[0].state == "other"


def test_the_catalogue_is_pinned() -> None:
    for slug, entry in catalogue().items():
        assert entry.slug == slug
        assert entry.licence
        assert bool(entry.files) == bool(entry.base)
        assert entry.files or entry.note
        for file in entry.files:
            assert len(file.sha256) == 64
            assert file.bytes > 0
            assert entry.url(file).startswith("http")
        if "github" in entry.base:  # A commit, never a branch.
            assert any(len(part) == 40 for part in entry.base.split("/"))
        assert len({file.name for file in entry.files}) == len(entry.files)
    with pytest.raises(UsageError, match=r"no such data set.*stsb"):
        data_set("imagenet")


def test_only_free_sets_are_shipped() -> None:
    assert require_shippable(["acl-anthology", "daily-papers", "acl-anthology"]) == (
        "acl-anthology: CC BY 4.0",
        "daily-papers: CC0 1.0 (arXiv metadata); none stated for key words",
    )
    with pytest.raises(UsageError, match=r"sick \(CC BY-NC-SA 3\.0\); stsb"):
        require_shippable(["debian", "sick", "stsb"])
    uses = {slug: entry.use for slug, entry in catalogue().items()}
    assert {slug for slug, use in uses.items() if use == "ship"} == {
        "acl-anthology",
        "daily-papers",
        "debian",
        "wordnet",
    }
    assert uses["cranfield"] == "test"
    assert replace(data_set("sick"), use="test").use == "test"


@pytest.mark.data
def test_staged_originals_are_the_published_files(data_folder: Path) -> None:
    for slug, folder in (("stsb", ""), ("sick", "sts12-16-sick"), ("limit-small", "limit")):
        states = inspect(data_set(slug), data_folder / folder)
        assert {state.state for state in states} == {"right"}, slug
