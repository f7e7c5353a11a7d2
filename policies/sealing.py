"""AES-256-GCM (NIST SP 800-38D), the one way in which Confide encrypts what it keeps."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from policies.files import sha256_hex

_NONCE_BYTES = 12


def seal(key: bytes, data: bytes, associated: bytes) -> bytes:
    """A fresh nonce, of 12 bytes, and the ciphertext.

    Args:
        key: 32 bytes.
        associated: what the data is and where it stands; unsealing needs the same.
    """
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, data, associated)


def unseal(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    """What `seal` sealed.

    Raises:
        ValueError: it was altered or cut short, the key is another, or it stands where it does not belong.
    """
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated)
    except InvalidTag:
        raise ValueError("altered, or sealed with another key or for another place") from None


def key_id(wrapping: bytes) -> str:
    """What names a wrapping key in vaults and in the log, and tells nothing of it."""
    return sha256_hex(b"confide vault\0" + wrapping)[:16]
