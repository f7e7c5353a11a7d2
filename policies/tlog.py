"""Pure functions of the RFC 6962 Merkle tree that the audit log hashes into."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256 of 0x00 and the entry (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of 0x01 and two children (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class Frontier:
    """The roots of the perfect subtrees that make up a tree of `size` leaves, the largest first.

    There is one for every bit set in `size`, so a log of a million entries keeps at most twenty hashes.
    """

    size: int = 0
    subtrees: tuple[bytes, ...] = ()

    def with_leaf(self, leaf: bytes) -> Frontier:
        """The tree with one more leaf hash."""
        subtrees, node = list(self.subtrees), leaf
        size = self.size
        while size & 1:
            node = node_hash(subtrees.pop(), node)
            size >>= 1
        return Frontier(self.size + 1, (*subtrees, node))

    def root(self) -> bytes:
        """The tree hash (RFC 6962, section 2.1)."""
        if not self.subtrees:
            return EMPTY_ROOT
        *rest, node = self.subtrees
        for subtree in reversed(rest):
            node = node_hash(subtree, node)
        return node
