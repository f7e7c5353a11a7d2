"""Ranked conditions: their basis in the note, what is refused, and a model that meets neither names nor denials."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clinical.diagnosis import Calibration, ConditionModel, Extraction, extract, intended_use
from clinical.diagnosis.argument import MOST
from clinical.diagnosis.calibration import Scaling
from clinical.diagnosis.familiar import Familiar, Shape
from clinical.diagnosis.located import Located
from clinical.diagnosis.model import Reading
from clinical.reading import read_with_tagger
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


@pytest.fixture
def seen(model: ConditionModel, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the model reads."""
    texts: list[str] = []
    real = model.read

    def read(note: Located) -> Reading:
        texts.append(note.text)
        return real(note)

    monkeypatch.setattr(model, "read", read)
    return texts


def settings(**changes: float) -> Settings:
    return Settings.model_validate({"smallest_probability": 0.0, "most_suggestions": 3, "smallest_words": 1, **changes})


def calibration(model: ConditionModel, **changes: object) -> Calibration:
    """One that lets every note through, and shifts log-odds by one."""
    width = model.classifier.tail.head.in_features
    familiar = Familiar(Shape(np.zeros(width), np.eye(width)), 0.99, 1e9)
    made = Calibration(model.name, 40, Scaling(1.0, -1.0), 0.9, 0.0, (0.04, 0.01, 0.09), familiar)
    return replace(made, **changes)  # type: ignore[arg-type]


def read(
    text: str, model: ConditionModel | None, calibrated: Calibration | None = None, **changes: float
) -> Extraction:
    return extract(text, model, Finder(), settings(**changes), calibrated)


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
        assert len(suggestion.evidence) <= MOST
        weights = [part.weight for part in suggestion.evidence]
        assert weights == sorted(weights, reverse=True)
        assert all(weight > 0 for weight in weights)
        assert {(part.start, part.end) for part in suggestion.evidence} <= set(found.facts.sentences)
        for part in suggestion.evidence:
            assert all(part.start <= start < end <= part.end for start, end in part.words)


def test_without_a_calibration_there_are_shares_and_a_caution(model: ConditionModel) -> None:
    found = read(NOTE, model)
    assert "not calibrated" in found.caution
    assert found.standing is None
    assert {s.in_set for s in found.suggestions} == {None}
    assert 0.9 < sum(s.probability for s in found.suggestions) <= 1.0


def test_a_condition_for_which_no_sentence_speaks_is_counted_and_not_suggested(model: ConditionModel) -> None:
    found = read(NOTE, model)
    assert all(own.evidence for own in found.suggestions)
    assert found.unsupported == 3 - len(found.suggestions) > 0
    assert found.left_out() == f"{found.unsupported} more, for which no sentence speaks, not shown"


def test_with_one_there_are_probabilities_and_a_set(model: ConditionModel) -> None:
    shares = {s.label: s.probability for s in read(NOTE, model).suggestions}
    found = read(NOTE, model, calibration(model))
    assert found.caution == "" and found.standing
    for suggestion in found.suggestions:
        odds = np.log(shares[suggestion.label] / (1 - shares[suggestion.label]))
        assert suggestion.probability == pytest.approx(1 / (1 + np.exp(1 - odds)), abs=1e-6)
        assert suggestion.in_set == (odds >= 0)
    assert found.standing.labels == tuple(s.title for s in found.suggestions if s.in_set)
    (which, trust) = found.standing.in_words()
    assert "At 90%" in which and "40 held-back patients" in trust and "4.0%" in trust


def test_a_label_of_the_set_is_shown_however_small_its_probability(model: ConditionModel) -> None:
    found = read(NOTE, model, calibration(model, threshold=-99.0), smallest_probability=1.0)
    assert len(found.suggestions) + found.unsupported == 3


def test_an_empty_set_is_said(model: ConditionModel) -> None:
    found = read(NOTE, model, calibration(model, threshold=99.0))
    assert found.standing and "may have another one, or none" in found.standing.in_words()[0]


def test_a_calibration_for_another_policy_is_not_used(model: ConditionModel) -> None:
    found = read(NOTE, model, calibration(model), conformal_level=0.8)
    assert "another level" in found.caution and found.standing is None


def test_a_note_that_is_like_none_of_the_validated_ones_gets_no_suggestion(model: ConditionModel) -> None:
    made = calibration(model)
    far = replace(made.familiar, furthest=0.0)
    found = read(NOTE, model, replace(made, familiar=far))
    assert (found.suggestions, found.standing) == ((), None)
    assert "outside what was validated" in found.refusal and "99%" in found.refusal


def test_a_note_with_too_few_words_gets_no_suggestion(model: ConditionModel) -> None:
    text = "Cough and fever for days. Denies chest pain."
    left = 7  # Cough and fever for days. Denies .
    assert read(text, model, smallest_words=left).suggestions
    found = read(text, model, smallest_words=left + 1)
    assert found.suggestions == ()
    assert f"{left} words are left" in found.refusal
    assert found.facts == read_with_tagger(text)


def test_nothing_below_the_policys_probability_and_no_more_than_it_allows(model: ConditionModel) -> None:
    everything = read(NOTE, model).suggestions
    second = everything[1].probability
    assert [s.label for s in read(NOTE, model, smallest_probability=second + 1e-9).suggestions] == [everything[0].label]
    assert len(read(NOTE, model, most_suggestions=2).suggestions) == 2
    assert read(NOTE, model, smallest_probability=1.0).suggestions == ()


def test_the_model_meets_no_identifier(model: ConditionModel, seen: list[str]) -> None:
    found = read(NOTE, model)
    assert len(seen) == 1 and "says that sputum" in seen[0]
    assert CANARY not in seen[0] and "Quist" not in seen[0]
    assert CANARY not in repr(found.suggestions)


def test_what_is_denied_changes_nothing_in_the_ranking(model: ConditionModel, seen: list[str]) -> None:
    """The model reads the same text whether the note denies one finding or another."""
    first = read(f"{NOTE}Denies chest pain.\n", model).suggestions
    other = read(f"{NOTE}Denies vomiting.\n", model).suggestions
    assert seen[0] == seen[1]
    assert [(s.label, s.probability) for s in first] == [(s.label, s.probability) for s in other]


def test_a_note_in_another_language_is_named_and_not_ranked(model: ConditionModel) -> None:
    text = "Paciente que acude por dolor en el pecho desde hace tres días, con fiebre y con tos. No tiene alergias."
    for own in (model, None):
        found = read(text, own)
        assert found.suggestions == ()
        assert "Spanish" in found.refusal


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_note_has_no_suggestion(model: ConditionModel, text: str) -> None:
    found = read(text, model)
    assert (found.facts, found.suggestions, found.model) == (read_with_tagger(text), (), model.name)
    assert "no text" in found.refusal


def test_without_a_model_there_are_facts_alone() -> None:
    found = read(NOTE, None)
    assert (found.suggestions, found.model, found.refusal) == ((), "", "")
    assert found.facts.sentences


def test_what_it_is_for_is_said_in_words() -> None:
    assert "never a diagnosis" in intended_use() and "rule 11" in intended_use()


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
