"""What the model reads: neither identifiers nor what is denied, and each character knows its place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.diagnosis.located import findings, for_the_model, side
from clinical.extraction import read_note
from clinical.extraction.mentions import Assertion, Mention, NoteFacts
from clinical.windows import clinical_lines
from privacy.text.spans import Span


@given(st.text(alphabet="ab [NAME]\n\r\x0b.:", max_size=60))
def test_without_anything_to_take_out_it_is_the_clinical_lines_that_training_read(text: str) -> None:
    found = for_the_model(text, NoteFacts())
    assert found.text == clinical_lines(text)
    assert len(found.places) == len(found.text)
    assert all(found.text[i] in (text[place], " ", "\n") for i, place in enumerate(found.places))
    assert (np.diff(found.places) >= 0).all()


def test_each_character_stands_for_its_place_in_the_note() -> None:
    text = "  Mr. Quist has cough.\nDenies fever, and sputum is green.\n"
    name, fever = text.index("Mr. Quist"), text.index("fever")
    denied = Mention(fever, fever + 5, "fever", "finding", "fever", assertion=Assertion("negated"))
    found = for_the_model(text, NoteFacts(mentions=(denied,)), [Span(name, name + 9, "NAME", "test", 1.0, "A Person")])
    assert found.text == "A Person has cough.\nDenies , and sputum is green."
    for word in ("cough", "sputum", "green"):
        assert found.places[found.text.index(word)] == text.index(word)
    assert set(found.places[:8]) == {name}


@pytest.mark.parametrize(
    ("sentence", "gone"),
    [
        ("Denies chest pain.", "chest pain"),
        ("Mother had diabetes.", "diabetes"),
        ("Return if fever.", "fever"),
        ("Chest pain for two days.", ""),
        ("History of gout.", ""),
        ("Possible pneumonia.", ""),
    ],
)
def test_what_does_not_speak_is_not_read(sentence: str, gone: str) -> None:
    read = for_the_model(sentence, read_note(sentence)).text
    assert (gone not in read) if gone else (read == sentence)


def test_a_status_that_the_table_does_not_name_speaks_for_nothing() -> None:
    assert (side("present"), side("negated"), side("family"), side("whatever comes")) == ("for", "against", "", "")


def test_overlapping_identifiers_and_denials_leave_no_letter_of_either() -> None:
    text = "Denies Quist disease and is well since the last visit."
    start = text.index("Quist")
    denied = Mention(start, start + 13, "Quist disease", "problem", "x", assertion=Assertion("negated"))
    read = for_the_model(text, NoteFacts(mentions=(denied,)), [Span(start, start + 5, "NAME", "test", 1.0, "[NAME]")])
    assert " ".join(read.text.split()) == "Denies and is well since the last visit."


def test_nobody_is_asked_for_signs_of_health() -> None:
    assert {"orthopnea", "fever", "chest pain"} <= set(findings())
    assert not {"nontender", "afebrile", "alert", "normal gait"} & set(findings())
