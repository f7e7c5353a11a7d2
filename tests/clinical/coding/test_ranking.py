import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.coding import candidates
from clinical.coding.icd10cm import common, entries, missing
from clinical.coding.library import Library


def codes(phrase, kind="problem"):
    return [found.code for found in candidates(phrase, kind)]


@pytest.mark.parametrize(
    ("phrase", "code"),
    [
        ("heart failure", "I50"),  # the note does not say enough: the category
        ("systolic heart failure", "I50.2"),
        ("asthma", "J45"),
        ("HTN", "I10"),
        ("COPD", "J44.9"),
        ("type 2 diabetes", "E11"),
        ("right knee effusion", "M25.461"),
        ("left hip fracture", "S72.002"),
        ("fifth disease", "B08.3"),
        ("renal failure", "N19"),
        ("pnuemonia", "J18"),
    ],
)
def test_the_code_that_a_phrase_names_stands_first(phrase, code):
    assert codes(phrase)[0] == code


def test_the_words_that_decide_are_those_of_the_phrase():
    first = candidates("left hip fracture", "problem")[0]
    assert first.because == ("hip", "fracture", "left")
    assert candidates("HTN", "problem")[0].because == ("HTN",)


def test_what_is_missing_comes_from_the_codes_below_and_goes_when_it_is_said():
    first = candidates("fracture of neck of femur", "problem")[0]
    assert "laterality: right, left" in first.missing
    assert "encounter: initial encounter, subsequent encounter, sequela" in first.missing
    said = candidates("fracture of neck of left femur", "problem")[0]
    assert not any(own.startswith("laterality") for own in said.missing)
    assert missing(entries()["I10"], ()) == ()


def test_an_unspecified_code_asks_what_its_siblings_say():
    assert missing(entries()["H66.90"], ()) == ("laterality: right, left, bilateral",)


def test_codes_that_are_equally_alike_have_the_code_above_them():
    assert common(["J45.20", "J45.21"]) == "J45.2"
    assert common(["J45.20", "J45.2"]) is None
    assert common(["J45.20", "I10"]) is None
    assert common(["I10"]) is None


def test_nothing_is_better_than_nonsense():
    assert candidates("xyzzy", "problem") == candidates("", "problem") == candidates("of the", "finding") == ()


def test_kinds_without_an_imported_system_have_no_candidates(tmp_path):
    assert candidates("aspirin", "medication") == ()
    assert candidates("aspirin", "medication", library=Library(tmp_path / "none")) == ()


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=100)
def test_scores_are_in_order_between_nothing_and_one(text):
    scores = [found.score for found in candidates(text, "problem")]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)


def test_a_look_up_takes_milliseconds():
    candidates("asthma", "problem")
    phrases = ["chest pain", "acute otitis media", "fracture of neck of left femur", "malignant neoplasm of lung"] * 10
    started = time.process_time()
    for phrase in phrases:
        candidates(phrase, "problem")
    assert (time.process_time() - started) / len(phrases) < 0.02


def test_every_entry_has_a_title_and_its_parent():
    known = entries()
    assert len(known) > 40_000
    assert all(own.title and (own.parent is None or own.code in known[own.parent].children) for own in known.values())
