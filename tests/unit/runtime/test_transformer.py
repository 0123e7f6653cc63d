from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from broadsheet.core.errors import BadInput
from broadsheet.runtime.artefact import Artefact, Variant
from broadsheet.runtime.encoder import load_encoder
from broadsheet.runtime.onnx_format import Graph
from broadsheet.runtime.transformer import CrossEncoder

TEXTS = ["a b c", "d", "a b c d e f g h", "t s r", "", "b", "c d e"] * 5


def test_order_of_input_and_one_at_a_time(bert_folder: Path) -> None:
    encoder = load_encoder(bert_folder, threads=1)
    done: list[int] = []
    vectors = encoder.encode(TEXTS, advance=done.append)
    assert vectors.shape == (len(TEXTS), 16)
    assert sum(done) == len(TEXTS)
    apart = np.concatenate([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(vectors, apart, atol=1e-5)
    filled = [bool(text) for text in TEXTS]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), filled, atol=1e-5)
    assert encoder.encode([]).shape == (0, 16)


def test_long_texts_are_cut_and_queries_have_a_prompt(bert_folder: Path) -> None:
    encoder = load_encoder(bert_folder, threads=1)
    long = encoder.encode(["a b c d e f g h i j k l m n o p", "a b c d e f g h i j"])
    np.testing.assert_array_equal(long[0], long[1])  # 12 tokens, two of them special
    query = encoder.encode(["a"], role="query")
    np.testing.assert_array_equal(query, encoder.encode(["q a"]))
    assert not np.allclose(query, encoder.encode(["a"]), atol=1e-3)


def test_threads_share_an_encoder(bert_folder: Path) -> None:
    encoder = load_encoder(bert_folder, threads=1)
    expected = encoder.encode(TEXTS)
    found: list[bool] = []

    def work() -> None:
        found.extend(np.allclose(encoder.encode(TEXTS), expected, atol=1e-5) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 20


def padded_graph(rows: int, dim: int) -> bytes:
    """States that are a token's vector, and rubbish where the mask is zero."""
    table = np.random.default_rng(1).normal(size=(rows, dim)).astype(np.float32)
    graph = Graph("padded")
    ids = graph.input("input_ids", "int64", ["rows", "tokens"])
    mask = graph.input("attention_mask", "int64", ["rows", "tokens"])
    types = graph.input("token_type_ids", "int64", ["rows", "tokens"])
    axis = graph.constant("last", np.array([-1]))
    states = graph.node("Gather", [graph.constant("table", table), ids])
    hidden = graph.node("Sub", [graph.node("Add", [mask, types]), graph.constant("k", np.array(1))])
    noise = graph.node("Cast", [graph.node("Unsqueeze", [hidden, axis])], to=1)
    graph.node("Add", [states, noise], ["states"])
    graph.output("states", "float32", ["rows", "tokens", dim])
    return graph.to_bytes()


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_padding_does_not_leak_into_the_mean(
    make_folder: Callable[..., Path], pooling: str
) -> None:
    artefact = Artefact(id="padded", kind="onnx", dim=8, pooling=pooling, max_tokens=12)
    variant = Variant(name="as-shipped", runtime="onnxruntime", file="model.onnx")
    encoder = load_encoder(make_folder("padded", padded_graph(24, 8), artefact, variant))
    together = encoder.encode(["a b c d e f", "b", "c d"])
    apart = np.concatenate([encoder.encode([text]) for text in ("a b c d e f", "b", "c d")])
    np.testing.assert_allclose(together, apart, atol=1e-6)


def test_a_graph_of_another_size(make_folder: Callable[..., Path]) -> None:
    artefact = Artefact(id="wrong", kind="onnx", dim=9, max_tokens=12)
    variant = Variant(name="as-shipped", runtime="onnxruntime", file="model.onnx")
    encoder = load_encoder(make_folder("wrong", padded_graph(24, 8), artefact, variant))
    with pytest.raises(BadInput, match="another size"):
        encoder.encode(["a"])


def test_a_graph_that_is_none(make_folder: Callable[..., Path]) -> None:
    artefact = Artefact(id="broken", kind="onnx", dim=8, max_tokens=12)
    variant = Variant(name="as-shipped", runtime="onnxruntime", file="model.onnx")
    folder = make_folder("broken", b"this is not a graph", artefact, variant)
    with pytest.raises(BadInput, match="model can't be loaded"):
        load_encoder(folder)


def scoring_graph() -> bytes:
    """A logit that counts the tokens of the second segment."""
    graph = Graph("scores")
    types = graph.input("token_type_ids", "int64", ["rows", "tokens"])
    axis = graph.constant("axis", np.array([1]))
    counted = graph.node("ReduceSum", [types, axis], keepdims=1)
    graph.node("Cast", [counted], ["logits"], to=1)
    graph.output("logits", "float32", ["rows", 1])
    return graph.to_bytes()


def test_cross_encoder_scores_in_order(make_folder: Callable[..., Path], bert_folder: Path) -> None:
    artefact = Artefact(id="scores", kind="cross-encoder", dim=1, pooling="none", max_tokens=12)
    variant = Variant(name="as-shipped", runtime="onnxruntime", file="model.onnx")
    folder = make_folder("scores", scoring_graph(), artefact, variant)
    reranker = CrossEncoder(folder, threads=1)
    scores = reranker.score("a b", ["c", "c d e", "", "a b c d e f g h i j k"])
    assert scores.tolist() == [2, 4, 1, 8]  # the last is cut: 12 tokens in all
    assert reranker.score("a", []).shape == (0,)
    with pytest.raises(BadInput, match="not an encoder"):
        load_encoder(folder)
    with pytest.raises(BadInput, match="not a reranker"):
        CrossEncoder(bert_folder)
