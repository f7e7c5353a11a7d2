"""The tagger as it runs: 8-bit integers in ONNX Runtime, made on this machine at first use, or PyTorch."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from policies.files import file_sha256
from privacy.encoders import EncoderFiles, find_encoder
from privacy.tagger.design import Design, read_design
from privacy.tagger.words import SHAPES, Batch, Subwords, batch_of, spelling_of, windows_of, words_of

_FORM = "2"  # of the exported graph; another number makes every machine export anew


class Runtime(Protocol):
    """Subwords and a way from a batch to logits `[B, L, K]`."""

    design: Design
    subwords: Subwords

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Logits of a batch."""
        ...


@dataclass
class TorchRuntime:
    """Runs in PyTorch, in single precision."""

    design: Design
    subwords: Subwords
    network: Any

    def run(self, batch: Batch) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            logits = self.network(**{name: torch.from_numpy(part) for name, part in batch.inputs().items()})
        array: NDArray[np.float32] = logits.numpy()
        return array


@dataclass
class OnnxRuntime:
    """Runs a quantized graph in ONNX Runtime."""

    design: Design
    subwords: Subwords
    session: Any

    def run(self, batch: Batch) -> NDArray[np.float32]:
        array: NDArray[np.float32] = self.session.run(None, batch.inputs())[0]
        return array


def cache_folder() -> Path:
    """Where programs keep what they can make again (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "confide"


def open_runtime(weights: Path, cache: Path | None, threads: int, *, quantized: bool) -> Runtime:
    """Open a trained tagger; where the cache cannot be written, it runs in PyTorch.

    Raises:
        IntegrityError: the weights are no tagger of ours, or their encoder is not the one on this machine.
    """
    design = read_design(weights)
    files = find_encoder(design.encoder)
    graph = (cache or cache_folder()) / f"tagger-{_key(weights, files)}.onnx"
    if quantized and (graph.is_file() or _export(weights, graph)):
        return OnnxRuntime(design, Subwords(Path(files.path)), _session(graph, threads))
    return _in_torch(weights, threads)


def _in_torch(weights: Path, threads: int) -> TorchRuntime:
    import torch

    from privacy.tagger.model import load, merged

    torch.set_num_threads(threads)
    model = load(weights)
    return TorchRuntime(model.design, model.subwords, merged(model).eval())


def _key(weights: Path, encoder: EncoderFiles) -> str:
    parts = (file_sha256(weights), encoder.sha256, _FORM)
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:32]


def _session(graph: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _export(weights: Path, graph: Path) -> bool:
    """Write the quantized graph whole; False where the folder cannot be written."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    try:
        graph.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=graph.parent) as folder:
            whole, small = Path(folder, "whole.onnx"), Path(folder, "small.onnx")
            _export_whole(weights, whole)
            # One scale for each column: with one for a whole matrix the taggers lose more than half a point of F1.
            quantize_dynamic(
                whole, small, per_channel=True, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"]
            )
            small.replace(graph)
    except OSError:
        return False
    return True


def _export_whole(weights: Path, path: Path) -> None:
    import torch

    from privacy.tagger.model import load, merged

    model = load(weights)
    subwords, words = model.subwords, words_of("any two")
    shapes = np.zeros((len(words), len(SHAPES) + model.design.marks), np.uint8)
    spelling = [spelling_of(words)] * 2 if model.design.characters else None
    example = batch_of(windows_of(subwords, words, 16) * 2, [shapes] * 2, subwords.padding, spelling).inputs()
    names = (*example, "logits")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of shapes that are free
        torch.onnx.export(
            merged(model).eval(),
            tuple(torch.from_numpy(part) for part in example.values()),
            path,
            input_names=names[:-1],
            output_names=names[-1:],
            dynamic_axes={name: {0: "batch", 1: "length"} for name in names},
            dynamo=False,  # the new exporter needs a package more
        )
