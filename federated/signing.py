"""JSON that crosses between machines signed, so that nobody on the way can change it and its sender stands by it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from policies.errors import IntegrityError
from policies.files import canonical_json
from policies.keys import KeyRing, PublicKey


def sign_document(keys: KeyRing, kind: str, body: Mapping[str, Any]) -> bytes:
    """The signature covers the kind, so that no document passes for one of another kind."""
    return canonical_json({kind: body, "ed25519": keys.sign(canonical_json({kind: body})).hex()}) + b"\n"


def verify_document(key: PublicKey, kind: str, document: bytes) -> dict[str, Any]:
    """The body; raises IntegrityError where the document is of another kind, or not signed by this key."""
    try:
        whole = json.loads(document)
        body, signature = dict(whole[kind]), bytes.fromhex(whole["ed25519"])
    except (ValueError, KeyError, TypeError):
        raise IntegrityError(f"what should be a signed {kind} is none") from None
    key.verify_document(signature, canonical_json({kind: body}))
    return body
