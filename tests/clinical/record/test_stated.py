"""What rules find in notes: the newest first, nothing twice, and what is only planned, or of others, at the end."""

from __future__ import annotations

import pytest

from clinical.record.asked import asked_of
from clinical.record.stated import Statement, stated
from tests.clinical.record.told import the_record, told


def found(question: str, *texts: str) -> list[Statement]:
    """What is stated in these notes, one a day, or in the three notes of the record."""
    asked = asked_of(question)
    assert asked is not None
    return stated(asked, (told(*texts) if texts else the_record())[::-1])


def quoted(question: str, *texts: str) -> list[str]:
    return [own.told.note.text[own.start : own.end] for own in found(question, *texts)]


@pytest.mark.parametrize(
    ("question", "texts", "quotations"),
    [
        ("Any allergies?", ["Allergies: penicillin.", "She has a cough."], ["Allergies: penicillin."]),
        ("Any allergies?", ["She is allergic to latex. She has a cough."], ["She is allergic to latex."]),
        ("Is she allergic to sulfa?", ["ALLERGIES: No known drug allergies."], ["ALLERGIES: No known drug allergies."]),
        ("Which drugs?", ["MEDICATIONS: None.", "She took aspirin."], ["MEDICATIONS: None.", "She took aspirin."]),
        ("Which drugs?", ["She takes aspirin. She takes metformin."], ["She takes aspirin. She takes metformin."]),
        ("Which drugs?", ["MEDICATIONS:\n\nPLAN: Rest."], []),
        ("Which drugs?", ["He takes aspirin 81 mg daily.", "MEDICATIONS: aspirin."], ["MEDICATIONS: aspirin."]),
        (
            "Which drugs?",
            ["MEDICATIONS: aspirin 81 mg.\nPLAN: Increase aspirin to 325 mg. He knows aspirin."],
            ["MEDICATIONS: aspirin 81 mg.", "PLAN: Increase aspirin to 325 mg. He knows aspirin."],
        ),
        ("Which drugs?", ["MEDICATIONS: aspirin.", "MEDICATIONS: aspirin."], ["MEDICATIONS: aspirin."]),
        (
            "Any drug for gout?",
            ["She takes aspirin. She takes colchicine for gout."],
            ["She takes colchicine for gout."],
        ),
        ("Any medication for gout?", ["She takes aspirin daily."], []),
        ("Family history?", ["FAMILY HISTORY: Mother with gout.", "Gout."], ["FAMILY HISTORY: Mother with gout."]),
        (
            "Any operations?",
            ["DESCRIPTION OF PROCEDURE: Appendectomy and biopsy."],
            ["DESCRIPTION OF PROCEDURE: Appendectomy and biopsy."],
        ),
        (
            "Any operations?",
            ["PROCEDURE: Appendectomy.\nDESCRIPTION OF PROCEDURE: A biopsy was done."],
            ["PROCEDURE: Appendectomy."],
        ),
    ],
)
def test_a_list_is_quoted(question: str, texts: list[str], quotations: list[str]) -> None:
    assert quoted(question, *texts) == quotations


def test_the_newest_list_is_first_and_others_add_to_it() -> None:
    lists = found("Which medications is she on?")
    assert lists[0].told.note.record == "march"
    said = [own.says for own in lists]
    assert all(not own <= frozenset().union(*said[:number]) for number, own in enumerate(said))
    things = {thing for own in said for thing, _ in own}
    assert {"lisinopril", "atorvastatin", "metformin", "aspirin", "amoxicillin"} <= things


def test_a_named_result_is_the_newest() -> None:
    assert quoted("What was the last creatinine?") == [
        "Creatinine 1.61 mg/dL.",
        "Creatinine 1.6 mg/dL.",
        "Creatinine 1.2 mg/dL.",
    ]


@pytest.mark.parametrize(
    ("question", "texts", "first", "status"),
    [
        ("Any fever?", ["She has a fever.", "She denies fever."], "She denies fever.", "negated"),
        ("Any gout?", ["She has gout.", "Mother has gout."], "She has gout.", "present"),
        ("Any gout?", ["Mother has gout."], "Mother has gout.", "family"),
        ("Any pain?", ["She denies chest pain."], "She denies chest pain.", None),
        ("Any pain?", ["She has chest pain."], "She has chest pain.", "present"),
        ("Any pain?", ["She has pain.", "She denies chest pain."], "She has pain.", "present"),
        ("Was a CT done?", ["CT was normal.", "Repeat CT in six weeks."], "CT was normal.", None),
        ("Any biopsy?", ["She had a biopsy.", "Arrange a biopsy next week."], "She had a biopsy.", "present"),
        ("Was a CT done?", ["No embolism was seen on CT."], "No embolism was seen on CT.", None),
        ("Any operation?", ["No surgery was done."], "No surgery was done.", None),
        ("Had she an appendectomy?", ["Schedule an appendectomy."], "Schedule an appendectomy.", None),
        ("Had she an appendectomy?", ["She had an appendectomy."], "She had an appendectomy.", "present"),
        ("Was a CT done?", ["Repeat CT in six weeks."], "Repeat CT in six weeks.", None),
        ("Was a CT done?", ["Repeat CT showed no nodule."], "Repeat CT showed no nodule.", None),
        ("What was the potassium?", ["Potassium 4.1.", "Check potassium."], "Potassium 4.1.", None),
    ],
)
def test_a_named_thing_is_quoted_with_its_status(
    question: str, texts: list[str], first: str, status: str | None
) -> None:
    best = found(question, *texts)[0]
    assert best.told.note.text[best.start : best.end] == first
    assert (best.mention.assertion.status if best.mention else None) == status


def test_a_name_within_another_is_not_the_thing() -> None:
    assert not found("What was the hemoglobin?", "Hemoglobin A1c 8.")


def test_a_question_that_asks_more_is_not_for_the_rules() -> None:
    assert not found("Was the biopsy of the liver malignant?", "A biopsy of the liver was done.")
