"""F1 of words as SQuAD counts them, and scores of a small corpus."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinical.evaluation.reading import Reading, evaluate_reading, read_questions, scores_of, word_f1
from clinical.record.encoding import Encoding
from policies.errors import InputError
from tests.clinical.record.conftest import encoding  # noqa: F401  the reader with random weights

TEXT = "The virus was found in bats. Mice had none of it."


def corpus(folder: Path, start: int = 23, answer: str = " bats. ") -> Path:
    asked = [{"question": "Where was it found?", "id": 1, "answers": [{"text": answer, "answer_start": start - 1}]}]
    unanswered = {"question": "Why?", "id": 2, "answers": []}
    articles = [
        {"paragraphs": [{"document_id": number, "context": TEXT, "qas": [*asked, unanswered]}]} for number in (1, 2)
    ]
    path = folder / "asked.json"
    path.write_text(json.dumps({"data": articles}))
    return path


@pytest.mark.parametrize(
    ("found", "marked", "f1"),
    [
        ("in the bats", "Bats.", 2 / 3),
        ("the bats", "a bat", 0.0),
        ("bats bats", "bats", 2 / 3),
        ("", "bats", 0.0),
        ("The", "a", 1.0),
    ],
)
def test_f1_of_words(found: str, marked: str, f1: float) -> None:
    assert word_f1(found, marked) == pytest.approx(f1)


@given(st.text(max_size=30), st.text(max_size=30))
def test_f1_is_symmetric_and_one_for_the_same(one: str, other: str) -> None:
    assert word_f1(one, other) == word_f1(other, one)
    assert word_f1(one, one) == 1.0


def test_answers_are_read_without_the_white_space_around_them(tmp_path: Path) -> None:
    documents = read_questions(corpus(tmp_path))
    assert [own.name for own in documents] == ["1", "2"]
    (question,) = documents[0].questions
    assert TEXT[question.start : question.end] == "bats."


@pytest.mark.parametrize("text", ["", "[]", '{"data": 1}', '{"data": []}', '{"data": [{"paragraphs": [{"qas": []}]}]}'])
def test_what_is_no_corpus_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError):
        read_questions(path)


def test_means_and_what_is_given() -> None:
    readings = [
        Reading(0, True, 1.0, True, True, False, 0.5, 0.2),
        Reading(0, True, 0.5, False, False, True, 0.5, 0.2),
        Reading(1, False, 0.0, False, True, False, 0.5, 0.2),
        Reading(1, False, 0.5, False, True, False, 0.5, 0.2),
    ]
    scores = scores_of(readings, 2.0)
    assert (scores.documents, scores.questions, scores.questions_per_second) == (2, 4, 2.0)
    assert (scores.recall.value, scores.f1.value, scores.exact.value) == (0.5, 0.5, 0.25)
    assert (scores.f1_given.value, scores.refused.value) == (0.375, 0.75)
    assert scores.recall.interval == (0.0, 1.0) and scores.f1.interval == (0.25, 0.75)


def test_a_corpus_is_scored_with_any_reader(tmp_path: Path, encoding: Encoding) -> None:  # noqa: F811
    scores = evaluate_reading(corpus(tmp_path), encoding)
    assert (scores.documents, scores.questions, scores.recall.value) == (2, 2, 1.0)
    assert scores.sentence_f1.value == pytest.approx(word_f1("The virus was found in bats.", "bats."))
    assert set(json.loads(scores.to_json())) >= {"f1", "recall", "refused", "sentence_f1"}
