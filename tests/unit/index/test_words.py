"""The words index: matching, ranking, filters, completion, updates and damage."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest

from broadsheet.core.errors import BadInput, NotFound, SourceError
from broadsheet.index.clauses import Clause
from broadsheet.index.predicates import AllOf, Between, Contains, Document, Not
from broadsheet.index.words import WordIndex, WordWriter

TERMS, NUMBERS = ("cat",), ("year",)

PAPERS = (
    Document(
        number=1,
        title="Late interaction for dense retrieval",
        body="We study how tokens of a query meet tokens of a document.",
        names="Ana Müller\nIda Stone",
        terms={"cat": ("cs.ir", "cs")},
        numbers={"year": 2021},
    ),
    Document(
        number=2,
        title="Retrieving passages",
        body="Interaction comes late here: a study of late and of early fusion.",
        names="Bo Li",
        terms={"cat": ("cs.cl", "cs")},
        numbers={"year": 2022},
    ),
    Document(number=3, title="On stones", body="Geology.", terms={"cat": ("physics.geo-ph",)}),
    Document(number=40, title="GPT-4 and translation", body="A translator that learns."),
)


def write(folder: Path, documents: Iterable[Document] = PAPERS, revision: int = 1) -> WordIndex:
    with WordWriter(folder, terms=TERMS, numbers=NUMBERS) as writer:
        writer.apply(documents, deleted=[], revision=revision)
    return read(folder)


def read(folder: Path) -> WordIndex:
    return WordIndex(folder, terms=TERMS, numbers=NUMBERS)


@pytest.fixture
def index(tmp_path: Path) -> WordIndex:
    return write(tmp_path / "words")


def found(index: WordIndex, *clauses: Clause) -> set[int]:
    return {number for number, _ in index.search(clauses).hits}


def word(text: str, *, excluded: bool = False) -> Clause:
    return Clause(text=text, excluded=excluded)


def phrase(text: str, *, excluded: bool = False) -> Clause:
    return Clause(text=text, kind="phrase", excluded=excluded)


def prefix(text: str) -> Clause:
    return Clause(text=text, kind="prefix")


def test_words_are_stemmed_and_any_of_them_is_enough(index: WordIndex) -> None:
    assert found(index, word("retrievals")) == {1, 2}
    assert found(index, word("retrieval"), word("geology")) == {1, 2, 3}


def test_accents_and_case_do_not_matter(index: WordIndex) -> None:
    assert found(index, word("MULLER")) == found(index, word("Müller")) == {1}


def test_names_are_not_stemmed(index: WordIndex) -> None:
    assert found(index, word("stone")) == {1, 3}  # the name Stone and the stem of "stones"
    assert found(index, word("li")) == {2}


def test_a_phrase_is_required_and_its_words_stand_together(index: WordIndex) -> None:
    assert found(index, phrase("late interaction")) == {1}
    assert found(index, phrase("late interaction"), word("passages")) == {1}
    assert found(index, phrase("interaction late")) == set()


def test_a_phrase_counts_the_common_words_inside_it(index: WordIndex) -> None:
    assert found(index, phrase("tokens of a query")) == {1}
    assert found(index, phrase("tokens query")) == set()


def test_exclusion(index: WordIndex) -> None:
    assert found(index, word("late"), word("fusion", excluded=True)) == {1}
    assert found(index, word("late"), phrase("late interaction", excluded=True)) == {2}
    assert found(index, word("geology", excluded=True)) == {1, 2, 40}


def test_a_word_that_is_wanted_and_excluded_matches_nothing(index: WordIndex) -> None:
    assert found(index, word("late"), word("late", excluded=True)) == set()
    assert found(index, word("geology"), phrase("late")) == {1, 2}


def test_an_excluded_word_with_a_hyphen_is_a_phrase(index: WordIndex) -> None:
    assert found(index, word("translation"), word("GPT-4", excluded=True)) == set()
    assert found(index, word("translation"), word("4-GPT", excluded=True)) == {40}


def test_a_prefix_meets_printed_words(index: WordIndex) -> None:
    assert found(index, prefix("translat")) == {40}
    assert found(index, prefix("retriev")) == {1, 2}
    assert found(index, prefix("mül")) == {1}
    assert found(index, prefix("gpt-4")) == {40}
    assert found(index, prefix("xyz")) == set()


def test_common_words_are_not_searched(index: WordIndex) -> None:
    assert index.effective([word("the"), word("geology"), phrase("of the")]) == [word("geology")]
    assert found(index, word("the"), word("geology")) == {3}


def test_title_words_rank_above_body_words(index: WordIndex) -> None:
    hits = index.search([word("interaction")]).hits
    assert [number for number, _ in hits] == [1, 2]
    assert hits[0][1] > hits[1][1] > 0


def test_filters_hold_and_do_not_score(index: WordIndex) -> None:
    free = dict(index.search([word("late")]).hits)
    recent = index.search([word("late")], Between("year", 2022, 2030))
    assert recent.total == 1
    assert recent.hits == [(2, pytest.approx(free[2]))]
    computing = AllOf((Contains("cat", "cs"), Not(Contains("cat", "cs.cl"))))
    assert [n for n, _ in index.search([word("late")], computing).hits] == [1]


def test_a_page_of_hits_and_the_total(index: WordIndex) -> None:
    everything = [word(text) for text in ("late", "stones", "translation")]
    pages = [index.search(everything, limit=2, offset=start) for start in (0, 2, 4)]
    assert [page.total for page in pages] == [4, 4, 4]
    assert sorted(n for page in pages for n, _ in page.hits) == [1, 2, 3, 40]


def test_matching_gives_every_number(index: WordIndex) -> None:
    assert sorted(index.matching([word("late")])) == [1, 2]
    assert sorted(index.matching([], Contains("cat", "cs"))) == [1, 2]
    assert len(index.matching([word("absent")])) == 0


def test_parts_of_a_score_sum_to_it(index: WordIndex) -> None:
    clauses = [word("late"), word("late"), word("interaction"), prefix("retr"), phrase("dense")]
    [(number, score)] = index.search(clauses).hits
    explained = index.explain(clauses, [number, 3, 99])
    assert explained[3] == explained[99] == []
    parts = explained[number]
    assert sum(value for _, _, value in parts) == pytest.approx(score, rel=1e-4)
    assert {field for field, _, _ in parts} == {"title", "text", "spelling"}


def test_similar_leaves_the_document_out(index: WordIndex) -> None:
    hits = index.similar(PAPERS[0]).hits
    assert [number for number, _ in hits] == [2]
    assert index.similar(PAPERS[0], Contains("cat", "cs.ir")).hits == []


def test_completion_gives_printed_words_with_counts(index: WordIndex) -> None:
    assert index.complete("transla") == [("translation", 1), ("translator", 1)]
    assert index.complete("some retri") == [("retrieval", 1), ("retrieving", 1)]
    assert index.complete("la", limit=1) == [("late", 2)]
    assert index.complete("retri", Contains("cat", "cs.cl")) == [("retrieving", 1)]
    assert index.complete("") == index.complete("...") == []


def test_applying_again_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "words")
    index = write(tmp_path / "words")
    assert index.size == len(PAPERS)
    assert found(index, word("late")) == {1, 2}


def test_replacing_and_deleting(tmp_path: Path) -> None:
    write(tmp_path / "words")
    with WordWriter(tmp_path / "words", terms=TERMS, numbers=NUMBERS) as writer:
        assert writer.revision == 1
        writer.apply([Document(number=2, title="Something else")], deleted=[3, 99], revision=5)
    index = read(tmp_path / "words")
    assert index.revision == 5
    assert index.size == 3
    assert found(index, word("passages")) == found(index, word("geology")) == set()
    assert found(index, word("else")) == {2}


def test_a_reader_keeps_what_it_opened(index: WordIndex, tmp_path: Path) -> None:
    with WordWriter(tmp_path / "words", terms=TERMS, numbers=NUMBERS) as writer:
        writer.apply([], deleted=[1, 2, 3, 40], revision=2)
    assert found(index, word("late")) == {1, 2}
    assert found(read(tmp_path / "words"), word("late")) == set()


def test_an_interrupted_commit_is_repeated_without_harm(tmp_path: Path) -> None:
    folder = tmp_path / "words"
    write(folder, PAPERS[:2], revision=1)
    state = (folder / "state.json").read_bytes()
    write(folder, PAPERS, revision=2)
    (folder / "state.json").write_bytes(state)  # killed between the commit and the revision
    with WordWriter(folder, terms=TERMS, numbers=NUMBERS) as writer:
        assert writer.revision == 1
        writer.apply(PAPERS[2:], deleted=[], revision=2)
    assert read(folder).size == len(PAPERS)


def test_no_index(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no words index"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("state.json", b"{"),
        ("state.json", json.dumps({"schema": 0, "layout": [], "revision": 3}).encode()),
        ("meta.json", b"{}"),
    ],
)
def test_a_damaged_or_foreign_index_is_named_and_built_anew(
    tmp_path: Path, name: str, content: bytes
) -> None:
    folder = tmp_path / "words"
    write(folder)
    (folder / name).write_bytes(content)
    with pytest.raises(BadInput, match="index build"):
        read(folder)
    with WordWriter(folder, terms=TERMS, numbers=NUMBERS) as writer:
        assert writer.revision == 0
        writer.apply(PAPERS, deleted=[], revision=4)
    assert read(folder).size == len(PAPERS)


def test_other_attributes_mean_another_index(tmp_path: Path) -> None:
    write(tmp_path / "words")
    with pytest.raises(BadInput, match="another version"):
        WordIndex(tmp_path / "words", terms=("cat", "author"), numbers=NUMBERS)


def test_two_writers(tmp_path: Path) -> None:
    write(tmp_path / "words")
    with (
        WordWriter(tmp_path / "words", terms=TERMS, numbers=NUMBERS),
        pytest.raises(SourceError, match="another process"),
    ):
        WordWriter(tmp_path / "words", terms=TERMS, numbers=NUMBERS)
    assert read(tmp_path / "words").size == len(PAPERS)


def test_a_full_disk_keeps_what_was_committed(tmp_path: Path) -> None:
    def refuse() -> None:
        raise ValueError("An IO error occurred: 'No space left on device (os error 28)'")

    with WordWriter(tmp_path / "words", terms=TERMS, numbers=NUMBERS) as writer:
        writer.apply(PAPERS[:2], deleted=[], revision=1)
        real = writer._writer
        writer._writer = SimpleNamespace(  # type: ignore[assignment]
            add_document=real.add_document,
            delete_documents_by_term=real.delete_documents_by_term,
            commit=refuse,
            wait_merging_threads=real.wait_merging_threads,
        )
        with pytest.raises(SourceError, match="No space left"):
            writer.apply(PAPERS[2:], deleted=[], revision=2)
    index = read(tmp_path / "words")
    assert (index.revision, index.size) == (1, 2)


def test_an_empty_index_answers(tmp_path: Path) -> None:
    index = write(tmp_path / "words", [])
    assert index.search([word("late")]).total == 0
    assert len(index.matching([])) == 0
    assert index.complete("la") == []


def test_similar_does_not_depend_on_chance(tmp_path: Path) -> None:
    """More words of equal weight than are used: always the same ones are chosen."""
    words = [f"word{chr(97 + i)}{chr(97 + j)}" for i in range(8) for j in range(8)]
    papers = [Document(number=1, title=" ".join(words))]
    papers += [Document(number=2 + n, title=word) for n, word in enumerate(words)]
    folder = tmp_path / "words"
    with WordWriter(folder, terms=TERMS, numbers=NUMBERS) as writer:
        writer.apply(papers, deleted=[], revision=1)
    answers = {tuple(read(folder).similar(papers[0], limit=64).hits) for _ in range(6)}
    assert len(answers) == 1
    assert len(next(iter(answers))) == 25


def test_clearing_replaces_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "words"
    write(folder)
    with WordWriter(folder, terms=TERMS, numbers=NUMBERS) as writer:
        writer.clear()
        writer.clear()
        writer.apply([Document(number=9, title="Only this")], deleted=[], revision=2)
    index = read(folder)
    assert (index.size, index.revision) == (1, 2)
    assert found(index, word("late")) == set()


def test_an_interrupted_clearing_starts_from_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "words"
    write(folder)
    with WordWriter(folder, terms=TERMS, numbers=NUMBERS) as writer:
        writer.clear()
    with WordWriter(folder, terms=TERMS, numbers=NUMBERS) as writer:
        assert writer.revision == 0
        writer.apply([Document(number=9, title="Only this")], deleted=[], revision=2)
    assert read(folder).size == 1
