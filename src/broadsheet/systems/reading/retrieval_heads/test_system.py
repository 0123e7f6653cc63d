"""Retrieval heads: scores against slow ones, heads off against arithmetic, spans, worlds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.reading.retrieval_heads.ablation import HeadAblation, mean_outputs
from broadsheet.systems.reading.retrieval_heads.decoder import (
    DecoderShape,
    build_decoder,
    extended,
)
from broadsheet.systems.reading.retrieval_heads.model import (
    StrongestKeys,
)
from broadsheet.systems.reading.retrieval_heads.taps import (
    Watcher,
    allowed_keys,
    attached,
    attention_layers,
)
from broadsheet.systems.reading.retrieval_heads.writing import write

SHAPE = DecoderShape(
    vocab=40, width=24, hidden=32, layers=3, heads=6, key_heads=2, head_size=4, positions=64
)
IDS = torch.tensor([[3, 9, 27, 4, 12, 36, 31, 16]])


def decoder(seed: int = 0, shape: DecoderShape = SHAPE) -> Any:
    model = build_decoder(shape, torch.Generator().manual_seed(seed))
    for parameter in model.parameters():  # sharper than 0.02, so that heads differ
        if parameter.ndim > 1:
            parameter.data.mul_(15.0)
    return model.eval()


def eager_rows(model: Any, ids: Tensor) -> list[Tensor]:
    """Attention weights [B, H, L, T] of every layer, by the library's own slow way."""
    model.set_attn_implementation("eager")
    found = model(ids, output_attentions=True).attentions
    model.set_attn_implementation("sdpa")
    return list(found)


def slow_output(model: Any, ids: Tensor, layer: int, change: Any) -> Tensor:
    """Logits with a change to what goes into one layer's output projection."""
    projection = attention_layers(model)[layer].o_proj
    handle = projection.register_forward_pre_hook(lambda module, inputs: (change(inputs[0]),))
    try:
        return model(ids).logits
    finally:
        handle.remove()


@torch.inference_mode()
def test_watching_changes_nothing_and_sees_what_eager_attention_sees() -> None:
    model = decoder()
    plain, rows = model(IDS).logits, eager_rows(model, IDS)
    watcher = StrongestKeys()
    with attached(model, [watcher]):
        watched = model(IDS).logits
    assert torch.equal(plain, watched)
    assert model.config._attn_implementation == "sdpa"
    expected = torch.stack([weights[:, :, -1].argmax(-1) for weights in rows], dim=1)
    assert torch.equal(watcher.take(), expected)
    assert len(set(expected.flatten().tolist())) > 2, "heads that all agree would test nothing"
    with pytest.raises(BadInput, match="no attention was seen"):
        watcher.take()


@torch.inference_mode()
def test_a_step_with_a_cache_sees_what_the_whole_pass_sees() -> None:
    model = decoder(1)
    rows = eager_rows(model, IDS)
    watcher = StrongestKeys()
    with attached(model, [watcher]):
        cache = model(IDS[:, :-1], use_cache=True).past_key_values
        watcher.take()
        model(IDS[:, -1:], past_key_values=cache, use_cache=True)
    expected = torch.stack([weights[:, :, -1].argmax(-1) for weights in rows], dim=1)
    assert torch.equal(watcher.take(), expected)


@torch.inference_mode()
def test_padding_is_never_the_strongest_key() -> None:
    """A mask hides keys from the watcher as it hides them from the model."""
    model = decoder(2)
    padded = torch.cat([torch.full((1, 5), 7), IDS], dim=1)
    mask = torch.cat([torch.zeros(1, 5), torch.ones(1, 8)], dim=1).long()
    watcher = StrongestKeys()
    with attached(model, [watcher]):
        model(padded, attention_mask=mask)
    assert watcher.take().min() >= 5


@torch.inference_mode()
def test_zero_output_removes_one_query_head_of_a_group() -> None:
    model = decoder()

    def without_head_4(x_BLD: Tensor) -> Tensor:
        x_BLHK = x_BLD.unflatten(-1, (6, 4)).clone()
        x_BLHK[:, :, 4] = 0.0
        return x_BLHK.flatten(2)

    slow = slow_output(model, IDS, 1, without_head_4)
    with HeadAblation(model, [(1, 4)]):
        fast = model(IDS).logits
    torch.testing.assert_close(fast, slow)
    assert not torch.allclose(fast, model(IDS).logits)


