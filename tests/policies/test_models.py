"""Only what a trusted key signed is opened, and only as what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from policies.errors import InputError, IntegrityError
from policies.files import sha256_hex
from policies.keys import KeyRing, PublicKey, create_keys
from policies.models import CARD, SIGNATURE, WEIGHTS, SignedModel, list_models, open_model, sign_model, trust


@pytest.fixture
def signed(tmp_path: Path, keys: KeyRing) -> SignedModel:
    trust(tmp_path / "trusted", keys.public)
    return sign_model(tmp_path / "models", b"weights", {"plan": "p", "epsilon": {"north": "1.0"}}, keys)


def refused(folder: Path, says: str) -> None:
    with pytest.raises(IntegrityError, match=says) as caught:
        open_model(folder, folder.parents[1] / "trusted")
    assert str(folder) in str(caught.value)


def test_a_good_model_opens(tmp_path: Path, signed: SignedModel) -> None:
    opened = open_model(signed.folder, tmp_path / "trusted")
    assert opened == signed
    assert opened.weights.read_bytes() == b"weights"
    assert opened.card == {"plan": "p", "epsilon": {"north": "1.0"}, "weights_sha256": sha256_hex(b"weights")}


def test_the_card_cannot_claim_other_weights(tmp_path: Path, keys: KeyRing) -> None:
    model = sign_model(tmp_path / "models", b"weights", {"weights_sha256": "0" * 64}, keys)
    assert model.card["weights_sha256"] == sha256_hex(b"weights")


@pytest.mark.parametrize("file", [WEIGHTS, CARD, SIGNATURE])
def test_a_missing_file_is_refused(signed: SignedModel, file: str) -> None:
    (signed.folder / file).unlink()
    refused(signed.folder, "unsigned or incomplete")


@pytest.mark.parametrize("file", [WEIGHTS, CARD])
def test_an_altered_byte_is_refused(signed: SignedModel, file: str) -> None:
    path = signed.folder / file
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        refused(signed.folder, "signature of 'north' does not verify, so it is not loaded")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'"north"', b'{"signer":"north","ed25519":7}', b'{"signer":"north","ed25519":"zz"}']
)
def test_a_signature_file_that_is_none_is_refused(signed: SignedModel, content: bytes) -> None:
    (signed.folder / SIGNATURE).write_bytes(content)
    refused(signed.folder, "unsigned or incomplete")


@pytest.mark.parametrize("signer", ["river", "../trusted/north", "*", ["north"]])
def test_a_signer_who_is_not_trusted_here_is_refused(signed: SignedModel, signer: Any) -> None:
    signature = json.loads((signed.folder / SIGNATURE).read_bytes()) | {"signer": signer}
    (signed.folder / SIGNATURE).write_text(json.dumps(signature))
    refused(signed.folder, "whose key is not trusted here")


def test_another_key_of_the_same_name_is_refused(tmp_path: Path, signed: SignedModel) -> None:
    other = create_keys(tmp_path / "other", "north").public
    trust(tmp_path / "elsewhere", other)
    with pytest.raises(IntegrityError, match="does not verify"):
        open_model(signed.folder, tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="another key of 'north' is trusted"):
        trust(tmp_path / "trusted", other)
    assert open_model(signed.folder, tmp_path / "trusted").name == signed.name


def test_a_trusted_file_that_is_no_key_is_refused(tmp_path: Path, signed: SignedModel) -> None:
    (tmp_path / "trusted" / "north.pem").write_text("no key")
    refused(signed.folder, "is no Ed25519 key")


def test_a_model_in_the_folder_of_another_is_refused(tmp_path: Path, keys: KeyRing, signed: SignedModel) -> None:
    other = sign_model(tmp_path / "models", b"older weights", {}, keys)
    for file in (WEIGHTS, CARD, SIGNATURE):
        (signed.folder / file).write_bytes((other.folder / file).read_bytes())
    refused(signed.folder, f"it holds the model {other.name}")


def test_the_list_is_newest_first_and_stops_at_one_that_does_not_verify(tmp_path: Path, keys: KeyRing) -> None:
    models, trusted = tmp_path / "models", tmp_path / "trusted"
    assert list_models(models, trusted) == []
    trust(trusted, keys.public)
    days = ["2026-01-02", "2026-01-03", "2026-01-01"]
    for day in days:
        sign_model(models, b"w", {"created": day}, keys)
    (models / "begun").mkdir()
    (models / "begun" / WEIGHTS).write_bytes(b"w")
    assert [model.card["created"] for model in list_models(models, trusted)] == sorted(days, reverse=True)
    bad = list_models(models, trusted)[1]
    bad.weights.write_bytes(b"v")
    with pytest.raises(IntegrityError, match=bad.name):
        list_models(models, trusted)


def test_no_trusted_key_is_written_outside_its_folder(tmp_path: Path, keys: KeyRing) -> None:
    with pytest.raises(InputError):
        trust(tmp_path / "trusted", PublicKey("../north", keys.public.raw))
    assert not (tmp_path / "north.pem").exists()
