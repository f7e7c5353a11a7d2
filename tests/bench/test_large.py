"""The people of a large hospital, what they met, and whose names came to whom."""

from __future__ import annotations

from collections import Counter

from bench.crowd import Walk, _look
from bench.dashboard import together
from bench.large import name_of, pseudonym_of, staff
from policies.policy import Role

PEOPLE = staff(20)


def test_nobody_shares_a_patient_and_every_kind_of_person_is_there() -> None:
    treated = Counter(number for one in PEOPLE for number in one.own)
    assert set(treated.values()) == {1} and sorted(treated) == list(range(len(treated)))
    assert {one.role for one in PEOPLE} == {*Role} - {Role.RESEARCHER}
    assert all(bool(one.own) == (one.role is Role.CLINICIAN) for one in PEOPLE)
    assert len({pseudonym_of(number) for number in treated}) == len(treated)


def walked(seconds: float, received: str, who: int = 0) -> Walk:
    walk = Walk(PEOPLE[who])
    _look(walk, "patient-note", seconds, received.encode())
    return walk


def test_a_name_that_came_to_somebody_else_is_counted() -> None:
    own, strange = min(PEOPLE[0].own), min(PEOPLE[1].own)
    assert walked(1, f"<h2>{name_of(own)}</h2>").strangers == set()
    assert walked(1, f"{name_of(own)}, {name_of(strange)}").strangers == {strange}
    assert walked(1, name_of(own), who=3).strangers == {own}  # an officer treats nobody


def test_what_all_met_is_summed_up() -> None:
    own = name_of(min(PEOPLE[0].own))
    walks = [walked(1, own), walked(3, own), walked(5, f"A fault of Confide {name_of(999_999)}")]
    found = together(walks, 6.0)
    assert (found.people, found.steps, found.work, found.p50, found.worst, found.faults) == (3, 3, 2, 3, 5, 1)
    assert found.named == 2 and found.strangers == 1 and 3 < found.p95 <= 5
