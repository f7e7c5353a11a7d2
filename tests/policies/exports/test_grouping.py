"""Entries that say the same stand in one row, and nothing that differs is lost in it."""

from __future__ import annotations

from policies.events import Event
from policies.exports.grouping import Group, Named, grouped
from tests.policies.exports.conftest import entry


def training(plan: str, numbers: range) -> list[Named]:
    """A decision, a booking and an update for each round."""
    found: list[Named] = []
    for number in numbers:
        place, at = {"plan": plan, "round": number}, 3 * number
        found += [
            ("north", entry(at, Event.ACCESS_DECIDED, action="train", purpose="HRESCH")),
            ("north", entry(at + 1, Event.BUDGET_SPENT, **place, booking=number, epsilon=f"{number}.500")),
            ("north", entry(at + 2, Event.UPDATE_RELEASED, **place, sha256=f"{number:064}")),
        ]
    return found


def told(groups: list[Group]) -> list[tuple[str, str]]:
    return [(group.numbers, group.facts) for group in groups]


def test_the_rounds_of_a_plan_are_one_row_for_each_kind_of_entry() -> None:
    assert told(grouped(training("aa", range(1, 31)))) == [
        ("north 3 to 90", "30 entries: purpose HRESCH, action train"),
        ("north 4 to 91", "30 entries: booking 1 to 30, epsilon 1.500 to 30.500, plan aa, round 1 to 30"),
        ("north 5 to 92", "30 entries: plan aa, round 1 to 30"),
    ]


def test_no_entry_is_lost_or_stands_twice() -> None:
    entries = [*training("aa", range(1, 4)), *training("bb", range(4, 6))]
    groups = grouped(entries)
    assert sorted(one.sequence for group in groups for one in group.entries) == [one.sequence for _, one in entries]
    assert len(groups) == 5  # decisions of one day are alike, bookings and updates are of two plans


def test_what_differs_stands_apart() -> None:
    def release(**details: object) -> Named:
        return "north", entry(0, Event.ROUND_AGGREGATED, plan="aa", **details)

    different = [release(round=1, left_out=["river"]), release(round=2, left_out=[])]
    other_log = ("river", different[0][1])
    days = [("north", entry(0, Event.PAGE_VIEWED, time=day, page="Audit")) for day in ("2026-03-04", "2026-03-05")]
    accounts = [("north", entry(0, Event.SIGNIN, name)) for name in ("alice", "bob")]
    assert [len(grouped(pair)) for pair in (different, [different[0], other_log], days, accounts)] == [2, 2, 2, 2]


def test_what_names_a_patient_stands_alone_and_is_told_whole() -> None:
    views = [("north", entry(number, Event.NOTE_VIEWED, patient="p1", record="d1")) for number in (1, 2)]
    assert told(grouped(views)) == [("north 1", "patient p1, record d1"), ("north 2", "patient p1, record d1")]
