"""A table of token vectors as a static artefact: int8 rows, each with a scale of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from broadsheet.core.errors import BadInput
from broadsheet.data.records import RetrievalSet
from broadsheet.evals.score import Encode
from broadsheet.export.parity import check_int8, check_retrieval
from broadsheet.export.sample import passage_search
from broadsheet.export.staging import staged
from broadsheet.export.transformer import Facts
from broadsheet.runtime.artefact import (
    Artefact,
    Variant,
    describe_files,
    fingerprint,
    write_artefact,
)
from broadsheet.runtime.encoder import load_encoder
from broadsheet.runtime.sample import sample_texts


def export_static(
    table: npt.NDArray[np.float32],
    tokenizer: Tokenizer,
    folder: Path,
    facts: Facts,
    *,
    encode: Encode,
    sample: RetrievalSet | None = None,
) -> Artefact:
    """Write a token table as an int8 artefact, after the gates let it through.

    Args:
        table: One vector for each token id, its weight in the mean already in its length.
        tokenizer: Its ids are the rows.
        folder: Where to; must be empty or missing.
        facts: What the artefact says of itself.
        encode: The trained module's own unit vectors: what the gates compare with.
        sample: What the loss of nDCG is measured on; by default `export.sample`.

    Shape:
        table [tokens, dim].

    Raises:
        BadInput: The folder holds something, the table does not fit, or a gate failed.
    """
    if table.ndim != 2 or len(table) < tokenizer.get_vocab_size() or not np.isfinite(table).all():
        raise BadInput(
            "the table needs one vector of finite numbers for each token",
            received=table.shape,
            hint=f"{tokenizer.get_vocab_size()} rows",
        )
    with staged(folder) as place:
        return _write_gated(table, tokenizer, place, facts, encode, sample or passage_search())


def _write_gated(
    table: npt.NDArray[np.float32],
    tokenizer: Tokenizer,
    folder: Path,
    facts: Facts,
    encode: Encode,
    sample: RetrievalSet,
) -> Artefact:
    _write(table, tokenizer, folder)
    files = describe_files(folder)
    variant = Variant(name="int8", runtime="numpy", file="vectors.npy")
    draft = Artefact(
        id=facts.id,
        kind="static",
        dim=table.shape[1],
        max_tokens=0,
        licence=facts.licence,
        base_model=facts.base_model,
        files=files,
        provenance=facts.provenance,
        variants=(variant,),
        fingerprint=fingerprint(
            {"dim": table.shape[1]}, {name: item.sha256 for name, item in files.items()}
        ),
        notes=facts.notes,
    )
    write_artefact(folder, draft)
    exported = load_encoder(folder)
    texts = sample_texts()
    cosine = check_int8(encode(texts), exported.encode(texts))
    loss = check_retrieval(encode, exported.encode, sample)
    gate = {"mean_cosine": round(cosine, 6), "ndcg_loss": round(loss, 6)}
    artefact = replace(draft, variants=(replace(variant, gate=gate),))
    write_artefact(folder, artefact)
    return artefact


def _write(table: npt.NDArray[np.float32], tokenizer: Tokenizer, folder: Path) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    scales = np.abs(table).max(axis=1) / 127
    steps = np.where(scales == 0, 1.0, scales)
    np.save(folder / "vectors.npy", np.rint(table / steps[:, None]).astype(np.int8))
    np.save(folder / "vectors.scales.npy", scales.astype(np.float32))
