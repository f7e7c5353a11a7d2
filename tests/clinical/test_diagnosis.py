"""Ranked conditions: evidence that is a sentence of the note, and a model that never meets an identifier."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from clinical.diagnosis import MOST_EVIDENCE, ConditionModel, Extraction, extract
from clinical.extraction import read_note
from policies.errors import IntegrityError
from policies.models import SignedModel
from policies.policy import Extraction as Settings
from privacy.text.deidentify import Span
from tests.clinical.models import fitted_weights, plan_of, sign
from tests.clinical.notes import SENTENCES

CANARY = "Zebulon"
NOTE = f"""Name: {CANARY} Quist
Cough and fever for days.
{CANARY} says that sputum is green.
Ankles are swollen.
"""


class Finder:
    """Knows one name."""

    def find(self, text: str) -> Sequence[Span]:
        return [
            Span(match.start(), match.end(), "NAME", "test", 1.0, "[NAME]")
            for match in re.finditer(f"{CANARY}(?: Quist)?", text)
        ]


@pytest.fixture(scope="module")
def model(signed: SignedModel) -> ConditionModel:
    return ConditionModel(signed)


def settings(smallest: float = 0.0, most: int = 3) -> Settings:
    return Settings(smallest_probability=smallest, most_suggestions=most)


def read(text: str, model: ConditionModel | None, **limits: float) -> Extraction:
    return extract(text, model, Finder(), settings(**limits))  # type: ignore[arg-type]


@pytest.mark.parametrize("label", sorted(SENTENCES))
def test_the_condition_that_the_sentences_speak_for_comes_first(model: ConditionModel, label: str) -> None:
    first, *others = read("\n".join(SENTENCES[label]), model).suggestions
    assert first.label == label
    assert first.probability > 0.5
    assert [s.probability for s in others] == sorted((s.probability for s in others), reverse=True)
    assert first.title == ("Pneumonia" if label == "lung" else label)


def test_evidence_is_whole_sentences_of_the_note_the_strongest_first(model: ConditionModel) -> None:
    found = read(NOTE, model)
    assert found.suggestions[0].evidence
    for suggestion in found.suggestions:
        assert len(suggestion.evidence) <= MOST_EVIDENCE
        weights = [part.weight for part in suggestion.evidence]
        assert weights == sorted(weights, reverse=True)
        assert all(weight > 0 for weight in weights)
        assert {(part.start, part.end) for part in suggestion.evidence} <= set(found.facts.sentences)


def test_a_sentence_taken_out_lowers_the_log_odds_by_its_weight(model: ConditionModel) -> None:
    first = read(NOTE, model).suggestions[0]
    best = first.evidence[0]
    without = NOTE[: best.start] + NOTE[best.end :]
    after = next(s for s in read(without, model).suggestions if s.label == first.label)

    def odds(probability: float) -> float:
        return float(np.log(probability / (1 - probability)))

    assert odds(first.probability) - odds(after.probability) == pytest.approx(best.weight, abs=0.01)


def test_a_sentence_of_another_condition_is_no_evidence(model: ConditionModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a model that counts sentences, what speaks for what is known."""

    def counted(texts: Sequence[str]) -> np.ndarray:
        return np.array([[sum(line in text for line in SENTENCES[label]) for label in model.labels] for text in texts])

    monkeypatch.setattr(model, "logits", counted)
    text = "\n".join([*SENTENCES["lung"], SENTENCES["heart"][1]])
    suggestions = {s.label: [text[e.start : e.end] for e in s.evidence] for s in read(text, model).suggestions}
    assert sorted(suggestions["lung"]) == sorted(SENTENCES["lung"])
    assert suggestions["heart"] == [SENTENCES["heart"][1]]


def test_a_note_of_many_sentences_weighs_the_same_text_with_and_without(
    model: ConditionModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every text differs from the whole one by exactly the line that it lacks."""
    seen: list[Sequence[str]] = []
    real = model.logits
    monkeypatch.setattr(model, "logits", lambda texts: seen.append(texts) or real(texts))
    sentences = [f"Cough {number}." for number in range(70)]
    model.rank(sentences, 3, 0.0)
    whole, *without = seen[0]
    assert whole == "\n".join(sentences)
    assert without == ["\n".join([*sentences[:n], *sentences[n + 1 :]]) for n in range(60)]


def test_nothing_below_the_policys_probability_and_no_more_than_it_allows(model: ConditionModel) -> None:
    everything = read(NOTE, model).suggestions
    second = everything[1].probability
    assert [s.label for s in read(NOTE, model, smallest=second + 1e-9).suggestions] == [everything[0].label]
    assert len(read(NOTE, model, most=2).suggestions) == 2
    assert read(NOTE, model, smallest=1.0).suggestions == ()


def test_the_model_meets_no_identifier(model: ConditionModel, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = model.logits
    monkeypatch.setattr(model, "logits", lambda texts: seen.extend(texts) or real(texts))
    found = read(NOTE, model)
    assert seen and any("[NAME] says that sputum" in text for text in seen)
    assert not any(CANARY in text or "Quist" in text for text in seen)
    assert CANARY not in repr(found.suggestions)


@pytest.mark.parametrize("cut", range(1, 12))
def test_an_identifier_across_a_sentence_border_is_no_exception(
    model: ConditionModel, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    text = f"Seen by {CANARY} Quist today."
    monkeypatch.setattr(
        "clinical.diagnosis.read_note", lambda text: type(read_note(text))((), ((0, 8 + cut), (8 + cut, len(text))), ())
    )
    seen: list[str] = []
    real = model.logits
    monkeypatch.setattr(model, "logits", lambda texts: seen.extend(texts) or real(texts))
    read(text, model)
    assert seen[0].replace("\n", "") == "Seen by [NAME] today."


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_note_has_no_suggestion(model: ConditionModel, text: str) -> None:
    assert read(text, model) == Extraction(read_note(text), (), model.name)


def test_without_a_model_there_are_facts_alone() -> None:
    found = read(NOTE, None)
    assert found.suggestions == ()
    assert found.facts.sentences


def test_another_encoder_or_weights_that_do_not_fit_are_refused(bert: Path, tmp_path: Path) -> None:
    weights = fitted_weights(bert)
    with pytest.raises(IntegrityError, match="wants another"):
        ConditionModel(sign(tmp_path, weights, plan_of(bert, encoder_sha256="0" * 64)))
    with pytest.raises(IntegrityError, match="do not fit"):
        ConditionModel(sign(tmp_path, weights, plan_of(bert, labels=["a", "b"])))
    weights["head.bias"][0] = np.nan
    with pytest.raises(IntegrityError, match="do not fit"):
        ConditionModel(sign(tmp_path, weights, plan_of(bert)))


def test_the_cards_plan_is_what_the_model_says_of_itself(model: ConditionModel, signed: SignedModel) -> None:
    plan = json.loads((signed.folder / "card.json").read_text())["plan"]
    assert list(model.labels) == plan["labels"]
    assert (model.split_key, model.held_back) == ("key", 0.5)
