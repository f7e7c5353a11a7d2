"""What happens to a medication is what its sentence says of it: no more, of no other, and not what it denies."""

from __future__ import annotations

import time

import pytest

from clinical.extraction import read_note
from clinical.record.changes import changes_of
from clinical.record.medications import medications
from tests.clinical.record.told import told


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("Lisinopril was discontinued.", "stopped"),
        ("Stop aspirin.", "stopped"),
        ("Hold warfarin.", "held"),
        ("Coumadin on hold.", "held"),
        ("She is not taking metformin.", "not taken"),
        ("Consider amlodipine.", "planned"),
        ("PMH: diabetes on insulin", "continued"),
        ("Denies taking aspirin", "not taken"),
        ("No aspirin", "not taken"),
        ("Patient declined warfarin", "not taken"),
        ("Warfarin: declined.", "not taken"),
        ("She never took metformin", "not taken"),
        ("Not on warfarin.", "not taken"),
        ("He is off warfarin.", "stopped"),
        ("She quit taking aspirin.", "stopped"),
        ("Do not start lisinopril", "not taken"),
        ("Insulin was not started.", "not taken"),
        ("Refused to start insulin", "not taken"),
        ("May start insulin if A1c is above 9.", "planned"),
        ("We discussed starting lisinopril.", "planned"),
        ("Plan: start lisinopril 10 mg daily.", "started"),
        ("Did not stop metoprolol", "continued"),
        ("Metoprolol was not stopped", "continued"),
        ("Do not resume warfarin.", "stopped"),
        ("No changes to lisinopril.", "continued"),
        ("Stop warfarin if INR is above 4.", "continued"),
        ("Hold metoprolol if heart rate is below 60.", "continued"),
        ("Lisinopril stopped, metoprolol 25 mg daily", "stopped continued"),
        ("Takes aspirin, and lisinopril was stopped.", "continued stopped"),
        ("Takes aspirin and stopped smoking.", "continued"),
        ("Patient takes warfarin and declined surgery.", "continued"),
        ("Stopped smoking and takes metformin", "continued"),
        ("Stopped smoking with aspirin.", "continued"),
        ("Aspirin, stopped smoking.", "continued"),
        ("He wants to stop aspirin.", "continued"),
        ("If bleeding, stop aspirin.", "continued"),
        ("Started to feel dizzy, takes metoprolol.", "continued"),
        ("Chest pain started; given aspirin", "continued"),
        ("Aspirin was discontinued last year, restarted in May", "started"),
        ("Held metoprolol, restarted today.", "started"),
        ("Stopped aspirin and started 500 mg of Tylenol.", "stopped started"),
        ("Stopped lisinopril, started losartan 50 mg.", "stopped started"),
        ("Changed from lisinopril to losartan.", "stopped continued"),
        ("Stop aspirin, lisinopril 20 mg daily and metformin.", "stopped stopped stopped"),
        ("Aspirin and lisinopril were stopped.", "stopped stopped"),
        ("Metoprolol 25 mg was started for atrial fibrillation.", "started"),
        ("Coumadin was stopped 5 days before surgery.", "stopped"),
        ("She was started on amoxicillin 500 mg tid for pneumonia.", "started"),
        ("Patient does not smoke and takes aspirin.", "continued"),
        ("Not a smoker, on metformin 500 mg bid.", "continued"),
        ("Take Tylenol 500 mg prn if needed.", "continued"),
        ("D/C home on lisinopril.", "continued"),
        ("Wife takes metoprolol. He takes aspirin.", "continued"),
        ("Not allergic to aspirin.", ""),
    ],
)
def test_what_is_said_of_a_medication(text: str, changes: str) -> None:
    assert " ".join(own.change for own in medications(told(text))) == changes


@pytest.mark.parametrize(
    ("first", "then", "change"),
    [
        ("Takes aspirin.", "Consider aspirin.", "continued"),
        ("Stopped aspirin.", "Consider aspirin.", "planned"),
        ("Stopped aspirin.", "Continue aspirin.", "continued"),
        ("Takes aspirin.", "Denies taking aspirin.", "not taken"),
        ("Hold warfarin.", "Warfarin was restarted.", "started"),
        ("Medications: aspirin, lisinopril. Hold aspirin.", "Medications: lisinopril.", "held"),
        ("Medications: lisinopril. She is not taking aspirin.", "Medications: aspirin.", "started"),
    ],
)
def test_what_it_is_in_the_end(first: str, then: str, change: str) -> None:
    lines = {own.concept: own.change for own in medications(told(first, then))}
    assert lines["warfarin" if "arfarin" in first else "aspirin"] == change


def test_of_an_allergy_and_of_a_relative_nothing_is_said() -> None:
    text = "ALLERGIES: aspirin, stopped. His wife stopped metoprolol."
    assert changes_of(text, read_note(text)) == {}


def test_the_time_is_linear_in_a_list() -> None:
    def seconds(times: int) -> float:
        text = "Stop " + "aspirin 81 mg, stopped lisinopril, metformin, " * times
        facts = read_note(text)
        started = time.process_time()
        changes_of(text, facts)
        return time.process_time() - started

    seconds(10)
    assert seconds(800) < 20 * max(seconds(100), 0.005)
