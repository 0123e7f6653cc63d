"""Between our text encoders and sentence-transformers: models both ways, and our losses there.

A model goes out as stock modules only, so that a folder loads where nothing of ours is installed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from broadsheet.core.errors import BadInput
from broadsheet.core.optional import require
from broadsheet.nn.bert_names import bert_weights
from broadsheet.nn.blocks import EPSILON
from broadsheet.nn.poolings.cls import ClsPooling
from broadsheet.nn.poolings.last import LastPooling
from broadsheet.nn.poolings.mean import MeanPooling
from broadsheet.nn.poolings.weighted import WeightedPooling
from broadsheet.nn.pretrained import PretrainedEncoder, bert_of
from broadsheet.nn.sentence import SentenceEncoder
from broadsheet.nn.transformer import Transformer

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_POOLINGS: dict[str, type[nn.Module]] = {
    "mean": MeanPooling,
    "cls": ClsPooling,
    "lasttoken": LastPooling,
    "weightedmean": WeightedPooling,
}
_SPECIAL = {
    "unk_token": "[UNK]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}

#: Takes the vectors of each column of a batch, and the labels if the data has some.
VectorLoss = Callable[[Sequence[Tensor], Tensor | None], Tensor]


def to_sentence_transformers(
    sentence: SentenceEncoder,
    *,
    layers: int | None = None,
    dims: int | None = None,
    prompts: Mapping[str, str] | None = None,
) -> SentenceTransformer:
    """Return a copy of an encoder as a `SentenceTransformer` of stock modules.

    `save_pretrained(folder)` writes it; `SentenceTransformer(folder)` gives the same unit vectors
    as `encode` here. A cut to fewer dimensions is a linear map that keeps the first ones.

    Args:
        sentence: An encoder in the form of BERT, pooled by mean, weighted mean, first or last
            token.
        layers: Keep this many layers.
        dims: Keep this many numbers of a vector.
        prompts: Put before texts, by name.

    Raises:
        BadInput: The encoder or the pooling has no stock counterpart.
    """
    st: Any = require("sentence_transformers", extra="train", why="the bridge")
    modules: Any = require(
        "sentence_transformers.sentence_transformer.modules", extra="train", why="the bridge"
    )
    kind = _pooling_name(sentence.pooling)
    size = sentence.width if dims is None else dims
    if not 1 <= size <= sentence.width:
        raise BadInput(
            "a vector can't be cut there", received=dims, hint=f"1 to {sentence.width} numbers"
        )
    model = _bert(sentence, layers)
    with tempfile.TemporaryDirectory() as folder, _no_bars():
        model.save_pretrained(folder)
        _fast_tokenizer(sentence).save_pretrained(folder)
        chain: list[Any] = [modules.Transformer(folder, max_seq_length=sentence.max_tokens)]
    chain.append(modules.Pooling(sentence.encoder.width, pooling_mode=kind))
    if size < sentence.width:
        chain.append(_cut(modules, sentence.width, size))
    chain.append(modules.Normalize())
    built: SentenceTransformer = st.SentenceTransformer(
        modules=chain, prompts=dict(prompts or {}), device="cpu"
    )
    return built


def from_sentence_transformers(model: SentenceTransformer) -> SentenceEncoder:
    """Return a `SentenceTransformer`, perhaps just trained, as our encoder; weights are shared.

    A final scaling to length 1 is left out: `encode` scales.

    Raises:
        BadInput: A module has no counterpart here.
    """
    parts: list[Any] = list(model)
    names = [type(part).__name__ for part in parts]
    if names not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise BadInput("only a transformer and a pooling can be taken", received=", ".join(names))
    transformer, pooling = parts[:2]
    kind = pooling.pooling_mode
    if kind not in _POOLINGS:
        raise BadInput("unknown pooling", received=kind, hint=", ".join(_POOLINGS))
    tokenizer = transformer.tokenizer
    return SentenceEncoder(
        PretrainedEncoder(transformer.auto_model),
        _POOLINGS[kind](),  # type: ignore[arg-type]
        Tokenizer.from_str(tokenizer.backend_tokenizer.to_str()),
        max_tokens=int(model.max_seq_length or tokenizer.model_max_length),
    )


class SentenceTransformersLoss(nn.Module):
    """Our loss functions where sentence-transformers' trainer wants a loss module.

    Args:
        model: The `SentenceTransformer` that is trained.
        loss: Takes the vectors of each text column, and the labels.

    Example:
        >>> from broadsheet.losses.contrastive import info_nce
        >>> table = nn.Embedding(9, 4)
        >>> model = lambda features: {"sentence_embedding": table(features["ids"])}
        >>> loss = SentenceTransformersLoss(model, lambda xs, labels: info_nce(xs[0], xs[1]))
        >>> columns = [{"ids": torch.arange(3)}, {"ids": torch.arange(3)}]
        >>> loss(columns).shape
        torch.Size([])
    """

    def __init__(self, model: Any, loss: VectorLoss) -> None:
        super().__init__()
        self.model = model
        self._loss = loss

    def forward(
        self, sentence_features: Iterable[Mapping[str, Tensor]], labels: Tensor | None = None
    ) -> Tensor:
        """Encode each column and return the loss."""
        vectors = [self.model(features)["sentence_embedding"] for features in sentence_features]
        return self._loss(vectors, labels)


def _pooling_name(pooling: object) -> str:
    for name, kind in _POOLINGS.items():
        if type(pooling) is kind:
            return name
    raise BadInput(
        "sentence-transformers has no such pooling",
        received=type(pooling).__name__,
        hint=", ".join(kind.__name__ for kind in _POOLINGS.values()),
    )


def _bert(sentence: SentenceEncoder, layers: int | None) -> Any:
    """Return a `BertModel` with a pooler of zeros: unused, but loading a folder asks for one."""
    bert: Any = require("transformers.models.bert.modeling_bert", extra="train", why="the bridge")
    encoder = sentence.encoder
    if isinstance(encoder, Transformer):
        heads, epsilon = encoder.shape.heads, EPSILON
    elif isinstance(encoder, PretrainedEncoder):
        heads, epsilon = encoder.config.num_attention_heads, encoder.config.layer_norm_eps
    else:
        raise BadInput("this encoder has not the form of a BERT", received=type(encoder).__name__)
    kept = encoder if layers is None else encoder.cut(layers)
    model: Any = bert_of(bert_weights(kept), heads)
    model.config.layer_norm_eps = epsilon
    for part in model.modules():
        if isinstance(part, nn.LayerNorm):
            part.eps = epsilon
    with torch.random.fork_rng(devices=[]):
        model.pooler = bert.BertPooler(model.config)
    for parameter in model.pooler.parameters():
        nn.init.zeros_(parameter)
    return model


def _fast_tokenizer(sentence: SentenceEncoder) -> Any:
    transformers: Any = require("transformers", extra="train", why="the bridge")
    known = {
        role: token
        for role, token in _SPECIAL.items()
        if sentence.tokenizer.token_to_id(token) is not None
    }
    if "pad_token" not in known:
        raise BadInput("the tokenizer has no token to pad with", hint="add [PAD] to it")
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=sentence.tokenizer, model_max_length=sentence.max_tokens, **known
    )


def _cut(modules: Any, width: int, size: int) -> Any:
    return modules.Dense(
        width,
        size,
        bias=False,
        activation_function=nn.Identity(),
        init_weight=torch.eye(size, width),
    )


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep transformers from drawing bars of its own while it reads a folder."""
    logging: Any = require("transformers.utils.logging", extra="train", why="the bridge")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
