"""Public keys of record systems that call this one, out of a JWK Set (RFC 7517): RSA and P-384, never a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

_SECRETS = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))  # RFC 7518, section 6
_SHORTEST_RSA = 2048  # bits; RFC 7518, section 3.3


def public_keys(jwks: str) -> Mapping[str, PyJWK]:
    """The keys of a set by their `kid`, each with the one algorithm that it may verify; other kinds are left out.

    Raises:
        ValueError: no JWK Set, a private or shared key is in it, a `kid` is missing or stands twice, or no key is left.
    """
    try:
        rows = [dict(row) for row in json.loads(jwks)["keys"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError("no JWK Set") from None
    if any(_SECRETS & row.keys() for row in rows):
        raise ValueError("a private or shared key is in it, where only public keys belong")
    usable = [(row.get("kid"), _key(row, algorithm)) for row in rows if (algorithm := _algorithm(row))]
    keys = {kid: key for kid, key in usable if isinstance(kid, str) and kid}
    if not keys or len(keys) < len(usable):
        raise ValueError("it wants a key for RS384 or ES384, and each with a 'kid' of its own")
    return keys


def _algorithm(row: Mapping[str, Any]) -> str:
    """RS384 or ES384, which CDS Hooks 2.0 recommends; nothing for a key of another kind or use."""
    kind = row.get("kty")
    fits = "RS384" if kind == "RSA" else "ES384" if (kind, row.get("crv")) == ("EC", "P-384") else ""
    return fits if row.get("alg", fits) == fits and row.get("use", "sig") == "sig" else ""


def _key(row: Mapping[str, Any], algorithm: str) -> PyJWK:
    try:
        key = PyJWK(dict(row), algorithm)
    except (PyJWTError, ValueError, TypeError):
        raise ValueError("a key in it cannot be read") from None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < _SHORTEST_RSA:
        raise ValueError(f"an RSA key has {key.key.key_size} bits, and must have {_SHORTEST_RSA}")
    return key
