from __future__ import annotations

import gzip
import io
import os
import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import zstandard

from broadsheet.core.errors import BadInput
from broadsheet.papers.model import Reject
from broadsheet.papers.sources import opening
from broadsheet.papers.sources.opening import open_inputs


def opened(*paths: object, date: str = "") -> tuple[dict[str, bytes], list[Reject]]:
    """Open and read everything: contents by name, and what was rejected."""
    contents: dict[str, bytes] = {}
    rejects: list[Reject] = []
    for item in open_inputs([str(path) for path in paths], date):
        if isinstance(item, Reject):
            rejects.append(item)
        else:
            contents[item.origin.name] = item.stream.read()
    return contents, rejects


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "RATIO_FROM", 1 << 20)
    monkeypatch.setattr(opening, "MOST_UNPACKED", 32 << 20)


TEXT = b"".join(b"line %d of a text\n" % number for number in range(20_000))


def packed(kind: str, content: bytes) -> bytes:
    if kind == "gzip":
        return gzip.compress(content, mtime=0)
    return zstandard.ZstdCompressor().compress(content)


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_packing_is_known_by_content_not_by_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "papers.txt"
    path.write_bytes(packed(kind, TEXT))
    contents, rejects = opened(path)
    assert contents == {str(path): TEXT}
    assert rejects == []


def test_several_frames_and_members_are_one_stream(tmp_path: Path) -> None:
    for kind in ("gzip", "zstd"):
        path = tmp_path / kind
        path.write_bytes(packed(kind, TEXT) + packed(kind, b"more"))
        assert opened(path) == ({str(path): TEXT + b"more"}, [])


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_truncation_keeps_what_was_good(tmp_path: Path, kind: str, keep: float) -> None:
    content = os.urandom(400_000)
    whole = packed(kind, content)
    path = tmp_path / "cut"
    path.write_bytes(whole[: int(len(whole) * keep)])
    contents, rejects = opened(path)
    kept = contents[str(path)]
    assert content.startswith(kept)
    assert len(kept) > 100_000 * keep
    assert [(reject.offset, reject.unit) for reject in rejects] == [(len(kept), "byte")]
    assert "cut short" in rejects[0].reason


def test_position_grows_to_the_size_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "papers.gz"
    path.write_bytes(packed("gzip", TEXT))
    item = next(iter(open_inputs([str(path)])))
    assert isinstance(item, opening.OpenedInput)
    assert item.head == TEXT[: opening.HEAD]
    item.stream.read()
    assert item.position() == item.size_bytes == path.stat().st_size


def test_folders_are_read_sorted_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b/2.txt", "a.txt", ".hidden/x.txt", ".dot", "README.md", "b/readme"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    contents, rejects = opened(tmp_path)
    assert list(contents) == [str(tmp_path / "a.txt"), str(tmp_path / "b/2.txt")]
    assert rejects == []
    (tmp_path / "empty").mkdir()
    assert "no file" in opened(tmp_path / "empty")[1][0].reason


def test_origin_holds_the_given_day_and_the_last_change(tmp_path: Path) -> None:
    path = tmp_path / "page.txt"
    path.write_text("x")
    os.utime(path, (1_756_800_000, 1_756_800_000))
    item = next(iter(open_inputs([str(path)], "2025-09-01")))
    assert isinstance(item, opening.OpenedInput)
    assert (item.origin.date, item.origin.modified) == ("2025-09-01", "2025-09-02")


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(packed("gzip", TEXT)))
    monkeypatch.setattr(sys, "stdin", stream)
    assert opened("-") == ({"standard input": TEXT}, [])


def test_wrong_path_is_one_clear_error_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "good").write_text("x")
    with pytest.raises(BadInput, match="no such file or folder"):
        next(iter(open_inputs([str(tmp_path / "good"), str(tmp_path / "nowhere")])))
    with pytest.raises(BadInput):
        next(iter(open_inputs(["a\0b"])))


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_bombs_end_early_in_bounded_memory(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(packed(kind, b"\0" * (64 << 20)))
    size = 0
    rejects = []
    tracemalloc.start()
    for item in open_inputs([str(path)]):
        if isinstance(item, Reject):
            rejects.append(item)
            continue
        while chunk := item.stream.read(1 << 16):
            size += len(chunk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size < 16 << 20
    assert peak < 32 << 20
    assert [reject.reason for reject in rejects] == [
        "unpacks to more than 200 times its size; the rest was not read"
    ]


@pytest.mark.usefixtures("small_limits")
def test_total_size_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MOST_UNPACKED", 2 << 20)
    path = tmp_path / "big"
    path.write_bytes(packed("zstd", os.urandom(3 << 20)))
    contents, rejects = opened(path)
    assert len(contents[str(path)]) <= (2 << 20) + (1 << 18)
    assert "more than 2,097,152 bytes" in rejects[0].reason


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_zip_members_are_inputs(tmp_path: Path) -> None:
    members = {"b.txt": b"b", "a/c.txt.gz": packed("gzip", TEXT), "README": b"no", "a/.x": b"no"}
    path = make_zip(tmp_path / "papers.bin", members)
    assert opened(path) == ({f"{path}!a/c.txt.gz": TEXT, f"{path}!b.txt": b"b"}, [])


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "C:/evil", "..\\evil"])
def test_paths_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    path = make_zip(tmp_path / "out.zip", {name: b"x", "good": b"y"})
    contents, rejects = opened(path)
    assert contents == {f"{path}!good": b"y"}
    assert [reject.reason for reject in rejects] == [
        "the member's path leads out of the archive; refused"
    ]


@pytest.mark.usefixtures("small_limits")
def test_zip_bombs_links_and_crowds_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", b"\0" * (4 << 20))
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("good", b"y")
    contents, rejects = opened(path)
    assert contents == {f"{path}!good": b"y"}
    assert [reject.reason.split(";")[0] for reject in rejects] == [
        "the member unpacks to more than 200 times its size",
        "the member is a link",
    ]
    monkeypatch.setattr(opening, "MOST_MEMBERS", 2)
    assert "more than 2 members" in opened(path)[1][0].reason


def test_damaged_zip_is_reported(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", {"one": TEXT, "two": b"fine"})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "can't be opened" in opened(path)[1][0].reason
    spoiled = bytearray(whole)
    spoiled[60:400] = os.urandom(340)
    path.write_bytes(bytes(spoiled))
    contents, rejects = opened(path)
    assert contents[f"{path}!two"] == b"fine"
    assert "damaged" in rejects[0].reason


def test_a_lying_size_in_a_zip_is_not_believed(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", {"one": TEXT})
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, at + 24, 10)
    path.write_bytes(bytes(content))
    contents, _ = opened(path)
    assert len(contents[f"{path}!one"]) <= 10


def test_unreadable_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "secret"
    path.write_text("x")
    monkeypatch.setattr(Path, "open", refuse)
    assert opened(path)[1][0].reason == "can't be read ([Errno 13] Permission denied)"


def test_a_pipe_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    child = os.fork()
    if child == 0:
        path.write_bytes(TEXT)
        os._exit(0)
    contents, rejects = opened(path)
    os.waitpid(child, 0)
    assert (contents, rejects) == ({str(path): TEXT}, [])
