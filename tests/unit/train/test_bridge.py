"""The bridge to sentence-transformers: equal vectors, both ways, and our losses in its trainer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from tokenizers import Tokenizer
from torch import Tensor, nn

from broadsheet.core.errors import BadInput
from broadsheet.losses.contrastive import mnr
from broadsheet.nn.poolings.cls import ClsPooling
from broadsheet.nn.poolings.last import LastPooling
from broadsheet.nn.poolings.mean import MeanPooling
from broadsheet.nn.poolings.top_layers import TopLayersConcatPooling
from broadsheet.nn.poolings.weighted import WeightedPooling
from broadsheet.nn.sentence import SentenceEncoder
from broadsheet.nn.transformer import Transformer
from broadsheet.train.bridge import (
    SentenceTransformersLoss,
    from_sentence_transformers,
    to_sentence_transformers,
)

TEXTS = [
    "a paper about tiny encoders",
    "",
    "stop, or not at all: an early word that is unknown " * 4,
    "cut short",
    "Encoders are cut short early",
]

_PLAIN = """
import json, sys
sys.modules["broadsheet"] = None
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu")
print(json.dumps(model.encode(json.loads(sys.argv[2])).tolist()))
"""


@pytest.mark.parametrize("pooling", [MeanPooling(), ClsPooling(), LastPooling(), WeightedPooling()])
def test_vectors_are_equal(encoder: Transformer, tokenizer: Tokenizer, pooling: nn.Module) -> None:
    sentence = SentenceEncoder(encoder, pooling, tokenizer, max_tokens=20)
    theirs = to_sentence_transformers(sentence).encode(TEXTS)
    np.testing.assert_allclose(theirs, sentence.encode(TEXTS), atol=2e-6)


def test_a_folder_loads_without_us_and_gives_equal_vectors(
    encoder: Transformer, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    sentence = SentenceEncoder(encoder, MeanPooling(), tokenizer, max_tokens=20)
    model = to_sentence_transformers(sentence, layers=2, dims=6, prompts={"query": "a paper "})
    model.save_pretrained(str(tmp_path / "model"))
    command = [sys.executable, "-c", _PLAIN, str(tmp_path / "model"), json.dumps(TEXTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "MISSING" not in done.stderr
    theirs = np.array(json.loads(done.stdout.splitlines()[-1]), dtype=np.float32)
    ours = sentence.encode(TEXTS, layers=2, dims=6)
    assert theirs.shape == (5, 6)
    np.testing.assert_allclose(theirs, ours, atol=2e-6)
    again = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    asked = again.encode(TEXTS, prompt_name="query")
    expected = sentence.encode(["a paper " + text for text in TEXTS], layers=2, dims=6)
    np.testing.assert_allclose(asked, expected, atol=2e-6)


def test_there_and_back(encoder: Transformer, tokenizer: Tokenizer) -> None:
    sentence = SentenceEncoder(encoder, MeanPooling(), tokenizer, max_tokens=20)
    back = from_sentence_transformers(to_sentence_transformers(sentence, layers=2))
    assert back.depth == 2
    assert back.max_tokens == 20
    np.testing.assert_allclose(back.encode(TEXTS), sentence.encode(TEXTS, layers=2), atol=2e-6)


def test_what_has_no_counterpart_is_refused(encoder: Transformer, tokenizer: Tokenizer) -> None:
    odd = SentenceEncoder(encoder, TopLayersConcatPooling(n=2), tokenizer, max_tokens=20)
    with pytest.raises(BadInput, match="no such pooling"):
        to_sentence_transformers(odd)
    causal = SentenceEncoder(encoder.with_causal(True), MeanPooling(), tokenizer, max_tokens=20)
    with pytest.raises(BadInput, match="causal"):
        to_sentence_transformers(causal)
    plain = SentenceEncoder(encoder, MeanPooling(), tokenizer, max_tokens=20)
    with pytest.raises(BadInput, match="can't be cut"):
        to_sentence_transformers(plain, dims=17)
    cut = to_sentence_transformers(plain, dims=8)
    with pytest.raises(BadInput, match="Dense"):
        from_sentence_transformers(cut)


def test_our_losses_run_in_their_trainer(
    encoder: Transformer, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    sentence = SentenceEncoder(encoder, MeanPooling(), tokenizer, max_tokens=20)
    pairs = Dataset.from_dict(
        {
            "a": [" ".join(TEXTS[0].split()[: 1 + row % 5]) for row in range(8)],
            "b": [f"cut {'short ' * row}" for row in range(8)],
        }
    )

    def trained(make_loss: object) -> tuple[float, Tensor]:
        model = to_sentence_transformers(sentence)
        arguments = SentenceTransformerTrainingArguments(
            output_dir=str(tmp_path),
            per_device_train_batch_size=4,
            max_steps=3,
            report_to=[],
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
            seed=4,
        )
        trainer = SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=pairs,
            loss=make_loss(model),  # type: ignore[operator]
        )
        result = trainer.train()
        weights = torch.cat([p.detach().flatten() for p in model.parameters()])
        return result.training_loss, weights

    ours = trained(lambda m: SentenceTransformersLoss(m, lambda xs, labels: mnr(xs[0], xs[1])))
    theirs = trained(MultipleNegativesRankingLoss)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-5)
    torch.testing.assert_close(ours[1], theirs[1], rtol=1e-4, atol=1e-5)
