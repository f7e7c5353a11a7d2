"""Advertised keys hold only under the signature of the site that was met at joining."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from federated.secagg.keys import channel_key, pair_seed, public_of, sign_advert, verify_advert
from federated.secagg.state import Secrets
from policies.errors import IntegrityError
from tests.federated.secagg.attempts import ring, session_of

SESSION = session_of(3)
MINE = Secrets.draw()


def test_what_a_site_signed_verifies() -> None:
    verify_advert(SESSION, sign_advert(SESSION, 0, ring("north"), MINE))


@pytest.mark.parametrize("field", ["channel", "mask", "commitment"])
def test_a_replaced_public_key_is_refused(field: str) -> None:
    advert = sign_advert(SESSION, 0, ring("north"), MINE)
    with pytest.raises(IntegrityError, match="keys of 'north' were not signed by it"):
        verify_advert(SESSION, replace(advert, **{field: public_of(os.urandom(32))}))


def test_keys_swapped_with_each_other_are_refused() -> None:
    advert = sign_advert(SESSION, 0, ring("north"), MINE)
    with pytest.raises(IntegrityError, match="not signed"):
        verify_advert(SESSION, replace(advert, channel=advert.mask, mask=advert.channel))


def test_keys_under_the_name_of_another_site_are_refused() -> None:
    with pytest.raises(IntegrityError, match="'river' were not signed"):
        verify_advert(SESSION, sign_advert(SESSION, 1, ring("north"), MINE))


def test_keys_of_another_attempt_are_refused_even_under_this_id() -> None:
    old = sign_advert(session_of(3, attempt=2), 0, ring("north"), MINE)
    with pytest.raises(IntegrityError, match="another federation"):
        verify_advert(SESSION, old)
    with pytest.raises(IntegrityError, match="not signed"):
        verify_advert(SESSION, replace(old, session=SESSION.id))


@pytest.mark.parametrize("bad", [bytes(32), b"\x01" + bytes(31)], ids=["zero", "one"])
def test_a_point_of_small_order_is_refused(bad: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every site would agree with it on the same 'secret', which anybody knows."""
    monkeypatch.setattr("federated.secagg.keys.public_of", lambda _: bad)
    with pytest.raises(IntegrityError, match="'north' advertised what is no X25519 key"):
        verify_advert(SESSION, sign_advert(SESSION, 0, ring("north"), MINE))


def test_both_sides_agree_and_nobody_else() -> None:
    theirs, third = os.urandom(32), os.urandom(32)
    seed = pair_seed(SESSION, MINE.mask, public_of(theirs), (0, 1))
    assert seed == pair_seed(SESSION, theirs, public_of(MINE.mask), (1, 0))
    assert seed != pair_seed(SESSION, third, public_of(MINE.mask), (1, 0))
    assert seed != pair_seed(session_of(3, attempt=2), theirs, public_of(MINE.mask), (1, 0))
    assert seed != pair_seed(session_of(3, round=4), theirs, public_of(MINE.mask), (1, 0))


def test_each_direction_has_a_key_of_its_own() -> None:
    theirs = os.urandom(32)
    there = channel_key(SESSION, MINE.channel, public_of(theirs), sender=0, receiver=1)
    assert there == channel_key(SESSION, theirs, public_of(MINE.channel), sender=0, receiver=1)
    assert there != channel_key(SESSION, MINE.channel, public_of(theirs), sender=1, receiver=0)
