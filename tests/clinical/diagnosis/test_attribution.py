"""Weights of words and sentences, against reading without them, and against deleting them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from clinical.classifier import model_weights, predict_texts, trained_weights
from clinical.diagnosis import model as reading_model
from clinical.diagnosis.attribution import group_of, occluded, weights, words_of
from clinical.diagnosis.located import Located, for_the_model
from clinical.diagnosis.model import ConditionModel, Reading
from clinical.encoder import Design
from clinical.extraction.mentions import NoteFacts
from clinical.extraction.sentences import find_sentences
from clinical.start import start_classifier
from clinical.synthetic import condition_labels, made_up_texts
from clinical.windows import Windows
from policies.models import SignedModel
from privacy.encoders import DEFAULT_ENCODER, find_encoder
from tests.clinical.models import plan_of, sign
from tests.clinical.notes import LABELS, SENTENCES

Words = tuple[tuple[int, int], ...]

NOTE = "\n".join(line for place in range(3) for line in (SENTENCES[label][place] for label in LABELS))


@pytest.fixture(scope="module")
def model(signed: SignedModel) -> ConditionModel:
    return ConditionModel(signed)


def located(text: str) -> Located:
    return for_the_model(text, NoteFacts())


def odds_of(model: ConditionModel, text: str) -> np.ndarray:
    return model.log_odds(model.read(located(text)).whole)[0]


@pytest.mark.parametrize(("brief", "off"), [(False, 0.02), (True, 0.1)], ids=["whole", "bfloat16"])
def test_a_reading_gives_the_logits_that_training_would(
    model: ConditionModel, monkeypatch: pytest.MonkeyPatch, brief: bool, off: float
) -> None:
    monkeypatch.setattr(reading_model, "_has_bfloat16", lambda: brief)
    logits = predict_texts(model.classifier, [NOTE])[0].astype(float)
    share = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(odds_of(model, NOTE), np.log(share / (1 - share)), atol=off)


def test_every_token_knows_its_word(model: ConditionModel) -> None:
    reading = model.read(located(NOTE))
    places = reading.places[reading.places >= 0]
    assert (np.diff(places) >= 0).all() and places[0] == 0
    assert {NOTE[place] for place in places}.isdisjoint(" \n")
    assert ((reading.places >= 0) <= reading.windows.mask.astype(bool)).all()
    marks = reading.windows.mask.sum() - len(places)
    assert marks == 2 * len(reading.windows.ids)


def test_a_weight_is_what_the_log_odds_lose_without_the_tokens(model: ConditionModel) -> None:
    reading, sentences = model.read(located(NOTE)), find_sentences(NOTE)
    found = weights(model, reading, sentences)
    for number, (start, end) in enumerate(sentences):
        outside = (reading.places < start) | (reading.places >= end)
        rest = Reading(reading.windows, reading.states, reading.places).pooled(
            np.where(reading.windows.mask.astype(bool) & outside, 0, -1), 1
        )
        expected = model.log_odds(reading.whole)[0] - model.log_odds(rest)[0]
        np.testing.assert_allclose(found[number], expected, atol=1e-9)


@pytest.mark.parametrize("number", range(9))
def test_occluding_reads_all_windows_with_the_tokens_masked(model: ConditionModel, number: int) -> None:
    reading, (start, end) = model.read(located(NOTE)), find_sentences(NOTE)[number]
    left = reading.windows.mask * ((reading.places < start) | (reading.places >= end))
    windows = Windows(reading.windows.ids, left)
    rest = Reading(windows, model.states(windows), reading.places).whole
    expected = model.log_odds(reading.whole)[0] - model.log_odds(rest)[0]
    found = occluded(model, reading, find_sentences(NOTE))
    np.testing.assert_allclose(found[number], expected, atol=1e-4)


def test_what_was_not_read_weighs_nothing(model: ConditionModel) -> None:
    long = NOTE + "\nStool is loose." * 60
    reading, last = model.read(located(long)), (len(long) - 15, len(long))
    assert not weights(model, reading, [last]).any()
    assert not occluded(model, reading, [last]).any()
    assert occluded(model, reading, []).shape == (0, len(LABELS))
    assert weights(model, reading, []).shape == (0, len(LABELS))


def test_places_find_their_stretch() -> None:
    found = group_of(np.array([[0, 4, 5, 9], [10, 12, -1, 99]]), [(0, 5), (9, 12)])
    assert found.tolist() == [[0, 0, -1, 1], [1, -1, -1, -1]]


def test_words_are_those_that_mean_something_by_themselves() -> None:
    text = "The patient's NT-proBNP was 2/6 and she isn't well."
    assert [text[a:b] for a, b in words_of(text)] == ["patient's", "NT-proBNP", "2/6", "isn't"]


def test_deleting_the_heaviest_words_lowers_the_log_odds_more_than_deleting_others(tmp_path: Path) -> None:
    """Faithfulness by deletion (DeYoung et al. 2020, comprehensiveness): made-up notes, and a model of label titles.

    The encoder is the one that ships; its head is what every training begins with, so it knows of no patient.
    """
    titles = condition_labels()
    plan = plan_of(
        DEFAULT_ENCODER, labels=list(titles), label_titles=titles, warm_start=5.0, trained_layers=0, window=128
    )
    start = start_classifier(find_encoder(DEFAULT_ENCODER), Design.of(plan))
    model = ConditionModel(sign(tmp_path, model_weights(start, trained_weights(start)), plan))
    random, heavy, others = np.random.default_rng(5), [], []
    for note in made_up_texts(10):
        reading, words = model.read(located(note)), words_of(note)
        whole = model.log_odds(reading.whole)[0]
        place = int(whole.argmax())
        weighed = weights(model, reading, words)[:, place]
        read = np.flatnonzero(weighed)

        def lost(chosen: Sequence[int], note: str = note, words: Words = words, place: int = place) -> float:
            gone = {at for word in chosen for at in range(*words[word])}
            return float(odds_of(model, "".join(c for at, c in enumerate(note) if at not in gone))[place])

        heavy.append(whole[place] - lost(np.argsort(-weighed)[:5].tolist()))
        others.append(whole[place] - np.mean([lost(random.choice(read, 5, replace=False).tolist()) for _ in "ab"]))
    assert np.mean(heavy) > np.mean(others) + 0.2
    assert np.mean(np.array(heavy) > np.array(others)) >= 0.85
