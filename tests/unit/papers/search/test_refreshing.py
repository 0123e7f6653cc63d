"""Keeping the indexes in step with the store, across changes, crashes and damage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broadsheet.core.errors import SourceError
from broadsheet.core.paths import exclusive
from broadsheet.core.progress import Silent
from broadsheet.index.attributes import AttributeStore
from broadsheet.papers.search import Searcher, refreshing
from broadsheet.papers.search.refreshing import attributes_folder, refresh_indexes, words_folder
from broadsheet.papers.store import Store
from broadsheet.runtime import models

Desk = Any  # tests/unit/papers/search/conftest.py
NEW = {"title": "A comet", "abstract": "Seen again.", "day": "2024-05-05", "authors": ()}


def refresh(desk: Desk) -> int:
    return refresh_indexes(desk.home, desk.store, Silent())


def test_a_refresh_takes_in_what_changed(indexed: Desk) -> None:
    assert refresh(indexed) == 0
    indexed.add(NEW, first=10)
    page = indexed.searcher.search("comet", mode="words")
    assert page.total == 0
    assert page.notes == ("1 changes are not searchable yet: broadsheet index build.",)
    assert refresh(indexed) == 1
    assert indexed.titles("comet", mode="words") == ["A comet"]


def test_an_open_searcher_sees_what_another_process_indexed(indexed: Desk) -> None:
    assert indexed.titles("comet") == []
    with Store.open(indexed.home) as other:
        indexed.add(NEW, first=10)
        Searcher(indexed.home, other).refresh()
    assert indexed.titles("comet") == ["A comet"]


def test_while_an_index_is_built_anew_the_open_one_serves(indexed: Desk) -> None:
    assert len(indexed.titles("retrieval")) == 2
    shutil.rmtree(words_folder(indexed.home))
    assert len(indexed.titles("retrieval")) == 2
    indexed.add(NEW, first=10)
    assert refresh(indexed) == 6
    assert indexed.titles("comet") == ["A comet"]


def test_new_vectors_are_seen(dense: Desk) -> None:
    assert dense.searcher.search("retrieval").notes == ()
    dense.add({**NEW, "abstract": "Image of a comet."}, first=10)
    refresh(dense)
    page = dense.searcher.search("picture", mode="dense")
    assert any("1 of 6 papers have no vector yet" in note for note in page.notes)
    dense.searcher.refresh()
    page = dense.searcher.search("picture", mode="dense")
    assert "A comet" in [hit.work.title for hit in page.hits]
    assert page.notes == ()


def test_in_small_commits_the_result_is_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refreshing, "BATCH", 2)
    assert refresh(desk) == 5
    assert desk.searcher.search("").total == 5
    assert set(desk.titles("retrieval")) == {"Dense retrieval", "Passages and their retrieval"}


def test_a_refresh_that_died_half_way_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refreshing, "BATCH", 2)
    save = AttributeStore.save
    saved = []

    def die_at_the_second(self: AttributeStore, folder: Path) -> None:
        saved.append(folder)
        if len(saved) == 2:
            raise KeyboardInterrupt
        save(self, folder)

    monkeypatch.setattr(AttributeStore, "save", die_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        refresh(desk)
    assert refresh(desk) == 3  # the batch that only the words index had seen, and the last one
    assert desk.searcher.search("").total == 5
    assert len(desk.titles("retrieval", mode="words")) == 2


@pytest.mark.parametrize("damage", ["words", "attributes", "both"])
def test_a_missing_index_is_built_anew(indexed: Desk, damage: str) -> None:
    if damage != "attributes":
        (words_folder(indexed.home) / "meta.json").write_bytes(b"?")
        (words_folder(indexed.home) / "state.json").write_bytes(b"?")
    if damage != "words":
        shutil.rmtree(attributes_folder(indexed.home))
    assert refresh(indexed) == 5
    assert indexed.searcher.search("cat:cs.CL translation", mode="words").total == 1


def test_indexes_ahead_of_a_restored_store_are_built_anew(indexed: Desk, tmp_path: Path) -> None:
    indexed.add(NEW, first=10)
    refresh(indexed)
    with Store.open(tmp_path / "older", create=True, parser=indexed.store.parser) as older:
        record = next(iter(indexed.store.all_records())).source_record()
        older.add([(record, indexed.store.parser(record))])
        assert refresh_indexes(indexed.home, older, Silent()) == 1
        assert Searcher(indexed.home, older).search("").total == 1


def test_a_second_writer_is_refused(indexed: Desk) -> None:
    indexed.add(NEW, first=10)
    with exclusive(indexed.home / "write.lock", "a test"), pytest.raises(SourceError):
        refresh(indexed)


def test_a_second_encoder_ranks_only_what_the_first_has_not(
    desk: Desk, install: Callable[..., None]
) -> None:
    install(desk.home, "tiny")
    desk.searcher.refresh()  # vectors of five papers by the encoder "tiny"
    install(desk.home, "aaa", flip=True)
    models.use(desk.home, "tiny")
    desk.add({**NEW, "abstract": "Retrieval of a comet."}, first=10)
    desk.searcher.refresh()  # "aaa" is the first static encoder now, and takes in all six
    with Store.open(desk.home) as store:
        page = Searcher(desk.home, store).search("retrieval", mode="dense", explain=True)
    by = {hit.work.title: hit.parts[0].detail.split()[-1] for hit in page.hits}
    assert by.pop("A comet") == "aaa"
    assert set(by.values()) == {"tiny"}
    assert len(by) == 5
    assert page.how == (
        "Vectors of tiny, exact: 5 allowed rows outside of segments scored in full.",
        "Vectors of aaa, exact: 1 allowed rows outside of segments scored in full.",
    )
    scores = [hit.score for hit in page.hits]
    assert scores == sorted(scores, reverse=True)


def test_a_paper_that_only_the_second_encoder_knows_has_neighbours(
    desk: Desk, install: Callable[..., None]
) -> None:
    install(desk.home, "tiny")
    desk.searcher.refresh()
    install(desk.home, "aaa")
    models.use(desk.home, "tiny")
    desk.add({**NEW, "abstract": "Retrieval of a comet."}, first=10)
    desk.searcher.refresh()
    with Store.open(desk.home) as store:
        searcher = Searcher(desk.home, store)
        comet = searcher.search("comet", mode="words").hits[0].work
        near = searcher.related(comet.id, limit=2)
    assert {hit.work.title for hit in near} == {"Dense retrieval", "Passages and their retrieval"}
