"""Evidence for a claim from our own indexes, and what of it counted.

Words find passages by BM25, vectors by cosine; both lists are fused by rank.

Legend: E passages, D width.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from broadsheet.core.errors import BadInput, UsageError
from broadsheet.index.fusion import Ranking, fuse
from broadsheet.index.lexical.analysis import Analyser
from broadsheet.index.lexical.bm25 import Bm25Index
from broadsheet.runtime.encoder import Encoder
from broadsheet.runtime.entailment import pair_facts
from broadsheet.systems.reading.semantic_inference.model import Batch, ClaimVerifier

#: How deep each list is read before both are fused.
_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage that was found.

    Args:
        id: Its id in the collection.
        text: What it says.
        score: Of the fused list; higher is better.
    """

    id: str
    text: str
    score: float


class EvidenceRetriever:
    """Finds passages for a claim.

    Args:
        passages: Text by id.
        encoder: Makes the vectors.
        meaning: Weight of vectors beside 1 for words; 0 takes words alone.
        analyser: Makes words; that of `Bm25Index` by default.

    Raises:
        BadInput: There is no passage.
        UsageError: A weight below 0.

    Example:
        >>> from broadsheet.systems.reading.semantic_inference.vectors import HashedWords
        >>> texts = {"a": "a bridge was opened", "b": "bananas are yellow"}
        >>> EvidenceRetriever(texts, HashedWords(64)).find("who opened the bridge", 1)[0].id
        'a'
    """

    def __init__(
        self,
        passages: Mapping[str, str],
        encoder: Encoder,
        *,
        meaning: float = 1.0,
        analyser: Analyser | None = None,
    ) -> None:
        if meaning < 0:
            raise UsageError("a weight is 0 or more", received=meaning)
        self._texts = dict(passages)
        self._words = Bm25Index.build(self._texts, analyser=analyser)
        self._ids = self._words.ids
        self._meaning = meaning
        self._encoder = encoder
        texts = [self._texts[name] for name in self._ids]
        self._vectors_ED = encoder.encode(texts) if meaning else None

    def find(
        self, claim: str, k: int = 10, *, without: Collection[str] = ()
    ) -> tuple[Passage, ...]:
        """Return the k best passages, best first.

        Args:
            claim: The statement.
            k: How many at most.
            without: Ids that may not be evidence, such as the checker's own page.

        Raises:
            UsageError: k is less than 1.
        """
        if k < 1:
            raise UsageError("at least one passage", received=k)
        place = {name: number for number, name in enumerate(self._ids)}
        words = [place[name] for name in self._words.search(claim, _DEPTH)]
        lists = [Ranking(numbers=words)]
        if self._vectors_ED is not None:
            query_D = self._encoder.encode([claim], role="query")[0]
            order = np.argsort(-(self._vectors_ED @ query_D), kind="stable")[:_DEPTH]
            lists.append(Ranking(numbers=[int(n) for n in order], weight=self._meaning))
        found = [(self._ids[number], score) for number, score in fuse(lists)]
        kept = [(name, score) for name, score in found if name not in without]
        return tuple(Passage(name, self._texts[name], score) for name, score in kept[:k])


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict with its reasons.

    Args:
        labels: Probability of each of the checker's labels.
        evidence: Each passage with its share of all rank scores, the largest first; shares sum
            to 1.
    """

    labels: Mapping[str, float]
    evidence: tuple[tuple[Passage, float], ...]


@torch.no_grad()
def attribute(
    model: ClaimVerifier, claim: str, domain: str, passages: Sequence[Passage], encoder: Encoder
) -> Answer:
    """Return a checker's verdict on a claim and how much each passage counted.

    Args:
        model: A verifier over ready vectors, without metadata.
        claim: The statement.
        domain: The checker whose labels are wanted.
        passages: What was found; without any, the claim is judged on an empty passage.
        encoder: The one the model was trained with.

    Raises:
        BadInput: An unknown checker, or a model that needs metadata.
    """
    if model.metadata is not None:
        raise BadInput("this verifier needs metadata", hint="one that was trained without")
    place = model.space.domain_of(domain)
    vectors = encoder.encode([claim, *(one.text for one in passages)])
    count = max(1, len(passages))
    evidence = torch.zeros(1, count, vectors.shape[1])
    facts = torch.zeros(1, count, model.shape.facts)
    for row, one in enumerate(passages):
        evidence[0, row] = torch.from_numpy(np.array(vectors[row + 1]))
        if model.shape.facts:
            facts[0, row] = torch.from_numpy(pair_facts(one.text, claim))
    present_BE = torch.zeros(1, count)
    present_BE[0, : len(passages)] = 1.0
    batch = Batch(
        torch.from_numpy(np.array(vectors[:1])),
        evidence,
        present_BE,
        torch.tensor([place]),
        facts,
        torch.zeros(1, 0, dtype=torch.long),
    )
    verdict = model.eval()(batch)
    start = model.space.starts()[place]
    own = model.space.labels[place]
    chances = verdict.logits_BC.softmax(dim=1)[0, start : start + len(own)].tolist()
    shares = verdict.attributed(present_BE)[0].tolist()
    weighed = sorted(zip(passages, shares, strict=False), key=lambda pair: -pair[1])
    return Answer(dict(zip(own, chances, strict=True)), tuple(weighed))
