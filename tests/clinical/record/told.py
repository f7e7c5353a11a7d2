"""Three notes of one made-up patient, read by the rules."""

from __future__ import annotations

from clinical.extraction import read_note
from clinical.record.passages import Note
from clinical.record.told import Told

JANUARY = """Date: 01/14/2025
CHIEF COMPLAINT: cough.
PAST MEDICAL HISTORY: Hypertension, asthma.
MEDICATIONS:
lisinopril 10 mg daily
metformin 500 mg bid
aspirin 81 mg daily
HPI: She denies fever. Possible pulmonary embolism. Creatinine 1.2 mg/dL. Blood pressure 142/90. \
We started amoxicillin 500 mg tid for pneumonia.
PLAN: Repeat CT chest in 6 weeks. Follow up with cardiology in 2 weeks. Blood cultures are pending.
"""
FEBRUARY = """Date: 02/03/2025
CHIEF COMPLAINT: follow-up.
MEDICATIONS:
lisinopril 20 mg daily
metformin 500 mg bid
HPI: No pulmonary embolism was seen on CT. Her pneumonia has resolved. Creatinine 1.6 mg/dL. Amoxicillin was stopped.
PLAN: Recheck hemoglobin next month.
"""
MARCH = """Date: 03/20/2025
CHIEF COMPLAINT: chest pain.
MEDICATIONS:
lisinopril 20 mg daily
HPI: Increase lisinopril to 40 mg daily. Rule out angina. Creatinine 1.61 mg/dL. Atorvastatin 20 mg nightly was started.
"""
NOTES = (
    Note("january", "2025-01-14", JANUARY),
    Note("february", "2025-02-03", FEBRUARY),
    Note("march", "2025-03-20", MARCH),
)


def told(*texts: str) -> tuple[Told, ...]:
    """Notes of these texts, one a day."""
    notes = [Note(f"n{number}", f"2025-01-{number + 1:02}", text) for number, text in enumerate(texts)]
    return tuple(Told(note, read_note(note.text)) for note in notes)


def the_record() -> tuple[Told, ...]:
    """The three notes."""
    return tuple(Told(note, read_note(note.text)) for note in NOTES)
