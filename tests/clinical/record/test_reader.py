"""Weights on disk are the weights that were trained, and no others are taken for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from clinical.record.encoding import Encoding
from clinical.record.passages import Note
from clinical.record.reader import Design, build, load, save
from clinical.record.retrieval import Index
from policies.errors import IntegrityError

NOTE = Note("a", "", "The patient denies fever. She has a cough.")


def test_what_is_saved_is_loaded(encoding: Encoding, tmp_path: Path) -> None:
    before = build(encoding.reader.design, seed=1)
    with torch.no_grad():
        for parameter in before.network.trained().values():
            parameter.copy_(torch.randn_like(parameter).half())
    save(before, tmp_path / "x.safetensors")
    after = load(tmp_path / "x.safetensors")
    index = Index([NOTE], encoding.embed)
    pair = before.pair("fever?", index, index.search("fever?"), 0)
    with torch.inference_mode():
        one, other = before.logits([pair]), after.logits([pair])
    told = torch.isfinite(one)
    assert torch.equal(told, torch.isfinite(other)) and told.any()
    assert torch.allclose(one[told], other[told], atol=1e-3)


def test_a_pair_knows_where_its_tokens_stand(encoding: Encoding) -> None:
    index = Index([Note("z", "", "Nothing."), NOTE], encoding.embed)
    search = index.search("Does she have a fever?")
    number = next(n for n, own in enumerate(index.passages) if own.note == 1)
    pair = encoding.reader.pair("fever", index, search, number)
    asked = [(start, end) for (start, end), weight in zip(pair.offsets, pair.features[:, 0], strict=True) if weight > 0]
    assert [NOTE.text[start:end] for start, end in asked] == ["fever"]
    begins = [NOTE.text[own[0] :] for own, mark in zip(pair.offsets, pair.features[:, 3], strict=True) if mark]
    assert begins == [NOTE.text, "She has a cough."]
    assert (pair.offsets[pair.kinds == 0] == -1).all()


def test_only_the_passage_and_the_first_token_can_be_chosen(encoding: Encoding) -> None:
    index = Index([NOTE], encoding.embed)
    pair = encoding.reader.pair("fever", index, index.search("fever"), 0)
    logits = encoding.reader.logits([pair])[0]
    chosen = torch.isfinite(logits[:, 0]).numpy()
    assert chosen[0] and (chosen[1:] == (pair.offsets[1:, 0] >= 0)).all()


@pytest.mark.parametrize("header", [None, {"design": "{}"}, {"design": "[1]"}])
def test_other_weights_are_refused(tmp_path: Path, header: dict[str, str] | None) -> None:
    save_file({"x": np.zeros(1, np.float32)}, tmp_path / "x.safetensors", metadata=header)
    with pytest.raises(IntegrityError, match="no reader"):
        load(tmp_path / "x.safetensors")


def test_another_encoder_is_refused(encoding: Encoding) -> None:
    with pytest.raises(IntegrityError, match="another encoder"):
        build(Design(encoding.reader.design.encoder, "0" * 64))
