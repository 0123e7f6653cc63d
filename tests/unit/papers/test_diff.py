from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broadsheet.papers.diff import diff_words, version_changes
from broadsheet.papers.model import Version, Work

WORDS = st.lists(st.sampled_from(["a", "word", "x-ray", "it's", ".", r"\alpha", "é", "$x$"]))
TEXT = st.one_of(WORDS.map(" ".join), st.text(max_size=30))


@given(old=TEXT, new=TEXT)
def test_segments_give_both_texts(old: str, new: str) -> None:
    parts = diff_words(old, new)
    assert "".join(part.text for part in parts if part.op != "added") == old
    assert "".join(part.text for part in parts if part.op != "removed") == new
    assert all(part.text for part in parts)
    if old == new:
        assert {part.op for part in parts} <= {"same"}


def test_words_change_whole() -> None:
    parts = diff_words("state-of-the-art results.", "better results.")
    assert [(part.op, part.text) for part in parts] == [
        ("removed", "state-of-the-art"),
        ("added", "better"),
        ("same", " results."),
    ]


def test_version_changes_pass_over_unknown_texts() -> None:
    work = Work(
        id="x",
        versions=(
            Version(number=1, title="One", abstract="We see."),
            Version(number=2, date="2024-02-01"),
            Version(number=3, date="2024-03-01", title="One", abstract="We now see."),
            Version(number=4, title="One", abstract="We now see."),
            Version(number=5, title="Two"),
        ),
    )
    third, fifth = version_changes(work)
    assert (third.number, third.since, third.date, third.title) == (3, 1, "2024-03-01", ())
    assert [(part.op, part.text) for part in third.abstract if part.op == "added"] == [
        ("added", " now")
    ]
    assert (fifth.number, fifth.since, fifth.abstract) == (5, 4, ())
    assert [part.text for part in fifth.title] == ["One", "Two"]
