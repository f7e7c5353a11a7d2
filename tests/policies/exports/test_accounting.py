"""An accounting of disclosures holds what may concern the patient, for six years, and nothing of others."""

from __future__ import annotations

from datetime import date

from policies.events import Event
from policies.exports.accounting import STATEMENT, accounting
from tests.policies.exports.conftest import entry

TODAY = date(2026, 6, 1)
SERVER = "the server"
LOG = [
    entry(0, Event.DISCLOSURE_MADE, time="2020-05-31", patient="p1", recipient="long ago"),
    entry(1, Event.DISCLOSURE_MADE, time="2020-06-01", patient="p1", recipient="registry", what="r", purpose="HLEGAL"),
    entry(2, Event.DISCLOSURE_MADE, time="2026-01-01", patient="p2", recipient="another's"),
    entry(3, Event.PATIENT_REIDENTIFIED, "bob", "2026-01-02", patient="p1", purpose="HLEGAL"),
    entry(4, Event.PATIENT_REIDENTIFIED, "bob", "2026-01-03", patient="p1", purpose="TREAT"),
    entry(5, Event.NOTE_VIEWED, "bob", "2026-01-03", patient="p1", purpose="TREAT"),
    entry(6, Event.BUDGET_SPENT, time="2026-02-01", plan="aa", round=1, epsilon="0.500"),
    entry(7, Event.UPDATE_RELEASED, time="2026-02-01", plan="aa", round=1),
    entry(8, Event.BUDGET_SPENT, time="2026-02-02", plan="bb", round=1, epsilon="0.900"),
    entry(9, Event.UPDATE_RELEASED, time="2026-02-02", plan="bb", round=1),
    entry(10, Event.BUDGET_SPENT, time="2026-02-03", plan="aa", round=2, epsilon="1.250"),
    entry(11, Event.UPDATE_RELEASED, time="2026-02-03", plan="aa", round=2),
    entry(12, Event.BUDGET_SPENT, time="2026-02-04", plan="aa", round=3, epsilon="9.999"),  # never left
]


def test_what_was_disclosed_stands_with_date_recipient_purpose_and_what() -> None:
    rows = accounting(LOG, "p1", TODAY, SERVER)
    assert [(row.first, row.recipient, row.purpose, row.entries) for row in rows] == [
        ("2020-06-01", "registry", "HLEGAL", (1,)),
        ("2026-01-02", "bob", "HLEGAL", (3,)),
        ("2026-02-01", SERVER, "HRESCH", (7, 11)),
        ("2026-02-02", SERVER, "HRESCH", (9,)),
    ]


def test_a_study_is_one_row_with_the_epsilon_after_its_last_update() -> None:
    study = accounting(LOG, "p1", TODAY, SERVER)[2]
    assert (study.first, study.last, study.times, study.epsilon) == ("2026-02-01", "2026-02-03", 2, "1.250")
    assert "plan aa" in study.what and STATEMENT in study.what


def test_a_patient_of_whom_nothing_is_known_gets_the_studies_alone() -> None:
    assert [row.entries for row in accounting(LOG, "p9", TODAY, SERVER)] == [(7, 11), (9,)]
