"""Networks as they run: graphs in ONNX Runtime, made on this machine at first use and kept in the cache."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.files import file_sha256
from privacy.encoders import EncoderFiles

_FORM = "2"  # of the exported graph; another number makes every machine export anew


def cache_folder() -> Path:
    """Where programs keep what they can make again (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "confide"


def graph_file(kind: str, weights: Path, encoder: EncoderFiles, cache: Path | None = None) -> Path:
    """Where a network's graph is kept: its name changes with all that it is made of."""
    parts = (file_sha256(weights), encoder.sha256, _FORM)
    key = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:32]
    return (cache or cache_folder()) / f"{kind}-{key}.onnx"


def open_graph(graph: Path, export: Callable[[Path], None], threads: int, *, quantized: bool) -> Any | None:
    """A session of a graph, which is made first if it is not there; None where its folder cannot be written.

    Args:
        export: writes the network to a file, in single precision.
        quantized: whether it is made to run in 8-bit integers.
    """
    if not (graph.is_file() or _made(graph, export, quantized)):
        return None
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _made(graph: Path, export: Callable[[Path], None], quantized: bool) -> bool:
    """Write the graph whole; False where the folder cannot be written."""
    try:
        graph.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=graph.parent) as folder:
            path = Path(folder, "whole.onnx")
            export(path)
            (_quantized(path) if quantized else path).replace(graph)
    except OSError:
        return False
    return True


def _quantized(whole: Path) -> Path:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    small = whole.with_name("small.onnx")
    # One scale for each column: with one for a whole matrix the taggers lose more than half a point of F1.
    quantize_dynamic(
        whole, small, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"]
    )
    return small


def write_graph(
    network: Any, example: Mapping[str, NDArray[np.generic]], path: Path, free: Sequence[str] = ("batch", "length")
) -> None:
    """Write a network in single precision.

    Args:
        network: in PyTorch, from inputs in the order of the example, each `[B, L, ...]`, to logits.
        free: the first dimensions of the logits, which differ from batch to batch.
    """
    import torch

    axes = {**dict.fromkeys(example, ("batch", "length")), "logits": free}

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of shapes that are free
        torch.onnx.export(
            network.eval(),
            tuple(torch.from_numpy(part) for part in example.values()),
            path,
            input_names=list(example),
            output_names=["logits"],
            dynamic_axes={name: dict(enumerate(own)) for name, own in axes.items()},
            dynamo=False,  # the new exporter needs a package more
        )
