"""The threshold, and an id that differs wherever two sides do not agree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from federated.secagg import Quantiser, Session, known_keys
from policies.errors import IntegrityError, TrainingError
from policies.keys import PublicKey
from tests.federated.secagg.attempts import BOUND, LENGTH, NAMES, ring, session_of


@pytest.mark.parametrize("count", range(3, 21))
def test_more_than_two_thirds_of_all_sites_are_needed(count: int) -> None:
    threshold = session_of(count).threshold
    assert 3 * threshold > 2 * count
    assert 3 * (threshold - 1) <= 2 * count
    assert threshold >= 3


def test_with_three_sites_no_dropout_can_be_borne() -> None:
    with pytest.raises(TrainingError, match="2 of 3 sites slept, 3 are needed; with 3 sites no dropout can be borne"):
        session_of(3).enough(2, "slept")


def test_with_ten_sites_three_may_drop_out() -> None:
    session_of(10).enough(7, "slept")
    with pytest.raises(TrainingError, match="with 10 sites at most 3 may drop out"):
        session_of(10).enough(6, "slept")


def test_fewer_than_three_sites_or_more_than_twenty_are_refused() -> None:
    with pytest.raises(TrainingError, match="3 to 20 sites, the plan has 2"):
        session_of(2)
    with pytest.raises(TrainingError, match="the plan has 21"):
        session_of(20, sites=(*session_of(20).sites, PublicKey("late", bytes(32))))


def test_two_sites_with_one_key_are_refused() -> None:
    one = ring("north").public
    with pytest.raises(IntegrityError, match="one signing key"):
        session_of(3, sites=(one, PublicKey("river", one.raw), ring("summit").public))


def test_a_site_whose_key_is_not_known_is_refused() -> None:
    with pytest.raises(IntegrityError, match="'river' is not known"):
        known_keys(["north", "river"], {"north": ring("north").public})


@pytest.mark.parametrize(
    "change",
    [
        {"federation": "hills"},
        {"plan": "ef" * 32},
        {"round": 4},
        {"attempt": 2},
        {"model": "ef" * 32},
        {"quantiser": Quantiser(LENGTH, BOUND * 2)},
        {"quantiser": Quantiser(LENGTH + 1, BOUND)},
        {"sites": tuple(ring(name).public for name in NAMES[1:4])},
        {"sites": (PublicKey("north", ring("elm").public.raw), ring("river").public, ring("summit").public)},
    ],
)
def test_the_id_differs_wherever_two_sides_differ(change: dict[str, object]) -> None:
    session = session_of(3)
    other: Session = replace(session, **change)  # type: ignore[arg-type]
    assert other.id != session.id
    assert replace(session).id == session.id
    with pytest.raises(IntegrityError, match="another federation, plan, round or attempt"):
        session.check(other.id)


def test_a_statement_is_for_one_purpose_and_one_session() -> None:
    one, other = session_of(3), session_of(3, attempt=2)
    statements = {one.statement("keys"), one.statement("mask"), one.statement("keys", site=1), other.statement("keys")}
    assert len(statements) == 4


@pytest.mark.parametrize("place", [-1, 3])
def test_a_place_that_no_site_has_is_refused(place: int) -> None:
    with pytest.raises(IntegrityError, match="no site of the plan has"):
        session_of(3).site(place)
