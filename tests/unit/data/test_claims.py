"""Claims: broken rows are mended and counted, the checker's own page is no evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.data.claims import LIAR_LABELS, Claim, read_liar_plus, read_multifc


def liar_row(label: str = "true", justification: str = "Because.", **changes: str) -> str:
    fields = {
        "index": "0",
        "id": "12.json",
        "label": label,
        "text": "A claim.",
        "subject": "jobs",
        "speaker": "ann",
        "job": "",
        "state": "Ohio",
        "party": "none",
        **{f"count{i}": "3" for i in range(5)},
        "venue": "a speech",
        "justification": justification,
    }
    return "\t".join({**fields, **changes}.values())


def write_liar(folder: Path, *lines: str) -> Path:
    (folder / "liar_plus_test.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_a_row_of_liar_plus(tmp_path: Path) -> None:
    row = liar_row(text='"He said ""no"" twice."')
    [claim] = read_liar_plus(write_liar(tmp_path, row), "test").claims
    assert claim == Claim(
        id="liar-test-12",
        text='He said "no" twice.',
        label="true",
        domain="politifact",
        evidence=("Because.",),
        metadata=(
            ("subject", "jobs"),
            ("speaker", "ann"),
            ("job", ""),
            ("state", "Ohio"),
            ("party", "none"),
            ("venue", "a speech"),
        ),
    )


def test_counts_of_past_verdicts_are_left_out(tmp_path: Path) -> None:
    row = liar_row(count0="777")
    [claim] = read_liar_plus(write_liar(tmp_path, row), "test").claims
    assert "777" not in str(claim)


def test_a_row_broken_in_two_is_put_together(tmp_path: Path) -> None:
    whole = liar_row(venue="a speech", justification="")
    first = whole.removesuffix("\t")  # the line feed stands inside the venue
    found = read_liar_plus(write_liar(tmp_path, first, "\t", liar_row(id="13.json")), "test")
    assert found.joined == 1
    assert found.without_evidence == 1
    assert [claim.id for claim in found.claims] == ["liar-test-12", "liar-test-13"]
    assert found.claims[0].evidence == ()
    assert dict(found.claims[0].metadata)["venue"] == "a speech"


def test_blank_labels_are_counted_and_left_out(tmp_path: Path) -> None:
    found = read_liar_plus(write_liar(tmp_path, liar_row(label=""), liar_row()), "test")
    assert (found.without_label, len(found.claims)) == (1, 1)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((liar_row(label="maybe"),), "no label of LIAR"),
        ((liar_row() + "\textra",), "17 fields"),
        (("\t".join(["x"] * 9),), "ends inside a row"),
    ],
)
def test_what_cannot_be_mended(tmp_path: Path, lines: tuple[str, ...], reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        read_liar_plus(write_liar(tmp_path, *lines), "test")


def test_no_such_split(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such split"):
        read_liar_plus(tmp_path, "dev")
    with pytest.raises(UsageError, match="no such split"):
        read_multifc(tmp_path, "val")


def multifc(folder: Path, *results: str, label: str = "mostly true") -> Path:
    row = ["pomt-1", "A claim", label, "https://checker.org/a", "None", "jobs", "ann", "bob"]
    row += ["tag", "title", "2019", "2018", "None"]
    (folder / "train.tsv").write_text("\t".join(row) + "\n", encoding="utf-8")
    (folder / "snippets").mkdir()
    (folder / "snippets" / "pomt-1").write_text("\n".join(results) + "\n", encoding="utf-8")
    return folder


def test_evidence_from_the_checker_s_own_site_is_removed(tmp_path: Path) -> None:
    folder = multifc(
        tmp_path,
        "1\tVerdict\tIt is mostly true\thttps://checker.org/b",
        "2\tNews\tSomething else\thttps://news.example/c",
        "3\tNone\tNo address",
    )
    found = read_multifc(folder, "train")
    [claim] = found.claims
    assert claim.evidence == ("News Something else", "No address")
    assert claim.domain == "pomt"
    assert found.removed_evidence == 1
    assert dict(claim.metadata)["entities"] == ""


def test_ten_passages_at_most_and_a_claim_without_label(tmp_path: Path) -> None:
    many = [f"{n}\tt{n}\tx\thttps://news.example/{n}" for n in range(12)]
    [claim] = read_multifc(multifc(tmp_path, *many), "train").claims
    assert len(claim.evidence) == 10
    (tmp_path / "other").mkdir()
    assert read_multifc(multifc(tmp_path / "other", label="None"), "train").without_label == 1


def test_snippets_may_not_lead_out_of_their_folder(tmp_path: Path) -> None:
    folder = multifc(tmp_path, "1\ta\tb\tc")
    (tmp_path / "secret").write_text("1\tsecret\tx\thttps://a.example\n")
    (folder / "snippets" / "pomt-1").unlink()
    (folder / "snippets" / "pomt-1").symlink_to(tmp_path / "secret")
    with pytest.raises(BadInput, match="leads out"):
        read_multifc(folder, "train")


@pytest.mark.data
def test_the_real_files(data_folder: Path) -> None:
    val, test = (read_liar_plus(data_folder, name) for name in ("val", "test"))
    assert (len(val.claims), len(test.claims)) == (1284, 1283)
    assert (val.joined, test.joined) == (0, 16)
    assert (val.without_evidence, test.without_evidence) == (4, 25)
    assert {claim.label for claim in test.claims} == set(LIAR_LABELS)
    assert len({claim.id for claim in (*val.claims, *test.claims)}) == 2567
