"""Made-up notes mark what they put in, and the two halves of the split share no name."""

from __future__ import annotations

import re
from random import Random

import pytest

from privacy.tagger.recipe.compose import LABELS, Cast, Marked, joined, layouts
from privacy.tagger.recipe.corpora import Paragraph
from privacy.tagger.recipe.documents import Writer, spoken
from privacy.tagger.recipe.people import held_back, names

TEMPLATES = [template for templates in layouts().values() for template in templates]


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_can_be_filled(template: str) -> None:
    for seed in range(3):
        marked = Cast(Random(seed), names(False)).fill(template)
        assert not re.search(r"[{}]", marked.text)
        assert [label for _, _, label in marked.spans if label not in LABELS] == []
        assert all(marked.text[start:end].strip() == marked.text[start:end] != "" for start, end, _ in marked.spans)


def test_slots_of_people_are_marked_and_plain_ones_are_not() -> None:
    cast = Cast(Random(1), names(False))
    marked = cast.fill("{full} of {city}, a {job}, has {eponym}.")
    assert [label for _, _, label in marked.spans] == ["NAME", "ADDRESS", "PROFESSION"]
    assert marked.text.startswith(cast.patient.first)


def test_joined_parts_keep_their_spans() -> None:
    whole = joined([Marked("a Reed", ((2, 6, "NAME"),)), Marked("Lee b", ((0, 3, "NAME"),))], "\n")
    assert [whole.text[start:end] for start, end, _ in whole.spans] == ["Reed", "Lee"]


def test_one_seed_writes_one_note() -> None:
    texts = [
        Paragraph("mts/1", ("The patient has a cough.", "He denies fever.")),
        Paragraph("bc5cdr/1", ("Rats died.",)),
    ]
    first, same, other = (Writer(Random(seed), names(False), texts).note() for seed in (5, 5, 6))
    assert first == same != other


def test_a_sentence_about_the_patient_may_get_a_name() -> None:
    cast = Cast(Random(2), names(False))
    made = {spoken(Random(seed), cast, "The patient's cough is better.") for seed in range(20)}
    named = [marked for marked in made if marked.spans]
    assert named and Marked("The patient's cough is better.") in made
    assert all(marked.text[marked.spans[0][1] :] == "'s cough is better." for marked in named)


def test_names_for_development_are_not_trained_on() -> None:
    ours, theirs = (
        {name for group in (*pool.given, *pool.family) for name in group} for pool in (names(False), names(True))
    )
    assert not ours & theirs
    assert 0.05 < len(theirs) / len(ours | theirs) < 0.25
    assert held_back("Reed") == held_back("REED")
