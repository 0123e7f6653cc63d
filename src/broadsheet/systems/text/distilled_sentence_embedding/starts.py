"""Where an encoder starts: pretrained weights, converted once and kept."""

from __future__ import annotations

from pathlib import Path

from safetensors.numpy import load_file
from safetensors.torch import save_file
from tokenizers import Tokenizer

from broadsheet.nn.bert_names import bert_weights, take_bert
from broadsheet.nn.pretrained import PretrainedEncoder, load_backbone
from broadsheet.systems.contract import Workspace
from broadsheet.systems.text.distilled_sentence_embedding.model import Encoder
from broadsheet.systems.text.distilled_sentence_embedding.recipe import EncoderSettings


def start_encoder(encoder: Encoder, settings: EncoderSettings, workspace: Workspace) -> None:
    """Give an encoder its pretrained weights; one that starts fresh is left as it is.

    Raises:
        UsageError: Unknown backbone.
        BadInput: The weights are of another size.
    """
    if not settings.start:
        return
    if isinstance(encoder, PretrainedEncoder):
        from transformers import BertModel

        model = BertModel.from_pretrained(settings.start, add_pooling_layer=False)
        encoder.model.load_state_dict(model.state_dict())
        return
    take_bert(encoder, load_file(_converted(settings, workspace)))


def tokenizer_of(settings: EncoderSettings, workspace: Workspace) -> Tokenizer:
    """Return the tokenizer of a backbone; without one, that of all-minilm-l6-v2."""
    if settings.family == "bert":
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(settings.start).backend_tokenizer
    name = settings.start or "all-minilm-l6-v2"
    path = _folder(workspace) / name / "tokenizer.json"
    tokenizer = (
        Tokenizer.from_file(str(path))
        if path.is_file()
        else load_backbone(name, _folder(workspace), workspace.progress)[1]
    )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _converted(settings: EncoderSettings, workspace: Workspace) -> Path:
    path = _folder(workspace) / settings.start / "bert.safetensors"
    if not path.is_file():
        import torch

        encoder, _ = load_backbone(settings.start, _folder(workspace), workspace.progress)
        tensors = {name: torch.from_numpy(array) for name, array in bert_weights(encoder).items()}
        partial = path.with_suffix(".partial")
        save_file(tensors, str(partial))
        partial.replace(path)
    return path


def _folder(workspace: Workspace) -> Path:
    return workspace.shared / "backbones"
