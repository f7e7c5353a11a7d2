"""For, against, not asked: with a model whose every weight is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from clinical.diagnosis.argument import Argument, Arguments
from clinical.diagnosis.located import findings, for_the_model
from clinical.diagnosis.model import ConditionModel, Pooled, Reading
from clinical.extraction import read_note
from clinical.windows import Windows

LABELS = ("lung", "heart", "gut")
SPEAKS = {"cough": 0, "sputum": 0, "wheeze": 0, "orthopnea": 1, "swollen": 1, "chest": 1, "vomits": 2, "nausea": 2}


class Counting(ConditionModel):
    """Log-odds of a label are the number of its words, less a half of that of the others'."""

    def __init__(self) -> None:
        self.labels, self.name = LABELS, "counting"
        self.findings = self._pooled(findings())  # type: ignore[misc]

    def read(self, note: Any) -> Reading:
        words = [(at, word) for at, word in _words(note.text)]
        states = np.array([_vector(word) for _, word in words], np.float32)[None]
        places = np.array([note.places[at] for at, _ in words])[None]
        ids = np.arange(len(words), dtype=np.int32)[None]
        self._known = states[0]
        return Reading(Windows(ids, np.ones(ids.shape, np.uint8)), states, places)

    def states(self, windows: Windows) -> np.ndarray:
        return self._known[windows.ids]

    def log_odds(self, pooled: Pooled) -> np.ndarray:
        return np.asarray(1.5 * pooled.sums - 0.5 * pooled.sums.sum(1, keepdims=True))

    def _pooled(self, texts: Sequence[str]) -> Pooled:
        sums = np.array([sum((_vector(word) for _, word in _words(text)), np.zeros(3)) for text in texts])
        return Pooled(sums, np.ones(len(texts)))


def _words(text: str) -> list[tuple[int, str]]:
    found, at = [], 0
    for word in text.split():
        at = text.index(word, at)
        found.append((at, word.strip(".,").lower()))
        at += len(word)
    return found


def _vector(word: str) -> np.ndarray:
    return np.eye(3)[SPEAKS[word]] if word in SPEAKS else np.zeros(3)


def argued(text: str, label: str) -> Argument:
    facts, model = read_note(text), Counting()
    return Arguments(model, model.read(for_the_model(text, facts)), text, facts).of([LABELS.index(label)])[0]


NOTE = "Cough with sputum for days. Ankles are swollen. Denies wheeze and nausea. Father had orthopnea."


def quoted(text: str, parts: Sequence[Any]) -> list[tuple[str, float]]:
    return [(text[part.start : part.end], part.weight) for part in parts]


def test_for_are_the_sentences_that_the_label_would_miss() -> None:
    found = argued(NOTE, "lung")
    assert quoted(NOTE, found.evidence) == [("Cough with sputum for days.", 2.0)]
    ((part,),) = (found.evidence,)
    assert [NOTE[start:end] for start, end in part.words] == ["Cough", "sputum"]


def test_against_are_sentences_that_it_would_gain_without_and_what_the_note_denies() -> None:
    found = argued(NOTE, "lung")
    assert quoted(NOTE, found.against) == [("wheeze", -1.0), ("Ankles are swollen.", -0.5)]
    assert [part.because for part in found.against] == ["Denies", ""]


@pytest.mark.parametrize("label", LABELS)
def test_what_is_denied_or_of_the_family_never_speaks_for_a_condition(label: str) -> None:
    found = argued(NOTE, label)
    said = " ".join(text for text, _ in quoted(NOTE, found.evidence))
    assert not {"wheeze", "nausea", "orthopnea"} & set(said.lower().replace(".", "").split())


def test_the_familys_finding_is_neither_for_nor_against() -> None:
    found = argued(NOTE, "heart")
    assert all("orthopnea" not in text for text, _ in quoted(NOTE, (*found.evidence, *found.against)))


def test_not_asked_is_what_would_speak_for_it_and_is_not_named_at_all() -> None:
    asked = {one.concept: one for one in argued("Ankles are swollen. Denies wheeze.", "lung").not_asked}
    assert "cough" in asked and asked["cough"].weight == 1.0
    assert not {"wheeze", "orthopnea"} & set(asked)
    assert "sputum production" in asked


def test_a_finding_that_turns_the_ranking_is_said_and_for_the_first_condition_there_is_none() -> None:
    """Swollen: heart 1, lung -0.5; with a cough heart 0.5, lung 0.5, so a word more for the heart is needed to hold."""
    tied = argued("Ankles are swollen.", "lung")
    assert {one.concept: one.first for one in tied.not_asked}["cough"]
    clear = argued("Ankles are swollen. Chest hurts.", "lung")
    assert not any(one.first for one in clear.not_asked)
    assert not any(one.first for one in argued("Ankles are swollen.", "heart").not_asked)


def test_a_more_special_finding_that_is_named_needs_no_question() -> None:
    asked = [one.concept for one in argued("Chest pain on exertion. Pleuritic chest pain.", "heart").not_asked]
    assert "chest pain" not in asked
