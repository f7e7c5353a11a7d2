"""Words that are part of a listed name are marked, in any number, and the longest name holds."""

from __future__ import annotations

import pytest

from clinical.entities.marks import MARKS, disease_names, marks_of
from clinical.entities.tagger import entity_words


def marked(text: str, column: int) -> list[str]:
    words = entity_words(text)
    marks = marks_of(words)
    assert marks.shape == (len(words), MARKS)
    return [words.word(index) for index in range(len(words)) if marks[index, column]]


@pytest.mark.parametrize(
    ("text", "first", "later"),
    [
        ("He has Degenerative Joint Disease.", ["Degenerative"], ["Joint", "Disease"]),
        ("Two hibernomas were seen.", [], []),
        ("No adenomas or adenoma", ["adenomas", "adenoma"], []),
        ("the table", [], []),
    ],
)
def test_diseases_are_marked(text: str, first: list[str], later: list[str]) -> None:
    assert marked(text, 0) == first
    assert marked(text, 1) == later


def test_the_dictionary_marks_its_kinds() -> None:
    assert marked("metformin and hypertension", 2) == ["hypertension"]
    assert marked("metformin and hypertension", 6) == ["metformin"]


def test_names_of_an_ontology_leave_out_the_obsolete_and_the_annotated() -> None:
    obo = '[Term]\nid: 1\nname: Dry Eye\nsynonym: "eye dryness" EXACT []\nsynonym: "dry eye NOS" EXACT []\n\n'
    obo += "[Term]\nid: 2\nname: old thing\nis_obsolete: true\n\n[Typedef]\nname: is_a\n"
    assert disease_names(obo.splitlines(keepends=True)) == ["dry eye", "eye dryness"]
