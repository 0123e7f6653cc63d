"""Does one sentence back another? A small scorer over sentence vectors, without torch.

```
<folder>/entailment.json   labels, the encoder whose vectors it reads, measured accuracy, sha256
<folder>/weights.npz       seven float32 arrays
```
The scorer reads the vectors u of the evidence and v of the claim, and facts of both texts that a
vector blurs (words that only one has, negations, numbers):

    m = [v; u; v - u; v * u; facts]        logits = r(m) * (relu(m W + b) L^T)

where r is one positive number, how much the evidence counts, and L holds one vector per label.

Legend: N pairs, D numbers of a vector, F facts, C labels.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.core.paths import hash_file, write_atomically
from broadsheet.runtime.encoder import Encoder

Floats = npt.NDArray[np.float32]

SCHEMA = 1
NAME = "entailment.json"
WEIGHTS = "weights.npz"
#: Arrays of the weights and their ranks.
ARRAYS = {
    "compare": 2,
    "compare_bias": 1,
    "labels": 2,
    "rank_hidden": 2,
    "rank_hidden_bias": 1,
    "rank_out": 1,
    "rank_out_bias": 1,
}
#: What `pair_facts` returns, in this order.
FACTS = (
    "evidence denies",
    "claim denies",
    "one of them denies",
    "share of the claim's words in the evidence",
    "share of the evidence's words in the claim",
    "words that only the claim has",
    "words that only the evidence has",
    "lengths, claim to evidence",
    "same words in another order",
    "a number that only the claim has",
)

_WORD = re.compile(r"\d+(?:\.\d+)?|[a-z]+(?:'[a-z]+)?")
_DENIALS = frozenset(("no", "not", "nobody", "none", "nothing", "never", "neither", "without"))
_STOPS = frozenset(
    re.findall(
        r"\w+",
        "a an the is are was were be there of in on at to and some by with for it its that this "
        "being has have",
    )
)
_MOST = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EntailmentCard:
    """What a scorer is and how good it was.

    Args:
        labels: Its labels, in the order of the probabilities.
        encoder: Id of the encoder whose vectors it reads.
        encoder_version: Version of the encoder it was measured with.
        dim: Length of a vector.
        dataset: What the accuracy was measured on.
        accuracy: Share of right labels there, from 0 to 1.
        interval: Ends of its 95 % interval.
        n: Pairs there.
        temperature: What logits are divided by, so that probabilities are not too sure.
        calibration_error: By how much, on average, the top probability misses the share of right
            labels there.
        licence: Terms of the data it was trained on.
        sha256: Of the weights; filled in by `save_scorer`.

    Example:
        >>> EntailmentCard(labels=("NO", "YES"), encoder="e", encoder_version="e@1", dim=2,
        ...     dataset="made up", accuracy=0.8, interval=(0.7, 0.9), n=9, licence="").n
        9
    """

    labels: tuple[str, ...]
    encoder: str
    encoder_version: str
    dim: int
    dataset: str
    accuracy: float
    interval: tuple[float, float]
    n: int
    licence: str
    temperature: float = 1.0
    calibration_error: float = 0.0
    sha256: str = ""


class EntailmentScorer:
    """Tells how a piece of evidence stands to a claim.

    Args:
        card: What it is.
        weights: The arrays of `ARRAYS`.

    Raises:
        BadInput: The arrays don't fit each other or the card.

    Example:
        >>> size, width = 4 * 2 + len(FACTS), 3
        >>> weights = {"compare": np.zeros((size, width)), "compare_bias": np.zeros(width),
        ...     "labels": np.zeros((2, width)), "rank_hidden": np.zeros((size, 4)),
        ...     "rank_hidden_bias": np.zeros(4), "rank_out": np.zeros(4),
        ...     "rank_out_bias": np.zeros(1)}
        >>> card = EntailmentCard(labels=("NO", "YES"), encoder="e", encoder_version="e@1", dim=2,
        ...     dataset="none", accuracy=0.5, interval=(0.4, 0.6), n=4, licence="")
        >>> scorer = EntailmentScorer(card, weights)
        >>> u = np.zeros((1, 2), np.float32)
        >>> scorer.probabilities(u, u, ["a cat"], ["a dog"]).tolist()
        [[0.5, 0.5]]
    """

    def __init__(self, card: EntailmentCard, weights: Mapping[str, npt.NDArray[np.floating]]):
        self.card = card
        if not 0 < card.temperature < np.inf:
            raise BadInput("a temperature is above 0", received=card.temperature)
        arrays = {name: np.asarray(weights[name], np.float32) for name in ARRAYS if name in weights}
        size = 4 * card.dim + len(FACTS)
        fits = (
            {name: array.ndim for name, array in arrays.items()} == ARRAYS
            and arrays["compare"].shape[0] == arrays["rank_hidden"].shape[0] == size
            and arrays["labels"].shape == (len(card.labels), arrays["compare"].shape[1])
            and arrays["compare_bias"].shape == arrays["compare"].shape[1:]
            and arrays["rank_hidden_bias"].shape == arrays["rank_hidden"].shape[1:]
            and arrays["rank_out"].shape == arrays["rank_hidden"].shape[1:]
            and arrays["rank_out_bias"].shape == (1,)
        )
        if not fits or not all(np.isfinite(array).all() for array in arrays.values()):
            shapes = {name: array.shape for name, array in arrays.items()}
            raise BadInput("the weights of the entailment scorer don't fit", received=shapes)
        self._weights = arrays

    def score(
        self, evidence: Sequence[str], claims: Sequence[str], encoder: Encoder
    ) -> npt.NDArray[np.float32]:
        """Return the probability of each label for each pair of texts.

        Args:
            evidence: What is taken as given.
            claims: What may follow from it, one for each piece of evidence.
            encoder: The one the card names.

        Shape:
            [N, C].

        Raises:
            BadInput: Another encoder, or lists of unequal length.
        """
        if encoder.id != self.card.encoder or encoder.dim != self.card.dim:
            raise BadInput(
                "the entailment scorer reads vectors of another encoder",
                received=f"{encoder.id}, {encoder.dim} numbers",
                hint=f"{self.card.encoder}, {self.card.dim} numbers",
            )
        u_rows, v_rows = encoder.encode(list(evidence)), encoder.encode(list(claims))
        return self.probabilities(u_rows, v_rows, evidence, claims)

    def probabilities(
        self, u_rows: Floats, v_rows: Floats, evidence: Sequence[str], claims: Sequence[str]
    ) -> Floats:
        """Return the same from vectors at hand: u of the evidence, v of the claims.

        Shape:
            two of [N, D] -> [N, C].
        """
        logits = self.logits(u_rows, v_rows, evidence, claims) / self.card.temperature
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: Floats = powers / powers.sum(axis=1, keepdims=True)
        return found

    def logits(
        self, u_rows: Floats, v_rows: Floats, evidence: Sequence[str], claims: Sequence[str]
    ) -> Floats:
        """Return what the softmax is taken of, once divided by the temperature."""
        if not len(u_rows) == len(v_rows) == len(evidence) == len(claims):
            raise BadInput(
                "each claim needs one piece of evidence",
                received=f"{len(evidence)} pieces, {len(claims)} claims",
            )
        if not len(claims):
            return np.zeros((0, len(self.card.labels)), np.float32)
        facts = np.stack([pair_facts(a, b) for a, b in zip(evidence, claims, strict=True)])
        match = np.hstack([v_rows, u_rows, v_rows - u_rows, v_rows * u_rows, facts]).astype(
            np.float32
        )
        w = self._weights
        compared = np.maximum(match @ w["compare"] + w["compare_bias"], 0)
        hidden = np.maximum(match @ w["rank_hidden"] + w["rank_hidden_bias"], 0)
        rank = np.logaddexp(np.float32(0), hidden @ w["rank_out"] + w["rank_out_bias"])
        found: Floats = (rank[:, None] * (compared @ w["labels"].T)).astype(np.float32)
        return found


def pair_facts(evidence: str, claim: str) -> Floats:
    """Return facts of two texts that sentence vectors blur; see `FACTS`.

    Shape:
        [F].

    Example:
        >>> pair_facts("No dog is running", "A dog is running")[:4].tolist()
        [1.0, 0.0, 1.0, 1.0]
    """
    first, second = (_WORD.findall(text.lower()) for text in (evidence, claim))
    denies = [any(w in _DENIALS or w.endswith("n't") for w in words) for words in (first, second)]
    one, other = (
        {_stem(w) for w in words if w not in _STOPS and w not in _DENIALS}
        for words in (first, second)
    )
    both = len(one & other)
    numbers = {w for w in second if w[0].isdigit()} - {w for w in first if w[0].isdigit()}
    return np.array(
        [
            denies[0],
            denies[1],
            denies[0] != denies[1],
            both / max(len(other), 1),
            both / max(len(one), 1),
            min(len(other - one), _MOST) / _MOST,
            min(len(one - other), _MOST) / _MOST,
            min(len(second) / max(len(first), 1), 2.0) / 2.0,
            sorted(first) == sorted(second) and first != second,
            bool(numbers),
        ],
        np.float32,
    )


def save_scorer(
    folder: Path, card: EntailmentCard, weights: Mapping[str, npt.NDArray[np.floating]]
) -> EntailmentScorer:
    """Write a scorer and return it as it is read back.

    Raises:
        BadInput: The weights don't fit.
    """
    EntailmentScorer(card, weights)
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(weights[name], np.float32) for name in ARRAYS}
    np.savez(buffer, **arrays)
    write_atomically(folder / WEIGHTS, buffer.getvalue())
    facts = asdict(card) | {"sha256": hash_file(folder / WEIGHTS), "schema": SCHEMA}
    write_atomically(folder / NAME, json.dumps(facts, indent=2).encode() + b"\n")
    return load_scorer(folder)


def load_scorer(folder: Path) -> EntailmentScorer:
    """Read a scorer.

    Raises:
        BadInput: The folder holds none, or its files were changed.
    """
    hint = "export the scorer again"
    try:
        facts = json.loads((folder / NAME).read_text(encoding="utf-8"))
        if facts.pop("schema") != SCHEMA:
            raise ValueError("another schema")
        facts["labels"], facts["interval"] = tuple(facts["labels"]), tuple(facts["interval"])
        card = EntailmentCard(**facts)
        if hash_file(folder / WEIGHTS) != card.sha256:
            raise ValueError("the weights are not those of the card")
        with np.load(folder / WEIGHTS, allow_pickle=False) as arrays:
            weights = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"the entailment scorer can't be read ({type(error).__name__}: {error})",
            received=folder,
            hint=hint,
        ) from None
    return EntailmentScorer(card, weights)


def _stem(word: str) -> str:
    """Take off the endings that a caption varies: plural, -ing, -ed."""
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
