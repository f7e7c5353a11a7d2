"""The one file of a holder's secrets: all of them sealed under the wrapping key, which lies in it, under a passphrase
in it, or in the environment. One file, so that every change of a key is one rename."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from policies.errors import IntegrityError
from policies.files import OWNER_ONLY, canonical_json, refuse_readable, write_whole
from policies.passphrase import lock, needed_passphrase, unlock
from policies.sealing import seal, unseal

WRAPPING_VARIABLE, NEXT_WRAPPING_VARIABLE = "CONFIDE_KEK", "CONFIDE_KEK_NEXT"
KEY_BYTES = 32
_VERSION = 1


class Kept(StrEnum):
    """Where the wrapping key is."""

    FILE = "file"
    PASSPHRASE = "passphrase"  # noqa: S105  # in the file, under a passphrase
    ENVIRONMENT = "environment"


@dataclass(frozen=True)
class Secrets:
    """Keys of 32 bytes each.

    Attributes:
        wrapping: wraps the data key of each patient, and the other secrets here.
        signing: Ed25519.
        sealing: seals what belongs to no patient; like a patient's data key, it outlives a change of the wrapping key.
        pseudonyms: the HMAC secret of pseudonyms.
        former: public keys whose place the signing key took, the newest first.
    """

    wrapping: bytes = field(repr=False)
    signing: bytes = field(repr=False)
    sealing: bytes = field(repr=False)
    pseudonyms: bytes = field(repr=False)
    former: tuple[bytes, ...] = ()


def new_secrets(wrapping: bytes | None = None) -> Secrets:
    """Fresh ones from the operating system's generator."""
    return Secrets(wrapping or new_key(), new_key(), new_key(), new_key())


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)


def key_from_environment(variable: str) -> bytes | None:
    """A key in base64, or None where the variable is not set; raises IntegrityError where it holds anything else."""
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise IntegrityError(f"${variable} is no key", f"It is base64 of {KEY_BYTES} random bytes.")
    return key


def write_secrets(path: Path, holder: str, secrets: Secrets, kept: Kept, passphrase: str | None = None) -> None:
    """Keep all secrets in one durable step, readable by their owner only.

    Args:
        passphrase: where `kept` is under one.
    """
    wrapping: dict[str, Any] = {"kept": kept}
    if kept is Kept.PASSPHRASE:
        wrapping |= lock(secrets.wrapping, passphrase or needed_passphrase(holder), _context(holder))
    elif kept is Kept.FILE:
        wrapping |= {"key": base64.b64encode(secrets.wrapping).decode()}
    others = {name: getattr(secrets, name).hex() for name in ("signing", "sealing", "pseudonyms")}
    body = canonical_json({**others, "former": [key.hex() for key in secrets.former]})
    sealed = seal(_sealing(secrets.wrapping), body, _context(holder))
    document = {"version": _VERSION, "wrapping": wrapping, "secrets": base64.b64encode(sealed).decode()}
    write_whole(path, canonical_json(document) + b"\n", OWNER_ONLY)


def read_secrets(path: Path, holder: str, variable: str = WRAPPING_VARIABLE) -> Secrets:
    """The secrets of a file.

    Args:
        variable: of the environment, where the wrapping key is kept there.

    Raises:
        IntegrityError: the file is missing, altered or readable by others, or the wrapping key cannot be had.
    """
    document = _document(path)
    try:
        wrapping = _wrapping(document["wrapping"], path, holder, variable)
        found = json.loads(unseal(_sealing(wrapping), base64.b64decode(document["secrets"]), _context(holder)))
        signing, sealing, pseudonyms = (bytes.fromhex(found[name]) for name in ("signing", "sealing", "pseudonyms"))
        return Secrets(wrapping, signing, sealing, pseudonyms, tuple(map(bytes.fromhex, found["former"])))
    except (ValueError, KeyError, TypeError):
        why = f"was altered, is not of '{holder}', or the wrapping key is another"
        hint = f"Check the key in ${variable}, where it is kept there; else restore the file from its backup."
        raise IntegrityError(f"{path}: {why}", hint) from None


def kept_as(path: Path) -> Kept:
    """Where a file's wrapping key is; raises IntegrityError as `read_secrets`."""
    try:
        return Kept(_document(path)["wrapping"]["kept"])
    except (ValueError, KeyError, TypeError):
        raise IntegrityError(f"{path}: no file of keys", "Restore it from its backup.") from None


def _document(path: Path) -> Mapping[str, Any]:
    try:
        refuse_readable(path, "key")
        document = json.loads(path.read_bytes())
    except OSError:
        raise IntegrityError(
            f"{path}: the keys cannot be read", "Restore the folder of keys from its backup."
        ) from None
    except ValueError:
        document = None
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise IntegrityError(f"{path}: no file of keys, or cut short", "Restore it from its backup.")
    return document


def _wrapping(kept: Mapping[str, Any], path: Path, holder: str, variable: str) -> bytes:
    match Kept(kept["kept"]):
        case Kept.FILE:
            return base64.b64decode(kept["key"])
        case Kept.PASSPHRASE:
            passphrase = needed_passphrase(holder)
            try:
                return unlock(kept, passphrase, _context(holder))
            except IntegrityError as error:
                raise IntegrityError(f"{path}: {error.message}", error.hint) from None
    found = key_from_environment(variable)
    if found is None:
        raise IntegrityError(f"{path}: the wrapping key is in ${variable}, which is not set", "Set it.")
    return found


def _sealing(wrapping: bytes) -> bytes:
    """Of the wrapping key by HKDF-SHA-256 (RFC 5869), so that no key serves two purposes."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"confide secrets").derive(wrapping)


def _context(holder: str) -> bytes:
    return b"confide keys\0" + holder.encode()
