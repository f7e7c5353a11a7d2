"""The section classifier as it runs: in ONNX Runtime, or in PyTorch where nothing can be kept.

In single precision: 8-bit integers are twice as fast, but a point of accuracy goes, and few sections are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clinical.sectioning.design import Beginnings, read_design
from privacy.graphs import graph_file, open_graph, write_graph

_Inputs = Mapping[str, NDArray[np.int64]]


class Classifier:
    """Gives texts the labels of the sections that they could be.

    Args:
        weights: what was trained.
        cache: a folder for the model in the form that runs fast; it is made there at first use.

    Raises:
        IntegrityError: the weights are no section classifier, or their encoder is not the one on this machine.
    """

    def __init__(self, weights: Path, cache: Path | None = None) -> None:
        design = read_design(weights)
        encoder = design.encoder()
        self.labels = design.labels
        self._beginnings = Beginnings(encoder, design.tokens)
        graph = graph_file("sections", weights, encoder, cache)
        session = open_graph(graph, partial(_export, weights), threads=1, quantized=False)
        self._logits = _in_torch(weights) if session is None else lambda inputs: session.run(None, dict(inputs))[0]

    def label(self, texts: Sequence[str]) -> list[str]:
        """The likeliest label of each text."""
        return [self.labels[best] for best in self._logits(self._beginnings.of(texts)).argmax(1).tolist()]


def _in_torch(weights: Path) -> Callable[[_Inputs], NDArray[np.float32]]:
    import torch

    from clinical.sectioning.model import load

    network = load(weights).network

    def logits(inputs: _Inputs) -> NDArray[np.float32]:
        with torch.inference_mode():
            array: NDArray[np.float32] = network(*map(torch.from_numpy, inputs.values())).numpy()
        return array

    return logits


def _export(weights: Path, path: Path) -> None:
    from clinical.sectioning.model import load

    model = load(weights)
    write_graph(model.network, model.beginnings.of(["any two words", "and one"]), path, free=("batch",))
