"""Enough shares give the secret back, fewer do not, and an envelope opens for its receiver in its attempt alone."""

from __future__ import annotations

import os

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from federated.secagg.keys import channel_key, public_of
from federated.secagg.session import Session
from federated.secagg.shares import combine, seal, split, unseal
from policies.errors import IntegrityError
from tests.federated.secagg.attempts import session_of

OURS, THEIRS = os.urandom(32), os.urandom(32)


@settings(deadline=None, max_examples=25)
@given(st.binary(min_size=32, max_size=32), st.permutations(range(5)))
def test_any_four_of_five_shares_give_the_secret_back(secret: bytes, order: list[int]) -> None:
    shares = split(secret, 4, 5)
    assert combine({place: shares[place] for place in order[:4]}, 4) == secret


def test_too_few_shares_give_another_secret() -> None:
    secret = os.urandom(32)
    shares = dict(enumerate(split(secret, 4, 5)[:3]))
    assert combine(shares, 3) != secret


def test_two_splits_of_a_secret_have_no_share_in_common() -> None:
    assert not set(split(bytes(32), 3, 4)) & set(split(bytes(32), 3, 4))


def sealed(session: Session) -> bytes:
    return seal(session, OURS, public_of(THEIRS), b"s" * 64, sender=0, receiver=1)


def test_the_receiver_opens_what_was_sealed() -> None:
    session = session_of(3)
    assert unseal(session, THEIRS, public_of(OURS), sealed(session), sender=0, receiver=1) == b"s" * 64


def test_the_associated_data_names_sender_receiver_and_attempt() -> None:
    """The key alone would bind them as well; neither is left to the other."""
    session, data = session_of(3), sealed(session_of(3))
    cipher = AESGCM(channel_key(session, THEIRS, public_of(OURS), sender=0, receiver=1))
    bound = session.statement("shares", sender=0, receiver=1)
    assert cipher.decrypt(data[:12], data[12:], bound) == b"s" * 64
    for other in (b"", session.statement("shares"), session_of(3, attempt=2).statement("shares", sender=0, receiver=1)):
        with pytest.raises(InvalidTag):
            cipher.decrypt(data[:12], data[12:], other)


@pytest.mark.parametrize("at", [0, 12, 40, -1])
def test_a_tampered_ciphertext_does_not_open(at: int) -> None:
    session = session_of(3)
    bad = bytearray(sealed(session))
    bad[at] ^= 1
    with pytest.raises(IntegrityError, match="from 'north' to 'river' were altered"):
        unseal(session, THEIRS, public_of(OURS), bytes(bad), sender=0, receiver=1)


@pytest.mark.parametrize("short", [b"", b"x" * 5, b"x" * 20])
def test_a_ciphertext_cut_short_does_not_open(short: bytes) -> None:
    with pytest.raises(IntegrityError, match="altered"):
        unseal(session_of(3), THEIRS, public_of(OURS), short, sender=0, receiver=1)


@pytest.mark.parametrize("other", [{"round": 4}, {"attempt": 2}, {"plan": "ef" * 32}, {"federation": "hills"}])
def test_an_envelope_of_another_session_does_not_open(other: dict[str, object]) -> None:
    with pytest.raises(IntegrityError, match="another round or attempt"):
        unseal(session_of(3, **other), THEIRS, public_of(OURS), sealed(session_of(3)), sender=0, receiver=1)


@pytest.mark.parametrize(("sender", "receiver"), [(1, 0), (0, 2), (2, 1)])
def test_an_envelope_between_other_sites_does_not_open(sender: int, receiver: int) -> None:
    session = session_of(3)
    with pytest.raises(IntegrityError):
        unseal(session, THEIRS, public_of(OURS), sealed(session), sender=sender, receiver=receiver)
