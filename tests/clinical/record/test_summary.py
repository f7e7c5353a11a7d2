"""The lines of a small record, and that each of them quotes a note."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.record.quotation import Quotation
from clinical.record.summary import Summary, summarise
from tests.clinical.record.told import NOTES, the_record, told


@pytest.fixture(scope="module")
def summary() -> Summary:
    return summarise(reversed(the_record()))


def quotations(value: Any) -> Iterator[Quotation]:
    if isinstance(value, Quotation):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from quotations(one)
    elif is_dataclass(value):
        for own in fields(value):
            yield from quotations(getattr(value, own.name))


def test_the_problem_list(summary: Summary) -> None:
    lines = [(own.concept, own.status, own.first.record, own.last.record) for own in summary.problems]
    assert lines == [
        ("hypertension", "present", "january", "january"),
        ("asthma", "present", "january", "january"),
        ("pneumonia", "resolved", "january", "february"),
    ]
    assert summary.problems[-1].last.text == "Her pneumonia has resolved."


def test_the_complaints_are_of_the_newest_note(summary: Summary) -> None:
    assert [(own.concept, own.quotation.text) for own in summary.complaints] == [
        ("chest pain", "CHIEF COMPLAINT: chest pain.")
    ]


@pytest.mark.parametrize(
    ("text", "concepts"),
    [
        ("HPI: She has a cough and chest pain. She denies fever. Pain is worse at night.", ["cough", "chest pain"]),
        ("HPI: She was alert. History of syncope.", []),
        ("PHYSICAL EXAM: Edema.", []),
        ("DESCRIPTION OF PROCEDURE: Bleeding was controlled.", []),
        ("FAMILY HISTORY: Syncope.", []),
    ],
)
def test_what_is_a_complaint(text: str, concepts: list[str]) -> None:
    assert [own.concept for own in summarise(told("HPI: She has nausea.", text)).complaints] == concepts


def test_all_notes_of_the_newest_day_have_complaints() -> None:
    notes = told("HPI: Nausea.", "HPI: Cough.", "HPI: Fever.")
    same = (notes[0], *(replace(own, note=replace(own.note, date="2025-02-01")) for own in notes[1:]))
    assert [own.concept for own in summarise(same).complaints] == ["cough", "fever"]
    undated = [replace(own, note=replace(own.note, date="")) for own in notes]
    assert [own.concept for own in summarise(undated).complaints] == ["nausea", "cough", "fever"]


def test_the_medications(summary: Summary) -> None:
    lines = {own.concept: (own.change, own.dose, own.before, own.by, own.missing_from) for own in summary.medications}
    assert lines == {
        "lisinopril": ("changed", "40 mg daily", "20 mg daily", "words", ""),
        "metformin": ("stopped", "500 mg bid", "", "comparison", "march"),
        "aspirin": ("stopped", "81 mg daily", "", "comparison", "february"),
        "amoxicillin": ("stopped", "500 mg tid", "", "words", ""),
        "atorvastatin": ("started", "20 mg qhs", "", "words", ""),
    }


def test_the_results(summary: Summary) -> None:
    lines = [(own.test, own.unit, [value.written for value in own.values], own.trend) for own in summary.results]
    assert lines == [
        ("creatinine", "mg/dL", ["1.2", "1.6", "1.61"], "steady"),
        ("blood pressure", "", ["142/90"], ""),
    ]


def test_what_is_open(summary: Summary) -> None:
    lines = [(own.kind, own.about, own.quotation.record) for own in summary.loops]
    assert lines == [
        ("follow up", "cardiology", "january"),
        ("pending", "blood cultures", "january"),
        ("ordered", "hemoglobin", "february"),
        ("uncertain", "angina", "march"),
    ]


def test_the_timeline(summary: Summary) -> None:
    lines = [(own.date, own.heading, own.quotation.text) for own in summary.timeline]
    assert lines == [
        ("2025-01-14", "CHIEF COMPLAINT", "CHIEF COMPLAINT: cough."),
        ("2025-02-03", "CHIEF COMPLAINT", "CHIEF COMPLAINT: follow-up."),
        ("2025-03-20", "CHIEF COMPLAINT", "CHIEF COMPLAINT: chest pain."),
    ]


def test_every_line_quotes_a_note(summary: Summary) -> None:
    texts = {note.record: note.text for note in NOTES}
    found = list(quotations(summary))
    assert len(found) > 20
    assert all(own.text and own.text == texts[own.record][own.start : own.end] for own in found)


@pytest.mark.parametrize(
    ("first", "then", "change", "by"),
    [
        ("Medications: aspirin 81 mg daily.", "Medications: aspirin 325 mg daily.", "changed", "comparison"),
        ("Medications: aspirin 81 mg daily.", "Medications: aspirin 81 mg daily.", "continued", "words"),
        ("Medications: aspirin 81 mg daily.", "HPI: She has a cough.", "continued", "words"),
        ("Medications: aspirin, lisinopril.", "Medications: lisinopril.", "stopped", "comparison"),
        ("HPI: She has a cough.", "Medications: aspirin.", "continued", "words"),
        ("Medications: lisinopril.", "Medications: lisinopril, aspirin.", "started", "comparison"),
        ("Medications: lisinopril.", "HPI: She took aspirin once.", "continued", "words"),
        ("Medications: lisinopril. She stopped taking aspirin.", "Medications: aspirin.", "started", "comparison"),
        ("HPI: She stopped taking aspirin.", "HPI: She took aspirin.", "stopped", "words"),
        ("Medications: aspirin.", "Plan: Stop lisinopril, continue on aspirin 81 mg.", "continued", "words"),
    ],
)
def test_what_happened_to_a_medication(first: str, then: str, change: str, by: str) -> None:
    (own,) = [one for one in summarise(told(first, then)).medications if one.concept == "aspirin"]
    assert (own.change, own.by) == (change, by)


def test_notes_without_a_date_are_not_compared() -> None:
    notes = told("Medications: aspirin 81 mg daily, metformin.", "Medications: aspirin 325 mg daily, lisinopril.")
    undated = [replace(own, note=replace(own.note, date="")) for own in notes]
    assert {own.change for own in summarise(undated).medications} == {"continued"}
    assert {own.change for own in summarise(notes).medications} == {"changed", "stopped", "started"}


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("DESCRIPTION OF PROCEDURE: Lidocaine was injected.", "given"),
        ("DESCRIPTION OF PROCEDURE: Lidocaine was injected.\nMEDICATIONS: lidocaine.", "continued"),
        ("MEDICATIONS: lidocaine.\nDESCRIPTION OF PROCEDURE: Lidocaine was injected.", "continued"),
        ("DESCRIPTION OF PROCEDURE: She was sent home. Lidocaine was prescribed.", "started"),
    ],
)
def test_what_an_operation_takes_is_given(text: str, change: str) -> None:
    assert [own.change for own in summarise(told(text)).medications] == [change]


@pytest.mark.parametrize(
    ("text", "concepts"),
    [
        ("She has a hernia. She has an inguinal hernia.", ["inguinal hernia"]),
        ("She has a hernia. History of inguinal hernia.", ["hernia", "inguinal hernia"]),
        ("DESCRIPTION OF PROCEDURE: Hernia was seen.", []),
        ("She reviewed her allergies.", []),
    ],
)
def test_what_is_no_line_of_the_problem_list(text: str, concepts: list[str]) -> None:
    assert [own.concept for own in summarise(told(text)).problems] == concepts


def test_a_system_without_complaint_is_no_result() -> None:
    assert not summarise(told("REVIEW OF SYSTEMS: Her urinalysis was negative.")).results
    assert summarise(told("LABS: Her urinalysis was negative.")).results


def test_the_timeline_does_not_open_with_whose_note_it_is() -> None:
    (event,) = summarise(told("Facility: North Hospital\n\nShe has a cough. She sleeps.")).timeline
    assert event.quotation.text == "She has a cough."


@pytest.mark.parametrize(
    ("first", "then", "statuses"),
    [
        ("She has pneumonia.", "There is no pneumonia.", ["resolved"]),
        ("There is no pneumonia.", "There is no pneumonia.", []),
        ("There is no pneumonia.", "She has pneumonia.", ["present"]),
        ("Possible pneumonia.", "Mother has pneumonia.", []),
        ("She has pneumonia. History of pneumonia.", "She is well.", ["present"]),
        (
            "Atrial fibrillation resolved in 2019. Atrial fibrillation with rapid rate today.",
            "She is well.",
            ["present"],
        ),
        ("Pneumonia.", "Pneumonia. The pneumonia has resolved.", ["present"]),
        ("Pneumonia.", "The pneumonia has resolved.", ["resolved"]),
        ("PAST MEDICAL HISTORY: diabetes on insulin.", "She is well.", ["present"]),
        ("PMH: type 2 diabetes, COPD on home oxygen.", "She is well.", ["present", "present"]),
        ("She has a history of COPD.", "She is well.", ["present"]),
        ("PAST MEDICAL HISTORY: pneumonia.", "She is well.", ["historical"]),
        ("She had asthma as a child.", "She is well.", ["historical"]),
        ("PMH: asthma, resolved.", "She is well.", ["resolved"]),
    ],
)
def test_what_a_problem_is_in_the_end(first: str, then: str, statuses: list[str]) -> None:
    assert [own.status for own in summarise(told(first, then)).problems] == statuses


def test_what_is_over_and_there_again_is_quoted_twice() -> None:
    text = "Atrial fibrillation resolved in 2019. Atrial fibrillation with rapid rate today."
    (own,) = summarise(told(text)).problems
    assert own.but is not None
    assert (own.last.text, own.but.text) == tuple(f"{sentence.strip('.')}." for sentence in text.split(". ")[::-1])
    assert [said for said, _ in own.said] == ["present", "also resolved"]
    (own,) = summarise(told(text, "Atrial fibrillation.")).problems
    assert own.but is None


@pytest.mark.parametrize(
    ("first", "then", "still"),
    [
        ("Possible pneumonia.", "Possible pneumonia.", 1),
        ("Possible pneumonia.", "Mother has pneumonia.", 1),
        ("Possible pneumonia.", "She has pneumonia.", 0),
        ("Possible pneumonia. Pneumonia was confirmed.", "She is well.", 0),
        ("Repeat hemoglobin in a week.", "Repeat hemoglobin in a week.", 1),
        ("Repeat hemoglobin in a week.", "Hemoglobin 11.2 g/dL.", 0),
        ("Follow up with cardiology in a week.", "He saw cardiology.", 0),
        ("Follow up with cardiology in a week.", "His cardiologist was content.", 0),
        ("Follow up with cardiology in a week.", "He missed cardiology.", 1),
        ("Follow up with cardiology in a week.", "Follow up with cardiology in a week.", 1),
        ("Follow up with primary care physician.", "Wound care given.", 1),
        ("Follow up with primary care physician.", "Seen by her primary care physician.", 0),
        ("Refer to cardiology for new heart failure.", "New shoes.", 1),
        ("Refer to cardiology for new heart failure.", "Heart failure clinic.", 1),
        ("Refer to cardiology for new heart failure.", "Echo read by cardiology.", 0),
        ("Biopsy results pending.", "Biopsy planned.", 0),
        ("Skin biopsy results are pending.", "Her skin is dry.", 1),
        ("Repeat CT in six weeks.", "CT has not been done yet.", 1),
        ("Repeat CT in six weeks.", "No CT was done.", 1),
        ("Repeat CT in six weeks.", "Schedule CT to be performed in May.", 1),
        ("Repeat CT in six weeks.", "We talked of the CT.", 1),
        ("Repeat CT in six weeks.", "No pulmonary embolism was seen on CT.", 0),
        ("Repeat CT in six weeks.", "CT showed no nodule.", 0),
        ("Recommend colonoscopy.", "Refused colonoscopy.", 1),
        ("Recommend colonoscopy.", "If colonoscopy is normal, return in a year.", 2),
        ("Recommend colonoscopy.", "She underwent a colonoscopy.", 0),
    ],
)
def test_a_loop_is_open_until_a_later_note_settles_it(first: str, then: str, still: int) -> None:
    assert len(summarise(told(first, then)).loops) == still


def test_what_is_named_and_not_settled_is_shown_with_the_later_note() -> None:
    (loop,) = summarise(told("Repeat CT in six weeks.", "CT was refused.", "She is well.")).loops
    assert loop.again is not None
    assert (loop.again.record, loop.again.text) == ("n1", "CT was refused.")
    assert loop.in_words == "ordered: computed tomography, mentioned again on 2025-01-02"
    for words in ("Follow up with cardiology in a week.", "Schedule CT to be performed in May."):
        (loop,) = summarise(told(words, words)).loops
        assert loop.again is not None
        assert (loop.quotation.record, loop.again.record) == ("n0", "n1")
    (loop,) = summarise(told("Repeat CT in six weeks.", "She is well.")).loops
    assert loop.in_words == "ordered: computed tomography"


def test_a_note_without_a_date_settles_nothing() -> None:
    ordered, done = told("Repeat CT in six weeks.", "CT showed no nodule.")
    assert not summarise([ordered, done]).loops
    for dates in (("", "2025-02-01"), ("2025-01-01", ""), ("", "")):
        notes = [
            replace(own, note=replace(own.note, date=day)) for own, day in zip((ordered, done), dates, strict=True)
        ]
        assert [own.about for own in summarise(notes).loops] == ["computed tomography"]


@pytest.mark.parametrize(("values", "trend"), [("1.0 1.2", "rising"), ("1.2 1.0", "falling"), ("1.00 1.02", "steady")])
def test_a_trend_compares_the_last_two(values: str, trend: str) -> None:
    (own,) = summarise(told(*(f"Creatinine {value} mg/dL." for value in ("5", *values.split())))).results
    assert own.trend == trend


def test_other_units_are_other_series() -> None:
    assert len(summarise(told("Creatinine 1.0 mg/dL.", "Creatinine 88 umol/L.")).results) == 2


@given(
    st.lists(
        st.text(alphabet=st.sampled_from("no fever.\nPlan: repeat CT, stop aspirin 5 mg"), max_size=80), max_size=3
    )
)
@settings(max_examples=25, deadline=None)
def test_any_record_has_a_summary(texts: list[str]) -> None:
    given_notes = told(*texts)
    by_name = {own.note.record: own.note.text for own in given_notes}
    for own in quotations(summarise(given_notes)):
        assert own.text == by_name[own.record][own.start : own.end]


def test_the_time_is_linear_in_the_notes() -> None:
    notes = the_record()

    def seconds(times: int) -> float:
        many = [own for _ in range(times) for own in notes]
        started = time.process_time()
        summarise(many)
        return time.process_time() - started

    seconds(1)
    assert seconds(320) < 20 * max(seconds(40), 0.02)
