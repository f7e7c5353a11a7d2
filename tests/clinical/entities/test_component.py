"""Tagged spans become mentions beside the dictionary's; where the two meet the longer stands, with a known concept."""

from __future__ import annotations

import pytest
from spacy.language import Language

from clinical.entities.component import TaggedEntities, joined
from clinical.extraction.mentions import Kind, Mention
from clinical.extraction.pipeline import build_pipeline
from tests.clinical.entities.given import Given

BEFORE = ("clinical_sections", "clinical_sentences", "clinical_entities")


def read(text: str, *phrases: tuple[str, str]) -> tuple[list[tuple[str, str, str]], list[tuple[str, str]]]:
    doc = TaggedEntities(Given(*phrases))(build_pipeline(BEFORE)(text))
    mentions = [(mention.text, mention.kind, mention.concept) for mention in doc._.mentions]
    return mentions, [(own.text, own.kind) for own in doc._.attributes_found]


@pytest.mark.parametrize(
    ("text", "tagged", "expected"),
    [
        ("A zorbic rash.", ("zorbic rash", "maccrobat:Sign"), ("zorbic rash", "finding", "rash")),
        ("Given zorbitol.", ("zorbitol", "bc5cdr:Chemical"), ("zorbitol", "medication", "zorbitol")),
        ("He has htn.", ("htn", "maccrobat:Disorder"), ("htn", "problem", "hypertension")),
        ("He has chest pain.", ("pain", "maccrobat:Sign"), ("chest pain", "finding", "chest pain")),
    ],
)
def test_the_longer_span_stands_with_the_concept_of_the_dictionary(
    text: str, tagged: tuple[str, str], expected: tuple[str, str, str]
) -> None:
    assert read(text, tagged)[0] == [expected]


def test_a_list_of_known_names_is_left_as_its_names() -> None:
    mentions, _ = read("Fever and rash today.", ("Fever and rash", "maccrobat:Sign"))
    assert [text for text, _, _ in mentions] == ["Fever", "rash"]


def test_the_surer_head_is_heard_first() -> None:
    found = read("A zorb xyz.", ("zorb xyz", "bc5cdr:Disease"), ("zorb", "maccrobat:Procedure"))[0]
    assert found == [("zorb", "procedure", "zorb")]


def test_attributes_are_kept_apart_and_headings_hold_no_mention() -> None:
    mentions, attributes = read(
        "MEDICATIONS: zorbitol 5 mg daily", ("MEDICATIONS", "maccrobat:Medication"), ("5 mg", "maccrobat:Dosage")
    )
    assert mentions == []
    assert attributes == [("5 mg", "dosage")]


@pytest.mark.parametrize(
    "written", ["PMH", "fh", "PSH", "Pt", "PO", "qPM", "GI", "d", "NS", "fax", "ROS", "NKDA", "medications"]
)
def test_headings_units_and_abbreviations_are_nothing(written: str) -> None:
    assert read(f"He said {written} today.", (written, "bc5cdr:Disease"))[0] == []


def test_a_part_of_the_body_is_one_though_it_heads_a_part_of_an_examination() -> None:
    assert read("The zorb, lungs aside.", ("lungs aside", "maccrobat:Anatomy"))[0] == [
        ("lungs aside", "anatomy", "lung")
    ]
    assert read("The respiratory zorb.", ("respiratory", "maccrobat:Anatomy"))[0] != []


def test_the_number_of_a_dose_is_no_part_of_a_name() -> None:
    text = "Zorbitol D 2000 IU daily, humuzorb 70 today."
    found = read(text, ("Zorbitol D 2000", "bc5cdr:Chemical"), ("humuzorb 70", "bc5cdr:Chemical"))[0]
    assert [name for name, _, _ in found] == ["Zorbitol D", "humuzorb 70"]


def at(start: int, end: int, kind: Kind = "problem", concept: str = "x") -> Mention:
    return Mention(start, end, "x" * (end - start), kind, concept)


def test_joined_mentions_never_overlap() -> None:
    known = [at(0, 4), at(5, 9), at(20, 30)]
    tagged = [at(0, 9), at(10, 12), at(22, 28), at(29, 40)]
    found = joined(known, tagged)
    assert [(own.start, own.end) for own in found] == [(0, 4), (5, 9), (10, 12), (29, 40)]


def test_it_says_what_has_to_run_before() -> None:
    with pytest.raises(ValueError, match="wrong order"):
        build_pipeline(("clinical_sections", "clinical_sentences", "clinical_tagger"))
    assert Language.has_factory("clinical_tagger")


@pytest.mark.parametrize("read_before", [("clinical_attributes",), ("clinical_attributes", "clinical_assertion")])
def test_a_tagger_that_comes_too_late_is_an_error(read_before: tuple[str, ...]) -> None:
    doc = build_pipeline((*BEFORE, *read_before))("No zorbic rash.")
    with pytest.raises(ValueError, match="must run after"):
        TaggedEntities(Given(("zorbic rash", "maccrobat:Sign")))(doc)
