"""A hospital refuses whatever an honest server does not send, and says why."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from federated.secagg import SecureSite
from federated.secagg.keys import commitment, public_of, sign_advert
from federated.secagg.messages import Survivors, UnmaskRequest
from federated.secagg.shares import SHARE_BYTES, combine
from federated.secagg.state import Secrets
from policies.errors import IntegrityError, TrainingError
from tests.federated.secagg.attempts import Attempt, masked, ring, session_of, signed, updates_of


def started(count: int = 4) -> Attempt:
    return Attempt(session_of(count), updates_of(count))


# Round 0.


def test_a_site_whose_own_key_is_not_the_known_one_stays_out() -> None:
    with pytest.raises(IntegrityError, match="not the one that the federation knows"):
        SecureSite(session_of(3), ring("alder")).advertise()


@pytest.mark.parametrize("attempt", [1, 2])
def test_an_attempt_that_was_begun_is_never_begun_again(attempt: int) -> None:
    state, _ = SecureSite(session_of(3, attempt=2), ring("north")).advertise()
    with pytest.raises(IntegrityError, match="attempt 2 was begun here already"):
        SecureSite(session_of(3, attempt=attempt), ring("north")).advertise(state)


@pytest.mark.parametrize("other", [{"round": 4}, {"plan": "ef" * 32}])
def test_the_state_of_another_round_is_not_gone_on_with(other: dict[str, object]) -> None:
    state, _ = SecureSite(session_of(3, **other), ring("north")).advertise()
    with pytest.raises(IntegrityError, match="of another round"):
        SecureSite(session_of(3, attempt=2), ring("north")).advertise(state)


# Round 1.


def test_a_replaced_public_key_is_refused() -> None:
    """A server between two sites would advertise its own keys to each of them."""
    attempt = started()
    adverts = list(attempt.advertise())
    adverts[1] = replace(sign_advert(attempt.session, 1, ring("cedar"), Secrets.draw()))
    with pytest.raises(IntegrityError, match="keys of 'river' were not signed by it"):
        attempt.sites[0].share(attempt.states[0], adverts)


def test_keys_of_a_site_that_is_shown_another_model_are_refused() -> None:
    attempt = started()
    adverts = list(attempt.advertise())
    misled = SecureSite(replace(attempt.session, model="ef" * 32), ring("river"))
    adverts[1] = misled.advertise()[1]
    with pytest.raises(IntegrityError, match="another model"):
        attempt.sites[0].share(attempt.states[0], adverts)


def test_own_keys_must_come_back_as_they_were_sent() -> None:
    attempt = started()
    adverts = attempt.advertise()
    with pytest.raises(IntegrityError, match="keys that this site advertised"):
        attempt.sites[0].share(attempt.states[0], adverts[1:])


def test_one_key_twice_is_refused() -> None:
    attempt = started()
    adverts = list(attempt.advertise())
    theirs = attempt.states[1].step.secrets  # type: ignore[union-attr]
    adverts[2] = sign_advert(attempt.session, 2, ring("summit"), theirs)
    with pytest.raises(IntegrityError, match="one key is advertised twice"):
        attempt.sites[0].share(attempt.states[0], adverts)
    with pytest.raises(IntegrityError, match="one key is advertised twice"):
        attempt.sites[0].share(attempt.states[0], [*adverts[:2], adverts[1]])


def test_keys_of_too_few_sites_are_refused() -> None:
    attempt = started()
    adverts = attempt.advertise()
    with pytest.raises(TrainingError, match="2 of 4 sites advertised keys"):
        attempt.sites[0].share(attempt.states[0], adverts[:2])


def test_fewer_shares_than_the_threshold_give_no_secret_back() -> None:
    attempt, _ = masked(4)
    advert = attempt.server._adverts[0]
    shares = {place: attempt.states[place].step.shares[0] for place in (1, 2, 3)}  # type: ignore[union-attr]
    keys = {place: share[:SHARE_BYTES] for place, share in shares.items()}
    seeds = {place: share[SHARE_BYTES:] for place, share in shares.items()}
    for few in (2, 3):
        assert (public_of(combine(keys, few)) == advert.mask) is (few == 3)
        assert (commitment(attempt.session, 0, combine(seeds, few)) == advert.commitment) is (few == 3)


# Round 2.


def test_a_tampered_ciphertext_is_refused() -> None:
    attempt = started()
    delivery = attempt.share()[0]
    bad = dict(delivery.sealed) | {2: delivery.sealed[2][:-1] + bytes([delivery.sealed[2][-1] ^ 1])}
    with pytest.raises(IntegrityError, match="from 'summit' to 'north' were altered"):
        attempt.sites[0].mask(attempt.states[0], replace(delivery, sealed=bad), attempt.updates[0], 0.5)


def test_ciphertexts_of_two_senders_that_were_swapped_are_refused() -> None:
    attempt = started()
    delivery = attempt.share()[0]
    swapped = dict(delivery.sealed) | {1: delivery.sealed[2], 2: delivery.sealed[1]}
    with pytest.raises(IntegrityError, match="altered on the way"):
        attempt.sites[0].mask(attempt.states[0], replace(delivery, sealed=swapped), attempt.updates[0], 0.5)


@pytest.mark.parametrize("other", [{"round": 2}, {"attempt": 2}])
def test_a_replayed_share_of_another_round_or_attempt_is_refused(other: dict[str, object]) -> None:
    old = Attempt(session_of(4, **other), updates_of(4)).share()[0]
    attempt = started()
    delivery = attempt.share()[0]
    with pytest.raises(IntegrityError, match="another federation, plan, round or attempt"):
        attempt.sites[0].mask(attempt.states[0], old, attempt.updates[0], 0.5)
    with pytest.raises(IntegrityError, match="another round or attempt"):
        attempt.sites[0].mask(attempt.states[0], replace(delivery, sealed=old.sealed), attempt.updates[0], 0.5)


def test_a_delivery_for_another_site_is_refused() -> None:
    attempt = started()
    theirs = attempt.share()[1]
    with pytest.raises(IntegrityError, match="for another site"):
        attempt.sites[0].mask(attempt.states[0], theirs, attempt.updates[0], 0.5)


def test_shares_of_too_few_sites_are_refused() -> None:
    attempt = started()
    delivery = attempt.share()[0]
    few = replace(delivery, sealed={1: delivery.sealed[1]})
    with pytest.raises(TrainingError, match="2 of 4 sites shared their keys"):
        attempt.sites[0].mask(attempt.states[0], few, attempt.updates[0], 0.5)


def test_an_update_over_the_norm_bound_does_not_leave() -> None:
    attempt = started()
    delivery = attempt.share()[0]
    with pytest.raises(TrainingError, match="norm bound"):
        attempt.sites[0].mask(attempt.states[0], delivery, attempt.updates[0] * 100, 0.5)


# Round 3.


def test_a_second_list_of_survivors_in_one_attempt_is_refused() -> None:
    attempt, survivors = masked()
    state, signature = attempt.sites[0].sign(attempt.states[0], survivors)
    assert attempt.sites[0].sign(state, survivors)[1] == signature
    fewer = {place: sent for place, sent in survivors.inputs.items() if place != 3}
    with pytest.raises(IntegrityError, match="a second list of survivors"):
        attempt.sites[0].sign(state, replace(survivors, inputs=fewer))


@pytest.mark.parametrize("place", [0, 1])
def test_a_list_without_the_own_input_as_it_was_sent_is_refused(place: int) -> None:
    attempt, survivors = masked()
    fewer = {other: sent for other, sent in survivors.inputs.items() if other != place}
    for inputs in (fewer, {**survivors.inputs, place: os.urandom(32)}):
        with pytest.raises(IntegrityError, match="does not hold this site's input as it was sent"):
            attempt.sites[place].sign(attempt.states[place], Survivors(survivors.session, inputs))


def test_a_list_with_a_site_that_shared_no_keys_is_refused() -> None:
    attempt = Attempt(session_of(5), updates_of(5))
    attempt.advertise()
    survivors = attempt.mask(attempt.share(4))
    more = replace(survivors, inputs={**survivors.inputs, 4: bytes(32)})
    with pytest.raises(IntegrityError, match="names a site that shared no keys"):
        attempt.sites[0].sign(attempt.states[0], more)


def test_a_list_of_too_few_is_refused() -> None:
    attempt, survivors = masked()
    two = {place: survivors.inputs[place] for place in (0, 1)}
    with pytest.raises(TrainingError, match="2 of 4 sites sent their masked input"):
        attempt.sites[0].sign(attempt.states[0], replace(survivors, inputs=two))


def test_a_list_of_another_attempt_is_refused() -> None:
    attempt, _ = masked()
    _, other = masked(4, attempt=2)
    with pytest.raises(IntegrityError, match="another federation, plan, round or attempt"):
        attempt.sites[0].sign(attempt.states[0], other)


# Round 4.


def test_a_server_that_tells_different_sites_different_survivors_gets_no_share() -> None:
    """To north and river it says that all survived, to summit and alder that river dropped out."""
    attempt, survivors = masked(4)
    fewer = replace(survivors, inputs={place: survivors.inputs[place] for place in (0, 2, 3)})
    shown = {0: survivors, 1: survivors, 2: fewer, 3: fewer}
    signatures = {}
    for place, site in attempt.sites.items():
        attempt.states[place], answer = site.sign(attempt.states[place], shown[place])
        signatures[place] = answer.signature
    whole = UnmaskRequest(attempt.session.id, signatures, (0, 1, 2, 3), ())
    with pytest.raises(IntegrityError, match=r"signed is not this list .* different lists to different sites"):
        attempt.sites[0].unmask(attempt.states[0], whole)
    few = replace(whole, signatures={place: signatures[place] for place in (0, 1)})
    with pytest.raises(TrainingError, match="2 of 4 sites signed one and the same list of survivors, 3 are needed"):
        attempt.sites[0].unmask(attempt.states[0], few)
    other = replace(whole, signatures={2: signatures[2], 3: signatures[3]}, seeds_of=(0, 2, 3), keys_of=(1,))
    with pytest.raises(TrainingError, match="2 of 4 sites signed"):
        attempt.sites[2].unmask(attempt.states[2], other)


def test_signatures_over_other_vectors_of_the_same_survivors_do_not_count() -> None:
    attempt, survivors = masked(4)
    altered = replace(survivors, inputs={**survivors.inputs, 3: os.urandom(32)})
    signatures = {}
    for place, shown in {0: survivors, 1: survivors, 2: altered}.items():
        attempt.states[place], answer = attempt.sites[place].sign(attempt.states[place], shown)
        signatures[place] = answer.signature
    with pytest.raises(IntegrityError, match="'summit' signed is not this list"):
        attempt.sites[0].unmask(attempt.states[0], UnmaskRequest(attempt.session.id, signatures, (0, 1, 2, 3), ()))


def test_both_shares_of_a_site_are_never_given() -> None:
    attempt, request = signed(4, 3)
    with pytest.raises(IntegrityError, match="the server asks for both shares of 'river'"):
        attempt.sites[0].unmask(attempt.states[0], replace(request, keys_of=(1, 3)))


def test_nor_one_after_the_other() -> None:
    attempt, request = signed(4)
    state, _ = attempt.sites[0].unmask(attempt.states[0], request)
    with pytest.raises(TrainingError, match="has so far revealed its shares"):
        attempt.sites[0].unmask(state, replace(request, seeds_of=(0, 2, 3), keys_of=(1,)))


@pytest.mark.parametrize(("seeds", "keys"), [((0, 1), (3,)), ((0, 1, 2), ()), ((0, 1, 2, 3), ()), ((0, 2), (1, 3))])
def test_other_shares_than_those_of_the_signed_list_are_not_given(
    seeds: tuple[int, ...], keys: tuple[int, ...]
) -> None:
    attempt, request = signed(4, 3)
    with pytest.raises(IntegrityError, match="other shares than those of the list"):
        attempt.sites[0].unmask(attempt.states[0], replace(request, seeds_of=seeds, keys_of=keys))


def test_fewer_signatures_than_the_threshold_reveal_nothing() -> None:
    attempt, request = signed(4)
    two = {place: request.signatures[place] for place in (0, 1)}
    with pytest.raises(TrainingError, match="2 of 4 sites signed"):
        attempt.sites[0].unmask(attempt.states[0], replace(request, signatures=two))


def test_a_signature_of_a_site_that_is_not_in_the_list_does_not_count() -> None:
    attempt, request = signed(4, 3)
    extra = {**request.signatures, 3: ring("alder").sign(b"anything")}
    with pytest.raises(IntegrityError, match="'alder' signed and is not in the list"):
        attempt.sites[0].unmask(attempt.states[0], replace(request, signatures=extra))


def test_one_signature_under_three_names_is_one() -> None:
    attempt, request = signed(4)
    copied = dict.fromkeys(range(3), request.signatures[0])
    with pytest.raises(IntegrityError, match="'river' signed is not this list"):
        attempt.sites[0].unmask(attempt.states[0], replace(request, signatures=copied))


def test_steps_out_of_order_are_refused() -> None:
    attempt, request = signed(4)
    early = Attempt(attempt.session, attempt.updates)
    early.advertise()
    with pytest.raises(TrainingError, match="out of order, this site has so far advertised keys"):
        early.sites[0].unmask(early.states[0], request)


def test_what_was_kept_of_another_session_is_refused() -> None:
    attempt, _ = signed(4)
    _, request = signed(4)
    other = SecureSite(replace(attempt.session, attempt=2), ring("north"))
    with pytest.raises(IntegrityError, match="kept is of another session"):
        other.unmask(attempt.states[0], replace(request, session=other.session.id))
