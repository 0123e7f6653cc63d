from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest

from broadsheet.core.progress import Advance
from broadsheet.papers import embedding
from broadsheet.papers.embedding import behind, fill, open_vectors, text_hash, text_of
from broadsheet.papers.model import Work
from broadsheet.papers.store import Change

Vectors = npt.NDArray[np.float32]


class Killed(BaseException):
    """Stands for the end of the process."""


@dataclass
class FakeEncoder:
    """Vectors that are a pure function of the text; remembers what it was asked."""

    id: str = "fake"
    version: str = "fake@1"
    dim: int = 5
    quick: bool = False
    asked: list[str] = field(default_factory=list)
    dies_after: int = 10**9

    def encode(
        self, texts: Sequence[str], *, role: str = "document", advance: Advance | None = None
    ) -> Vectors:
        if len(self.asked) + len(texts) > self.dies_after:
            raise Killed
        self.asked += texts
        made = np.array([self.of(text) for text in texts], dtype=np.float32)
        return made.reshape(len(texts), self.dim)

    def of(self, text: str) -> Vectors:
        seed = int.from_bytes(text_hash(text)[:4], "big")
        made = np.random.default_rng(seed).normal(size=self.dim).astype(np.float32)
        found: Vectors = made / np.linalg.norm(made)
        return found


class FakeStore:
    """The part of the store that a fill asks: the latest change of each number."""

    def __init__(self) -> None:
        self.revision = 0
        self.state: dict[int, tuple[int, Work | None]] = {}

    def put(self, number: int, text: str | None) -> None:
        self.revision += 1
        work = None if text is None else Work(id=f"w{number}", title_text=text)
        self.state[number] = (self.revision, work)

    def changes(self, after: int, limit: int) -> list[Change]:
        found = sorted(
            (revision, number, work)
            for number, (revision, work) in self.state.items()
            if revision > after
        )
        return [
            Change(revision=revision, number=number, work=work)
            for revision, number, work in found[:limit]
        ]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> FakeStore:
    monkeypatch.setattr(embedding, "CHUNK", 4)
    made = FakeStore()
    for number in range(1, 24):
        made.put(number, f"paper {number}")
    return made


def state(home: Path, encoder: FakeEncoder) -> dict[int, bytes]:
    vectors = open_vectors(home, encoder)
    return {int(number): vectors.vector(int(number)).tobytes() for number in vectors.numbers}


def expected(store: FakeStore, encoder: FakeEncoder) -> dict[int, bytes]:
    return {
        number: encoder.of(text_of(work)).tobytes()
        for number, (_, work) in store.state.items()
        if work and text_of(work)
    }


def test_text_of() -> None:
    assert text_of(Work(id="a", title_text="T", abstract_text="A b.")) == "T\nA b."
    assert text_of(Work(id="a", title_text="T")) == "T"
    assert text_of(Work(id="a")) == ""


def test_a_fill_encodes_everything_once(store: FakeStore, tmp_path: Path) -> None:
    encoder = FakeEncoder()
    report = fill(store, tmp_path, encoder)
    assert (report.encoded, report.reused, report.removed, report.finished) == (23, 0, 0, True)
    assert state(tmp_path, encoder) == expected(store, encoder)
    again = fill(store, tmp_path, encoder)
    assert (again.encoded, again.reused, again.finished) == (0, 0, True)
    assert len(encoder.asked) == 23


def test_only_changed_texts_are_encoded(store: FakeStore, tmp_path: Path) -> None:
    encoder = FakeEncoder()
    fill(store, tmp_path, encoder)
    encoder.asked.clear()
    store.put(3, "paper 3")  # a new record, the same text
    store.put(4, "another title")
    store.put(5, None)  # merged away
    store.put(6, "")
    store.put(30, "paper 9")  # the text of another paper
    with open_vectors(tmp_path, encoder) as vectors:
        assert behind(store, vectors) == 5
    report = fill(store, tmp_path, encoder)
    assert encoder.asked == ["another title"]
    assert (report.encoded, report.reused, report.removed) == (1, 2, 2)
    assert state(tmp_path, encoder) == expected(store, encoder)
    assert behind(store, open_vectors(tmp_path, encoder)) == 0


def test_equal_texts_are_encoded_once(store: FakeStore, tmp_path: Path) -> None:
    encoder = FakeEncoder()
    store.put(50, "twin")
    store.put(51, "twin")
    fill(store, tmp_path, encoder)
    assert encoder.asked.count("twin") == 1
    assert state(tmp_path, encoder) == expected(store, encoder)


@pytest.mark.parametrize("dies_after", range(0, 23, 3))
def test_a_fill_that_dies_goes_on_where_it_was(
    store: FakeStore, tmp_path: Path, dies_after: int
) -> None:
    first = FakeEncoder(dies_after=dies_after)
    with pytest.raises(Killed):
        fill(store, tmp_path, first)
    second = FakeEncoder()
    report = fill(store, tmp_path, second)
    assert report.finished
    assert not set(first.asked) & set(second.asked)  # nothing committed is done again
    assert state(tmp_path, second) == expected(store, second)


