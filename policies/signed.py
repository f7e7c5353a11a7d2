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
    body, signature, _ = _read(path, kind)
    try:
        key.verify_document(signature, canonical_json({kind: body}))
    except IntegrityError as error:
        raise IntegrityError(f"{path}: the {kind} was edited, or is not of this site; {error.message}") from None
    return body


def claimed_signer(path: Path, kind: str) -> str:
    """Who a document says that it is signed by; `read_signed` with that key proves it, and raises the same."""
    return _read(path, kind)[2]


def _read(path: Path, kind: str) -> tuple[dict[str, Any], bytes, str]:
    try:
        document = json.loads(path.read_bytes())
        return dict(document[kind]), base64.b64decode(document["signature"]), str(document["signed_by"])
    except OSError:
        raise InputError("cannot be read", "Name a file that is there.", file=path) from None
    except (ValueError, KeyError, TypeError):
        raise IntegrityError(f"{path}: no signed {kind}", "Name the file as Confide wrote it.") from None
