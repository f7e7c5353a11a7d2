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
