"""Pretrained encoders of the transformers library, made to stop after any layer.

Legend: B rows, L tokens, D width.
"""

from __future__ import annotations

import copy
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from broadsheet.core.errors import BadInput, SourceError
from broadsheet.core.progress import Progress, Silent
from broadsheet.nn.backbones import Backbone, backbone_named
from broadsheet.nn.exits import layers_to_run
from broadsheet.nn.layered import States
from broadsheet.nn.shells import with_part
from broadsheet.runtime.bert_graph import layer_count
from broadsheet.runtime.bert_weights import read_bert
from broadsheet.runtime.fetching import fetch_parts

Floats = npt.NDArray[np.float32]

#: Where models keep the list of their layers: BERT and MPNet; ModernBERT; DistilBERT.
_LAYER_LISTS = ("encoder.layer", "layers", "transformer.layer")
#: What pre-norm models apply after the last layer only.
_FINAL_NORMS = ("final_norm", "norm")


class PretrainedEncoder(nn.Module):
    """A model of the transformers library whose layers stop where they are told.

    The model's own forward pass runs on a shell of itself that has only the first layers, so masks
    and positions are the library's; what each layer gives is recorded on the way. A model that
    normalises only after its last layer (ModernBERT) gets that normalisation at every exit, the
    embedding output included, so that all exits have the same scale.

    Args:
        model: A `BertModel`, `MPNetModel`, `ModernBertModel`, or one built like them.

    Shape:
        ids_BL, mask_BL -> tuple of x_BLD, see `LayeredEncoder`.

    Raises:
        BadInput: The list of layers was not found.

    Example:
        >>> from transformers import BertConfig, BertModel
        >>> sizes = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=3,
        ...                    num_attention_heads=2, intermediate_size=16)
        >>> encoder = PretrainedEncoder(BertModel(sizes, add_pooling_layer=False))
        >>> len(encoder(torch.tensor([[2, 7, 3]]), torch.ones(1, 3), layers=2))
        3
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._path = _find_layers(model)
        norms = [getattr(model, name, None) for name in _FINAL_NORMS]
        self._norm_name = next(
            (name for name, norm in zip(_FINAL_NORMS, norms, strict=True) if norm is not None), ""
        )

    @property
    def layers(self) -> nn.ModuleList:
        """Return the list of layers; layer n is at n - 1."""
        found = self.model.get_submodule(self._path)
        assert isinstance(found, nn.ModuleList)  # noqa: S101 - checked when it was found
        return found

    @property
    def depth(self) -> int:
        """Return how many layers there are."""
        return len(self.layers)

    @property
    def width(self) -> int:
        """Return the length of a state."""
        return int(self.config.hidden_size)

    def forward(
        self,
        ids_BL: Tensor,
        mask_BL: Tensor,
        layers: int | None = None,
        segments_BL: Tensor | None = None,
    ) -> States:
        """Return the states of the embeddings and of the first `layers` layers.

        Args:
            ids_BL: Token ids.
            mask_BL: 1 at real tokens.
            layers: How many layers to run; None for all.
            segments_BL: 0 at tokens of the first text, 1 at those of the second, for models that
                know segments (BERT).

        Raises:
            BadInput: There are not that many layers, or the model knows no segments.
        """
        count = layers_to_run(layers, self.depth)
        given = {} if segments_BL is None else {"token_type_ids": segments_BL}
        if given and "token_type_ids" not in inspect.signature(self.model.forward).parameters:
            raise BadInput("this model knows no segments", received=type(self.model).__name__)
        if count:
            return self._exits(self._run(self.model, 0, count, ids_BL, mask_BL, given))
        embeddings = getattr(self.model, "embeddings", None) or self.model.get_input_embeddings()  # type: ignore[operator]
        return self._exits([embeddings(ids_BL, **given)])

    def resume(
        self, x_BLD: Tensor, mask_BL: Tensor, start: int, layers: int | None = None
    ) -> States:
        """Return given states of layer `start` and those of the layers after it, to `layers`.

        Layers up to `start` are not run: with frozen lower layers their output can be kept.

        Raises:
            BadInput: There are not that many layers, or the model normalises at its exits, so that
                the states which a layer wants are not those of an exit.
        """
        count = layers_to_run(layers, self.depth)
        if self._norm_name:
            raise BadInput(
                "a model that normalises at its exits can't go on from one",
                received=type(self.model).__name__,
            )
        if layers_to_run(start, count) == count:
            return (x_BLD,)
        shell = with_part(self.model, "embeddings", _Given(x_BLD))
        return tuple(self._run(shell, start, count, mask_BL.long(), mask_BL, {}))

    def _run(
        self,
        model: nn.Module,
        start: int,
        stop: int,
        ids_BL: Tensor,
        mask_BL: Tensor,
        given: dict[str, Tensor],
    ) -> list[Tensor]:
        """Run some of the layers; return what goes into the first, and what each gives."""
        found: list[Tensor] = []
        recorders = nn.ModuleList(_Recorder(layer, found) for layer in self.layers[start:stop])
        shell = with_part(model, self._path, recorders)
        if shell._modules.get("pooler") is not None:
            shell = with_part(shell, "pooler", None)
        shell(input_ids=ids_BL, attention_mask=mask_BL, **given)
        return found

    def _exits(self, found: list[Tensor]) -> States:
        if not self._norm_name:
            return tuple(found)
        norm: nn.Module = getattr(self.model, self._norm_name)
        return tuple(norm(x_BLD) for x_BLD in found)

    def cut(self, layers: int) -> PretrainedEncoder:
        """Return an encoder of its own with copies of the first `layers` layers only."""
        count = layers_to_run(layers, self.depth)
        kept = nn.ModuleList(self.layers[:count])
        model = copy.deepcopy(with_part(self.model, self._path, kept))
        config: Any = model.config
        config.num_hidden_layers = count
        return PretrainedEncoder(model)

    @property
    def config(self) -> Any:
        """Return the configuration of the wrapped model."""
        return self.model.config


def load_backbone(
    name: str, cache: Path, progress: Progress | None = None
) -> tuple[PretrainedEncoder, Tokenizer]:
    """Return a pretrained BERT, in training mode with dropout 0.1, and its tokenizer.

    Args:
        name: See `nn.backbones`.
        cache: Files are fetched into `cache / name` once, and checked each time.
        progress: Shows the downloads.

    Raises:
        UsageError: Unknown name.
        SourceError: No mirror could deliver.
        BadInput: A file is not the one pinned.
    """
    backbone = backbone_named(name)
    folder = cache / backbone.name
    weights = folder / _fetch(backbone, folder, progress or Silent())
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return PretrainedEncoder(bert_of(read_bert(weights), backbone.heads)), tokenizer


def bert_of(weights: dict[str, Floats], heads: int) -> nn.Module:
    """Return a `BertModel` with these weights; its sizes are theirs.

    Args:
        weights: Names as in `BertModel`, as `runtime.bert_weights.read_bert` gives them.
        heads: Attention heads in each layer, which weights do not tell.

    Raises:
        BadInput: A tensor is missing.
    """
    from transformers import BertConfig, BertModel

    words, places, types = (
        weights[f"embeddings.{kind}_embeddings.weight"]
        for kind in ("word", "position", "token_type")
    )
    config = BertConfig(
        vocab_size=words.shape[0],
        hidden_size=words.shape[1],
        num_hidden_layers=layer_count(weights),
        num_attention_heads=heads,
        intermediate_size=len(weights["encoder.layer.0.intermediate.dense.bias"]),
        max_position_embeddings=len(places),
        type_vocab_size=len(types),
    )
    with torch.random.fork_rng(devices=[]):  # its first weights, soon replaced, are drawn globally
        model = BertModel(config, add_pooling_layer=False)
    tensors = {name: torch.tensor(array) for name, array in weights.items()}
    missing, _ = model.load_state_dict(tensors, strict=False)
    if missing:
        raise BadInput("the weights are not those of a BERT", received=f"no {missing[0]}")
    return model


class _Recorder(nn.Module):
    """Runs a layer and keeps what it gives (the first one also what it gets)."""

    def __init__(self, layer: nn.Module, found: list[Tensor]) -> None:
        super().__init__()
        self.layer = layer
        self.training = layer.training
        self._found = found

    def forward(self, x_BLD: Tensor, *args: Any, **kwargs: Any) -> Any:
        if not self._found:
            self._found.append(x_BLD)
        given = self.layer(x_BLD, *args, **kwargs)
        self._found.append(given if isinstance(given, Tensor) else given[0])
        return given

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.layer, name)


class _Given(nn.Module):
    """Stands in for the embeddings."""

    def __init__(self, x_BLD: Tensor) -> None:
        super().__init__()
        self._x_BLD = x_BLD

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        return self._x_BLD


def _find_layers(model: nn.Module) -> str:
    for path in _LAYER_LISTS:
        try:
            found = model.get_submodule(path)
        except AttributeError:
            continue
        if isinstance(found, nn.ModuleList) and len(found):
            return path
    raise BadInput(
        "this model's layers were not found",
        received=type(model).__name__,
        hint="a BertModel, MPNetModel or ModernBertModel",
    )


def _fetch(backbone: Backbone, folder: Path, progress: Progress) -> str:
    """Fetch from the first mirror that works; return the name of the file of weights."""
    failures: list[SourceError] = []
    for parts in backbone.mirrors.values():
        try:
            fetch_parts(parts, folder, progress)
        except SourceError as error:
            failures.append(error)
            continue
        return next(part.name for part in parts if part.name != "tokenizer.json")
    raise failures[-1]
