"""Chance in the release path: samples, windows and noise all come from a ChaCha20 keystream.

Not from torch's or numpy's generators: torch keeps 32 bits of any seed, so its noise can be found by trying them all,
and both let whoever sees some of their output predict the rest.
"""

from __future__ import annotations

import hashlib
import math
import os

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from numpy.typing import NDArray

CHACHA20 = "ChaCha20 under a key from the operating system"
UNSAFE = "UNSAFE: seeded"
_KEY_BYTES, _NONCE_BYTES = 32, 16
_DRAWS = 4  # summed for one number of the normal distribution


class SecureRandom:
    """A ChaCha20 keystream (RFC 8439; Bernstein 2008) under a key that is drawn from the operating system and not kept.

    Make one for each private step. A process that forks goes on with the same stream in both halves.

    Attributes:
        source: what the numbers come from, for certificate and log.
    """

    def __init__(self) -> None:
        self.source = CHACHA20
        self._start(os.urandom(_KEY_BYTES))

    @classmethod
    def unsafe(cls, *seed: int | str) -> SecureRandom:
        """The same numbers for the same seeds, so no privacy at all: for tests, and for a policy that says UNSAFE."""
        random = cls()
        random.source = UNSAFE
        random._start(hashlib.sha256(repr(seed).encode()).digest())
        return random

    def _start(self, key: bytes) -> None:
        # A key is used for one stream, so the nonce may be the same for all.
        self._stream = Cipher(algorithms.ChaCha20(key, bytes(_NONCE_BYTES)), mode=None).encryptor()

    def uniform(self, count: int) -> NDArray[np.float64]:
        """So many numbers in [0, 1), each a multiple of 2^-53."""
        bits = np.frombuffer(self._stream.update(bytes(8 * count)), "<u8")
        return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def gaussian(self, count: int) -> NDArray[np.float64]:
        """So many standard normal numbers, each half the sum of four (Box and Muller 1958) draws.

        To learn the uniform numbers behind one of them means to solve for all four draws at once (Holohan and Braghin
        2021, section 5; Opacus' secure mode does the same).
        """
        first, second = self.uniform(_DRAWS * count).reshape(2, -1)  # one pair gives two draws
        radius, angle = np.sqrt(-2.0 * np.log1p(-first)), 2.0 * math.pi * second
        draws = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)]).reshape(_DRAWS, count)
        return draws.sum(0) / math.sqrt(_DRAWS)

    def choose(self, count: int, rate: float) -> list[int]:
        """Take each of `count` on its own with probability `rate` (a Poisson sample); the sample may be empty."""
        return np.flatnonzero(self.uniform(count) < rate).tolist()

    def integers(self, high: int) -> int:
        """One whole number in [0, high), each as likely as the other to one part in 2^128 / high."""
        return int.from_bytes(self._stream.update(bytes(16)), "little") % high
