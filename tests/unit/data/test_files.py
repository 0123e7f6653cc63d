"""Files of any packing are read the same; damage is named with its place."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.data import files
from broadsheet.data.files import csv_rows, find, json_lines, lines_of, number_of

TEXT = "one\u2028still one\r\ntwo\n\nlast without end".encode()
LINES = [(1, "one\u2028still one"), (2, "two"), (3, ""), (4, "last without end")]
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.compress,
}


@pytest.mark.parametrize("ending", PACKERS)
def test_every_packing_gives_the_same_lines(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(PACKERS[ending](b"\xef\xbb\xbf" + TEXT))
    assert find(tmp_path, "a.txt") == path
    assert list(lines_of(path)) == LINES


def test_several_zstd_frames_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.zst"
    path.write_bytes(zstandard.compress(b"one\n") + zstandard.compress(b"two\n" * 100_000))
    assert sum(1 for _ in lines_of(path)) == 100_001


@pytest.mark.parametrize("ending", [".gz", ".xz", ".bz2", ".zst"])
def test_a_file_cut_short_is_damaged_not_short(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.txt{ending}"
    packed = PACKERS[ending](b"".join(b"line %d\n" % n for n in range(5000)))
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(BadInput, match=r"damaged behind line \d+"):
        list(lines_of(path))


def test_lz4_goes_through_its_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.lz4"
    path.write_bytes(b"packed")
    script = tmp_path / "lz4"
    script.write_text('#!/bin/sh\ncat "$3"\n')
    script.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(script))
    assert list(lines_of(path)) == [(1, "packed")]
    script.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(BadInput, match="lz4 could not unpack"):
        list(lines_of(path))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="needs the program lz4"):
        list(lines_of(path))


def test_leaving_early_ends_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def watched(command: list[str], **settings: int) -> subprocess.Popen[bytes]:
        started.append(real(["yes"], **settings))
        return started[-1]

    monkeypatch.setattr(shutil, "which", lambda name: "lz4")
    monkeypatch.setattr(files.subprocess, "Popen", watched)
    reading = lines_of(tmp_path / "endless.lz4")
    assert next(reading) == (1, "y")
    reading.close()  # type: ignore[attr-defined]
    assert started[0].returncode is not None


def test_missing_and_misplaced(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no stsb/a\.csv.*docs/guide/data\.md"):
        find(tmp_path, "stsb/a.csv", "a.csv")
    with pytest.raises(BadInput, match="no such folder"):
        find(tmp_path / "nowhere", "a.csv")


def test_broken_lines_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n\n[2]\n')
    with pytest.raises(BadInput, match=r"a\.jsonl, line 3: not a JSON object"):
        list(json_lines(path))
    path.write_bytes(b'{"a": \n')
    with pytest.raises(BadInput, match="line 1: broken JSON"):
        list(json_lines(path))
    path.write_bytes(b"fine\n\xff\n")
    with pytest.raises(BadInput, match="line 2: not UTF-8"):
        list(lines_of(path))
    path.write_bytes(b'a,"b"c\n')
    with pytest.raises(BadInput, match="broken quotes"):
        list(csv_rows(path))
    monkeypatch.setattr(files, "LINE_LIMIT", 10)
    path.write_bytes(b"short\nvery much longer\n")
    with pytest.raises(BadInput, match=r"too long.*line 2"):
        list(lines_of(path))


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1,5"])
def test_scores_are_finite_numbers(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput, match="line 7: the score is not a"):
        number_of(text, tmp_path / "a", 7)
