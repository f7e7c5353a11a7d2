"""A hospital's (or the server's) own keys: one to sign, one to wrap data keys, one secret for pseudonyms."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from policies.errors import IntegrityError
from policies.files import storage_errors, write_whole
from policies.keyfile import (
    WRAPPING_VARIABLE,
    Kept,
    Secrets,
    key_from_environment,
    new_secrets,
    read_secrets,
    write_secrets,
)
from policies.passphrase import given_passphrase
from policies.sealing import seal, unseal

RING = "ring.key"
PUBLIC = "public.pem"  # for others: what verifies this holder's signatures
_PEM_END = b"-----END PUBLIC KEY-----"


@dataclass(frozen=True)
class PublicKey:
    """An Ed25519 public key with the name of its holder (RFC 8032).

    Attributes:
        former: keys whose place this one took, the newest first.
    """

    name: str
    raw: bytes
    former: tuple[bytes, ...] = field(default=(), compare=False)

    @property
    def every(self) -> tuple[PublicKey, ...]:
        """This key and the former ones, each by itself."""
        return (self, *(PublicKey(self.name, raw) for raw in self.former))

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises IntegrityError where the signature is not this key's over this message."""
        if not _signed_by(self.raw, signature, message):
            raise IntegrityError(f"the signature of '{self.name}' does not verify")

    def verify_document(self, signature: bytes, message: bytes) -> None:
        """As `verify`, and a document that a former key signed before it was replaced still holds."""
        if not any(_signed_by(key.raw, signature, message) for key in self.every):
            raise IntegrityError(f"the signature of '{self.name}' does not verify")


@dataclass(frozen=True)
class KeyRing:
    """The keys in one folder.

    Args:
        name: the holder, as it stands in signatures.
    """

    name: str
    secrets: Secrets = field(repr=False)

    @property
    def wrapping(self) -> bytes:
        """32 bytes; wraps the data key of each patient."""
        return self.secrets.wrapping

    @property
    def pseudonyms(self) -> bytes:
        """32 bytes; the HMAC secret of pseudonyms."""
        return self.secrets.pseudonyms

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.name, self._signing.public_key().public_bytes_raw(), self.secrets.former)

    @property
    def former(self) -> tuple[PublicKey, ...]:
        """The public keys that this ring signed with before, the newest first."""
        return self.public.every[1:]

    def sign(self, message: bytes) -> bytes:
        return self._signing.sign(message)

    def seal(self, data: bytes, context: str) -> bytes:
        """AES-256-GCM (NIST SP 800-38D) under a key of the holder's own, for what belongs to no patient.

        Args:
            context: what the data is and where it stands; unsealing needs the same.

        Returns:
            The nonce, of 12 bytes, and the ciphertext.
        """
        return seal(self.secrets.sealing, data, context.encode())

    def unseal(self, sealed: bytes, context: str) -> bytes:
        """What `seal` sealed, also before a rotation.

        Raises:
            IntegrityError: it was altered or cut short, the key is another, or it stands where it does not belong.
        """
        try:
            return unseal(self.secrets.sealing, sealed, context.encode())
        except ValueError:
            raise IntegrityError(f"what '{self.name}' sealed was altered, or is another's") from None

    @property
    def _signing(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.secrets.signing)


def create_keys(folder: Path, name: str) -> KeyRing:
    """Make and keep new keys, readable by their owner only; keys that exist are opened instead.

    New keys stand under $CONFIDE_KEK, or the passphrase, where one is given.
    """
    path = folder / RING
    with storage_errors(folder):
        complete = path.exists()
    if not complete:
        with alone_in(folder):
            if not path.exists():
                wrapping, passphrase = key_from_environment(WRAPPING_VARIABLE), given_passphrase()
                kept = Kept.ENVIRONMENT if wrapping else Kept.PASSPHRASE if passphrase else Kept.FILE
                write_secrets(path, name, new_secrets(wrapping), kept, passphrase)
    keys = open_keys(folder, name)
    publish_key(folder, keys.public)
    return keys


def open_keys(folder: Path, name: str) -> KeyRing:
    """Read the keys of a folder.

    Raises:
        IntegrityError: they are missing, cut short, altered, or readable by others than their owner, or the
            passphrase or $CONFIDE_KEK that they stand under is missing or another.
    """
    return KeyRing(name, read_secrets(folder / RING, name))


def open_public(folder: Path, name: str) -> PublicKey:
    """What verifies this holder's signatures, without any secret.

    Raises:
        IntegrityError: there is none.
    """
    try:
        return public_key_from_pem(name, (folder / PUBLIC).read_bytes())
    except OSError:
        raise IntegrityError(f"{folder / PUBLIC}: the public key cannot be read") from None


def publish_key(folder: Path, key: PublicKey) -> None:
    """Write the public key for others, where it does not stand there already.

    Raises:
        IntegrityError: a key stands there that is neither this one nor one of its former ones.
    """
    pem, path = public_key_pem(key), folder / PUBLIC
    with suppress(FileNotFoundError):
        kept = path.read_bytes()
        if kept == pem:
            return
        found, known = public_key_from_pem(key.name, kept), (key.raw, *key.former)
        if (found.raw, *found.former) != known[-1 - len(found.former) :]:
            raise IntegrityError(f"{path}: this is not the key of '{key.name}', and was never")
    write_whole(path, pem)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder of keys, so that of two processes that change them the second finds what the first made."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def public_key_pem(key: PublicKey) -> bytes:
    """The key as others read it (SubjectPublicKeyInfo, RFC 8410), and after it the former ones."""
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    keys = (Ed25519PublicKey.from_public_bytes(one.raw) for one in key.every)
    return b"".join(public.public_bytes(encoding, form) for public in keys)


def public_key_from_pem(name: str, pem: bytes) -> PublicKey:
    """Raises IntegrityError where the text holds anything but Ed25519 public keys."""
    blocks = [block + _PEM_END for block in pem.split(_PEM_END)[:-1]]
    try:
        keys = [serialization.load_pem_public_key(block) for block in blocks]
    except (ValueError, UnsupportedAlgorithm):
        keys = []
    raw = [key.public_bytes_raw() for key in keys if isinstance(key, Ed25519PublicKey)]
    if not raw or len(raw) < len(keys):
        raise IntegrityError(f"the public key of '{name}' is no Ed25519 key")
    return PublicKey(name, raw[0], tuple(raw[1:]))


def _signed_by(raw: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
