"""A proof that one entry stands in a signed log, as text that needs neither log nor program (C2SP tlog-proof)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

from policies.errors import IntegrityError
from policies.logview import LogView
from policies.notes import Checkpoint, Verifier, open_note
from policies.tlog import check_inclusion, leaf_hash

_HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class Proof:
    """The way from an entry to a tree head that is signed.

    Attributes:
        index: of the entry in its log, from 0.
        path: hashes from the leaf's sibling up (RFC 6962, section 2.1.1).
        note: the checkpoint, with every signature under it.
    """

    index: int
    path: tuple[bytes, ...]
    note: bytes

    def text(self) -> bytes:
        """The content of a `.tlog-proof` file."""
        return "\n".join([_HEADER, f"index {self.index}", *hash_lines(self.path), "", ""]).encode() + self.note

    @classmethod
    def parse(cls, data: bytes) -> Proof:
        """Raises IntegrityError where this is no proof; extra data, which nothing vouches for, is not read."""
        head, gap, note = data.partition(b"\n\n")
        first, *lines = head.decode(errors="replace").split("\n")
        if lines and lines[0].startswith("extra "):
            del lines[0]
        word, _, index = lines[0].partition(" ") if lines else ("", "", "")
        if first != _HEADER or not gap or word != "index":
            raise IntegrityError("the text is no proof of an entry")
        return cls(decimal(index), parse_hashes(lines[1:]), note)

    def check(self, entry: bytes, verifiers: Iterable[Verifier]) -> tuple[Checkpoint, dict[Verifier, int]]:
        """The signed tree head that holds this entry, and who signed it, with the time of each cosignature.

        Args:
            entry: the bytes of the entry as the log keeps them.

        Raises:
            IntegrityError: nobody of `verifiers` signed, or the entry is not the one that was logged.
        """
        text, signed = open_note(self.note, verifiers)
        head = Checkpoint.parse(text)
        check_inclusion(leaf_hash(entry), self.index, head.size, head.root, self.path)
        return head, signed


def prove(view: LogView, sequence: int, size: int, note: bytes) -> Proof:
    """The proof of one entry of a log; raises IntegrityError where there is none with this number.

    Args:
        size, note: of the signed tree head to prove against, the log's own or an earlier one.
    """
    view.entry(sequence)
    return Proof(sequence, tuple(view.inclusion_proof(sequence, size)), note)


def hash_lines(hashes: Iterable[bytes]) -> list[str]:
    """Hashes as C2SP writes them, each a line of base64."""
    return [base64.b64encode(one).decode() for one in hashes]


def parse_hashes(lines: Iterable[str]) -> tuple[bytes, ...]:
    """Raises IntegrityError where a line is no SHA-256 hash in base64."""
    try:
        hashes = tuple(base64.b64decode(line, validate=True) for line in lines)
    except (binascii.Error, ValueError):
        hashes = (b"",)
    if any(len(one) != 32 for one in hashes):
        raise IntegrityError("a line of the proof is no hash")
    return hashes


def decimal(text: str) -> int:
    """A decimal number as C2SP writes it; raises IntegrityError for anything else, leading zeros included."""
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and str(int(text)) == text):
        raise IntegrityError("a number in the text is none")
    return int(text)
