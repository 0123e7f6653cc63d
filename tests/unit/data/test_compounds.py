"""Phrases of two words: the three probes agree, labels come from where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.data.compounds import read_idioms, read_noun_compounds

HEADERS = {
    "P1": '"compound","neutral sentence","mwe synonym"',
    "P2": '"compound","neutral sentence","head only","modifier only"',
    "P3": '"compound","neutral sentence","both synonyms"',
}
ROWS = {
    "P1": '"brick wall","This is a brick wall","This is an obstacle"',
    "P2": '"brick wall","This is a brick wall","This is a wall","This is a brick"',
    "P3": '"brick wall","This is a brick wall","This is a block fence"',
}


def write_compounds(folder: Path, **rows: str) -> Path:
    for probe, header in HEADERS.items():
        text = f"{header}\n{rows.get(probe, ROWS[probe])}\n"
        (folder / f"ncs_en_{probe}.csv").write_text(text, encoding="utf-8")
    return folder


def test_a_compound_has_all_replacements(tmp_path: Path) -> None:
    [one] = read_noun_compounds(write_compounds(tmp_path))
    assert (one.synonym, one.parts) == ("This is an obstacle", "This is a block fence")
    assert (one.head, one.modifier) == ("This is a wall", "This is a brick")


def test_other_compounds_in_one_probe(tmp_path: Path) -> None:
    folder = write_compounds(tmp_path, P3='"hot dog","This is a hot dog","This is a warm hound"')
    with pytest.raises(BadInput, match="other compounds than P1"):
        read_noun_compounds(folder)


def write_idioms(folder: Path, label: str = "0") -> Path:
    head = "DataID,Language,MWE,Setting,Previous,Target,Next,Label\n"
    rows = f"a,EN,big fish,zero_shot,Before.,A big fish.,After.,{label}\n"
    rows += "b,PT,peixe grande,zero_shot,x,y,z,1\n"
    (folder / "SubTaskA_Data_train_zero_shot.csv").write_text(head + rows)
    (folder / "SubTaskA_Data_dev.csv").write_text(
        'ID,Language,MWE,Previous,Target,Next\n7,EN,old hat,x,"An old hat, here.",z\n'
    )
    (folder / "SubTaskA_Data_dev_gold.csv").write_text("ID,DataID,Language,Label\n7,d,EN,1\n")
    return folder


def test_zero_is_idiomatic_and_dev_takes_its_labels_from_the_gold_file(tmp_path: Path) -> None:
    folder = write_idioms(tmp_path)
    [train], [dev] = read_idioms(folder, "train"), read_idioms(folder, "dev")
    assert (train.phrase, train.idiomatic) == ("big fish", True)
    assert (dev.id, dev.sentence, dev.idiomatic) == ("7", "An old hat, here.", False)
    assert [one.phrase for one in read_idioms(folder, "train", language="PT")] == ["peixe grande"]


def test_a_label_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="the label is 0"):
        read_idioms(write_idioms(tmp_path, label=""), "train")
    with pytest.raises(UsageError, match="no such split"):
        read_idioms(tmp_path, "test")  # type: ignore[arg-type]


@pytest.mark.data
def test_the_real_files(data_folder: Path) -> None:
    assert len(read_noun_compounds(data_folder)) == 281
    train, dev = read_idioms(data_folder, "train"), read_idioms(data_folder, "dev")
    assert (len(train), len(dev)) == (3327, 466)
    assert not {one.phrase for one in train} & {one.phrase for one in dev}
