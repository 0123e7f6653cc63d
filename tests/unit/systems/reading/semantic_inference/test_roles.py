"""Masks, parses and guided attention against slow references, and every known pitfall."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.core.seeds import SeedTree
from broadsheet.systems.reading.semantic_inference.guided import (
    GuidedAttention,
    GuidedShape,
    RoleGuidedEncoder,
    role_bias,
)
from broadsheet.systems.reading.semantic_inference.masks import (
    ROLES,
    RoleMaskBuilder,
    borrowed_masks,
    known_roles,
    random_masks,
    slots_of,
    word_idf,
)
from broadsheet.systems.reading.semantic_inference.parses import Parse, from_spacy, read_parses
from broadsheet.systems.reading.semantic_inference.recipe import RoleSettings
from broadsheet.systems.reading.semantic_inference.role_data import made_sentences, make_masks
from broadsheet.systems.reading.semantic_inference.role_training import shape_of

SENTENCE = Parse(
    ("A", "big", "dog", "quickly", "chased", "the", "cat", "."),
    (2, 2, 4, 4, 4, 6, 4, 4),
    ("det", "amod", "nsubj", "advmod", "ROOT", "det", "dobj", "punct"),
    ("DET", "ADJ", "NOUN", "ADV", "VERB", "DET", "NOUN", "PUNCT"),
)


def dice(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- masks


def allowed(role: str, one: Parse = SENTENCE, **settings) -> np.ndarray:
    return RoleMaskBuilder((role,), {}, **settings).build(one)[0]


def test_words_are_shifted_by_one_for_start():
    mask = allowed("both_direct")
    for place, head in enumerate(SENTENCE.heads):
        assert mask[place + 1, head + 1]
        assert mask[head + 1, place + 1]
    children_of_dog = {1, 2}  # "A" and "big" stand in slots 1 and 2
    assert set(np.flatnonzero(mask[3])) == children_of_dog | {3, 5}


def test_positional_is_two_to_each_side():
    mask = allowed("positional")
    wanted = [[abs(i - j) <= 2 for j in range(10)] for i in range(10)]
    assert mask.tolist() == wanted


@pytest.mark.parametrize("label", ["dobj", "obj"])
def test_object_is_a_major_relation_under_both_names(label):
    relations = tuple(label if r == "dobj" else r for r in SENTENCE.relations)
    mask = allowed("major_rels", replace(SENTENCE, relations=relations))
    # big, dog (head of amod, subject), A (child of dog), quickly, chased, cat, the (child of cat),
    # and every child of a chosen word; the full stop hangs on "chased", which is only a head.
    assert np.flatnonzero(mask[1]).tolist() == [1, 2, 3, 4, 5, 6, 7]
    without = allowed("major_rels", replace(SENTENCE, relations=("dep",) * 8))
    assert np.flatnonzero(without[3]).tolist() == [3]  # itself only


def test_separator_holds_both_ends_and_punctuation():
    assert np.flatnonzero(allowed("separator")[4]).tolist() == [0, 8, 9]


def test_rare_words_are_alphabetic_and_at_least_two():
    idf = word_idf([("a", "the", "dog"), ("a", "the", "cat"), ("a", "big", ".")])
    mask = RoleMaskBuilder(("rare_word",), idf).build(SENTENCE)[0]
    assert np.flatnonzero(mask[1]).tolist() == [4, 5]  # never counted: "quickly", "chased"


@pytest.mark.parametrize("role", ["noun", "verb", "adjective", "negation", "stop_word"])
def test_other_column_roles(role):
    wanted = {"noun": [3, 7], "verb": [5], "adjective": [2], "stop_word": [1, 6], "negation": [5]}
    one = (
        SENTENCE
        if role != "negation"
        else replace(SENTENCE, words=("A", "big", "dog", "quickly", "never", "the", "cat", "."))
    )
    assert np.flatnonzero(allowed(role, one)[3]).tolist() == wanted[role]


def test_an_empty_row_gets_itself_only_in_fixed_mode():
    nothing = replace(SENTENCE, relations=("dep",) * 8)
    official = allowed("major_rels", nothing, mode="official")
    fixed = allowed("major_rels", nothing)
    assert not official.any()
    assert fixed.tolist() == np.eye(10, dtype=bool).tolist()


@pytest.mark.parametrize("role", known_roles())
@pytest.mark.parametrize("most", [1, 3, 5])
def test_heads_behind_the_cut_are_left_out(role, most):
    mask = allowed(role, most=most)
    assert mask.shape == (most + 2, most + 2)
    assert mask.any(axis=1).all()
    if role == "both_direct" and most == 3:  # the head of "dog" is "chased", which is cut off
        assert np.flatnonzero(mask[3]).tolist() == [1, 2, 3]


def test_word_pieces_copy_row_and_column_of_their_word():
    words = [None, 0, 1, 1, 2, 3, 3, 3, 4, 5, 6, 7, None]
    builder = RoleMaskBuilder(ROLES, {})
    pieces, slots = builder.build_pieces(SENTENCE, words), builder.build(SENTENCE)
    assert slots_of(words, 8).tolist() == [0, 1, 2, 2, 3, 4, 4, 4, 5, 6, 7, 8, 9]
    for i, one in enumerate(slots_of(words, 8)):
        for j, other in enumerate(slots_of(words, 8)):
            assert pieces[:, i, j].tolist() == slots[:, one, other].tolist()


def test_pieces_of_words_that_were_cut_off_are_at_the_end():
    assert slots_of([None, 0, 1, 2, None], 2).tolist() == [0, 1, 2, 3, 3]


@given(st.integers(0, 10_000))
def test_random_masks_are_as_dense_row_by_row(seed):
    own = RoleMaskBuilder(ROLES, {}).build(SENTENCE)
    drawn = random_masks(own, np.random.default_rng(seed))
    assert (drawn.sum(axis=2) == own.sum(axis=2)).all()


def test_random_masks_differ_from_the_guides():
    own = RoleMaskBuilder(ROLES, {}).build(SENTENCE)
    assert (random_masks(own, np.random.default_rng(1)) != own).any()


@pytest.mark.parametrize("size", [4, 10, 14])
def test_borrowed_masks_fit_and_leave_no_row_empty(size):
    own = RoleMaskBuilder(ROLES, {}).build(SENTENCE)
    lent = borrowed_masks(own, size)
    assert lent.shape == (5, size, size)
    assert lent.any(axis=2).all()
    if size == 10:
        assert (lent == own).all()
    assert lent[3][1, [0, size - 1]].all()  # START and END stay at the ends


def test_borrowed_guides_come_from_another_sentence_of_the_same_part():
    _, parses = made_sentences(20)
    settings = RoleSettings(tasks=("made",), control="borrowed")
    lent = make_masks(parses, 12, settings, SeedTree(1))
    own = make_masks(parses, 12, replace(settings, control="guided"), SeedTree(1))
    assert any(not np.array_equal(a, b) for a, b in zip(lent, own, strict=True))
    assert [a.shape for a in lent] == [b.shape for b in own]


def test_unknown_role_is_refused():
    with pytest.raises(UsageError, match="no such role"):
        RoleMaskBuilder(("nonsense",), {})


# --- parses


def test_a_parse_from_tokens_of_a_later_sentence():
    tokens = [SimpleNamespace(i=5, text="dogs", dep_="nsubj", pos_="NOUN")]
    tokens.append(SimpleNamespace(i=6, text="bark", dep_="ROOT", pos_="VERB"))
    for token in tokens:
        token.head = tokens[1]
    assert from_spacy(tokens) == Parse(
        ("dogs", "bark"), (1, 1), ("nsubj", "ROOT"), ("NOUN", "VERB")
    )


def test_a_tree_whose_heads_lead_nowhere_is_refused():
    with pytest.raises(BadInput, match="not a dependency tree"):
        Parse(("a",), (1,), ("ROOT",), ("X",))


def test_parses_come_from_the_cache_without_a_parser(tmp_path, monkeypatch):
    from broadsheet.systems.reading.semantic_inference import parses

    texts = ["dogs bark", "cats sleep"]
    made = [Parse(tuple(t.split()), (1, 1), ("nsubj", "ROOT"), ("NOUN", "VERB")) for t in texts]
    with monkeypatch.context() as patch:
        patch.setattr(parses, "parse", lambda given, progress: iter(made))
        assert read_parses(texts, tmp_path) == made
    monkeypatch.setattr(parses, "parse", lambda given, progress: pytest.fail("parsed again"))
    assert read_parses(texts, tmp_path) == made


# --- guided attention


def tiny(**changes) -> GuidedShape:
    settings = {"inputs": 6, "width": 12, "depth": 2, "heads": 4, "hidden": 8, "roles": 2}
    return GuidedShape(**{**settings, "dropout": 0.0, "max_tokens": 9, **changes})


def inputs(rows: int = 2, length: int = 5):
    x = torch.randn(rows, length, 6, generator=dice(3))
    mask = torch.ones(rows, length)
    mask[0, 3:] = 0
    roles = torch.rand(rows, 2, length, length, generator=dice(4)) > 0.5
    roles |= torch.eye(length, dtype=torch.bool)
    return x, mask, roles


@pytest.mark.parametrize("scale", ["head", "model"])
def test_attention_is_that_of_a_plain_loop(scale):
    attention = GuidedAttention(tiny(scale=scale))
    x, (_, mask, roles) = torch.randn(2, 5, 12, generator=dice(5)), inputs()
    found = attention.weights(x, mask, roles)
    q, k = attention.query(x), attention.key(x)
    for b in range(2):
        for h in range(4):
            part = slice(3 * h, 3 * h + 3)
            for i in range(5):
                seen = [j for j in range(5) if mask[b, j] and (h >= 2 or roles[b, h, i, j])]
                if not seen:
                    continue
                scores = torch.stack([q[b, i, part] @ k[b, j, part] for j in seen])
                wanted = (scores / math.sqrt(3 if scale == "head" else 12)).softmax(0)
                torch.testing.assert_close(found[b, h, i, seen], wanted, atol=1e-5, rtol=1e-4)


def test_more_roles_than_heads_are_refused():
    with pytest.raises(UsageError, match="more roles than heads"):
        tiny(roles=5)
    with pytest.raises(UsageError, match="more roles than heads"):
        shape_of(RoleSettings(shape=GuidedShape(heads=4, width=120, roles=0)))


def test_head_i_plays_role_i():
    attention = GuidedAttention(tiny())
    _, mask, _ = inputs()
    mask[:] = 1
    roles = torch.zeros(2, 2, 5, 5, dtype=torch.bool)
    roles[:, 0, :, 1] = roles[:, 1, :, 3] = True
    weights = attention.weights(torch.randn(2, 5, 12, generator=dice(6)), mask, roles)
    assert torch.allclose(weights[:, 0, :, 1], torch.ones(2, 5))
    assert torch.allclose(weights[:, 1, :, 3], torch.ones(2, 5))
    assert (weights[:, 2:] > 0).all()


def test_an_all_masked_row_is_uniform_over_padding_too_unless_it_gets_itself():
    mask = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    empty = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    shape = GuidedShape(width=4, heads=1, roles=1, dropout=0.0)
    attention = GuidedAttention(shape)
    x = torch.zeros(1, 4, 4)
    leaked = attention.weights(x, mask, empty)
    torch.testing.assert_close(leaked[0, 0, 0], torch.full((4,), 0.25))  # the pitfall
    fixed = attention.weights(x, mask, empty | torch.eye(4, dtype=torch.bool))
    torch.testing.assert_close(fixed[0, 0, 0], torch.tensor([1.0, 0, 0, 0]))


def test_bias_is_zero_where_a_head_may_look():
    _, mask, roles = inputs()
    bias = role_bias(mask, roles, 4)
    assert bias.shape == (2, 4, 5, 5)
    assert (bias[:, 2:, :, :][mask[:, None, None, :].expand(2, 2, 5, 5) > 0] == 0).all()
    assert (bias[0, :, :, 3:] < -1e9).all()


@pytest.mark.parametrize("combine", ["concat", "sum_gate", "concat_mix"])
def test_padding_changes_nothing(combine):
    model = RoleGuidedEncoder(tiny(combine=combine), 3, dice()).eval()
    x, mask, roles = inputs()
    mask[:] = 1
    wider = F.pad(x, (0, 0, 0, 3)), F.pad(mask, (0, 3)), F.pad(roles, (0, 3, 0, 3))
    torch.testing.assert_close(model(x, mask, roles), model(*wider))


@pytest.mark.parametrize("combine", ["sum_gate", "concat_mix"])
def test_an_even_gate_is_plain_concatenation(combine):
    plain, gated = (GuidedAttention(tiny(combine=c)) for c in ("concat", combine))
    gated.load_state_dict(plain.state_dict(), strict=False)
    torch.nn.init.zeros_(gated.gate.weight)
    torch.nn.init.zeros_(gated.gate.bias)
    x, (_, mask, roles) = torch.randn(2, 5, 12, generator=dice(7)), inputs()
    torch.testing.assert_close(gated(x, mask, roles), plain(x, mask, roles))


def test_gradient_is_the_numerical_one():
    model = RoleGuidedEncoder(tiny(combine="sum_gate", depth=1), 2, dice()).double().eval()
    x, mask, roles = inputs()
    assert torch.autograd.gradcheck(
        lambda given: model.states(given, mask.double(), roles),
        (x.double().requires_grad_(),),
        atol=1e-3,
    )