@torch.inference_mode()
def test_uniform_attention_is_the_mean_of_the_values_so_far_in_prompt_and_steps() -> None:
    model = decoder()
    layer, head = 2, 5
    values: list[Tensor] = []
    attention = attention_layers(model)[layer]
    hook = attention.v_proj.register_forward_hook(lambda m, i, output: values.append(output))
    model(IDS)
    hook.remove()
    value_BLK = values[0].unflatten(-1, (2, 4))[:, :, head // 3]
    counts = torch.arange(1, 9)[None, :, None]

    def uniform(x_BLD: Tensor) -> Tensor:
        x_BLHK = x_BLD.unflatten(-1, (6, 4)).clone()
        x_BLHK[:, :, head] = value_BLK.cumsum(1) / counts
        return x_BLHK.flatten(2)

    slow = slow_output(model, IDS, layer, uniform)
    with HeadAblation(model, [(layer, head)], "uniform_attention"):
        whole = model(IDS).logits
        cache = model(IDS[:, :-1], use_cache=True).past_key_values
        last = model(IDS[:, -1:], past_key_values=cache, use_cache=True).logits
    torch.testing.assert_close(whole, slow)
    torch.testing.assert_close(last[:, -1], slow[:, -1])


@torch.inference_mode()
def test_mean_output_puts_the_mean_over_all_tokens_in_place() -> None:
    model = decoder()
    other = torch.tensor([[5, 6, 7, 8, 9]])
    seen: list[Tensor] = []
    projection = attention_layers(model)[0].o_proj
    hook = projection.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0]))
    model(IDS), model(other)
    hook.remove()
    mean_HK = torch.cat([x[0] for x in seen]).mean(0).unflatten(0, (6, 4))
    means_NHK = mean_outputs(model, [IDS, other])
    torch.testing.assert_close(means_NHK[0], mean_HK)

    def replaced(x_BLD: Tensor) -> Tensor:
        x_BLHK = x_BLD.unflatten(-1, (6, 4)).clone()
        x_BLHK[:, :, 2] = mean_HK[2]
        return x_BLHK.flatten(2)

    slow = slow_output(model, IDS, 0, replaced)
    with HeadAblation(model, [(0, 2)], "mean_output", means_NHK):
        torch.testing.assert_close(model(IDS).logits, slow)


@torch.inference_mode()
@pytest.mark.parametrize("mode", ["zero_output", "uniform_attention"])
def test_each_row_of_a_batch_has_heads_of_its_own(mode: Any) -> None:
    model = decoder()
    sets = [(), ((0, 1), (2, 3)), ((1, 0),)]
    with HeadAblation(model, sets, mode):
        together = model(IDS.expand(3, -1)).logits
    for row, heads in enumerate(sets):
        with HeadAblation(model, list(heads), mode):
            alone = model(IDS).logits[0]
        torch.testing.assert_close(together[row], alone)
    with HeadAblation(model, sets, mode), pytest.raises(BadInput, match="its own heads"):
        model(IDS.expand(2, -1))


@torch.inference_mode()
def test_heads_come_back_also_after_an_error_and_blocks_nest() -> None:
    model = decoder()
    plain = model(IDS).logits
    with pytest.raises(ZeroDivisionError), HeadAblation(model, [(0, 0)]):
        raise ZeroDivisionError
    assert torch.equal(model(IDS).logits, plain)
    with HeadAblation(model, [(0, 0), (1, 1)]):
        both = model(IDS).logits
    with HeadAblation(model, [(0, 0)]), HeadAblation(model, [(1, 1)]):
        nested = model(IDS).logits
    torch.testing.assert_close(both, nested)
    assert torch.equal(model(IDS).logits, plain)


def test_what_a_model_does_not_have_is_refused() -> None:
    model = decoder()
    with pytest.raises(BadInput, match="no such head"):
        HeadAblation(model, [(0, 6)])
    with pytest.raises(UsageError, match="no such way"):
        HeadAblation(model, [(0, 0)], "halved")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="mean outputs"):
        HeadAblation(model, [(0, 0)], "mean_output")
    with pytest.raises(BadInput, match="no numbered attention layers"):
        attention_layers(torch.nn.Linear(2, 2))


