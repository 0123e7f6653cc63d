"""Readers of judged pairs: STS in both shapes, the years of SemEval, SICK."""

from __future__ import annotations

from pathlib import Path

import pytest

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.data.records import ScoredPair
from broadsheet.data.sick import read_sick
from broadsheet.data.sts import LANGUAGES, read_sts_year, read_stsb


@pytest.mark.parametrize("inside", ["", "stsb"])
def test_stsb_with_quotes_and_commas(golden: Path, inside: str) -> None:
    pairs = read_stsb(golden / "data" / inside, "test")
    assert [pair.score for pair in pairs] == [4.6, 1.25, 0.0]
    assert pairs[1] == ScoredPair(
        "stsb-en-test-2",
        "Two maps, both old, lie on a table.",
        'A "new" map hangs on the wall.',
        1.25,
    )


def test_stsb_first_release_keeps_the_genre(golden: Path) -> None:
    first, second = read_stsb(golden / "data", "dev")
    assert (first.label, first.score, first.a) == ("main-captions", 5.0, "A man is drawing a map.")
    assert second.b == 'Kettle "recall" begins'


def test_stsb_in_other_languages(golden: Path) -> None:
    assert read_stsb(golden / "data", "test", "de")[0].a == "Ein Kessel kocht."
    with pytest.raises(BadInput, match=r"no stsb/stsb-fr-test\.csv"):
        read_stsb(golden / "data", "test", "fr")
    with pytest.raises(UsageError, match="no such part"):
        read_stsb(golden / "data", "test", "tlh")
    with pytest.raises(UsageError, match="no such part"):
        read_stsb(golden / "data", "trial")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a,b,5.5", "not between 0 and 5"),
        ("a,b,nan", "not a finite number"),
        ("a,b", "2 fields instead of 3"),
        ("a,,1", "an empty sentence"),
    ],
)
def test_stsb_broken_lines(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "stsb-en-test.csv").write_text(f"a,b,1.0\n{line}\n")
    with pytest.raises(BadInput, match=f"line 2: {message}|line 2: the score is {message}"):
        read_stsb(tmp_path, "test")


def test_sts_years(golden: Path) -> None:
    folder = golden / "data"
    assert read_sts_year(folder, 2012)["OnWN"][0].score == 4.5
    assert list(read_sts_year(folder / "sts", 2012, "train")) == ["SMTeuroparl"]
    # Most pairs of 2015 were never scored; the id keeps the line.
    assert [p.id for p in read_sts_year(folder, 2015)["answers-forums"]] == [
        "sts2015-answers-forums-test-2"
    ]
    with pytest.raises(BadInput, match="no STS pairs of 2016"):
        read_sts_year(folder, 2016)
    with pytest.raises(UsageError, match="2012 to 2016"):
        read_sts_year(folder, 2017)


def test_sick(golden: Path) -> None:
    assert [len(read_sick(golden / "data", split)) for split in ("train", "dev", "test")] == [
        2,
        1,
        3,
    ]
    last = read_sick(golden / "data" / "sick", "test")[2]
    assert (last.id, last.score, last.label) == ("sick-33", 3.5, "CONTRADICTION")
    with pytest.raises(UsageError, match="train, dev or test"):
        read_sick(golden, "trial")  # type: ignore[arg-type]


def test_sick_as_its_authors_publish_it(tmp_path: Path) -> None:
    (tmp_path / "SICK.txt").write_text(
        "pair_ID\tsentence_A\tsentence_B\tentailment_label\trelatedness_score\tSemEval_set\n"
        "1\tA kettle boils\tNothing boils\tCONTRADICTION\t3.3\tTEST\n"
        "2\tA kettle boils\tWater boils\tENTAILMENT\t4.5\tTRIAL\n"
    )
    assert [pair.id for pair in read_sick(tmp_path, "dev")] == ["sick-2"]
    assert read_sick(tmp_path, "test")[0].score == 3.3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pair_ID\tsentence_A\n", "no column sentence_B"),
        ("{head}1\ta\tb\t9\tNEUTRAL\n", "no relatedness from 1 to 5"),
        ("{head}1\ta\tb\t3\tMAYBE\n", "no entailment label"),
        ("{head}1\ta\tb\n", "3 fields instead of 5"),
    ],
)
def test_sick_broken(tmp_path: Path, text: str, message: str) -> None:
    head = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"
    (tmp_path / "SICK_train.txt").write_text(text.replace("{head}", head))
    with pytest.raises(BadInput, match=message):
        read_sick(tmp_path, "train")


@pytest.mark.data
def test_real_sets_have_their_published_sizes(data_folder: Path) -> None:
    sizes = {split: len(read_stsb(data_folder, split)) for split in ("train", "dev", "test")}
    assert sizes == {"train": 5749, "dev": 1500, "test": 1379}
    assert all(len(read_stsb(data_folder, "test", language)) == 1379 for language in LANGUAGES)
    sick = [len(read_sick(data_folder, split)) for split in ("train", "dev", "test")]
    assert sick == [4500, 500, 4927]
    assert {name: len(pairs) for name, pairs in read_sts_year(data_folder, 2014).items()} == {
        "OnWN": 750,
        "deft-forum": 450,
        "deft-news": 300,
        "headlines": 750,
        "images": 750,
        "tweet-news": 750,
    }
    # Of 2015's pairs 3,000 were scored.
    assert sum(map(len, read_sts_year(data_folder, 2015).values())) == 3000
