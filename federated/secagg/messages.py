"""What crosses in one attempt: bytes and integers only, each message for one round of the protocol.

A site is named by its place in the session, and `session` is the session's id. Names of rounds are those of
Bonawitz et al. 2017, figure 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

ByPlace = Mapping[int, bytes]


class SumStep(StrEnum):
    """What the server asks in a secure sum, in this order."""

    ADVERTISE = "advertise"
    SHARE = "share"
    MASK = "mask"
    SIGN = "sign"
    UNMASK = "unmask"


@dataclass(frozen=True)
class Advert:
    """Round 0, AdvertiseKeys: from a site to the server, and from there to all.

    Attributes:
        channel, mask: X25519 public keys, 32 bytes each; c_u^PK and s_u^PK in the paper.
        commitment: SHA-256 of the self-mask seed, so that a wrong share of it is seen.
        signature: Ed25519, by the site's own key.
    """

    session: bytes
    site: int
    channel: bytes
    mask: bytes
    commitment: bytes
    signature: bytes


@dataclass(frozen=True)
class SealedShares:
    """Round 1, ShareKeys: from a site, one ciphertext by the place of each receiver."""

    session: bytes
    site: int
    sealed: ByPlace


@dataclass(frozen=True)
class Delivery:
    """Round 2, MaskedInputCollection: to the site, one ciphertext by the place of each sender."""

    session: bytes
    site: int
    sealed: ByPlace


@dataclass(frozen=True)
class MaskedInput:
    """Round 2, MaskedInputCollection: from a site, integers of 32 bits, the least significant byte first."""

    session: bytes
    site: int
    vector: bytes


@dataclass(frozen=True)
class Survivors:
    """Round 3, ConsistencyCheck: to all survivors, the SHA-256 of each survivor's masked input by its place."""

    session: bytes
    inputs: ByPlace


@dataclass(frozen=True)
class SurvivorSignature:
    """Round 3, ConsistencyCheck: from a site, its Ed25519 signature over the list of survivors."""

    session: bytes
    site: int
    signature: bytes


@dataclass(frozen=True)
class UnmaskRequest:
    """Round 4, Unmasking: to all survivors.

    Attributes:
        signatures: over the list of survivors, by place; with the list, they are what an auditor keeps of the round.
        seeds_of: places whose self-mask seed is asked for, the survivors.
        keys_of: places whose mask key is asked for, those that dropped out after sharing.
    """

    session: bytes
    signatures: ByPlace
    seeds_of: tuple[int, ...]
    keys_of: tuple[int, ...]


@dataclass(frozen=True)
class Reveal:
    """Round 4, Unmasking: from a site, its shares by the place of their owner, 32 bytes each."""

    session: bytes
    site: int
    seeds: ByPlace
    keys: ByPlace
