"""An accounting of disclosures holds what may concern the patient, for six years, and nothing of others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest

from policies.errors import IntegrityError
from policies.events import Entry, Event
from policies.exports.accounting import STATEMENT, Accounting, accounting
from policies.ledger import COHORT
from policies.releases import Release
from tests.policies.exports.conftest import entry

TODAY = date(2026, 6, 1)
SERVER = "the server 'server' of the federation"


def spent(number: int, day: str, plan: str, round_number: int) -> Entry:
    release = {"kind": "gaussian", "sigma": "2.00", "times": 1}
    facts = {"plan": plan, "round": round_number, "epsilon": "9.999", "delta": "1e-05", "release": release}
    return entry(number, Event.BUDGET_SPENT, time=day, **facts)


LOG = [
    entry(0, Event.DISCLOSURE_MADE, time="2026-01-01", day="2020-05-31", patient="p1", recipient="long ago", what="r"),
    entry(1, Event.DISCLOSURE_MADE, day="2020-06-01", patient="p1", recipient="registry", what="r", purpose="HLEGAL"),
    entry(2, Event.DISCLOSURE_MADE, day="2026-01-01", patient="p2", recipient="another's", what="r"),
    entry(3, Event.PATIENT_REIDENTIFIED, "bob", "2026-01-02", patient="p1", purpose="HLEGAL"),
    entry(4, Event.PATIENT_REIDENTIFIED, "bob", "2026-01-03", patient="p1", purpose="TREAT"),
    entry(5, Event.NOTE_VIEWED, "bob", "2026-01-03", patient="p1", purpose="TREAT"),
    spent(6, "2026-02-01", COHORT, 0),
    entry(7, Event.UPDATE_RELEASED, time="2026-02-01", plan="cc", round=0),
    spent(8, "2026-02-01", "aa", 1),
    entry(9, Event.UPDATE_RELEASED, time="2026-02-01", plan="aa", round=1),
    spent(10, "2026-02-02", "bb", 1),
    entry(11, Event.UPDATE_RELEASED, time="2026-02-02", plan="bb", round=1),
    spent(12, "2026-02-03", "aa", 2),
    entry(13, Event.UPDATE_RELEASED, time="2026-02-03", plan="aa", round=2),
    spent(14, "2026-02-04", "aa", 3),  # never left
]


def tenths(plans: Sequence[Sequence[Release]], delta: float) -> float:
    """A stand-in for an accountant: a whole for each plan, and a tenth for each release."""
    assert delta == 1e-5
    return len(plans) + sum(map(len, plans)) / 10


def account(patient: str, log: Sequence[Entry] = LOG) -> Accounting:
    return accounting(log, patient, TODAY, tenths)


def test_what_was_disclosed_stands_with_date_recipient_purpose_and_what() -> None:
    rows = account("p1").rows
    assert [(row.first, row.recipient, row.purpose, row.entries) for row in rows] == [
        ("2020-06-01", "registry", "HLEGAL", (1,)),
        ("2026-01-02", "bob", "HLEGAL", (3,)),
        ("2026-02-01", SERVER, "HRESCH", (7,)),
        ("2026-02-01", SERVER, "HRESCH", (9, 13)),
        ("2026-02-02", SERVER, "HRESCH", (11,)),
    ]


def test_each_row_has_the_epsilon_of_what_it_alone_released() -> None:
    told = account("p1")
    count, study, other = told.rows[2:]
    assert (count.epsilon, study.epsilon, other.epsilon) == ("1.100", "1.200", "1.100")
    assert (study.first, study.last, study.times) == ("2026-02-01", "2026-02-03", 2)
    assert told.epsilon == "2.400"  # of four releases under two plans, to the first of which the count belongs
    assert count.what == f"a noisy count of patients; {STATEMENT}"
    assert study.what == f"model updates of plan aa; {STATEMENT}"


def test_a_patient_of_whom_nothing_is_known_gets_the_studies_alone() -> None:
    told = account("p9")
    assert [row.entries for row in told.rows] == [(7,), (9, 13), (11,)]
    assert not told.known and account("p1").known


def test_without_a_training_there_is_no_epsilon() -> None:
    told = account("p2", LOG[:6])
    assert (told.epsilon, [row.recipient for row in told.rows], told.known) == ("", ["another's"], True)
    assert account("p9", LOG[:6]) == Accounting("p9", False, (), "")


def test_an_update_for_which_nothing_was_booked_is_no_row_but_an_error() -> None:
    with pytest.raises(IntegrityError, match="entry 9 is about a model update for which nothing was booked"):
        account("p1", LOG[9:])
