"""Signed models: safetensors and a card in one folder, believed only with the signature of a trusted key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.errors import IntegrityError
from policies.files import canonical_json, file_sha256, sha256_hex, write_whole
from policies.keys import KeyRing, PublicKey, public_key_from_pem, public_key_pem
from policies.workspace import checked_name

WEIGHTS, CARD, SIGNATURE = "model.safetensors", "card.json", "signature.json"


@dataclass(frozen=True)
class SignedModel:
    """A model whose signature was verified.

    Attributes:
        name: the folder's name, the beginning of the hash of what was signed.
        card: data, plan, epsilon per site, scores on synthetic or public data, versions, hashes.
    """

    name: str
    folder: Path
    card: Mapping[str, Any]
    signer: str

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS


def sign_model(models: Path, weights: bytes, card: Mapping[str, Any], keys: KeyRing) -> SignedModel:
    """Register a model: its weights, its card and an Ed25519 signature over the hashes of both."""
    card = {**card, "weights_sha256": sha256_hex(weights)}
    card_bytes = json.dumps(card, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    statement = _statement(sha256_hex(weights), sha256_hex(card_bytes))
    name = _name(statement)
    folder = models / name
    write_whole(folder / WEIGHTS, weights)
    write_whole(folder / CARD, card_bytes)
    # The signature comes last: a folder without it is no model.
    signature = {"signer": keys.name, "ed25519": keys.sign(statement).hex()}
    write_whole(folder / SIGNATURE, canonical_json(signature) + b"\n")
    return SignedModel(name, folder, card, keys.name)


def open_model(folder: Path, trusted: Path) -> SignedModel:
    """Verify a model before anything of it is used.

    Raises:
        IntegrityError: it is unsigned, signed by a key that is not trusted here, altered, or another model than
            its folder is named for.
    """
    try:
        signature = json.loads((folder / SIGNATURE).read_bytes())
        signer, raw = signature["signer"], bytes.fromhex(signature["ed25519"])
        card_bytes = (folder / CARD).read_bytes()
        weights = file_sha256(folder / WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError):
        raise IntegrityError(f"{folder}: unsigned or incomplete, so it is not loaded") from None
    statement = _statement(weights, sha256_hex(card_bytes))
    try:
        trusted_key(trusted, signer).verify_document(raw, statement)
    except IntegrityError as error:
        raise IntegrityError(f"{folder}: {error.message}, so it is not loaded") from None
    if folder.resolve().name != _name(statement):
        raise IntegrityError(f"{folder}: it holds the model {_name(statement)}, so it is not loaded")
    return SignedModel(_name(statement), folder, json.loads(card_bytes), signer)


def list_models(models: Path, trusted: Path) -> list[SignedModel]:
    """Every model that verifies, the newest first; one that does not verify stops the listing with its name."""
    folders = [folder for folder in models.iterdir() if folder.is_dir()] if models.is_dir() else []
    signed = [open_model(folder, trusted) for folder in folders if (folder / SIGNATURE).exists()]
    return sorted(signed, key=lambda model: (model.card.get("created", ""), model.name), reverse=True)


def trust(trusted: Path, key: PublicKey) -> None:
    """Believe models signed by this key from now on, and those signed by the keys whose place it took.

    Raises:
        IntegrityError: another key of this name is trusted already; a person must remove it first.
    """
    path = trusted / f"{checked_name(key.name, 'signer')}.pem"
    if path.exists() and trusted_key(trusted, key.name).raw not in (key.raw, *key.former):
        raise IntegrityError(f"{path}: another key of '{key.name}' is trusted here", "Compare both, and remove one.")
    write_whole(path, public_key_pem(key))


def trusted_key(trusted: Path, name: str) -> PublicKey:
    """Raises IntegrityError where no key of this name is trusted here."""
    path = next((path for path in trusted.glob("*.pem") if path.stem == name), None)
    if path is None:
        raise IntegrityError(f"signed by '{name}', whose key is not trusted here")
    return public_key_from_pem(name, path.read_bytes())


def _name(statement: bytes) -> str:
    return sha256_hex(statement)[:16]


def _statement(weights: str, card: str) -> bytes:
    return canonical_json({"type": "confide-model-v1", "weights_sha256": weights, "card_sha256": card})
