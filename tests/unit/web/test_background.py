"""The work behind the pages: does its steps, shows them, survives trouble, stops."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from broadsheet.core.errors import SourceError
from broadsheet.core.progress import Progress
from broadsheet.papers.ingest import ingest
from broadsheet.papers.library import Library
from broadsheet.web.app import create_app
from broadsheet.web.background import Worker, WorkProgress, fill_active_encoder

from .conftest import ADDRESS, LATECOMER

PATIENCE_S = 20.0


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Library(tmp_path / "home", create=True) as opened:
        _add(opened, tmp_path, "2508.40001")
        yield opened


def _add(library: Library, folder: Path, number: str) -> None:
    file = folder / f"{number}.jsonl"
    file.write_text(json.dumps({**LATECOMER, "id": number, "title": f"Late {number}"}) + "\n")
    ingest(library.store, [str(file)])


def _until(condition: Callable[[], bool]) -> bool:
    waiting = threading.Event()
    for _ in range(int(PATIENCE_S / 0.02)):
        if condition():
            return True
        waiting.wait(0.02)
    return False


def test_indexes_what_is_new_and_fills(library: Library, tmp_path: Path) -> None:
    seen: list[str] = []

    def fill(_: Library, progress: Progress, should_stop: Callable[[], bool]) -> None:
        advance = progress.start("vectors of model", 4, "papers")
        advance(3)
        seen.append(worker.progress.sentence())
        assert not should_stop()

    worker = Worker(library, fill, every_s=0.02)
    worker.start()
    try:
        assert _until(lambda: len(seen) == 1)
        assert seen == ["vectors of model: 3 of 4 papers"]
        assert library.search("late").total == 1
        _add(library, tmp_path, "2508.40009")
        assert _until(lambda: len(seen) == 2)
        assert _until(lambda: library.search("late").total == 2)
        assert _until(lambda: worker.progress == WorkProgress())
    finally:
        worker.stop()


def test_trouble_is_shown_and_tried_again(library: Library) -> None:
    tries: list[int] = []
    go_on = threading.Event()

    def fill(*_: object) -> None:
        if tries:
            go_on.wait(PATIENCE_S)
        tries.append(1)
        if len(tries) == 1:
            raise SourceError("somebody else is writing")
        if len(tries) == 2:
            raise RuntimeError("unforeseen")

    worker = Worker(library, fill, every_s=0.01)
    worker.start()
    try:
        assert _until(lambda: "somebody else" in worker.progress.trouble)
        go_on.set()
        assert _until(lambda: len(tries) == 3)
        assert _until(lambda: worker.progress.trouble == "")
    finally:
        worker.stop()


def test_stops_in_the_middle_of_a_fill(library: Library) -> None:
    begun = threading.Event()
    ended = threading.Event()

    def fill(_: Library, progress: Progress, should_stop: Callable[[], bool]) -> None:
        begun.set()
        while not should_stop():
            threading.Event().wait(0.01)
        ended.set()

    worker = Worker(library, fill, every_s=0.01)
    worker.start()
    assert begun.wait(PATIENCE_S)
    worker.stop()
    assert ended.is_set()


def test_stops_in_the_middle_of_a_step_that_only_shows_progress(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def endless(progress: Progress) -> None:
        advance = progress.start("words", None, "papers")
        while True:
            begun.set()
            advance(1)

    monkeypatch.setattr(library, "refresh", endless)
    worker = Worker(library, None, every_s=0.01)
    worker.start()
    assert begun.wait(PATIENCE_S)
    worker.stop()
    assert not worker._thread.is_alive()


def test_without_an_encoder_there_is_nothing_to_fill(library: Library) -> None:
    started: list[str] = []

    class Board:
        def start(self, label: str, total: int | None, unit: str) -> Callable[[int], None]:
            started.append(label)
            return lambda amount: None

    fill_active_encoder(library, Board(), lambda: False)
    assert started == []


def test_progress_stands_on_pages_and_in_readyz(web_home: Path) -> None:
    app = create_app(web_home, background=True)
    with TestClient(app, base_url=ADDRESS) as reader:
        worker = app.state.site._worker
        assert _until(lambda: worker._seen is not None)
        worker.progress = WorkProgress(label="vectors of m", done=10, total=50, unit="papers")
        assert "vectors of m: 10 of 50 papers" in reader.get("/").text
        assert reader.get("/readyz").json()["working"] == "vectors of m: 10 of 50 papers"
        worker.progress = WorkProgress(trouble="another process is writing")
        assert "another process is writing" in reader.get("/stats").text
