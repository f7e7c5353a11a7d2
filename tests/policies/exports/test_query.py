"""Every question that a filter can ask selects what it says, and nothing else."""

from __future__ import annotations

import pytest

from policies.errors import InputError
from policies.events import Entry, Event
from policies.exports.query import Filter, Outcome, facts_of, in_words, meaning_of, patients_of
from policies.files import table_of
from tests.policies.exports.conftest import entry

LOG = [
    entry(0, Event.NOTE_VIEWED, "alice", "2026-01-31", patient="p1", purpose="TREAT"),
    entry(1, Event.ACCESS_DENIED, "bob", "2026-02-01", patient="p2", purpose="HRESCH"),
    entry(2, Event.COHORT_PREPARED, "bob", "2026-02-02", patients=240),
    entry(3, Event.CONSENT_RECORDED, "carol", "2026-02-03", patients=["p1", "p3"]),
    entry(4, Event.ROUND_FAILED, "carol", "2026-02-04"),
]


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        (Filter(), [0, 1, 2, 3, 4]),
        (Filter(since="2026-02-01"), [1, 2, 3, 4]),
        (Filter(until="2026-02-01"), [0, 1]),
        (Filter(since="2026-02-02", until="2026-02-03"), [2, 3]),
        (Filter(event="access.denied"), [1]),
        (Filter(actor="bob"), [1, 2]),
        (Filter(patient="p1"), [0, 3]),
        (Filter(patient="p"), []),
        (Filter(purpose="TREAT"), [0]),
        (Filter(outcome="refused"), [1]),
        (Filter(outcome="failed"), [4]),
        (Filter(outcome="success", actor="carol"), [3]),
    ],
)
def test_a_filter_selects_what_it_says(asked: Filter, numbers: list[int]) -> None:
    assert [found.sequence for found in asked.chosen(LOG)] == numbers


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"since": "2026-13-01"}, "'2026-13-01' is no day"),
        ({"until": "20260101"}, "'20260101' is no day"),
        ({"event": "note.eaten"}, "no event 'note.eaten'"),
        ({"purpose": "FUN"}, "no purpose 'FUN'"),
        ({"outcome": "fine"}, "no outcome 'fine'"),
        ({"since": "2026-02-02", "until": "2026-02-01"}, "from 2026-02-02 until 2026-02-01 there is no day"),
    ],
)
def test_what_cannot_be_asked_is_refused(wrong: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Filter(**wrong)


def test_the_filter_in_words_names_what_was_asked_for_alone() -> None:
    asked = Filter(since="2026-01-01", actor="bob").words()
    assert asked == {"since": "2026-01-01", "actor": "bob"}
    assert (in_words(asked), in_words({})) == ("since 2026-01-01, actor bob", "all entries")


def test_details_are_told_whole_but_for_hashes_and_the_policy_in_force() -> None:
    details = {
        "reason": "x" * 300, "purpose": "TREAT", "patient": "p1", "plan": "ab" * 32, "policy": "f" * 64,
        "roles": ["clinician", "researcher"], "counts": {"notes": 2}, "filters": [], "round": 0,
    }  # fmt: skip
    assert facts_of(details) == (
        f"patient p1, purpose TREAT, counts (notes 2), plan {'ab' * 8}, reason {'x' * 300}, "
        "roles clinician researcher, round 0"
    )


def test_every_event_has_a_meaning_and_every_meaning_an_event() -> None:
    assert set(table_of("policies.exports", "events")) == {str(event) for event in Event}
    for event in Event:
        meaning = meaning_of(event)
        assert meaning.action in "CRUDE"
        assert meaning.type == "rest" or meaning.type.startswith("1101")
    bad = {event for event in Event if meaning_of(event).outcome is not Outcome.SUCCESS}
    assert bad == {event for event in Event if event.value.endswith(("refused", "denied", "failed"))}


def test_a_count_of_patients_is_no_patient() -> None:
    assert patients_of(LOG[2]) == ()
    assert patients_of(Entry(0, "", "", "", 0, Event.NOTE_VIEWED, {"patient": ""})) == ()
