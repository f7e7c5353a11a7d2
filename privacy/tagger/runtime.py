"""The tagger as it runs: 8-bit integers in ONNX Runtime, made on this machine at first use, or PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from privacy.encoders import find_encoder
from privacy.graphs import graph_file, open_graph, write_graph
from privacy.tagger.design import Design, read_design
from privacy.tagger.words import SHAPES, Batch, Subwords, batch_of, spelling_of, windows_of, words_of


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


def open_runtime(weights: Path, cache: Path | None, threads: int, *, quantized: bool) -> Runtime:
    """Open a trained tagger; where the cache cannot be written, it runs in PyTorch.

    Raises:
        IntegrityError: the weights are no tagger of ours, or their encoder is not the one on this machine.
    """
    design = read_design(weights)
    files = find_encoder(design.encoder)
    if quantized:
        graph = graph_file("tagger", weights, files, cache)
        if session := open_graph(graph, partial(_export, weights), threads, quantized=True):
            return OnnxRuntime(design, Subwords(Path(files.path)), session)
    return _in_torch(weights, threads)


def _in_torch(weights: Path, threads: int) -> TorchRuntime:
    import torch

    from privacy.tagger.model import load, merged

    torch.set_num_threads(threads)
    model = load(weights)
    return TorchRuntime(model.design, model.subwords, merged(model).eval())


def _export(weights: Path, path: Path) -> None:
    from privacy.tagger.model import load, merged

    model = load(weights)
    subwords, words = model.subwords, words_of("any two")
    shapes = np.zeros((len(words), len(SHAPES) + model.design.marks), np.uint8)
    spelling = [spelling_of(words)] * 2 if model.design.characters else None
    example = batch_of(windows_of(subwords, words, 16) * 2, [shapes] * 2, subwords.padding, spelling).inputs()
    write_graph(merged(model), example, path)
