"""What vanished, in words of the public vocabulary."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

import pytest

from clinical.loss import clinical_loss
from privacy.text.spans import Span


def lost(text):
    """The loss where what stands in braces was replaced."""
    spans, original = [], ""
    for piece in re.split(r"(\{.*?\})", text):
        if piece[:1] == "{":
            spans.append(Span(len(original), len(original) + len(piece) - 2, "NAME", "r", 1.0))
        original += piece.strip("{}")
    return clinical_loss(original, spans)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Takes {Warfarin 5 mg} daily, aspirin 81 mg.", [("drug", "warfarin"), ("dose", "mg")]),
        ("{Parkinson's} disease; Crohn stays.", [("eponym", "parkinson")]),
        ("The {Left Ventricle} is small.", [("anatomy", "left ventricle")]),
        ("{Zebulon Quist} has knee pain.", []),
        ("A {Jackson-Pratt} drain.", [("eponym", "jackson"), ("eponym", "pratt")]),
        ("{Bell's palsy}", [("eponym", "bell")]),
        ("{Mr. Murphy} and {Parkinson}", []),
        ("The {LA} is enlarged.", [("anatomy", "left atrium")]),
        ("Born in {Monroe, LA 71201}.", []),
        ("Seen by {Dr. Will Bell}.", []),
        ("Room {12}, {5 May}, {D. Quist}", []),
        ("Got {D5W} at once.", [("drug", "dextrose")]),
    ],
)
def test_only_clinical_words_that_were_replaced_are_counted(text, expected):
    assert lost(text) == Counter(expected)


def test_the_report_holds_no_other_word():
    found = lost("{Zebulon took warfarin and Tylenol 650 mg in Brackley}")
    assert found and not any(secret in str(found).lower() for secret in ("zebulon", "brackley", "650"))


def test_it_is_light_to_import():
    program = "import sys, clinical.loss; print({'spacy', 'torch', 'presidio_analyzer'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "set()"
