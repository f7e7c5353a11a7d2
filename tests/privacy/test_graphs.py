"""A network is kept as a graph, made once, under a name that changes with what it is made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from privacy.encoders import EncoderFiles
from privacy.graphs import graph_file, open_graph, write_graph


def export(path: Path) -> None:
    import torch

    torch.manual_seed(0)
    write_graph(torch.nn.Linear(8, 2), {"x": np.zeros((2, 3, 8), np.float32)}, path)


@pytest.mark.parametrize("quantized", [True, False])
def test_a_graph_is_made_once_and_takes_any_batch_of_any_length(tmp_path: Path, quantized: bool) -> None:
    graph, made = tmp_path / "cache" / "small.onnx", []
    for shape in ((1, 5, 8), (4, 1, 8)):
        session = open_graph(graph, lambda path: made.append(path) or export(path), 1, quantized=quantized)
        assert session is not None
        assert session.run(None, {"x": np.ones(shape, np.float32)})[0].shape == (*shape[:2], 2)
    assert len(made) == 1
    assert [own.name for own in graph.parent.iterdir()] == ["small.onnx"]


def test_where_nothing_can_be_written_there_is_no_graph(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert open_graph(tmp_path / "cache" / "small.onnx", export, 1, quantized=False) is None


def test_the_name_changes_with_weights_and_encoder(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    encoders = [EncoderFiles("e", "e", sha256) for sha256 in ("a", "b")]
    names = {graph_file("kind", weights, encoder, tmp_path) for weights in (one, other) for encoder in encoders}
    assert len(names) == 4
    assert graph_file("kind", one, encoders[0], tmp_path) in names
