"""Keyed pseudonyms: the same value gives the same pseudonym at one hospital, and nobody without the secret can tell."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

SHORTEST_SECRET = 32
PSEUDONYM_BYTES = 16


@dataclass(frozen=True)
class Pseudonyms:
    """Pseudonyms under one hospital's secret.

    Args:
        secret: at least 32 random bytes; whoever holds it can link pseudonyms to identifiers.

    Raises:
        ValueError: the secret is shorter than that.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < SHORTEST_SECRET:
            raise ValueError(f"the secret of pseudonyms has {len(self.secret)} bytes, not {SHORTEST_SECRET} or more")

    def of(self, kind: str, value: str) -> str:
        """HMAC-SHA-256 (RFC 2104) of kind and value, cut to 128 bits, as 32 hexadecimal digits."""
        # The zero byte keeps ("ab", "c") and ("a", "bc") apart.
        message = kind.encode() + b"\0" + value.encode()
        return hmac.new(self.secret, message, hashlib.sha256).digest()[:PSEUDONYM_BYTES].hex()
