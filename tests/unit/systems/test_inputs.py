"""Files read are noticed by name, whether or not a link leads to them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from broadsheet.systems.inputs import combined_hash, hash_files, note_files


def test_files_behind_links_are_noted_under_the_name_they_were_opened_by(tmp_path: Path) -> None:
    stored = tmp_path / "disk" / "sick"
    stored.mkdir(parents=True)
    (stored / "test.txt").write_text("pairs")
    (stored / "unread.txt").write_text("other")
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "sick").symlink_to(stored)
    with note_files([inputs]) as found:
        (inputs / "sick" / "test.txt").read_text()
    assert hash_files(inputs, found) == {"sick/test.txt": hashlib.sha256(b"pairs").hexdigest()}


def test_a_linked_folder_gives_the_same_hashes_as_the_folder(tmp_path: Path) -> None:
    stored = tmp_path / "disk"
    stored.mkdir()
    (stored / "a.txt").write_text("a")
    link = tmp_path / "link"
    link.symlink_to(stored)
    hashes = []
    for folder, opened in ((stored, stored), (link, link), (link, stored)):
        with note_files([folder]) as found:
            (opened / "a.txt").read_text()
        hashes.append(combined_hash(hash_files(folder, found)))
    assert len(set(hashes)) == 1
    assert hashes[0]


def test_files_elsewhere_and_folders_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out.txt").write_text("x")
    with note_files([tmp_path / "in"]) as found:
        (tmp_path / "out.txt").read_text()
        (tmp_path / "in" / "gone.txt").write_text("x")
        (tmp_path / "in" / "gone.txt").unlink()
    assert hash_files(tmp_path / "in", found) == {}
