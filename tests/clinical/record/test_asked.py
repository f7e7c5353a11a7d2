"""What a question asks for: each row of the table in its example, and not in its counter-example."""

from __future__ import annotations

from typing import Any

import pytest

from clinical.record.asked import ListAsked, ThingAsked, asked_of
from policies.files import table_of

ROWS = table_of("clinical", "tables/questions")["list"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["says"])
def test_a_list_is_asked_for_in_its_example_alone(row: dict[str, Any]) -> None:
    asked, other = asked_of(row["example"]), asked_of(row["counter"])
    assert isinstance(asked, ListAsked) and asked.row["says"] == row["says"] and not asked.words
    assert not (isinstance(other, ListAsked) and other.row["says"] == row["says"])


@pytest.mark.parametrize(
    ("question", "says", "words"),
    [
        ("Is he allergic to penicillin?", "allergies", {"penicillin"}),
        ("Does his mother have diabetes?", "family history", {"diabet"}),
        ("Is she taking anything for hypertension?", "medications", {"hypertension"}),
        ("Any surgery on the knee?", "operations", {"knee"}),
    ],
)
def test_further_words_narrow_a_list(question: str, says: str, words: set[str]) -> None:
    asked = asked_of(question)
    assert isinstance(asked, ListAsked)
    assert asked.row["says"] == says and asked.words == words


@pytest.mark.parametrize(
    ("question", "concepts", "plain"),
    [
        ("What was the last potassium?", {"potassium"}, True),
        ("When was the echo?", {"echocardiogram"}, True),
        ("Does she take aspirin?", {"aspirin"}, True),
        ("Any fever or chills?", {"fever", "chill"}, True),
        ("Was the biopsy of the liver malignant?", {"biopsy"}, False),
        ("Any fever after the appendectomy?", {"fever", "appendectomy"}, False),
    ],
)
def test_a_thing_is_asked_for_by_its_name(question: str, concepts: set[str], plain: bool) -> None:
    asked = asked_of(question)
    assert isinstance(asked, ThingAsked) and (set(asked.concepts), asked.plain) == (concepts, plain)


@pytest.mark.parametrize("question", ["Since when?", "How is she?", "Does the knee move?"])
def test_other_questions_are_for_the_reader(question: str) -> None:
    assert asked_of(question) is None
