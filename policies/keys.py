"""A hospital's (or the server's) own keys: one to sign, one to wrap data keys, one secret for pseudonyms."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policies.errors import IntegrityError
from policies.files import OWNER_ONLY, storage_errors, write_whole

_SIGNING, _WRAPPING, _PSEUDONYMS = "signing.key", "wrapping.key", "pseudonyms.key"
_PUBLIC = "public.pem"  # for others: what verifies this holder's signatures
_KEY_BYTES = 32


@dataclass(frozen=True)
class PublicKey:
    """An Ed25519 public key with the name of its holder (RFC 8032)."""

    name: str
    raw: bytes

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises IntegrityError where the signature is not this key's over this message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise IntegrityError(f"the signature of '{self.name}' does not verify") from None


@dataclass(frozen=True)
class KeyRing:
    """The keys in one folder.

    Attributes:
        name: the holder, as it stands in signatures.
        wrapping: 32 bytes; wraps the data key of each patient.
        pseudonyms: 32 bytes; the HMAC secret of pseudonyms.
    """

    name: str
    _signing: Ed25519PrivateKey = field(repr=False)
    wrapping: bytes = field(repr=False)
    pseudonyms: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.name, self._signing.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        return self._signing.sign(message)


def create_keys(folder: Path, name: str) -> KeyRing:
    """Make and keep new keys, readable by their owner only; keys that exist are opened instead."""
    with storage_errors(folder):
        complete = (folder / _SIGNING).exists()
    if not complete:
        with _alone_in(folder):
            for file in (_WRAPPING, _PSEUDONYMS, _SIGNING):  # signing last: a folder that has it is complete
                if not (folder / file).exists():
                    write_whole(folder / file, os.urandom(_KEY_BYTES), OWNER_ONLY)
    keys = open_keys(folder, name)
    if not (folder / _PUBLIC).exists():
        write_whole(folder / _PUBLIC, public_key_pem(keys.public))
    return keys


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder, so that of two processes that make its keys the second finds those of the first."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def open_keys(folder: Path, name: str) -> KeyRing:
    """Read the keys of a folder.

    Raises:
        IntegrityError: a key is missing, cut short, or readable by others than its owner.
    """
    signing, wrapping, pseudonyms = (_read_key(folder / file) for file in (_SIGNING, _WRAPPING, _PSEUDONYMS))
    return KeyRing(name, Ed25519PrivateKey.from_private_bytes(signing), wrapping, pseudonyms)


def _read_key(path: Path) -> bytes:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        raw = path.read_bytes()
    except OSError:
        raise IntegrityError(f"{path}: the key cannot be read", "Restore the folder of keys from its backup.") from None
    if mode & 0o077:
        raise IntegrityError(f"{path}: others may read this key (mode {mode:03o})", f"Run 'chmod 600 {path}'.")
    if len(raw) != _KEY_BYTES:
        raise IntegrityError(f"{path}: {len(raw)} bytes where {_KEY_BYTES} belong", "Restore it from its backup.")
    return raw


def public_key_pem(key: PublicKey) -> bytes:
    """The key as others read it (SubjectPublicKeyInfo, RFC 8410)."""
    public = Ed25519PublicKey.from_public_bytes(key.raw)
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_key_from_pem(name: str, pem: bytes) -> PublicKey:
    """Raises IntegrityError where the text holds no Ed25519 public key."""
    try:
        public = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        public = None
    if not isinstance(public, Ed25519PublicKey):
        raise IntegrityError(f"the public key of '{name}' is no Ed25519 key")
    return PublicKey(name, public.public_bytes_raw())
