"""The server takes each message once, in its round, from a site that was in the round before, and checks secrets."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest

from federated.secagg import SecureSum
from federated.secagg.messages import MaskedInput, SurvivorSignature
from policies.errors import IntegrityError, TrainingError
from tests.federated.secagg.attempts import LENGTH, Attempt, masked, play, ring, session_of, signed, updates_of

WORD_BYTES = 4 * (LENGTH + 1)


def test_a_second_input_of_a_site_is_refused_and_counts_once() -> None:
    attempt = Attempt(session_of(4), updates_of(4))
    deliveries = attempt.share()
    _, sent = attempt.sites[0].mask(attempt.states[0], deliveries[0], attempt.updates[0], 0.5)
    attempt.server.add_input(sent)
    before = attempt.server.masked.copy()
    with pytest.raises(IntegrityError, match="'north' sent a second message of round MASKED_INPUT"):
        attempt.server.add_input(sent)
    np.testing.assert_array_equal(attempt.server.masked, before)


def test_an_input_that_comes_after_the_list_was_made_is_refused() -> None:
    attempt = Attempt(session_of(4), updates_of(4))
    deliveries = attempt.share()
    late = attempt.sites[3].mask(attempt.states[3], deliveries[3], attempt.updates[3], 0.5)[1]
    survivors = attempt.mask(deliveries, 3)
    with pytest.raises(IntegrityError, match="'alder' sent a message of round MASKED_INPUT in round CONSISTENCY_CHECK"):
        attempt.server.add_input(late)
    assert attempt.unmask(attempt.sign(survivors)).survivors == (0, 1, 2)


def test_an_input_of_a_site_that_shared_no_keys_is_refused() -> None:
    attempt = Attempt(session_of(4), updates_of(4))
    attempt.advertise()
    attempt.share(3)
    with pytest.raises(IntegrityError, match=r"'alder' .* was not in the round before"):
        attempt.server.add_input(MaskedInput(attempt.session.id, 3, bytes(WORD_BYTES)))


@pytest.mark.parametrize("size", [0, WORD_BYTES - 4, WORD_BYTES + 1, 10 * WORD_BYTES])
def test_an_input_of_another_length_is_refused(size: int) -> None:
    attempt = Attempt(session_of(4), updates_of(4))
    attempt.share()
    with pytest.raises(IntegrityError, match=f"'north' sent {size} bytes where {WORD_BYTES} belong"):
        attempt.server.add_input(MaskedInput(attempt.session.id, 0, bytes(size)))


def test_a_message_of_another_attempt_or_an_unknown_place_is_refused() -> None:
    server = SecureSum(session_of(4))
    old = Attempt(session_of(4, attempt=2), updates_of(4)).sites[0].advertise()[1]
    with pytest.raises(IntegrityError, match="another federation, plan, round or attempt"):
        server.add_advert(old)
    with pytest.raises(IntegrityError, match="place 9"):
        server.add_advert(replace(old, session=server.session.id, site=9))


def test_keys_that_the_site_did_not_sign_are_refused() -> None:
    attempt = Attempt(session_of(4), updates_of(4))
    advert = attempt.sites[0].advertise()[1]
    with pytest.raises(IntegrityError, match="'north' were not signed"):
        attempt.server.add_advert(replace(advert, signature=ring("river").sign(b"x")))


def test_shares_must_be_for_all_that_advertised() -> None:
    attempt = Attempt(session_of(4), updates_of(4))
    adverts = attempt.advertise()
    shares = attempt.sites[0].share(attempt.states[0], adverts)[1]
    with pytest.raises(IntegrityError, match="'north' sent shares to other sites"):
        attempt.server.add_shares(replace(shares, sealed={1: shares.sealed[1]}))


def test_a_signature_over_another_list_is_refused() -> None:
    attempt, _ = masked()
    with pytest.raises(IntegrityError, match="'river' does not verify"):
        attempt.server.add_signature(SurvivorSignature(attempt.session.id, 1, ring("river").sign(b"another")))


@pytest.mark.parametrize("kind", ["seeds", "keys"])
def test_a_wrong_share_voids_the_attempt_and_gives_no_wrong_sum(kind: str) -> None:
    attempt, request = signed(4, 3)
    for place, site in attempt.sites.items():
        reveal = site.unmask(attempt.states[place], request)[1]
        if place == 1:
            shares = getattr(reveal, kind)
            reveal = replace(reveal, **{kind: {owner: os.urandom(32) for owner in shares}})
        attempt.server.add_reveal(reveal)
    with pytest.raises(IntegrityError, match=f"shares of '{'north' if kind == 'seeds' else 'alder'}' do not give back"):
        attempt.server.opened().total(attempt.session, attempt.server.masked)


def test_a_reveal_of_other_shares_than_asked_for_is_refused() -> None:
    attempt, request = signed(4, 3)
    reveal = attempt.sites[0].unmask(attempt.states[0], request)[1]
    for wrong in (replace(reveal, keys={}), replace(reveal, seeds={**reveal.seeds, 0: b"short"})):
        with pytest.raises(IntegrityError, match="'north' revealed other shares"):
            attempt.server.add_reveal(wrong)


def test_rounds_are_asked_for_in_their_order_and_once() -> None:
    attempt = Attempt(session_of(3), updates_of(3))
    with pytest.raises(TrainingError, match="round ADVERTISE_KEYS goes on"):
        attempt.server.opened().total(attempt.session, attempt.server.masked)
    play(attempt)
    with pytest.raises(TrainingError, match="is over"):
        attempt.server.opened().total(attempt.session, attempt.server.masked)


def test_the_server_keeps_one_vector_whatever_the_number_of_sites() -> None:
    length = 5000
    sizes = []
    for count in (3, 6):
        session = session_of(count)
        session = replace(session, quantiser=replace(session.quantiser, length=length))
        attempt = Attempt(session, [np.zeros(length, np.float32)] * count)
        attempt.advertise()
        attempt.mask(attempt.share())
        sizes.append(sum(array.nbytes for array in vars(attempt.server).values() if isinstance(array, np.ndarray)))
        held = [value for value in vars(attempt.server).values() if isinstance(value, dict)]
        assert not any(isinstance(one, bytes) and len(one) >= length for kept in held for one in kept.values())
    assert sizes[0] == sizes[1] == 4 * (length + 1)
