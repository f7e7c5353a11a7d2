"""Keys of one attempt: X25519 pairs that live no longer, advertised under the site's own signature."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from federated.secagg.messages import Advert
from federated.secagg.session import Session
from federated.secagg.state import Secrets
from policies.errors import IntegrityError
from policies.keys import KeyRing

_KEY_BYTES = 32


def public_of(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def sign_advert(session: Session, place: int, keys: KeyRing, secrets: Secrets) -> Advert:
    """Round 0, AdvertiseKeys: the public keys, signed over everything that the session holds."""
    public = (public_of(secrets.channel), public_of(secrets.mask), commitment(session, place, secrets.seed))
    return Advert(session.id, place, *public, keys.sign(_advert_statement(session, place, *public)))


def verify_advert(session: Session, advert: Advert) -> None:
    """Round 1, ShareKeys: a site's keys, before anything is done with them.

    Raises:
        IntegrityError: they are of another session, were not signed by the site that they name, or are no usable keys.
    """
    session.check(advert.session)
    site = session.site(advert.site)
    statement = _advert_statement(session, advert.site, advert.channel, advert.mask, advert.commitment)
    try:
        site.verify(advert.signature, statement)
    except IntegrityError:
        raise IntegrityError(f"{session.label}: the keys of '{site.name}' were not signed by it") from None
    try:
        for public in (advert.channel, advert.mask):
            X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:  # another length, or a point of small order (RFC 7748, section 6.1)
        raise IntegrityError(f"{session.label}: '{site.name}' advertised what is no X25519 key") from None


def _advert_statement(session: Session, place: int, channel: bytes, mask: bytes, committed: bytes) -> bytes:
    return session.statement("keys", site=place, channel=channel.hex(), mask=mask.hex(), commitment=committed.hex())


def commitment(session: Session, place: int, seed: bytes) -> bytes:
    """It hides the seed, which has 256 random bits."""
    return hashlib.sha256(session.statement("seed", site=place) + seed).digest()


def channel_key(session: Session, private: bytes, public: bytes, *, sender: int, receiver: int) -> bytes:
    """The AES-256 key for what one site sends to another, each direction its own."""
    return _agree(private, public, session.statement("channel", sender=sender, receiver=receiver))


def pair_seed(session: Session, private: bytes, public: bytes, pair: tuple[int, int]) -> bytes:
    """The 256-bit seed of the mask between two sites, the same from either side (s_u,v in the paper)."""
    return _agree(private, public, session.statement("mask", pair=sorted(pair)))


def _agree(private: bytes, public: bytes, info: bytes) -> bytes:
    """X25519 (RFC 7748), then HKDF-SHA-256 (RFC 5869)."""
    secret = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=info).derive(secret)
