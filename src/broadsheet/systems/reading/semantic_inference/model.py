"""Claim verification: label a claim and rank its evidence at the same time.

No passage is marked as relevant in training: a rank score is learned because the label scores of
the passages are added up with it.

    m_e = [h_c; h_e; h_c - h_e; h_c * h_e]        o_e = L relu(W m_e)        r_e = MLP(m_e)
    p(label) = softmax over the checker's own labels of  sum over e of  r_e o_e

r_e and -r_e give the same p with -o_e, so in "official" mode the order of the passages may come out
upside down; in "fixed" mode r_e is positive (softplus).

Legend: B claims, E passages, D width of a text, F facts of a pair, M match vector, Z width of a
label, C labels of all checkers, K checkers, A metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from broadsheet.core.errors import UsageError
from broadsheet.nn.blocks import initialise
from broadsheet.systems.reading.semantic_inference.encoders import MultiScaleTextCNN, TextEncoder
from broadsheet.systems.reading.semantic_inference.guided import single
from broadsheet.systems.reading.semantic_inference.labels import LabelSpace

Evidence = Literal["joint", "mean", "none"]
Heads = Literal["shared", "separate"]
RankMode = Literal["fixed", "official"]
_LOW = -1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierShape:
    """Sizes and forms of the verifier.

    Args:
        label: Z.
        hidden: Of the rank score's network.
        facts: F, further numbers of each pair; 0 for none.
        evidence: joint: passages are ranked; mean: all count alike; none: the claim alone.
        heads: shared: one space of labels; separate: a projection for each checker.
        rank: fixed or official, see the module.
        dropout: On match vectors, in training.
    """

    label: int = 64
    hidden: int = 32
    facts: int = 0
    evidence: Evidence = "joint"
    heads: Heads = "shared"
    rank: RankMode = "fixed"
    dropout: float = 0.2


@dataclass(frozen=True, slots=True)
class Batch:
    """Claims with their passages.

    Args:
        claim: What the text encoder reads: ids [B, L] or vectors [B, D].
        evidence: The same for passages: [B, E, L] or [B, E, D].
        present_BE: Whether there is a passage at this place.
        domain_B: Number of the checker.
        facts_BEF: Further numbers of each pair; F may be 0.
        metadata: Ids [B, A] that the metadata encoder reads; A may be 0.
    """

    claim: Tensor
    evidence: Tensor
    present_BE: Tensor
    domain_B: Tensor
    facts_BEF: Tensor
    metadata: Tensor


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the verifier says.

    Args:
        logits_BC: Very low outside the checker's own labels.
        rank_BE: How much each passage counted; 0 where there is none.
    """

    logits_BC: Tensor
    rank_BE: Tensor

    def attributed(self, present_BE: Tensor) -> Tensor:
        """Return each passage's share of all rank scores of its claim, by absolute value.

        Shape:
            [B, E]; rows sum to 1, or are 0 where a claim has no passage.
        """
        weight_BE = self.rank_BE.abs() * present_BE
        return weight_BE / weight_BE.sum(dim=1, keepdim=True).clamp_min(1e-12)


