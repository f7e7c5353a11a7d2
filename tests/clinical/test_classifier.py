"""One row for each patient, states that are the patient's own, and weights that fit or are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.classifier import (
    PatientStates,
    one_row_each,
    patient_states,
    predict_states,
    predict_texts,
    set_trained_weights,
    soft_cross_entropy,
    trained_weights,
)
from clinical.dataset import Dataset, LabelledNote, read_dataset
from clinical.encoder import Classifier
from clinical.labels import LabelRule, LabelSource
from privacy.training.dpsgd import StepSettings, private_gradient
from tests.clinical.encoders import tiny_classifier
from tests.clinical.notes import LABELS, SENTENCES, cohort, write

RULE = LabelRule(LabelSource.CATEGORY, LABELS)
LENGTH, MOST = 12, 3


@pytest.fixture(scope="module")
def classifier(bert: Path) -> Classifier:
    return tiny_classifier(bert)


def made(patient: int, windows: list[int]) -> PatientStates:
    """A patient with so many windows in each note; every number says patient, note and window."""
    note = np.repeat(np.arange(len(windows)), windows).astype(np.int32)
    marks = [100 * patient + 10 * which + number for which, count in enumerate(windows) for number in range(count)]
    states = np.broadcast_to(np.array(marks, np.float16)[:, None, None], (len(marks), 4, 2)).copy()
    return PatientStates(states, np.ones((len(marks), 4), np.uint8), note, np.eye(3, dtype=np.float32)[: len(windows)])


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3), min_size=1, max_size=12), st.data())
def test_every_patient_of_a_sample_gives_exactly_one_row_of_one_own_note(
    shapes: list[list[int]], data: st.DataObject
) -> None:
    patients = [made(number, windows) for number, windows in enumerate(shapes)]
    sample = sorted(data.draw(st.sets(st.integers(0, len(shapes) - 1), min_size=1)))
    states, mask, targets = one_row_each(patients, np.random.default_rng(0))(sample)
    assert len(states) == len(mask) == len(targets) == len(sample)
    for row, patient, target in zip(states, sample, targets, strict=True):
        mark = int(row[0, 0])
        assert (row == mark).all()
        assert mark // 100 == patient
        note, window = mark % 100 // 10, mark % 10
        assert window < shapes[patient][note]
        assert target.argmax() == note  # the target of that very note


def test_notes_are_equally_likely_whatever_their_length_and_so_are_their_windows() -> None:
    rows = one_row_each([made(0, [4, 1])], np.random.default_rng(3))
    marks = np.array([int(rows([0])[0][0, 0, 0]) for _ in range(4000)])
    for mark, share in ((0, 1 / 8), (3, 1 / 8), (10, 1 / 2)):
        assert abs((marks == mark).mean() - share) < 6 * np.sqrt(share * (1 - share) / 4000)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**16), st.integers(0, 5))
def test_a_patient_with_many_notes_moves_the_sum_by_at_most_one_clip(
    classifier: Classifier, seed: int, left_out: int
) -> None:
    random = np.random.default_rng(seed)
    patients = [
        PatientStates(
            (random.normal(size=(6, 8, 32)) * 50).astype(np.float16),
            np.ones((6, 8), np.uint8),
            np.array([0, 0, 1, 1, 2, 2], np.int32),
            np.eye(3, dtype=np.float32),
        )
        for _ in range(6)
    ]
    settled = one_row_each(patients, np.random.default_rng(seed))(range(6))
    how = StepSettings(sigma=0.0, clip=0.01, rate=1.0, patients=1)
    sums = []
    for sample in (range(6), [patient for patient in range(6) if patient != left_out]):
        found = private_gradient(
            classifier.tail, soft_cross_entropy, lambda some: tuple(p[list(some)] for p in settled), sample, how
        )
        sums.append(torch.cat([part.flatten() for part in found.gradient.values()]))
    assert (sums[0] - sums[1]).norm() <= 0.01 * 1.001


def test_states_are_those_of_each_patients_own_notes(classifier: Classifier, tmp_path: Path) -> None:
    """The same patient gives the same states in any company (to half precision), so none shapes another's example."""
    dataset = read_dataset(write(tmp_path, cohort(40)), RULE)
    counted, advanced = [], []
    everyone = patient_states(dataset, classifier, LENGTH, MOST, count=counted.append, advance=advanced.append)
    assert tuple(everyone) == dataset.patients
    assert counted == [sum(advanced)] == [sum(len(own.states) for own in everyone.values())]
    for patient in dataset.patients[::7]:
        alone = patient_states(dataset.only([patient]), classifier, LENGTH, MOST)[patient]
        together = everyone[patient]
        np.testing.assert_allclose(alone.states, together.states, atol=0.01)
        for part in ("mask", "note", "targets"):
            np.testing.assert_array_equal(getattr(alone, part), getattr(together, part))
        assert set(alone.note) == set(range(len(dataset.notes[patient])))


def test_two_ways_to_predict_agree(classifier: Classifier) -> None:
    texts = ["\n".join(lines) for lines in SENTENCES.values()]
    notes = tuple(LabelledNote(str(n), text, frozenset({"lung"})) for n, text in enumerate(texts))
    states = patient_states(Dataset({"a": notes}, RULE), classifier, LENGTH, MOST)
    logits = torch.from_numpy(predict_texts(classifier, texts, LENGTH, MOST))
    np.testing.assert_allclose(predict_states(classifier, states.values()), logits.softmax(-1), atol=0.01)


def test_a_text_is_predicted_alike_in_any_company(classifier: Classifier) -> None:
    texts = [line for lines in SENTENCES.values() for line in lines] * 6
    together = predict_texts(classifier, texts, LENGTH, MOST)
    for place in (0, 31, 53):
        np.testing.assert_allclose(
            predict_texts(classifier, texts[place : place + 1], LENGTH, MOST)[0], together[place], atol=1e-4
        )


def test_weights_travel_and_come_back(bert: Path) -> None:
    one, other = tiny_classifier(bert), tiny_classifier(bert, seed=9)
    weights = trained_weights(one)
    set_trained_weights(other, weights)
    for name, array in trained_weights(other).items():
        np.testing.assert_array_equal(array, weights[name])
    weights["head.bias"][:] = 7
    assert not one.tail.head.bias.any()  # a copy


def test_weights_of_another_model_or_without_a_value_are_refused(bert: Path) -> None:
    classifier = tiny_classifier(bert)
    weights = trained_weights(classifier)
    for change in ({"head.bias": np.zeros(4, np.float32)}, {"more": np.zeros(1, np.float32)}):
        with pytest.raises(ValueError, match="another model"):
            set_trained_weights(classifier, weights | change)
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="not finite"):
            set_trained_weights(classifier, weights | {"head.bias": np.array([0, bad, 0], np.float32)})
    assert not classifier.tail.head.bias.any()


def test_soft_cross_entropy_is_one_loss_for_each_row() -> None:
    logits, targets = torch.randn(5, 3), torch.softmax(torch.randn(5, 3), -1)
    expected = -(targets * logits.log_softmax(-1)).sum(-1)
    torch.testing.assert_close(soft_cross_entropy(logits, targets), expected)
