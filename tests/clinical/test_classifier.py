"""Rows that are a patient's own, states that are the patient's own, and weights that fit or are refused."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.classifier import (
    PatientStates,
    binary_cross_entropy,
    cut_for,
    loss_of,
    model_weights,
    note_rows,
    padded,
    patient_states,
    predict_states,
    predict_texts,
    probabilities,
    set_model_weights,
    set_trained_weights,
    soft_cross_entropy,
    trained_weights,
    trunk_states,
)
from clinical.dataset import Dataset, LabelledNote, read_dataset
from clinical.encoder import Classifier
from clinical.labels import LabelRule, LabelSource
from privacy.training.randomness import SecureRandom
from tests.clinical.encoders import move_b, tiny_classifier, tiny_design
from tests.clinical.notes import LABELS, SENTENCES, cohort, write

RULE = LabelRule(LabelSource.CATEGORY, LABELS)
LAYERS = pytest.mark.parametrize("trained_layers", [0, 1, 2])
BOTH_LOSSES = pytest.mark.parametrize("multi_label", [False, True])


@pytest.fixture(scope="module", params=[0, 1], ids=["head alone", "one layer"])
def classifier(bert: Path, request: pytest.FixtureRequest) -> Classifier:
    made = tiny_classifier(bert, trained_layers=request.param)
    move_b(made)
    return made


# Rows


def made(patient: int, windows: list[int]) -> PatientStates:
    """A patient with so many windows in each note; every number says patient, note and window."""
    note = np.repeat(np.arange(len(windows)), windows).astype(np.int32)
    marks = [100 * patient + 10 * which + number for which, count in enumerate(windows) for number in range(count)]
    states = np.broadcast_to(np.array(marks, np.float16)[:, None, None], (len(marks), 4, 2)).copy()
    targets = np.eye(9, dtype=np.float32)[: len(windows)]
    return PatientStates(states, np.ones((len(marks), 4), np.uint8), note, targets)


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=6), min_size=1, max_size=12), st.integers(1, 7), st.data()
)
def test_a_sample_gives_each_patients_own_notes_under_the_patients_number(
    shapes: list[list[int]], most: int, data: st.DataObject
) -> None:
    """All of them, or `most` different ones; never another patient's, and never another note's target."""
    patients = [made(number, windows) for number, windows in enumerate(shapes)]
    sample = sorted(data.draw(st.sets(st.integers(0, len(shapes) - 1), min_size=1)))
    rows = note_rows(patients, most, SecureRandom())(sample)
    (states, mask), notes = rows.inputs, set()
    assert len(states) == len(mask) == len(rows.targets) == len(rows.owner)
    for row, seen, target, owner in zip(states, mask, rows.targets, rows.owner, strict=True):
        note = int(target.argmax())
        windows = shapes[sample[owner]][note]
        marks = [100 * sample[owner] + 10 * note + window for window in range(windows)]
        assert row[:windows, 0, 0].tolist() == marks  # all windows of that very note
        assert seen[:windows].all()
        assert not seen[windows:].any()
        notes.add((int(owner), note))
    assert len(notes) == len(rows.owner)  # no note twice
    assert Counter(owner for owner, _ in notes) == {
        place: min(most, len(shapes[patient])) for place, patient in enumerate(sample)
    }


def test_of_too_many_notes_each_set_is_equally_likely_and_drawn_anew() -> None:
    """Two of four notes, of whatever length: six pairs, each one time in six."""
    rows = note_rows([made(0, [4, 1, 1, 2])], 2, SecureRandom.unsafe("pairs"))
    drawn = [tuple(sorted(rows([0]).targets.argmax(1).tolist())) for _ in range(3000)]
    for pair in combinations(range(4), 2):
        assert abs(drawn.count(pair) / 3000 - 1 / 6) < 6 * np.sqrt(5 / 36 / 3000)
    repeats = sum(one == other for one, other in pairwise(drawn)) / 2999
    assert abs(repeats - 1 / 6) < 6 * np.sqrt(5 / 36 / 2999)


def test_which_notes_are_drawn_comes_from_the_given_chance_alone() -> None:
    patients = [made(number, [1] * 8) for number in range(5)]
    first, same, other = (
        note_rows(patients, 3, SecureRandom.unsafe(seed))(range(5)).targets for seed in ("a", "a", "b")
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


# States


@LAYERS
def test_states_are_what_the_encoder_says_before_the_first_trained_layer(family: Path, trained_layers: int) -> None:
    """With no trained layer: the mean over all tokens of all windows, since nothing after it looks at a token."""
    from transformers import AutoModel

    classifier = tiny_classifier(family, trained_layers=trained_layers)
    texts = ["\n".join(SENTENCES["lung"] * 2), "Chest pain.", "", "Stool is loose. " * 40]
    windows = [cut_for(classifier, text) for text in texts]
    assert [len(own.ids) for own in windows] == [3, 1, 1, 3]
    encoder = AutoModel.from_pretrained(family).eval()
    for own, (states, mask) in zip(windows, trunk_states(classifier, windows), strict=True):
        ids, seen = torch.from_numpy(own.ids).long(), torch.from_numpy(own.mask).long()
        with torch.no_grad():
            hidden = encoder(input_ids=ids, attention_mask=seen, output_hidden_states=True).hidden_states
        if trained_layers:
            expected = hidden[-1 - trained_layers]
            np.testing.assert_array_equal(mask, own.mask)
        else:
            expected = hidden[-1][seen.bool()].mean(0)[None, None]
            np.testing.assert_array_equal(mask, np.ones((1, 1)))
        assert states.dtype == np.float16
        kept = mask.astype(bool)
        np.testing.assert_allclose(states[kept], expected.numpy()[kept], rtol=2e-3, atol=2e-3)


def test_states_are_those_of_each_patients_own_notes(classifier: Classifier, tmp_path: Path) -> None:
    """The same patient gives the same states in any company (to half precision), so none shapes another's example."""
    dataset = read_dataset(write(tmp_path, cohort(40)), RULE)
    counted, advanced = [], []
    everyone = patient_states(dataset, classifier, count=counted.append, advance=advanced.append)
    assert tuple(everyone) == dataset.patients
    notes = [note for patient in dataset.patients for note in dataset.notes[patient]]
    assert counted == [sum(advanced)] == [sum(len(cut_for(classifier, note.text).ids) for note in notes)]
    for patient in dataset.patients[::7]:
        alone = patient_states(dataset.only([patient]), classifier)[patient]
        together = everyone[patient]
        np.testing.assert_allclose(alone.states, together.states, atol=0.01)
        for part in ("mask", "note", "targets"):
            np.testing.assert_array_equal(getattr(alone, part), getattr(together, part))
        assert set(alone.note) == set(range(len(dataset.notes[patient])))


