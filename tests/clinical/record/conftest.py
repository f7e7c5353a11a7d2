"""A reader with random weights over a small random encoder: what must hold for any weights is tested with it."""

from __future__ import annotations

import pytest

from clinical.record.encoding import Encoding, open_encoding
from clinical.record.reader import Design, build, save
from privacy.encoders import find_encoder
from tests.clinical.encoders import POSITIONS, save_encoder


@pytest.fixture(scope="session")
def encoding(tmp_path_factory: pytest.TempPathFactory) -> Encoding:
    import torch

    folder = tmp_path_factory.mktemp("reader")
    files = find_encoder(str(save_encoder(folder / "encoder", words=("fever", "cough", "denies", "patient"))))
    design = Design(files.name, files.sha256, frozen=1, rank=2, hidden=8, tokens=POSITIONS, threshold=-1e6)
    reader = build(design, files, seed=1)
    with torch.no_grad():
        for name, parameter in reader.network.trained().items():
            parameter.normal_(generator=torch.Generator().manual_seed(len(name)))
    save(reader, folder / "reader.safetensors")
    return open_encoding(folder / "reader.safetensors")
