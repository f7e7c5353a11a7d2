"""Signed notes, checkpoints and cosignatures as C2SP writes them (signed-note, tlog-checkpoint, tlog-cosignature)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from policies.errors import InputError, IntegrityError
from policies.keys import KeyRing, PublicKey, public_key_from_pem

_LARGEST_NOTE = 64 * 1024
_KEY_BYTES, _ID_BYTES, _TIME_BYTES, _HASH_BYTES = 32, 4, 8, 32
_LINE = re.compile(r"\u2014 ([^\s+]+) (\S+)")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class Kind(IntEnum):
    """What a signature says: the signer wrote the note, or a witness saw that its log only grew."""

    ED25519 = 0x01
    COSIGNATURE = 0x04


@dataclass(frozen=True)
class Verifier:
    """A public key for one kind of signature."""

    key: PublicKey
    kind: Kind = Kind.ED25519

    @property
    def id(self) -> bytes:
        """Four bytes that name the key in a signature line (C2SP signed-note)."""
        text = self.key.name.encode() + b"\n" + bytes([self.kind]) + self.key.raw
        return hashlib.sha256(text).digest()[:_ID_BYTES]

    @property
    def vkey(self) -> str:
        """The key as one string, which golang.org/x/mod/sumdb/note reads too: name+id+base64(kind, key)."""
        return f"{self.key.name}+{self.id.hex()}+{_base64(bytes([self.kind]) + self.key.raw)}"

    @classmethod
    def from_vkey(cls, text: str) -> Verifier:
        """Raises IntegrityError where the string is no key, or its id is not that of the key."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _from_base64(encoded)
        if not name or len(raw) != 1 + _KEY_BYTES or raw[0] not in list(Kind):
            raise IntegrityError("a verifier key is 'name+id+base64', with an Ed25519 key")
        found = cls(PublicKey(name, raw[1:]), Kind(raw[0]))
        if found.id.hex() != key_id:
            raise IntegrityError(f"the verifier key of '{name}' has another id than it says")
        return found


def cosigners(keys: Iterable[PublicKey]) -> list[Verifier]:
    """What verifies the cosignatures of witnesses."""
    return [Verifier(key, Kind.COSIGNATURE) for key in keys]


def read_key(file: Path, name: str) -> PublicKey:
    """The key in a file: a verifier key, or PEM, which says no name and is taken for that of `name`.

    Raises:
        InputError: the file cannot be read.
        IntegrityError: it holds no key.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", "Name a file that is there.", file=file) from None
    return public_key_from_pem(name, data) if data.startswith(b"-----") else Verifier.from_vkey(_utf8(data)).key


@dataclass(frozen=True)
class Checkpoint:
    """A tree head: so many entries of the log `origin`, with this root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> bytes:
        """The three lines that are signed (C2SP tlog-checkpoint)."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n".encode()

    @classmethod
    def parse(cls, text: bytes) -> Checkpoint:
        """Raises IntegrityError where the text of a note is no checkpoint; lines after the third are let be."""
        lines = _utf8(text).split("\n")
        if len(lines) < 4 or "" in lines[:-1] or lines[-1] or not _SIZE.fullmatch(lines[1]):
            raise IntegrityError("the text of the note is no checkpoint")
        root = _from_base64(lines[2])
        if len(root) != _HASH_BYTES:
            raise IntegrityError("the text of the note is no checkpoint")
        return cls(lines[0], int(lines[1]), root)


def sign_note(text: bytes, *signers: KeyRing) -> bytes:
    """A signed note: the text, an empty line, and for each signer a line with name, key id and signature."""
    return text + b"\n" + b"".join(signature_line(text, keys) for keys in signers)


def signature_in(note: bytes, signer: Verifier) -> bytes:
    """What `signer` put under a note; raises IntegrityError where it did not sign, or its signature does not verify."""
    text, _ = open_note(note, [signer])
    begin = f"\u2014 {signer.key.name} ".encode()
    lines = note[len(text) + 1 :].splitlines()
    raw = (_from_base64(line.removeprefix(begin).decode()) for line in lines if line.startswith(begin))
    return next(one[_ID_BYTES:] for one in raw if one[:_ID_BYTES] == signer.id)


def signature_line(text: bytes, keys: KeyRing) -> bytes:
    """One signature of a note's text (C2SP signed-note, type 0x01)."""
    return line_of(Verifier(keys.public), keys.sign(text))


def cosignature_line(text: bytes, keys: KeyRing, seconds: int) -> bytes:
    """A witness's signature that at this time (POSIX seconds) it knew no larger and no other tree (type 0x04)."""
    time = seconds.to_bytes(_TIME_BYTES, "big")
    return line_of(Verifier(keys.public, Kind.COSIGNATURE), time + keys.sign(_cosigned(text, seconds)))


def open_note(note: bytes, verifiers: Iterable[Verifier]) -> tuple[bytes, dict[Verifier, int]]:
    """The text of a note, and who of `verifiers` signed it, with the POSIX time of each cosignature (else 0).

    Signatures by other keys are not looked at, as the standard wants.

    Raises:
        IntegrityError: the note is torn, nobody of these signed it, or a signature of one of them does not verify.
    """
    if len(note) > _LARGEST_NOTE:
        raise IntegrityError(f"a note of {len(note)} bytes is over {_LARGEST_NOTE}")
    body, gap, rest = _utf8(note).rpartition("\n\n")
    lines = [_LINE.fullmatch(line) for line in rest.removesuffix("\n").split("\n")]
    if not gap or not rest.endswith("\n") or any(ord(char) < 0x20 and char != "\n" for char in body):
        raise IntegrityError("the note is torn")
    text, known = f"{body}\n".encode(), {(one.key.name, one.id): one for one in verifiers}
    signed: dict[Verifier, int] = {}
    for line in lines:
        if line is None:
            raise IntegrityError("the note is torn")
        raw = _from_base64(line[2])
        signer = known.get((line[1], raw[:_ID_BYTES]))
        if signer:
            signed[signer] = _verified(signer, text, raw[_ID_BYTES:])
    if not signed:
        raise IntegrityError("the note is signed by an unknown key")
    return text, signed


def _verified(signer: Verifier, text: bytes, signature: bytes) -> int:
    if signer.kind is Kind.ED25519:
        signer.key.verify(signature, text)
        return 0
    seconds = int.from_bytes(signature[:_TIME_BYTES], "big")
    signer.key.verify(signature[_TIME_BYTES:], _cosigned(text, seconds))
    return seconds


def _cosigned(text: bytes, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n".encode() + text


def line_of(signer: Verifier, signature: bytes) -> bytes:
    """A signature line with this signature, which is not verified."""
    return f"\u2014 {signer.key.name} {_base64(signer.id + signature)}\n".encode()


def _utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise IntegrityError("the note is torn") from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _from_base64(text: str) -> bytes:
    """Standard base64 and nothing that merely decodes to the same bytes; raises IntegrityError otherwise."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if _base64(raw) != text:
        raise IntegrityError("the note holds text that is no base64")
    return raw
