"""A folder that appears whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from broadsheet.core.errors import BadInput


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder` that takes its name when all went well.

    Raises:
        BadInput: `folder` holds something; nothing was written.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "model"
        >>> with staged(target) as place:
        ...     _ = (place / "a").write_text("b")
        >>> [path.name for path in target.iterdir()]
        ['a']
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise BadInput(
            "the folder to export into is not empty", received=folder, hint="another folder"
        )
    place = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    try:
        yield place
        if folder.is_dir():
            folder.rmdir()
        place.rename(folder)
    finally:
        shutil.rmtree(place, ignore_errors=True)
