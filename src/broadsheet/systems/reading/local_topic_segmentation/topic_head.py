"""A trained topic head as numbers: names the sentences of a text from their vectors, without torch.

File: an .npz with `classes`, `encoder`, `temperature` and the weights of two or three layers.

Legend: N sentences, D width of a vector, S width of the shared layer, H hidden, C classes.
"""

from __future__ import annotations

import math
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
from broadsheet.systems.reading.local_topic_segmentation.segmenter import read_joint
from broadsheet.systems.reading.local_topic_segmentation.states import State

Floats = NDArray[np.float32]
_LAYERS = ("shared", "hidden", "out")
_VERSION = 1


@dataclass(frozen=True, slots=True)
class TopicHead:
    """Layers of a topic head, and what they belong to.

    Args:
        classes: Their names.
        encoder: The model whose unit sentence vectors it reads.
        temperature: Divides the logits, so that a probability means what it says.
        layers: Weight and bias of each layer; the first is missing without a shared layer.

    Example:
        >>> layers = ((np.eye(2, dtype=np.float32), np.zeros(2, np.float32)),) * 2
        >>> head = TopicHead(("a", "b"), "none", 1.0, layers)
        >>> head.probabilities(np.array([[9.0, 0.0]])).argmax(axis=1).tolist()
        [0]
    """

    classes: tuple[str, ...]
    encoder: str
    temperature: float
    layers: tuple[tuple[Floats, Floats], ...]

    def probabilities(self, vectors_ND: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probability of each class for each sentence.

        Shape:
            [N, D] -> [N, C]

        Raises:
            BadInput: The vectors are of another length.
        """
        x = np.asarray(vectors_ND, np.float32)
        width = self.layers[0][0].shape[1]
        if x.ndim != 2 or x.shape[1] != width:
            raise BadInput(
                "these are not the vectors that the head reads",
                received=f"shape {x.shape}",
                hint=f"rows of {width}, made by {self.encoder}",
            )
        *inner, (weight, bias) = self.layers
        for inner_weight, inner_bias in inner:
            x = _gelu(x @ inner_weight.T + inner_bias)
        logits_NC = (x @ weight.T + bias).astype(np.float64)
        return probabilities(logits_NC, self.temperature)


def write_head(state: State, corpus: Corpus, dev: Part, path: Path) -> TopicHead:
    """Write the topic head of a trained arm with stored vectors; its temperature is fitted on dev.

    Raises:
        BadInput: The arm has no topic head, or reads more than one sentence's vector.
    """
    recipe = state.recipe
    plain = recipe.role == "joint" and recipe.encoder.kind == "stored" and not recipe.context
    topic = state.joint.tc if plain else None
    if topic is None:
        raise BadInput(
            "only a topic head on stored vectors of single sentences is written",
            received=recipe.arm,
        )
    joint = state.joint
    modules = [joint.shared, topic.hidden, topic.out]
    layers = tuple(
        (one.weight.detach().numpy().copy(), one.bias.detach().numpy().copy())
        for one in modules
        if one is not None
    )
    temperature = best_temperature(dev.units.class_N, read_joint(state, dev).class_NC)
    head = TopicHead(corpus.classes, recipe.encoder.start, temperature, layers)
    arrays: dict[str, Any] = {}
    for name, (weight, bias) in zip(_LAYERS[-len(layers) :], layers, strict=True):
        arrays |= {f"{name}.weight": weight, f"{name}.bias": bias}
    np.savez(
        path,
        version=_VERSION,
        classes=np.array(head.classes),
        encoder=head.encoder,
        temperature=head.temperature,
        **arrays,
    )
    return head


def read_head(path: Path) -> TopicHead:
    """Read what `write_head` wrote.

    Raises:
        BadInput: It is another file.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            if int(stored["version"]) != _VERSION:
                raise ValueError("another version")
            layers = tuple(
                (stored[f"{name}.weight"], stored[f"{name}.bias"])
                for name in _LAYERS
                if f"{name}.weight" in stored
            )
            classes = tuple(str(name) for name in stored["classes"])
            return TopicHead(classes, str(stored["encoder"]), float(stored["temperature"]), layers)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise BadInput(
            f"not a topic head ({type(error).__name__}: {error})", received=path
        ) from None


def _gelu(x: Floats) -> Floats:
    erf = np.vectorize(math.erf, otypes=[np.float32])
    found: Floats = (0.5 * x * (1.0 + erf(x / np.float32(math.sqrt(2.0))))).astype(np.float32)
    return found
