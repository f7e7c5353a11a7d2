"""JSON that a hospital signs, so that an edited file is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policies.errors import InputError, IntegrityError
from policies.files import canonical_json
from policies.keys import KeyRing, PublicKey


def signed(keys: KeyRing, kind: str, body: Mapping[str, Any]) -> bytes:
    """A signed document; the signature covers its kind, so that none passes for one of another kind."""
    signature = base64.b64encode(keys.sign(canonical_json({kind: body}))).decode()
    return canonical_json({kind: body, "signature": signature, "signed_by": keys.name})


def read_signed(path: Path, kind: str, key: PublicKey) -> dict[str, Any]:
    """The body of a signed document.

    Raises:
        InputError: there is no such file.
        IntegrityError: it was edited, is of another kind, or is signed by another.
    """
    try:
        return verified(_bytes(path), kind, key)
    except IntegrityError as error:
        raise IntegrityError(f"{path}: {error.message}", error.hint) from None


def verified(document: bytes, kind: str, key: PublicKey) -> dict[str, Any]:
    """The same of a document that came as bytes.

    Raises:
        IntegrityError: it was edited, is of another kind, or is signed by another.
    """
    body, signature, _ = _parts(document, kind)
    try:
        key.verify_document(signature, canonical_json({kind: body}))
    except IntegrityError as error:
        raise IntegrityError(f"the {kind} was edited, or is signed by another; {error.message}") from None
    return body


def claimed_signer(path: Path, kind: str) -> str:
    """Who a document says that it is signed by; `read_signed` with that key proves it, and raises the same."""
    try:
        return _parts(_bytes(path), kind)[2]
    except IntegrityError as error:
        raise IntegrityError(f"{path}: {error.message}", error.hint) from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise InputError("cannot be read", "Name a file that is there.", file=path) from None


def _parts(document: bytes, kind: str) -> tuple[dict[str, Any], bytes, str]:
    try:
        whole = json.loads(document)
        return dict(whole[kind]), base64.b64decode(whole["signature"]), str(whole["signed_by"])
    except (ValueError, KeyError, TypeError):
        raise IntegrityError(f"no signed {kind}", "Name the file as Confide wrote it.") from None
