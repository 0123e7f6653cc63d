"""Exports answer as the trained module does and stop where they are told, or are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from tokenizers import Tokenizer

from broadsheet.core.errors import BadInput
from broadsheet.core.seeds import SeedTree
from broadsheet.data.tokenising import train_wordpiece
from broadsheet.export.parity import check_float32, check_int8, check_retrieval
from broadsheet.export.sample import passage_search
from broadsheet.export.static import export_static
from broadsheet.export.transformer import Exit, Facts, export_encoder, export_exits
from broadsheet.nn.bert_names import bert_weights
from broadsheet.nn.poolings.cls import ClsPooling
from broadsheet.nn.poolings.last import LastPooling
from broadsheet.nn.poolings.mean import MeanPooling
from broadsheet.nn.sentence import SentenceEncoder
from broadsheet.nn.transformer import Transformer, TransformerShape
from broadsheet.runtime.bert_graph import BertShape, Readout
from broadsheet.runtime.encoder import load_encoder
from broadsheet.runtime.sample import sample_texts

FACTS = Facts(id="tiny", licence="Apache-2.0", base_model="none")
TEXTS = ["we study graph networks", "speech", "a much longer text about attention and its length"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_wordpiece(sample_texts(), vocabulary=400)


@pytest.fixture(scope="module")
def encoder(tokenizer: Tokenizer) -> Transformer:
    shape = TransformerShape(
        vocab=tokenizer.get_vocab_size(), width=64, depth=3, heads=4, hidden=128, max_tokens=128
    )
    return Transformer(shape, torch.Generator().manual_seed(1)).eval()


def test_every_exit_answers_as_the_module_does(
    encoder: Transformer, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    sentence = SentenceEncoder(encoder, MeanPooling(), tokenizer, max_tokens=128)
    artefact = export_encoder(sentence, tmp_path / "tiny", FACTS, exits=(3, 1))
    for layers in (3, 1):
        exported = load_encoder(tmp_path / "tiny", layers=layers).encode(TEXTS)
        cosines = (exported * sentence.encode(TEXTS, layers=layers)).sum(axis=1)
        assert cosines.min() > 0.99
    apart = load_encoder(tmp_path / "tiny", layers=1).encode(TEXTS)
    assert not np.allclose(load_encoder(tmp_path / "tiny").encode(TEXTS), apart, atol=1e-2)
    assert all(variant.gate["max_error"] < 1e-4 for variant in artefact.variants)


def test_vectors_of_two_exits_have_two_versions(
    encoder: Transformer, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    sentence = SentenceEncoder(encoder, MeanPooling(), tokenizer, max_tokens=128)
    export_encoder(sentence, tmp_path / "tiny", FACTS, exits=(3, 1))
    plain, last, first = (load_encoder(tmp_path / "tiny", layers=n).version for n in (0, 3, 1))
    assert plain == last != first
    with pytest.raises(BadInput, match=r"can't stop there.*2 layers.*one of 1, 3"):
        load_encoder(tmp_path / "tiny", layers=2)


def test_an_early_graph_holds_no_later_layer_and_weights_are_kept_once(
    encoder: Transformer, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    sentence = SentenceEncoder(encoder, MeanPooling(), tokenizer, max_tokens=128)
    export_encoder(sentence, tmp_path / "one", FACTS, exits=(3,))
    export_encoder(sentence, tmp_path / "all", FACTS, exits=(3, 2, 1))
    size = {name: (tmp_path / name / "int8.weights").stat().st_size for name in ("one", "all")}
    assert size["one"] == size["all"]
    early = (tmp_path / "all" / "int8-1.onnx").read_bytes()
    assert b"encoder.layer.0" in early
    assert b"encoder.layer.1" not in early


def test_a_readout_is_computed(encoder: Transformer, tokenizer: Tokenizer, tmp_path: Path) -> None:
    rng = SeedTree(3).numpy()
    head, static = (rng.standard_normal((64, 64)).astype(np.float32) for _ in range(2))
    weight = rng.random(tokenizer.get_vocab_size()).astype(np.float32)
    sentence = SentenceEncoder(encoder, MeanPooling(), tokenizer, max_tokens=128)
    words = bert_weights(encoder)["embeddings.word_embeddings.weight"]

    def encode(texts: list[str]) -> np.ndarray:
        rows = []
        for text in texts:
            batch = sentence.tokenise([text])
            with torch.no_grad():
                states = sentence.states(batch, 2)[2][0].numpy()
            ids = batch.ids_BL[0].numpy()
            bag = (words[ids] * weight[ids, None]).mean(axis=0)
            row = head @ states.mean(axis=0) + static @ bag
            rows.append(row / np.linalg.norm(row))
        return np.stack(rows)

    readout = Readout(head=head, static=static, token_weight=weight)
    export_exits(
        bert_weights(encoder),
        BertShape(heads=4, pooling="mean"),
        sentence.tokenizer,
        tmp_path / "tiny",
        FACTS,
        exits=[Exit(layers=2, encode=encode, readout=readout)],  # type: ignore[arg-type]
        max_tokens=128,
    )
    assert (load_encoder(tmp_path / "tiny").encode(TEXTS) * encode(TEXTS)).sum(1).min() > 0.98


def test_cls_pooling_is_exported_and_others_are_refused(
    encoder: Transformer, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    first = SentenceEncoder(encoder, ClsPooling(), tokenizer, max_tokens=128)
    export_encoder(first, tmp_path / "first", FACTS)
    assert (load_encoder(tmp_path / "first").encode(TEXTS) * first.encode(TEXTS)).sum(
        1
    ).min() > 0.98
    last = SentenceEncoder(encoder, LastPooling(), tokenizer, max_tokens=128)
    with pytest.raises(BadInput, match="LastPooling"):
        export_encoder(last, tmp_path / "other", FACTS)
    with pytest.raises(BadInput, match="not empty"):
        export_encoder(first, tmp_path / "first", FACTS)


def test_a_module_that_says_something_else_is_refused(
    encoder: Transformer, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    sentence = SentenceEncoder(encoder, MeanPooling(), tokenizer, max_tokens=128)
    wrong = Exit(layers=2, encode=lambda texts: sentence.encode(texts, layers=1))
    with pytest.raises(BadInput, match="does not answer as the module does"):
        export_exits(
            bert_weights(encoder),
            BertShape(heads=4, pooling="mean"),
            sentence.tokenizer,
            tmp_path / "tiny",
            FACTS,
            exits=[wrong],
            max_tokens=128,
        )


def test_the_gates_let_through_what_is_close_and_nothing_else() -> None:
    rows = np.eye(4, dtype=np.float32)
    assert check_float32(rows, rows + 5e-5) < 1e-4
    with pytest.raises(BadInput, match="largest difference"):
        check_float32(rows, rows + 2e-4)
    turned = rows.copy()
    turned[:2] = turned[1::-1]
    with pytest.raises(BadInput, match=r"mean cosine of 0\.5"):
        check_int8(rows, turned)
    sample = passage_search()
    places = {text: n for n, text in enumerate([*sample.documents.values()])}

    def right(texts: list[str]) -> np.ndarray:
        found = [next(n for t, n in places.items() if t.startswith(text)) for text in texts]
        return np.eye(len(places), dtype=np.float32)[found]

    assert check_retrieval(right, right, sample) == 0  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="searches worse"):
        check_retrieval(right, lambda texts: np.ones((len(texts), 3)), sample)  # type: ignore[arg-type]


def test_a_table_is_exported_as_int8(tokenizer: Tokenizer, tmp_path: Path) -> None:
    rng = SeedTree(5).numpy()
    table = rng.standard_normal((tokenizer.get_vocab_size(), 16)).astype(np.float32)
    table[0] = 0

    def encode(texts: list[str]) -> np.ndarray:
        ids = [item.ids for item in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
        rows = np.stack([table[item].mean(axis=0) for item in ids])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    folder = tmp_path / "table"
    artefact = export_static(table, tokenizer, folder, FACTS, encode=encode)  # type: ignore[arg-type]
    assert np.load(folder / "vectors.npy").dtype == np.int8
    assert np.allclose(load_encoder(folder).encode(TEXTS), encode(TEXTS), atol=0.02)
    assert artefact.variants[0].gate["mean_cosine"] > 0.999
    assert json.loads((folder / "artefact.json").read_text())["kind"] == "static"


def test_the_graph_is_a_model_that_onnxruntime_checks(
    encoder: Transformer, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    sentence = SentenceEncoder(encoder, MeanPooling(), tokenizer, max_tokens=128)
    export_encoder(sentence, tmp_path / "tiny", FACTS, exits=(1,))
    session = onnxruntime.InferenceSession(str(tmp_path / "tiny" / "int8-1.onnx"))
    assert [item.name for item in session.get_outputs()] == ["vectors"]
