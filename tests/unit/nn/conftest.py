"""Tiny encoders of every family, and a tiny tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn

from broadsheet.nn.decoder import Decoder
from broadsheet.nn.gru import GruEncoder, GruShape
from broadsheet.nn.pretrained import PretrainedEncoder
from broadsheet.nn.transformer import Transformer, TransformerShape

WORDS = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]"),
    *["a", "cat", "dog", "sat", "on", "the", "mat", "and", "ran", "home", "fast", "slow"],
]
SHAPE = TransformerShape(vocab=16, width=8, depth=3, heads=2, hidden=16, max_tokens=12)
LIBRARY = ("bert", "mpnet", "modernbert")
OURS = ("transformer", "decoder", "gru")


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def library_model(family: str) -> nn.Module:
    """A tiny random model of the transformers library, in evaluation mode."""
    import transformers as library

    sizes = {
        "vocab_size": 16,
        "hidden_size": 8,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    with torch.random.fork_rng():
        torch.manual_seed(5)
        if family == "bert":
            model = library.BertModel(library.BertConfig(**sizes, max_position_embeddings=12))
        elif family == "mpnet":
            model = library.MPNetModel(library.MPNetConfig(**sizes, max_position_embeddings=20))
        else:
            config = library.ModernBertConfig(
                **sizes, pad_token_id=0, local_attention=4, global_attn_every_n_layers=2
            )
            model = library.ModernBertModel(config)
        for parameter in model.parameters():  # larger than the library's, so that layers matter
            parameter.data += 0.2 * torch.randn_like(parameter)
    return model.eval()


def encoder_of(family: str) -> nn.Module:
    """A tiny encoder in evaluation mode."""
    if family == "transformer":
        encoder: nn.Module = Transformer(SHAPE, _generator())
    elif family == "decoder":
        encoder = Decoder(SHAPE, _generator()).with_causal(True)
    elif family == "gru":
        encoder = GruEncoder(GruShape(vocab=16, width=8, depth=3), _generator())
    else:
        return PretrainedEncoder(library_model(family)).eval()
    with torch.no_grad():  # far from the small first weights, so that every part matters
        for parameter in encoder.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=_generator())
    return encoder.eval()


@pytest.fixture(params=LIBRARY + OURS)
def encoder(request: pytest.FixtureRequest) -> nn.Module:
    """Each kind of encoder in turn."""
    return encoder_of(request.param)


@pytest.fixture
def make_encoder() -> Callable[[str], nn.Module]:
    """Make an encoder by its family's name."""
    return encoder_of


@pytest.fixture
def make_library_model() -> Callable[[str], nn.Module]:
    """Make a model of the transformers library by its family's name."""
    return library_model


@pytest.fixture
def tokenizer() -> Tokenizer:
    """Sixteen words, one token each."""
    found = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, "[UNK]"))
    found.pre_tokenizer = pre_tokenizers.Whitespace()
    found.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return found


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask of rows with 6, 3 and 4 tokens, padded on the right with the id 1."""
    ids = torch.tensor([[2, 5, 6, 7, 8, 3], [2, 9, 3, 1, 1, 1], [2, 10, 4, 3, 1, 1]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0]])
    return ids, mask


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    """One thread: same bits, and no waiting for cores that others use."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
