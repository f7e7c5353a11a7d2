"""Pure functions of the RFC 6962 Merkle tree that the audit log hashes into, and the proofs that it gives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from policies.errors import IntegrityError

EMPTY_ROOT = hashlib.sha256(b"").digest()

Node = Callable[[int, int], bytes]
"""From level and index to the hash over the leaves [index * 2^level, (index + 1) * 2^level)."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256 of 0x00 and the entry (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of 0x01 and two children (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(nodes: Sequence[bytes]) -> bytes:
    """The tree hash over leaf hashes, or over the hashes of perfect subtrees of one size (RFC 6962, section 2.1)."""
    if not nodes:
        return EMPTY_ROOT
    while len(nodes) > 1:
        odd = nodes[len(nodes) & ~1 :]  # a last node without a sibling rises as it is
        nodes = [node_hash(nodes[at], nodes[at + 1]) for at in range(0, len(nodes) - 1, 2)] + list(odd)
    return nodes[0]


@dataclass(frozen=True)
class Frontier:
    """The roots of the perfect subtrees that make up a tree of `size` leaves, the largest first.

    There is one for every bit set in `size`, so a log of a million entries keeps at most twenty hashes.
    """

    size: int = 0
    subtrees: tuple[bytes, ...] = ()

    def with_node(self, node: bytes, level: int = 0) -> Frontier:
        """The tree with 2^level more leaves, whose hash is `node`; `size` is a multiple of that number."""
        subtrees, size = list(self.subtrees), self.size >> level
        while size & 1:
            node = node_hash(subtrees.pop(), node)
            size >>= 1
        return Frontier(self.size + (1 << level), (*subtrees, node))

    def root(self) -> bytes:
        """The tree hash (RFC 6962, section 2.1)."""
        if not self.subtrees:
            return EMPTY_ROOT
        *rest, node = self.subtrees
        for subtree in reversed(rest):
            node = node_hash(subtree, node)
        return node


def range_root(start: int, end: int, node: Node) -> bytes:
    """MTH(D[start:end]), where `start` is a multiple of the smallest power of two that is not below the length."""
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return node(level, start >> level)
    middle = start + _split(size)
    return node_hash(range_root(start, middle, node), range_root(middle, end, node))


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """PATH(index, D[size]), the hashes that lead from a leaf to the root (RFC 6962, section 2.1.1).

    Raises:
        IntegrityError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise IntegrityError(f"entry {index} is not one of the {size} of this tree")
    proof, start, end = list[bytes](), 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(range_root(middle, end, node))
            end = middle
        else:
            proof.append(range_root(start, middle, node))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """PROOF(old, D[new]), which shows that the tree of `old` leaves begins that of `new` (RFC 6962, section 2.1.2).

    Raises:
        IntegrityError: the old tree is larger than the new one.
    """
    if not 0 <= old <= new:
        raise IntegrityError(f"a tree of {old} entries cannot begin one of {new}")
    if old in (0, new):
        return []
    proof, start, end = list[bytes](), 0, new
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(range_root(middle, end, node))
            end = middle
        else:
            proof.append(range_root(start, middle, node))
            start = middle
    # The old tree itself need not be told where it is one perfect subtree at the left.
    return [*([range_root(start, end, node)] if start else []), *proof[::-1]]


def check_inclusion(leaf: bytes, index: int, size: int, root: bytes, proof: Sequence[bytes]) -> None:
    """Whether a leaf hash stands at `index` in the tree with this root (RFC 9162, section 2.1.3.2).

    Raises:
        IntegrityError: it does not, or the proof does not show it.
    """
    fail = IntegrityError(f"the proof does not show that the entry is number {index} of {size}")
    if not 0 <= index < size:
        raise fail
    first, last, node = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise fail
        if first & 1 or first == last:
            node = node_hash(step, node)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            node = node_hash(node, step)
        first, last = first >> 1, last >> 1
    if last or node != root:
        raise fail


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Whether the new tree only added to the old one (RFC 9162, section 2.1.4.2).

    Raises:
        IntegrityError: it did not, or the proof does not show it.
    """
    fail = IntegrityError(f"the tree of {new} entries does not continue that of {old}: the log was rewritten")
    if not 0 <= old <= new:
        raise fail
    if old in (0, new):
        if proof or old_root != (new_root if old else EMPTY_ROOT):
            raise fail
        return
    steps = [*([old_root] if old & (old - 1) == 0 else []), *proof]
    if not steps:
        raise fail
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    was = now = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise fail
        if first & 1 or first == last:
            was, now = node_hash(step, was), node_hash(step, now)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            now = node_hash(now, step)
        first, last = first >> 1, last >> 1
    if last or (was, now) != (old_root, new_root):
        raise fail


def _split(size: int) -> int:
    """The largest power of two smaller than `size` (RFC 6962, section 2.1)."""
    return 1 << (size - 1).bit_length() - 1
