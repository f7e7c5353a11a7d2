"""Shamir's t-of-n shares of a site's two secrets, and the envelopes in which they pass through the server."""

from __future__ import annotations

from collections.abc import Mapping

from Crypto.Protocol.SecretSharing import Shamir

from federated.secagg.keys import channel_key
from federated.secagg.session import Session
from policies import sealing
from policies.errors import IntegrityError

SHARE_BYTES = 32
_HALF = 16  # the field of the library has 2^128 elements, so a secret is shared in two halves


def split(secret: bytes, threshold: int, count: int) -> tuple[bytes, ...]:
    """Shares of a secret of 32 bytes, one for each place (Shamir 1979): any `threshold` give it back, fewer nothing."""
    halves = (Shamir.split(threshold, count, half, ssss=False) for half in (secret[:_HALF], secret[_HALF:]))
    return tuple(first + second for (_, first), (_, second) in zip(*halves, strict=True))


def combine(shares: Mapping[int, bytes], threshold: int) -> bytes:
    """The secret behind shares by place; a wrong share gives another secret, which the caller must notice."""
    chosen = sorted(shares.items())[:threshold]
    halves = (slice(_HALF), slice(_HALF, None))
    return b"".join(
        Shamir.combine([(place + 1, share[half]) for place, share in chosen], ssss=False) for half in halves
    )


def seal(session: Session, private: bytes, public: bytes, shares: bytes, *, sender: int, receiver: int) -> bytes:
    """AES-256-GCM to one receiver: nonce and ciphertext."""
    key = channel_key(session, private, public, sender=sender, receiver=receiver)
    return sealing.seal(key, shares, _bound(session, sender, receiver))


def unseal(session: Session, private: bytes, public: bytes, sealed: bytes, *, sender: int, receiver: int) -> bytes:
    """What `seal` sealed.

    Raises:
        IntegrityError: it was altered, or sealed for another sender, receiver, plan, round or attempt.
    """
    key = channel_key(session, private, public, sender=sender, receiver=receiver)
    try:
        shares = sealing.unseal(key, sealed, _bound(session, sender, receiver))
    except ValueError:
        shares = b""
    if len(shares) != 2 * SHARE_BYTES:
        raise IntegrityError(
            f"{session.label}: the shares from '{session.site(sender).name}' to '{session.site(receiver).name}' were "
            "altered on the way, or are of another round or attempt"
        )
    return shares


def _bound(session: Session, sender: int, receiver: int) -> bytes:
    return session.statement("shares", sender=sender, receiver=receiver)
