"""The two engines that run a transformer: onnxruntime, and OpenVINO where it is installed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from broadsheet.core.errors import BadInput
from broadsheet.core.optional import require
from broadsheet.runtime.artefact import Variant

Tokens = npt.NDArray[np.int64]
States = npt.NDArray[np.float32]


class Engine(Protocol):
    """Runs a graph with the three inputs of a BERT."""

    def run(self, ids: Tokens, mask: Tokens, types: Tokens) -> States:
        """Run one batch.

        Shape:
            inputs [rows, tokens]; the result is the graph's first output.
        """
        ...


class OnnxRuntime:
    """A graph in onnxruntime on the CPU.

    Args:
        path: The `.onnx` file.
        threads: Threads inside one operator; 0 means one for each core.

    Raises:
        BadInput: The file is not a graph that onnxruntime can run.
    """

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Batches differ in shape: remembering a memory plan for each only costs memory.
        options.enable_mem_pattern = False
        # Idle threads that spin would take the core from the web server.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(path),
                options,
                providers=["CPUExecutionProvider"],
                # Measured: addition and normalisation apart are quicker than the fused operator.
                disabled_optimizers=["SkipLayerNormFusion"],
            )
        except Exception as error:  # onnxruntime raises types of its own, all from Exception
            raise BadInput(f"the model can't be loaded ({error})", received=path) from None
        self._inputs = {item.name for item in self._session.get_inputs()}
        self._output = self._session.get_outputs()[0].name

    def run(self, ids: Tokens, mask: Tokens, types: Tokens) -> States:
        """Run one batch; see `Engine.run`."""
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        wanted = {name: value for name, value in feeds.items() if name in self._inputs}
        states: States = self._session.run([self._output], wanted)[0]
        return states


class OpenVino:
    """A graph in OpenVINO on the CPU.

    Args:
        path: An `.xml` (with its `.bin`) or `.onnx` file.
        threads: Threads in all; 0 leaves the choice to OpenVINO.

    Raises:
        BadInput: The file is not a graph that OpenVINO can run.
        UsageError: OpenVINO is not installed.
    """

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        openvino = require("openvino", extra="fast", why="this variant of the model")
        config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if threads:
            config["INFERENCE_NUM_THREADS"] = threads
        try:
            self._model: Any = openvino.Core().compile_model(str(path), "CPU", config)
        except RuntimeError as error:
            raise BadInput(f"the model can't be loaded ({error})", received=path) from None
        self._inputs = {name for item in self._model.inputs for name in item.get_names()}
        # A call uses the model's one request: two threads must not share it.
        self._one_at_a_time = threading.Lock()

    def run(self, ids: Tokens, mask: Tokens, types: Tokens) -> States:
        """Run one batch; see `Engine.run`."""
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
        wanted = {name: value for name, value in feeds.items() if name in self._inputs}
        with self._one_at_a_time:
            states: States = self._model(wanted)[0]
        return states


def open_engine(folder: Path, variant: Variant, *, threads: int = 0) -> Engine:
    """Open the engine that a variant asks for.

    Raises:
        BadInput: The engine is unknown, or the file can't be loaded.
    """
    path = folder / variant.file
    if variant.runtime == "onnxruntime":
        return OnnxRuntime(path, threads=threads)
    if variant.runtime == "openvino":
        return OpenVino(path, threads=threads)
    raise BadInput("unknown runtime of a model", received=variant.runtime)
