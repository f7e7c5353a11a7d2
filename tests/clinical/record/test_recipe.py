"""Questions made from marks, and how their passages are cut for training."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clinical.record.reader import Pair
from clinical.record.recipe.examples import _cut, report_questions, visit_questions

TEXT = "A 34-year-old man took aspirin 81 mg daily. He had no fever. Nodules were seen in both lungs."
MARKS = ["Age", "Medication", "Dosage", "Sign_symptom", "Sign_symptom", "Biological_structure"]
WORDS = ["34-year-old", "aspirin", "81 mg", "fever", "Nodules", "both lungs"]


def report(folder: Path) -> Path:
    spans = [(TEXT.index(word), TEXT.index(word) + len(word)) for word in WORDS]
    lines = [
        f"T{number}\t{kind} {start} {end}\t{TEXT[start:end]}"
        for number, (kind, (start, end)) in enumerate(zip(MARKS, spans, strict=True), 1)
    ]
    lines += ["E1\tMedication:T2 ", "E2\tSign_symptom:T5", "R1\tMODIFY Arg1:T3 Arg2:E1", "R2\tMODIFY Arg1:T6 Arg2:E2"]
    (folder / "r.txt").write_text(TEXT)
    (folder / "r.ann").write_text("\n".join(lines) + "\n")
    return folder


def test_marks_become_questions_with_their_answers(tmp_path: Path) -> None:
    (document,) = report_questions(report(tmp_path), 99, random.Random(0))
    answers = {TEXT[own.start : own.end] for own in document.questions}
    assert answers == {"34-year-old", "81 mg", "both lungs", "no fever", "Nodules"}
    assert any("aspirin" in own.text for own in document.questions if TEXT[own.start : own.end] == "81 mg")
    assert len(report_questions(tmp_path, 2, random.Random(0))[0].questions) == 2


def test_sections_become_questions(tmp_path: Path) -> None:
    path = tmp_path / "visits.csv"
    path.write_text('encounter_id,note\nv1,"ALLERGIES\n\nPenicillin. No others.\n"\n')
    (document,) = visit_questions(path, 9, random.Random(0))
    (question,) = document.questions
    assert document.text[question.start : question.end] == "Penicillin."
    assert "allergic" in question.text


@given(st.integers(1, 60), st.data(), st.integers(1, 30))
def test_a_cut_passage_keeps_question_and_answer(size: int, data: st.DataObject, room: int) -> None:
    asked = 5
    length = asked + size + 1
    place = np.arange(length)
    kinds = (place >= asked).astype(np.int64)
    pair = Pair(place, kinds, np.stack([place, place], 1), place, np.stack([place], 1).astype(np.float32))
    first = data.draw(st.integers(asked, asked + size - 1))
    last = data.draw(st.integers(first, asked + size - 1))
    cut, (start, end) = _cut(pair, (first, last), room, random.Random(0))
    assert (cut.ids[start], cut.ids[end]) == (first, last)
    assert cut.ids[:asked].tolist() == list(range(asked)) and cut.ids[-1] == length - 1
    assert len(cut.ids) <= asked + 1 + max(room, last - first + 1)
    assert np.array_equal(cut.ids[start : end + 1], np.arange(first, last + 1))
    absent, target = _cut(pair, (0, 0), room, random.Random(0))
    assert target == (0, 0) and len(absent.ids) <= asked + 1 + room
