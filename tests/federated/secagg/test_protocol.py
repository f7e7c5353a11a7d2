"""Whole attempts: the sum is exact, dropouts are borne to the threshold in every round, and a crash is gone over."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federated.secagg import Quantiser, Total
from policies.errors import IntegrityError, TrainingError
from tests.federated.secagg.attempts import BOUND, LENGTH, Attempt, masked, play, session_of, updates_of

DID = (
    "advertised keys",
    "shared their keys",
    "sent their masked input",
    "signed one and the same list of survivors",
    "revealed their shares",
)


def check_sum(attempt: Attempt, total: Total) -> None:
    """The integers are those of a plain sum, and the numbers are within the stated error of the true ones."""
    quantiser, inside = attempt.session.quantiser, total.survivors
    parts = [quantiser.quantise(attempt.updates[place], attempt.weights[place]) for place in inside]
    plain = quantiser.total(np.sum(parts, axis=0, dtype=np.uint32), inside)
    np.testing.assert_array_equal(total.update, plain.update)
    assert total.weight == plain.weight == pytest.approx(sum(attempt.weights[place] for place in inside), abs=1e-7)
    true = sum(attempt.weights[place] * attempt.updates[place].astype(np.float64) for place in inside)
    assert np.abs(total.update - true).max() <= quantiser.error(len(inside)) * (1 + 1e-6)


@settings(deadline=None, max_examples=30)
@given(st.data(), st.integers(3, 6), st.integers(1, 9))
def test_the_sum_is_exact(data: st.DataObject, count: int, length: int) -> None:
    vectors = st.lists(st.floats(-1, 1, width=32), min_size=length, max_size=length)
    updates = [np.array(data.draw(vectors), np.float32) for _ in range(count)]
    attempt = Attempt(session_of(count, quantiser=Quantiser(length, BOUND)), updates)
    total = play(attempt)
    assert total.survivors == tuple(range(count))
    check_sum(attempt, total)


@pytest.mark.parametrize("count", [10, 20])
def test_many_sites_with_as_many_dropouts_as_can_be_borne(count: int) -> None:
    attempt = Attempt(session_of(count), updates_of(count))
    lost = tuple(range(1, count, 3))[: count - attempt.session.threshold]
    total = play(attempt, lost, 2)
    assert total.survivors == tuple(place for place in range(count) if place not in lost)
    check_sum(attempt, total)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("round", range(5))
def test_one_of_four_may_drop_out_in_any_round(round: int, place: int) -> None:
    attempt = Attempt(session_of(4), updates_of(4))
    total = play(attempt, (place,), round)
    others = tuple(other for other in range(4) if other != place)
    assert total.survivors == (others if round < 3 else (0, 1, 2, 3))  # after its input was sent, it counts
    check_sum(attempt, total)


@pytest.mark.parametrize("round", range(5))
def test_two_of_four_are_too_many_in_any_round(round: int) -> None:
    with pytest.raises(TrainingError, match=f"2 of 4 sites {DID[round]}, 3 are needed"):
        play(Attempt(session_of(4), updates_of(4)), (1, 3), round)


@pytest.mark.parametrize("round", range(5))
def test_with_three_sites_no_dropout_can_be_borne(round: int) -> None:
    with pytest.raises(TrainingError, match=f"2 of 3 sites {DID[round]}, .*no dropout can be borne"):
        play(Attempt(session_of(3), updates_of(3)), (1,), round)


def test_dropouts_of_several_rounds_add_up() -> None:
    attempt = Attempt(session_of(7), updates_of(7))
    attempt.advertise(0)
    deliveries = attempt.share()
    request = attempt.sign(attempt.mask(deliveries, 4))
    total = attempt.unmask(request)
    assert total.survivors == (1, 2, 3, 5, 6)
    check_sum(attempt, total)


def test_one_masked_input_says_nothing_without_the_shares() -> None:
    """The same update twice gives words that differ everywhere, and neither is the plain one."""
    plain = session_of(4).quantiser.quantise(np.zeros(LENGTH), 0.5)
    hashes = set()
    for _ in range(2):
        attempt, survivors = masked()
        hashes |= set(survivors.inputs.values())
        assert (attempt.server.masked != 4 * plain).all()
    assert len(hashes) == 8


def test_an_attempt_that_was_aborted_starts_again_with_new_keys_over_the_same_updates() -> None:
    first, _ = masked(4, 3)
    again = Attempt(session_of(4, attempt=2), first.updates, first.states)
    fresh = {advert.channel for advert in again.advertise()}
    assert not fresh & {advert.channel for advert in first.server._adverts.values()}
    total = again.unmask(again.sign(again.mask(again.share())))
    assert total.survivors == (0, 1, 2, 3)
    check_sum(again, total)


def test_a_sum_that_was_revealed_is_only_repeated_with_the_same_survivors() -> None:
    """The difference of the two sums would be the update of the one that is missing."""
    first = Attempt(session_of(4), updates_of(4))
    expected = play(first)
    again = Attempt(session_of(4, attempt=2), first.updates, first.states)
    with pytest.raises(IntegrityError, match="revealed for other survivors in an earlier attempt"):
        play(again, (3,), 2)
    third = Attempt(session_of(4, attempt=3), first.updates, again.states)
    np.testing.assert_array_equal(play(third).update, expected.update)


def test_neither_torch_nor_flower_is_loaded() -> None:
    code = "import sys, federated.secagg; assert not {'torch', 'flwr', 'clinical', 'privacy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
