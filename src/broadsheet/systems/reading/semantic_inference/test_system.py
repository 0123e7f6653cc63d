"""The verifier and its scorer against slow references, and every pitfall that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from broadsheet.core.errors import BadInput, NotFound, UsageError
from broadsheet.core.seeds import SeedTree
from broadsheet.data.claims import Claim
from broadsheet.runtime.entailment import FACTS, load_scorer
from broadsheet.systems.contract import Workspace
from broadsheet.systems.reading.semantic_inference import claim_data, scorer
from broadsheet.systems.reading.semantic_inference.claim_data import (
    ClaimData,
    read_claims,
    with_sentences,
)
from broadsheet.systems.reading.semantic_inference.claim_training import (
    judge,
    make_verifier,
    make_verifiers,
    measure_verifiers,
    train_verifiers,
)
from broadsheet.systems.reading.semantic_inference.encoders import (
    ReadyVectors,
)
from broadsheet.systems.reading.semantic_inference.labels import (
    LabelSpace,
)
from broadsheet.systems.reading.semantic_inference.model import (
    Batch,
    ClaimVerifier,
    Verdict,
    VerifierShape,
    match_vector,
    sample_domains,
)
from broadsheet.systems.reading.semantic_inference.presets import presets
from broadsheet.systems.reading.semantic_inference.recipe import VerifySettings
from broadsheet.systems.reading.semantic_inference.vectors import hashed
from broadsheet.systems.reading.semantic_inference.world import CHECKERS, World, WorldSettings


def dice(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def workspace(folder) -> Workspace:
    (folder / "run").mkdir(parents=True, exist_ok=True)
    (folder / "shared").mkdir(exist_ok=True)
    return Workspace(run=folder / "run", shared=folder / "shared")


def smoke(arm: str):
    return next(recipe for recipe in presets()["smoke"].arms if recipe.arm == arm)


# --- the verifier


def space() -> LabelSpace:
    return LabelSpace(("a", "b"), (("no", "yes"), ("false", "half", "true")))


def batch(rows: int = 3, passages: int = 4, width: int = 6, facts: int = 0) -> Batch:
    g = dice(8)
    present = torch.ones(rows, passages)
    present[0, 2:] = 0
    return Batch(
        torch.randn(rows, width, generator=g),
        torch.randn(rows, passages, width, generator=g),
        present,
        torch.tensor([0, 1, 1])[:rows],
        torch.randn(rows, passages, facts, generator=g),
        torch.zeros(rows, 0),
    )


def verifier(**changes) -> ClaimVerifier:
    shape = VerifierShape(**{"label": 5, "hidden": 7, "dropout": 0.0, **changes})
    return ClaimVerifier(ReadyVectors(6, 0, dice()), space(), shape, dice(2)).eval()


@pytest.mark.parametrize("rank", ["fixed", "official"])
def test_verdict_is_that_of_a_plain_loop(rank):
    model, given = verifier(rank=rank), batch()
    verdict = model(given)
    root = 6**0.5
    for b in range(3):
        total = torch.zeros(5)
        for e in range(4):
            c, p = given.claim[b] * root, given.evidence[b, e] * root
            m = torch.cat([c, p, c - p, c * p])
            o = model.labels_CZ @ model.compare[0](m).relu()
            r = model.rank(m)[0]
            r = F.softplus(r) if rank == "fixed" else r
            r = r * given.present_BE[b, e]
            torch.testing.assert_close(verdict.rank_BE[b, e], r)
            total += r * o
        own = slice(0, 2) if given.domain_B[b] == 0 else slice(2, 5)
        torch.testing.assert_close(verdict.logits_BC[b, own], total[own], atol=1e-5, rtol=1e-4)


def test_labels_of_other_checkers_get_no_probability():
    chances = verifier()(batch()).logits_BC.softmax(dim=1)
    assert (chances[0, 2:] == 0).all()
    assert (chances[1:, :2] == 0).all()


def test_absent_passages_change_nothing():
    model, given = verifier(), batch()
    evidence = given.evidence.clone()
    evidence[0, 2:] = 99.0
    other = replace(given, evidence=evidence)
    torch.testing.assert_close(model(given).logits_BC, model(other).logits_BC)
    assert (model(given).rank_BE[0, 2:] == 0).all()


def test_a_claim_without_evidence_still_gets_a_verdict():
    given = batch()
    bare = replace(given, present_BE=torch.zeros(3, 4))
    logits = verifier()(bare).logits_BC
    assert torch.isfinite(logits).all()
    assert (logits[0, :2] != 0).any()


def test_a_signed_rank_and_its_negative_give_the_same_label():
    """Why the official form can rank upside down."""
    model, given = verifier(rank="official"), batch()
    before = model(given)
    with torch.no_grad():
        model.labels_CZ.neg_()
        model.rank[2].weight.neg_()
        model.rank[2].bias.neg_()
    after = model(given)
    torch.testing.assert_close(before.logits_BC, after.logits_BC)
    torch.testing.assert_close(before.rank_BE, -after.rank_BE)
    assert (verifier()(given).rank_BE >= 0).all()


def test_separate_heads_learn_from_their_own_checker_only():
    model, given = verifier(heads="separate"), batch()
    model(replace(given, domain_B=torch.tensor([1, 1, 1]))).logits_BC[:, 2:].sum().backward()
    assert model.compare[0].weight.grad is None
    assert model.compare[1].weight.grad.abs().sum() > 0


def test_shares_of_the_evidence_sum_to_one():
    verdict = Verdict(torch.zeros(2, 1), torch.tensor([[3.0, -1.0, 5.0], [0.0, 0.0, 0.0]]))
    shares = verdict.attributed(torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    torch.testing.assert_close(shares, torch.tensor([[0.75, 0.25, 0.0], [0.0, 0.0, 0.0]]))


def test_the_claim_alone_does_not_see_its_evidence():
    model, given = verifier(evidence="none"), batch()
    other = replace(given, evidence=given.evidence + 1)
    torch.testing.assert_close(model(given).logits_BC, model(other).logits_BC)


def test_verifier_gradient_is_the_numerical_one():
    model, given = verifier().double(), batch()

    def logits(claim, evidence):
        parts = replace(given, claim=claim, evidence=evidence, facts_BEF=given.facts_BEF.double())
        return model(parts).logits_BC[:, 2:]

    texts = (given.claim.double().requires_grad_(), given.evidence.double().requires_grad_())
    given = replace(given, domain_B=torch.tensor([1, 1, 1]))
    assert torch.autograd.gradcheck(logits, texts, atol=1e-3)


def test_match_vector_has_four_parts():
    c, e = torch.tensor([[1.0, 2.0]]), torch.tensor([[[3.0, 5.0]]])
    assert match_vector(c, e)[0, 0].tolist() == [1, 2, 3, 5, -2, -3, 3, 10]


def test_sampling_gives_small_checkers_their_places():
    domains = [0] * 900 + [1] * 100
    shares = {
        power: (sample_domains(domains, 4000, dice(), power) >= 900).double().mean().item()
        for power in (0.0, 0.5, 1.0)
    }
    assert shares[0.0] == pytest.approx(0.5, abs=0.05)
    assert shares[0.5] == pytest.approx(0.25, abs=0.05)  # 30 : 10
    assert shares[1.0] == pytest.approx(0.1, abs=0.03)
    with pytest.raises(UsageError, match="no such sampling"):
        sample_domains([], 4, dice())


# --- claims


def test_the_world_s_labels_follow_from_its_facts():
    world = World(WorldSettings(entities=20), SeedTree(3))
    for made in world.claims("mirror", 60, SeedTree(4)):
        said = set(made.claim.text.split()[2::2])
        wrong = CHECKERS["mirror"].index(made.claim.label)
        for passage, relevant in zip(made.claim.evidence, made.relevant, strict=True):
            words = passage.split()
            about = words[1] == made.claim.text.split()[0] and set(words[2::2]) == set(
                made.claim.text.split()[1::2]
            )
            assert relevant == about
            if relevant:
                assert len(said - set(words[3::2])) == wrong
        assert 1 <= sum(made.relevant) <= 3


def test_the_claim_alone_says_nothing_of_its_label():
    world = World(WorldSettings(), SeedTree(3))
    made = [one.claim for one in world.claims("ledger", 3000, SeedTree(5))]
    first = {
        label: np.mean([int(c.text.split()[2].split("x")[1]) for c in made if c.label == label])
        for label in CHECKERS["ledger"]
    }
    assert max(first.values()) - min(first.values()) < 0.6  # of values from 0 to 11


def test_a_justification_becomes_its_first_sentences():
    claim = Claim(id="1", text="x", label="true", domain="d", evidence=("One. Two! Three?",))
    assert with_sentences(claim, 2).evidence == ("One.", "Two!")


def test_folds_test_each_claim_once_and_never_train_on_it(tmp_path):
    labels = ["a"] * 7 + ["b"] * 6
    fold = claim_data._folds(labels, 5)
    assert np.bincount(fold).tolist() == [3, 3, 3, 2, 2]
    assert fold.tolist() == claim_data._folds(labels, 5).tolist()


def sick_like(tmp_path, facts: int = len(FACTS)) -> tuple[ClaimData, VerifySettings]:
    settings = VerifySettings(
        source="sick",
        texts="vectors",
        vectors="hashed:16",
        passages=1,
        shape=VerifierShape(label=6, hidden=5, facts=facts, dropout=0.0),
        train=replace(smoke("world_joint").verify.train, steps=20),
        batch=8,
    )
    words = ("cat", "dog", "bird", "fish")
    labels = ("CONTRADICTION", "ENTAILMENT", "NEUTRAL")
    claims = [
        Claim(
            id=str(n),
            text=f"a {words[n % 4]} runs",
            label=labels[n % 3],
            domain=claim_data.SICK,
            evidence=(f"{'no' if n % 3 == 0 else 'a'} {words[(n + n % 3 // 2) % 4]} runs",),
        )
        for n in range(36)
    ]
    fold = [-1] * 24 + [0] * 12
    return claim_data._assemble(settings, claims, fold, workspace(tmp_path)), settings


def test_the_scorer_answers_as_the_model_does(tmp_path):
    data, settings = sick_like(tmp_path)
    assert scorer.scores_pairs(settings)
    models = make_verifiers(settings, SeedTree(1))
    train_verifiers(models, data, settings, SeedTree(2), workspace(tmp_path))
    observed, unsure = scorer.keep_scorer(models, data, settings, tmp_path / "scorer")
    assert observed.value < 1e-4
    assert 0 <= unsure.value <= 100
    kept = load_scorer(tmp_path / "scorer")
    tested = data.claims[24:]
    vectors = [hashed([c.text if i else c.evidence[0] for c in tested], 16) for i in (0, 1)]
    found = kept.probabilities(*vectors, [c.evidence[0] for c in tested], [c.text for c in tested])
    wanted = judge(models[0], data, torch.arange(24, 36)).logits_BC.softmax(dim=1)
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-4)
    right = (found.argmax(axis=1) == data.gold_N[24:].numpy()).mean()
    assert kept.card.accuracy == pytest.approx(right)
    assert kept.card.interval[0] <= kept.card.accuracy <= kept.card.interval[1]
    assert "non-commercial" in kept.card.licence


def test_held_pairs_set_the_temperature_and_are_not_learned_from(tmp_path):
    data, settings = sick_like(tmp_path)
    fold_N = np.where(np.arange(36) >= 30, claim_data.HELD, data.fold_N)
    held = replace(data, fold_N=fold_N, gold_N=data.gold_N.clone())
    other = replace(held, gold_N=held.gold_N.clone())
    other.gold_N[30:] = (other.gold_N[30:] + 1) % 3
    models = [make_verifiers(settings, SeedTree(1)) for _ in range(2)]
    for part, name in zip((held, other), ("one", "other"), strict=True):
        place = workspace(tmp_path / name)
        train_verifiers(models[name == "other"], part, settings, SeedTree(2), place)
    first, second = (m[0].labels_CZ for m in models)
    assert torch.equal(first, second)  # the held pairs' labels changed nothing
    scorer.keep_scorer(models[0], held, settings, tmp_path / "scorer")
    card = load_scorer(tmp_path / "scorer").card
    assert card.temperature != 1.0
    assert card.n == 6


def test_only_the_scorer_s_form_is_exported(tmp_path):
    _, settings = sick_like(tmp_path)
    assert not scorer.scores_pairs(replace(settings, project=4))
    assert not scorer.scores_pairs(replace(settings, source="liar"))
    cnn = make_verifier(smoke("world_cnn").verify, SeedTree(1))
    with pytest.raises(BadInput, match="only a verifier over ready vectors"):
        scorer.weights_of(cnn)


def test_metadata_reach_the_verdict(tmp_path):
    settings = smoke("world_cnn").verify
    data = read_claims(settings, SeedTree(1), workspace(tmp_path))
    claims = [replace(c, metadata=(("speaker", "ann"),)) for c in data.claims[:4]]
    told = claim_data._metadata(settings, claims)
    model = make_verifier(settings, SeedTree(1)).eval()
    given = data.at(torch.arange(4))
    other = replace(given, metadata=told)
    own = model.mask_KC[given.domain_B]
    assert not torch.allclose(model(given).logits_BC[own], model(other).logits_BC[own])


def test_an_encoder_that_is_not_installed(tmp_path):
    settings = VerifySettings(
        texts="vectors",
        vectors="home:nowhere",
        world=WorldSettings(entities=4, train=(1, 1, 1, 1), test=1),
    )
    with pytest.raises(NotFound, match="not installed"):
        read_claims(settings, SeedTree(1), workspace(tmp_path))


def test_measured_numbers_are_those_of_the_predictions(tmp_path):
    settings = smoke("world_joint").verify
    data = read_claims(settings, SeedTree(1), workspace(tmp_path))
    models = make_verifiers(settings, SeedTree(1))
    found = {(o.dataset, o.metric): o for o in measure_verifiers(models, data, settings)}
    one = found["ledger", "accuracy"]
    items = found["ledger", "macro F1"].items
    assert one.value == pytest.approx(100 * np.mean(items["prediction"] == items["gold"]))
    assert found["all checkers", "relevant first"].n == 24