@torch.inference_mode()
def test_capped_attention_is_the_library_s_eager_one() -> None:
    """Gemma 2 bends its scores; the library's fast attention can't, ours has to."""
    from transformers import Gemma2Config, Gemma2ForCausalLM

    sizes = Gemma2Config(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=4,
        attn_logit_softcapping=0.5,
        sliding_window=4,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Gemma2ForCausalLM(sizes).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data.mul_(10.0)
    model.set_attn_implementation("eager")
    slow = model(IDS).logits
    with attached(model, [Watcher()]):
        torch.testing.assert_close(model(IDS).logits, slow)
    assert model.config._attn_implementation == "eager"


def somebodys(name: str) -> Any:
    """Return a small model of another class of the library."""
    import transformers

    sizes: dict[str, Any] = {
        "vocab_size": 40,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    special: dict[str, dict[str, Any]] = {
        "Mistral": {"sliding_window": 3},
        "Qwen3": {"head_dim": 4},
        "GPT2": {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 64, "vocab_size": 40},
    }
    made = special["GPT2"] if name == "GPT2" else {**sizes, **special.get(name, {})}
    head = "LMHeadModel" if name == "GPT2" else "ForCausalLM"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = getattr(transformers, f"{name}Config")(**made)
        model = getattr(transformers, f"{name}{head}")(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data.mul_(10.0)
    return model


@torch.inference_mode()
@pytest.mark.parametrize("name", ["GPT2", "Mistral", "Qwen2", "Qwen3", "Phi3"])
def test_other_classes_are_watched_and_changed_without_code_of_their_own(name: str) -> None:
    """Fused projections, biases, norms on queries, windows of three tokens: one way for all."""
    model = somebodys(name)
    plain, rows = model(IDS).logits, eager_rows(model, IDS)
    watcher = StrongestKeys()
    with attached(model, [watcher]):
        torch.testing.assert_close(model(IDS).logits, plain)
    expected = torch.stack([weights[:, :, -1].argmax(-1) for weights in rows], dim=1)
    assert torch.equal(watcher.take(), expected)
    if name == "Mistral":
        assert expected.min() >= IDS.shape[1] - 3
    for mode in ("zero_output", "uniform_attention"):
        with HeadAblation(model, [(1, 2)], mode):  # type: ignore[arg-type]
            assert not torch.allclose(model(IDS).logits, plain)
    assert write(model, IDS, limit=5) == [
        model.generate(
            IDS,
            max_new_tokens=5,
            do_sample=False,
            pad_token_id=0,
            eos_token_id=None,
            attention_mask=torch.ones_like(IDS),
        )[0, 8:].tolist()
    ]


@torch.inference_mode()
def test_writing_is_the_librarys_greedy_generation() -> None:
    model = decoder(4)
    prompts = torch.cat([IDS, IDS.flip(1)])
    ours = write(model, prompts, limit=12)
    theirs = model.generate(
        prompts,
        max_new_tokens=12,
        do_sample=False,
        pad_token_id=0,
        attention_mask=torch.ones_like(prompts),
    )
    assert ours == theirs[:, 8:].tolist()
    stop = ours[0][4]
    ended = write(model, prompts, limit=12, stops=[stop])
    assert ended[0] == ours[0][: ours[0].index(stop)]
    with pytest.raises(BadInput, match="does not fit"):
        write(model, prompts, limit=60)


def test_steps_of_a_row_that_ended_are_told_as_none() -> None:
    model = decoder(4)
    prompts = torch.cat([IDS, IDS.flip(1)])
    free = write(model, prompts, limit=6)
    told: list[list[int | None]] = []
    stop = free[0][2]
    write(model, prompts, limit=6, stops=[stop], on_step=lambda t, k: told.append(t))
    at = free[0].index(stop)
    assert [row[0] for row in told[: at + 1]] == [*free[0][:at], None]


@torch.inference_mode()
def test_an_extended_model_shares_weights_and_turns_more_slowly() -> None:
    model = decoder(5)
    squeezed = extended(model, SHAPE, 4, "interpolation").eval()
    # Positions 0, 4, 8 of the squeezed model are positions 0, 1, 2 of the first.
    positions = torch.arange(8)[None] * 4
    torch.testing.assert_close(
        squeezed(IDS, position_ids=positions).logits, model(IDS).logits, rtol=1e-4, atol=1e-4
    )
    slower = extended(model, SHAPE, 4, "larger_base").eval()
    ratio = slower.config.rope_parameters["rope_theta"] / SHAPE.rope_base
    assert ratio == pytest.approx(4 ** (4 / 2))
    assert not torch.allclose(slower(IDS).logits, model(IDS).logits)
    assert squeezed.config.max_position_embeddings == 4 * SHAPE.positions


def test_the_mask_of_a_query_is_causal_without_a_mask() -> None:
    none = allowed_keys(None, 3, 3, torch.device("cpu"))
    assert np.array_equal((none == 0).numpy(), np.tril(np.ones((3, 3), bool)))
    given_mask = torch.tensor([[[[True, False, True, True]]]])
    assert (allowed_keys(given_mask, 1, 3, torch.device("cpu")) == 0).tolist() == [
        [[[True, False, True]]]
    ]


def test_weights_come_from_the_seed_alone() -> None:
    torch.manual_seed(1)
    one = build_decoder(SHAPE, SeedTree(3).torch())
    before = torch.random.get_rng_state()
    two = build_decoder(SHAPE, SeedTree(3).torch())
    assert torch.equal(before, torch.random.get_rng_state())
    for first, second in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(first, second)