class ClaimVerifier(nn.Module):
    """The joint model over any text encoder.

    Args:
        texts: Maps texts to vectors; has a `width`.
        space: The labels.
        shape: Sizes and forms.
        generator: Draws the weights of everything but the encoders.
        metadata: Encodes metadata ids to vectors; has a `width`. None leaves metadata out.

    Source:
        MultiFC (arXiv 1909.03242), section 4: label embedding layer and joint evidence ranking.

    Example:
        >>> from broadsheet.systems.reading.semantic_inference.encoders import ReadyVectors
        >>> space, dice = LabelSpace(("a",), (("no", "yes"),)), torch.Generator().manual_seed(1)
        >>> model = ClaimVerifier(ReadyVectors(4, 0, dice), space, VerifierShape(), dice)
        >>> batch = Batch(torch.ones(2, 4), torch.ones(2, 3, 4), torch.ones(2, 3),
        ...     torch.zeros(2, dtype=torch.long), torch.ones(2, 3, 0), torch.ones(2, 0))
        >>> verdict = model(batch)
        >>> verdict.logits_BC.shape, verdict.rank_BE.shape
        (torch.Size([2, 2]), torch.Size([2, 3]))
    """

    def __init__(
        self,
        texts: TextEncoder,
        space: LabelSpace,
        shape: VerifierShape,
        generator: torch.Generator,
        metadata: MultiScaleTextCNN | None = None,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.space = space
        self.texts = texts
        self.metadata = metadata
        extra = metadata.width if metadata is not None else 0
        width = texts.width
        size = (width if shape.evidence == "none" else 4 * width + shape.facts) + extra
        sets = len(space.domains) if shape.heads == "separate" else 1
        self.compare = nn.ModuleList(nn.Linear(size, shape.label) for _ in range(sets))
        self.labels_CZ = nn.Parameter(torch.empty(len(space), shape.label))
        self.rank = nn.Sequential(
            nn.Linear(size, shape.hidden), nn.ReLU(), nn.Linear(shape.hidden, 1)
        )
        self.drop = nn.Dropout(shape.dropout)
        self.register_buffer("mask_KC", space.mask(), persistent=False)
        for part in (self.compare, self.rank):
            initialise(part, generator, std=size**-0.5)
        if not self.labels_CZ.is_meta:
            with torch.no_grad():
                self.labels_CZ.normal_(0.0, shape.label**-0.5, generator=generator)

    def forward(self, batch: Batch) -> Verdict:
        """Label claims and rank their passages."""
        match_BEM, present_BE = self._match(batch)
        match_BEM = self.drop(match_BEM)
        scores_BEC = self._label_scores(match_BEM, batch.domain_B)
        rank_BE = self._rank(match_BEM, present_BE)
        logits_BC = single((rank_BE[..., None] * scores_BEC).sum(dim=1))
        own_BC = self.mask_KC[batch.domain_B]  # type: ignore[index]
        return Verdict(logits_BC.masked_fill(~own_BC, _LOW), rank_BE)

    def _match(self, batch: Batch) -> tuple[Tensor, Tensor]:
        claim_BD = self.texts(batch.claim)
        parts: list[Tensor] = []
        if self.shape.evidence == "none":
            present_BE = torch.ones(len(claim_BD), 1, device=claim_BD.device)
            parts.append(claim_BD[:, None])
        else:
            # A claim without any passage is matched with an empty one.
            present_BE = batch.present_BE.to(claim_BD.dtype).clone()
            present_BE[present_BE.sum(dim=1) == 0, 0] = 1.0
            parts += [match_vector(claim_BD, self.texts(batch.evidence)), batch.facts_BEF]
        if self.metadata is not None:
            meta_BA = self.metadata(batch.metadata)
            parts.append(meta_BA[:, None].expand(-1, present_BE.shape[1], -1))
        return torch.cat([part for part in parts if part.shape[-1]], dim=2), present_BE

    def _label_scores(self, match_BEM: Tensor, domain_B: Tensor) -> Tensor:
        if self.shape.heads == "shared":
            scores_BEC: Tensor = self.compare[0](match_BEM).relu() @ self.labels_CZ.T
            return scores_BEC
        # Each checker has a projection of its own; one at a time, claims of one checker.
        found = match_BEM.new_zeros(*match_BEM.shape[:2], len(self.space))
        for domain in torch.unique(domain_B).tolist():
            rows = torch.nonzero(domain_B == domain)[:, 0]
            own = self.compare[domain](match_BEM[rows]).relu() @ self.labels_CZ.T
            found = found.index_copy(0, rows, own)
        return found

    def _rank(self, match_BEM: Tensor, present_BE: Tensor) -> Tensor:
        if self.shape.evidence != "joint":
            return present_BE / present_BE.sum(dim=1, keepdim=True)
        raw_BE = self.rank(match_BEM)[..., 0]
        rank_BE = F.softplus(raw_BE) if self.shape.rank == "fixed" else raw_BE
        return rank_BE * present_BE


def match_vector(claim_BD: Tensor, evidence_BED: Tensor) -> Tensor:
    """Return [h_c; h_e; h_c - h_e; h_c * h_e] for each passage.

    Shape:
        [B, D], [B, E, D] -> [B, E, 4 D].
    """
    c_BED = claim_BD[:, None].expand_as(evidence_BED)
    return torch.cat([c_BED, evidence_BED, c_BED - evidence_BED, c_BED * evidence_BED], dim=2)


def sample_domains(
    domain_N: Sequence[int], size: int, generator: torch.Generator, power: float = 0.5
) -> Tensor:
    """Draw the claims of a step: first a checker, then one of its claims.

    A checker is drawn with chance n^power, n being its number of claims: 1 is the plain order of
    things, 0 gives a checker of 50 claims as many places as one of 5,000.

    Shape:
        [size].

    Raises:
        UsageError: There is no claim, or the power is outside 0 to 1.
    """
    if not len(domain_N) or not 0.0 <= power <= 1.0:
        raise UsageError("no such sampling", received=f"{len(domain_N)} claims, power {power}")
    domains = torch.as_tensor(domain_N)
    counts = torch.bincount(domains).float()
    chance_N = counts[domains].pow(power - 1.0)
    return torch.multinomial(chance_N, size, replacement=True, generator=generator)
