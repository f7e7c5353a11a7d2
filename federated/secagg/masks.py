"""Masks: integers modulo 2^32 from a ChaCha20 keystream, added by one site and taken away by another."""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from federated.secagg.quantise import Words

_NONCE = bytes(16)  # a seed is the key of one stream, so the nonce may be the same for all


def add_mask(vector: Words, seed: bytes) -> None:
    """Add the mask of a seed in place, modulo 2^32.

    The key of ChaCha20 (RFC 8439) is the whole seed of 256 bits, so no mask is easier to guess than a key.
    """
    vector += _mask(seed, len(vector))


def take_mask(vector: Words, seed: bytes) -> None:
    """Take the mask of a seed away in place, modulo 2^32."""
    vector -= _mask(seed, len(vector))


def add_pair_mask(vector: Words, seed: bytes, site: int, other: int) -> None:
    """What a site adds for its pair with another: the mask or its negative, so that in the sum the pair cancels."""
    (add_mask if site < other else take_mask)(vector, seed)


def take_pair_mask(vector: Words, seed: bytes, site: int, other: int) -> None:
    """Undo what `site` added for its pair with one that dropped out."""
    add_pair_mask(vector, seed, other, site)


def _mask(seed: bytes, words: int) -> Words:
    stream = Cipher(algorithms.ChaCha20(seed, _NONCE), mode=None).encryptor()
    return np.frombuffer(stream.update(bytes(4 * words)), "<u4")
