"""Distilled sentence embedding: the STS benchmark, probes of frozen vectors, and times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from broadsheet.core.seeds import SeedTree
from broadsheet.data.records import LabelledText
from broadsheet.data.sts import read_stsb
from broadsheet.systems.contract import Workspace
from broadsheet.systems.inputs import hash_files, note_files
from broadsheet.systems.text.distilled_sentence_embedding import data as data_module
from broadsheet.systems.text.distilled_sentence_embedding.building import make_student
from broadsheet.systems.text.distilled_sentence_embedding.data import Pairs, read_pairs
from broadsheet.systems.text.distilled_sentence_embedding.recipe import Recipe, presets
from broadsheet.systems.text.distilled_sentence_embedding.timing import MEASURED, SIZES, Speed
from broadsheet.systems.text.distilled_sentence_embedding.transfer import (
    SETS,
    chosen_texts,
    measure_transfer,
    pair_features,
    probe_entailment,
    probe_texts,
)
from broadsheet.systems.text.distilled_sentence_embedding.world import grammar_tokenizer


def smoke(arm: str) -> Recipe:
    return next(recipe for recipe in presets()["smoke"].arms if recipe.arm == arm)


def workspace(folder: Path) -> Workspace:
    for name in ("run", "shared"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return Workspace(run=folder / "run", shared=folder / "shared")


def linked(golden: Path, folder: Path) -> Path:
    """Return a folder of links to our small files, as a reader of several disks has it."""
    folder.mkdir()
    for name in ("sick", "stsb", "sent-conv"):
        (folder / name).symlink_to(golden / "data" / name)
    return folder


def test_sts_is_read_through_links_and_centred(golden, tmp_path, monkeypatch):
    monkeypatch.setattr(data_module, "tokenizer_of", lambda *_: grammar_tokenizer())
    place = replace(workspace(tmp_path), inputs=linked(golden, tmp_path / "inputs"))
    recipe = replace(smoke("dse"), world="stsb")
    with note_files([tmp_path / "inputs"]) as read:
        found = read_pairs(recipe, SeedTree(1), place)
    gold = [pair.score for pair in read_stsb(golden / "data", "train")]
    np.testing.assert_allclose(found.train.gold_NT[:, 0], np.array(gold) - 2.5)
    assert found.tasks.symmetric == (0,)
    assert set(hash_files(tmp_path / "inputs", read)) == {
        "stsb/stsb-en-test.csv",
        "stsb/stsb-en-train.csv",
    }


def test_no_text_is_fitted_on_and_measured_on(golden, tmp_path):
    for task in ("cr", "mr", "trec"):
        fitted, measured = chosen_texts(golden / "data", task)
        assert not {one.text for one in fitted} & {one.text for one in measured}
    fitted, measured = chosen_texts(golden / "data", "trec")
    assert {one.id for one in measured} == {f"trec-TREC.test.all-{n}" for n in (1, 2, 3)}
    assert {one.label for one in fitted} == {"abbreviation", "human"}


def test_a_probe_reads_what_is_in_the_vectors_only():
    rng = np.random.default_rng(0)
    texts = [LabelledText(str(i), f"t{i}", "ab"[i % 2]) for i in range(400)]
    vectors = rng.normal(size=(400, 6)).astype(np.float32)
    assert probe_texts(vectors, texts[:200], texts[200:], "noise").value < 65
    vectors[:, 2] += np.where(np.arange(400) % 2, 4.0, -4.0)
    assert probe_texts(vectors, texts[:200], texts[200:], "told").value > 95


def test_pair_features_do_not_see_the_order():
    u, v = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    np.testing.assert_array_equal(pair_features(u, v), pair_features(v, u))
    assert not np.allclose(pair_features(u, v), pair_features(u, u))


@pytest.mark.data
def test_probes_of_real_sets(data_folder, tmp_path, monkeypatch):
    """An untrained student's probes, on texts of a 60-word grammar: numbers, not quality."""
    monkeypatch.setattr(data_module, "tokenizer_of", lambda *_: grammar_tokenizer())
    recipe = replace(smoke("dse"), world="sick")
    place = replace(workspace(tmp_path), inputs=data_folder)
    pairs = read_pairs(recipe, SeedTree(1), place)
    student = make_student(recipe, pairs.tasks, SeedTree(1))
    vectors = np.random.default_rng(0).normal(size=(len(pairs.texts), 4)).astype(np.float32)
    found = measure_transfer(student, vectors, pairs, recipe, place)
    assert [one.dataset for one in found] == [*(f"transfer {name}" for name in SETS), "transfer"]
    assert {one.n for one in found[:-2]} == {500}
    assert found[-2].n == 4927
    assert all(len(one.items["right"]) == one.n for one in found[:-1])


def test_entailment_is_probed_on_the_pairs_of_the_run(golden, tmp_path, monkeypatch):
    monkeypatch.setattr(data_module, "tokenizer_of", lambda *_: grammar_tokenizer())
    place = replace(workspace(tmp_path), inputs=linked(golden, tmp_path / "inputs"))
    read = read_pairs(replace(smoke("dse"), world="sick"), SeedTree(1), place)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 4)).astype(np.float32)
    parts = []
    for count in (500, 200):
        first, second = rng.integers(60, size=(2, count))
        near = (vectors[first] * vectors[second]).sum(axis=1) > 0
        gold = np.stack([np.zeros(count), 1 + near], axis=1).astype(np.float32)
        parts.append(Pairs(tuple(map(str, range(count))), first, second, gold))
    data = replace(read, texts=tuple(map(str, range(60))), train=parts[0], test=parts[1])
    score = probe_entailment(data, vectors)
    assert score.n == 200
    assert score.value > 90
    assert set(score.items["gold"]) == {1, 2}


def test_a_cross_encoder_s_time_is_measured_up_to_10_000_pairs_and_multiplied_above():
    speed = Speed({1000: 5.0, 10_000: 60.0}, 0.003)
    assert speed.cross_encoder(10_000) == ("measured", 60.0)
    assert speed.cross_encoder(10**6) == ("extrapolated", 6000.0)
    assert {n * m for n, m in SIZES if n * m <= 10**4} == set(MEASURED)
