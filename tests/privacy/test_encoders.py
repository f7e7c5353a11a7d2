"""An encoder is known by its hash, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.errors import InputError, IntegrityError
from policies.files import file_sha256
from privacy.encoders import DEFAULT_ENCODER, find_encoder, load_encoder
from tests.clinical.encoders import save_encoder


def test_the_default_encoder_is_known_by_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_encoder().name == DEFAULT_ENCODER
    monkeypatch.setattr("privacy.encoders._DEFAULT_SHA256", "0" * 64)
    with pytest.raises(IntegrityError, match="not the ones"):
        find_encoder()


def test_a_folder_is_hashed_or_refused(tmp_path: Path) -> None:
    saved = save_encoder(tmp_path / "bert")
    assert find_encoder(str(saved)).sha256 == file_sha256(saved / "model.safetensors")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"no model\.safetensors"):
        find_encoder(str(empty))
    (empty / "model.safetensors").write_bytes(b"none")
    with pytest.raises(InputError, match="cannot be loaded"):
        load_encoder(find_encoder(str(empty)))


def test_a_loaded_encoder_is_frozen(tmp_path: Path) -> None:
    tokenizer, model = load_encoder(find_encoder(str(save_encoder(tmp_path / "bert"))))
    assert tokenizer("ab", add_special_tokens=False)["input_ids"]
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
