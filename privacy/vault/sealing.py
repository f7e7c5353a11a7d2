"""Sealing: originals under AES-GCM, and single values of a text as tokens that only the patient's key opens."""

from __future__ import annotations

import base64
import binascii
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7

from policies import sealing
from policies.errors import IntegrityError

_SIV_KEY_BYTES = 64
_BLOCK_BITS = 128
_TOKEN = re.compile(r"\[[A-Z_]+:([\w-]{43,})\]", re.ASCII)


def seal(key: bytes, data: bytes, associated: str) -> bytes:
    """AES-256-GCM under a key of a patient, or under the wrapping key."""
    return sealing.seal(key, data, associated.encode())


def unseal(key: bytes, sealed: bytes, associated: str) -> bytes:
    """What `seal` sealed.

    Raises:
        IntegrityError: it was altered or cut short, the key is another, or it stands where it does not belong.
    """
    try:
        return sealing.unseal(key, sealed, associated.encode())
    except ValueError:
        raise IntegrityError("an original or a key was altered, or the wrapping key is another") from None


def sealing_key(data_key: bytes) -> bytes:
    """The key of a patient's values, from which the data key cannot be found (HKDF-SHA-256, RFC 5869)."""
    return HKDF(SHA256(), _SIV_KEY_BYTES, salt=None, info=b"confide values").derive(data_key)


def seal_value(key: bytes, patient: str, value: str) -> str:
    """A token for a value of one patient: the same value gives the same token, so that text stays consistent.

    AES-SIV (RFC 5297), which is made for this; the value is padded, so that a token does not tell a name's length.

    Args:
        key: of `sealing_key`, 64 bytes.
    """
    padder = PKCS7(_BLOCK_BITS).padder()
    padded = padder.update(value.encode()) + padder.finalize()
    sealed = AESSIV(key).encrypt(padded, [patient.encode()])
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def open_value(key: bytes, patient: str, token: str) -> str:
    """The value behind a token.

    Raises:
        IntegrityError: the token was altered, or is another patient's.
    """
    try:
        sealed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        padded = AESSIV(key).decrypt(sealed, [patient.encode()])
    except (InvalidTag, ValueError, binascii.Error):
        raise IntegrityError(f"a token is not one of patient {patient}, or was altered") from None
    unpadder = PKCS7(_BLOCK_BITS).unpadder()
    return (unpadder.update(padded) + unpadder.finalize()).decode()


def open_text(key: bytes, patient: str, text: str) -> str:
    """`text` with the value in the place of every [CATEGORY:token].

    Raises:
        IntegrityError: a token was altered, or is another patient's.
    """
    return _TOKEN.sub(lambda mark: open_value(key, patient, mark.group(1)), text)