def test_stopping_keeps_what_is_done(store: FakeStore, tmp_path: Path) -> None:
    encoder = FakeEncoder()
    answers = iter([False, False, True])
    report = fill(store, tmp_path, encoder, should_stop=lambda: next(answers))
    assert (report.encoded, report.finished) == (8, False)
    assert len(open_vectors(tmp_path, encoder)) == 8
    assert fill(store, tmp_path, encoder).encoded == 15


def test_progress_counts_to_its_total(store: FakeStore, tmp_path: Path) -> None:
    seen: list[int] = []

    class Watch:
        total: int | None = 0

        def start(self, label: str, total: int | None, unit: str) -> Advance:
            self.total = total
            return seen.append

    watch = Watch()
    fill(store, tmp_path, FakeEncoder(), progress=watch)
    assert sum(seen) == watch.total == 23
    assert len(seen) == 6


def test_a_new_version_of_the_encoder_starts_anew(store: FakeStore, tmp_path: Path) -> None:
    fill(store, tmp_path, FakeEncoder())
    newer = FakeEncoder(version="fake@2")
    assert len(open_vectors(tmp_path, newer)) == 0
    assert fill(store, tmp_path, newer).encoded == 23


def test_an_older_store_under_newer_vectors(store: FakeStore, tmp_path: Path) -> None:
    encoder = FakeEncoder()
    fill(store, tmp_path, encoder)
    older = FakeStore()
    older.put(2, "paper 2")
    older.put(9, "new to us")
    encoder.asked.clear()
    fill(older, tmp_path, encoder)
    assert encoder.asked == ["new to us"]
    assert state(tmp_path, encoder) == expected(older, encoder)


def test_much_waste_is_compacted(store: FakeStore, tmp_path: Path) -> None:
    encoder = FakeEncoder()
    fill(store, tmp_path, encoder)
    for number in range(1, 24):
        store.put(number, f"second title {number}")
    fill(store, tmp_path, encoder)
    for number in range(1, 24):
        store.put(number, f"third title {number}")
    fill(store, tmp_path, encoder)
    with open_vectors(tmp_path, encoder) as vectors:
        assert vectors.wasted() == 0
    assert state(tmp_path, encoder) == expected(store, encoder)


@dataclass
class DerivingEncoder(FakeEncoder):
    """Turns the vectors of version 1 round; can't read any other."""

    version: str = "fake@2"

    def of(self, text: str) -> Vectors:
        return -super().of(text)

    def derive(self, version: str) -> Callable[[Vectors], Vectors] | None:
        return (lambda vectors: -vectors) if version == "fake@1" else None


def test_vectors_of_an_earlier_version_are_used(store: FakeStore, tmp_path: Path) -> None:
    fill(store, tmp_path, FakeEncoder())
    store.put(3, "paper 3, changed")
    store.put(30, "paper 30, new")
    encoder = DerivingEncoder()
    report = fill(store, tmp_path, encoder)
    assert sorted(encoder.asked) == ["paper 3, changed", "paper 30, new"]
    assert (report.encoded, report.derived, report.reused) == (2, 22, 0)
    assert state(tmp_path, encoder) == expected(store, encoder)
    again = fill(store, tmp_path, encoder)
    assert (again.encoded, again.derived) == (0, 0)


def test_vectors_that_can_not_be_used_are_made_anew(store: FakeStore, tmp_path: Path) -> None:
    fill(store, tmp_path, FakeEncoder(version="fake@0"))
    report = fill(store, tmp_path, DerivingEncoder())
    assert (report.encoded, report.derived) == (23, 0)


def test_a_fill_killed_while_it_derives_is_completed(
    store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "QUICK_CHUNK", 4)
    fill(store, tmp_path, FakeEncoder())
    stops = iter([False, False, True])
    first = fill(store, tmp_path, DerivingEncoder(), should_stop=lambda: next(stops))
    assert (first.derived, first.finished) == (8, False)
    encoder = DerivingEncoder()
    rest = fill(store, tmp_path, encoder)
    assert (rest.encoded, rest.derived) == (15, 0)
    assert state(tmp_path, encoder) == expected(store, encoder)


def test_settings_are_carried_out_without_encoding(
    store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = [SimpleNamespace(id=name, state="installed") for name in ("fake", "gone", "never")]
    encoders = {"fake": DerivingEncoder(), "gone": DerivingEncoder(id="gone")}
    fill(store, tmp_path, FakeEncoder())
    fill(store, tmp_path, FakeEncoder(id="gone", version="gone@0"))
    before = expected(store, encoders["fake"])
    store.put(40, "paper 40, which nobody asked for yet")
    monkeypatch.setattr(embedding.models, "installed", lambda home: cards)
    monkeypatch.setattr(embedding.models, "open_encoder", lambda home, name: encoders[name])
    assert embedding.convert(store, tmp_path) == ["gone"]
    assert embedding.convert(store, tmp_path) == ["gone"]
    assert not any(encoder.asked for encoder in encoders.values())
    assert state(tmp_path, encoders["fake"]) == before