def test_padding_is_marked_and_single_precision_begins_here() -> None:
    states, mask = padded([made(1, [3]).of_note(0), made(2, [1]).of_note(0)])
    assert states.shape == (2, 3, 4, 2)
    assert states.dtype == torch.float32
    assert mask.sum((1, 2)).tolist() == [12, 4]
    assert not states[1, 1:].any()


# Predictions


@BOTH_LOSSES
@LAYERS
def test_two_ways_to_predict_agree(bert: Path, trained_layers: int, multi_label: bool) -> None:
    classifier = tiny_classifier(bert, trained_layers=trained_layers, multi_label=multi_label)
    with torch.no_grad():
        classifier.tail.head.weight.mul_(100)
    texts = ["\n".join(lines) for lines in SENTENCES.values()]
    notes = tuple(LabelledNote(str(n), text, frozenset({"lung"})) for n, text in enumerate(texts))
    states = patient_states(Dataset({"a": notes[:2], "b": notes[2:]}, RULE), classifier)
    logits = torch.from_numpy(predict_texts(classifier, texts))
    likely = logits.sigmoid() if multi_label else logits.softmax(-1)
    assert likely.std() > 0.01
    np.testing.assert_allclose(predict_states(classifier, states.values()), likely, atol=0.005)


def test_a_text_is_predicted_alike_in_any_company(classifier: Classifier) -> None:
    """Whatever the number and the length of the others, over several batches."""
    texts = [line for lines in SENTENCES.values() for line in lines] * 6 + ["", "Stool is loose. " * 40]
    together = predict_texts(classifier, texts)
    for place in (0, 31, 53, 54, 55):
        np.testing.assert_allclose(predict_texts(classifier, texts[place : place + 1])[0], together[place], atol=1e-4)


# Losses


def test_soft_cross_entropy_is_one_loss_for_each_row() -> None:
    logits, targets = torch.randn(5, 3), torch.softmax(torch.randn(5, 3), -1)
    expected = -(targets * logits.log_softmax(-1)).sum(-1)
    torch.testing.assert_close(soft_cross_entropy(logits, targets), expected)


def test_binary_cross_entropy_adds_up_each_label_by_itself() -> None:
    """A label of a note that has two counts as one that is there, not as half of one."""
    logits, targets = torch.randn(5, 3), torch.tensor([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]])[[0, 1, 0, 1, 0]]
    likely = logits.sigmoid()
    expected = -torch.where(targets > 0, likely.log(), (1 - likely).log()).sum(-1)
    torch.testing.assert_close(binary_cross_entropy(logits, targets), expected)


def test_a_design_decides_loss_and_probabilities() -> None:
    logits = torch.randn(4, 3)
    one, many = tiny_design(), tiny_design(multi_label=True)
    assert (loss_of(one), loss_of(many)) == (soft_cross_entropy, binary_cross_entropy)
    np.testing.assert_allclose(probabilities(one, logits).sum(-1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(probabilities(many, logits), logits.sigmoid(), rtol=1e-6)


# Weights


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


def test_a_models_centre_travels_with_its_weights_and_another_ones_is_refused(bert: Path) -> None:
    one, other = tiny_classifier(bert), tiny_classifier(bert, seed=9)
    one.tail.centre.fill_(0.5)
    weights = model_weights(one, trained_weights(one))
    set_model_weights(other, weights)
    assert (other.tail.centre == 0.5).all()
    for bad in ({}, {"centre": np.zeros(3, np.float32)}, {"centre": np.full(32, np.nan, np.float32)}):
        with pytest.raises(ValueError, match="centre"):
            set_model_weights(other, {**trained_weights(one), **bad})
