"""A trained tagger as numbers: names the sentences of a whole text with numpy alone.

File: an .npz with `classes`, `encoder`, `temperature`, the GRU's weights in both directions (named
as torch names them), and those of the two linear maps on top.

Legend: L sentences of a text, D width of a vector, H width of the GRU in one direction, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broadsheet.core.errors import BadInput
from broadsheet.systems.reading.local_topic_segmentation.corpora import Corpus
from broadsheet.systems.reading.local_topic_segmentation.data import Part
from broadsheet.systems.reading.local_topic_segmentation.measuring import (
    best_temperature,
    probabilities,
)
from broadsheet.systems.reading.local_topic_segmentation.segmenter import read_tagger
from broadsheet.systems.reading.local_topic_segmentation.states import State

Floats = NDArray[np.float32]
_PREFIX = "tagger."
_VERSION = 1


@dataclass(frozen=True, slots=True)
class DocumentHead:
    """A bidirectional GRU over sentence vectors, with topic classes and boundaries.

    Args:
        classes: Their names.
        encoder: The model whose unit sentence vectors it reads.
        temperature: Divides the logits of the classes.
        weights: By the names that torch gives them.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> shapes = {"weight_ih": (12, 3), "weight_hh": (12, 4)}
        >>> shapes |= {"bias_ih": (12,), "bias_hh": (12,)}
        >>> gru = {f"gru.{name}_l0{side}": rng.normal(size=shape).astype(np.float32)
        ...        for name, shape in shapes.items() for side in ("", "_reverse")}
        >>> top = {"tc.weight": rng.normal(size=(2, 8)), "tc.bias": np.zeros(2),
        ...        "same.weight": rng.normal(size=(2, 16)), "same.bias": np.zeros(2)}
        >>> head = DocumentHead(("a", "b"), "none", 1.0, {**gru, **top})
        >>> head.probabilities(np.zeros((5, 3))).shape, head.boundaries(np.zeros((5, 3))).shape
        ((5, 2), (4,))
    """

    classes: tuple[str, ...]
    encoder: str
    temperature: float
    weights: Mapping[str, Floats]

    def probabilities(self, vectors_LD: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probability of each class for each sentence of one text, in its order.

        Shape:
            [L, D] -> [L, C]

        Raises:
            BadInput: The vectors are of another length.
        """
        states_LH = self._states(vectors_LD)
        logits_LC = states_LH @ self.weights["tc.weight"].T + self.weights["tc.bias"]
        return probabilities(logits_LC.astype(np.float64), self.temperature)

    def boundaries(self, vectors_LD: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probability that a segment ends between two neighbours.

        Shape:
            [L, D] -> [L - 1]
        """
        states_LH = self._states(vectors_LD)
        pairs = np.concatenate([states_LH[:-1], states_LH[1:]], axis=1)
        logits = pairs @ self.weights["same.weight"].T + self.weights["same.bias"]
        return probabilities(logits.astype(np.float64), 1.0)[:, 0]

    def _states(self, vectors_LD: NDArray[Any]) -> Floats:
        x_LD = np.asarray(vectors_LD, np.float32)
        width = self.weights["gru.weight_ih_l0"].shape[1]
        if x_LD.ndim != 2 or x_LD.shape[1] != width:
            raise BadInput(
                "these are not the vectors that the head reads",
                received=f"shape {x_LD.shape}",
                hint=f"rows of {width}, made by {self.encoder}",
            )
        forward, backward = self._run(x_LD, ""), self._run(x_LD[::-1], "_reverse")[::-1]
        return np.concatenate([forward, backward], axis=1)

    def _run(self, x_LD: Floats, side: str) -> Floats:
        """Return the states of one direction.

        Source:
            arXiv 1406.1078, in torch's form: the reset gate is applied after the product.
        """
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w, u, b, c = (self.weights[f"gru.{name}_l0{side}"] for name in names)
        inputs_LG = x_LD @ w.T + b
        size = u.shape[1]
        state = np.zeros(size, np.float32)
        states = np.zeros((len(x_LD), size), np.float32)
        for at, input_G in enumerate(inputs_LG):
            own_G = u @ state + c
            reset, update = (
                1.0 / (1.0 + np.exp(-(input_G[rows] + own_G[rows])))
                for rows in (slice(0, size), slice(size, 2 * size))
            )
            new = np.tanh(input_G[2 * size :] + reset * own_G[2 * size :])
            state = (1.0 - update) * new + update * state
            states[at] = state
        return states


def write_document_head(state: State, corpus: Corpus, dev: Part, path: Path) -> DocumentHead:
    """Write a trained tagger with topic classes; its temperature is fitted on dev.

    Raises:
        BadInput: The arm is no tagger with classes.
    """
    if state.recipe.role != "tagger" or state.tagger.tc is None:
        raise BadInput("only a tagger with topic classes is written", received=state.recipe.arm)
    weights = {
        name.removeprefix(_PREFIX): tensor.detach().numpy().copy()
        for name, tensor in state.module.state_dict().items()
    }
    temperature = best_temperature(dev.units.class_N, read_tagger(state, dev).class_NC)
    head = DocumentHead(corpus.classes, state.recipe.encoder.start, temperature, weights)
    facts: dict[str, Any] = {
        "version": _VERSION,
        "classes": np.array(head.classes),
        "encoder": head.encoder,
        "temperature": head.temperature,
    }
    np.savez(path, **facts, **weights)
    return head


def read_document_head(path: Path) -> DocumentHead:
    """Read what `write_document_head` wrote.

    Raises:
        BadInput: It is another file.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            if int(stored["version"]) != _VERSION:
                raise ValueError("another version")
            weights = {name: stored[name] for name in stored.files if "." in name}
            if "gru.weight_ih_l0" not in weights or "tc.weight" not in weights:
                raise KeyError("no tagger")
            classes = tuple(str(name) for name in stored["classes"])
            return DocumentHead(
                classes, str(stored["encoder"]), float(stored["temperature"]), weights
            )
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise BadInput(f"not a tagger ({type(error).__name__}: {error})", received=path) from None
