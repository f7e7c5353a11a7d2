"""One private step of a plan: whole patients, the plan's own numbers, and chance from one source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from clinical.classifier import PatientStates, loss_of, patient_states, set_trained_weights, trained_weights
from clinical.dataset import Dataset, LabelledNote
from clinical.encoder import Classifier
from federated import step
from federated.cohort import label_rule
from federated.plan import Plan, SiteShare
from federated.site_round import plan_classifier
from federated.step import private_step, step_settings
from privacy.training.dpsgd import StepSettings
from privacy.training.randomness import SecureRandom
from tests.clinical.encoders import move_b
from tests.clinical.notes import LABELS, SENTENCES
from tests.federated.hospitals import plan_for

DECLARED = 40
LAYERS = pytest.mark.parametrize("layers", [0, 1])


def quiet(encoder: Path, layers: int, **changes: Any) -> Plan:
    """Everybody is in and nothing is hidden, so that a step can be compared with arithmetic."""
    alone = (SiteShare(name="north", patients=DECLARED, weight="1"),)
    values = {"sigma": "0", "sampling_rate": "1", "clip": "0.05", "sites": alone, "trained_layers": layers}
    return plan_for(encoder, **values | {"windows_per_note": 3, "window": 12} | changes)


def people(plan: Plan, classifier: Classifier, notes: list[int], label: str = "") -> list[PatientStates]:
    """Patients with so many notes each, of one to three windows; of one label, or of several."""

    def note(patient: int, number: int) -> LabelledNote:
        own = label or LABELS[(patient + number) % 3]
        return LabelledNote(str(number), "\n".join(SENTENCES[own] * (1 + number % 3)), frozenset({own}))

    given = {f"p{place}": tuple(note(place, number) for number in range(count)) for place, count in enumerate(notes)}
    return list(patient_states(Dataset(given, label_rule(plan)), classifier).values())


def ready(plan: Plan) -> Classifier:
    classifier = plan_classifier(plan)
    move_b(classifier)
    return classifier


def total(plan: Plan, classifier: Classifier, patients: list[PatientStates], seed: int = 1) -> Tensor:
    """What a step gives, times the public denominator."""
    found = private_step(plan, "north", classifier, patients, SecureRandom.unsafe(seed)).gradient
    return torch.cat([part.flatten() for part in found.values()]).double() * float(plan.sampling_rate) * DECLARED


def by_hand(classifier: Classifier, patient: PatientStates) -> Tensor:
    """A patient's gradient over all notes, without hooks and padding."""
    tail, loss = classifier.tail, torch.zeros(())
    for note, target in enumerate(patient.targets):
        states, mask = (torch.from_numpy(part.copy()) for part in patient.of_note(note))
        logits = tail(states[None].float(), mask[None].long())
        loss = loss + loss_of(classifier.design)(logits, torch.from_numpy(target)[None]).sum()
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(tail.trained().values()))]).double()


def test_settings_are_the_plans_digits(encoder: Path) -> None:
    plan = plan_for(encoder, sampling_rate="0.85", sigma="1.95", clip="0.3")
    assert step_settings(plan, "river") == StepSettings(sigma=1.95, clip=0.3, rate=0.85, patients=10)


@LAYERS
@pytest.mark.parametrize("multi_label", [False, True])
def test_a_step_is_the_sum_of_whole_patients_clipped_over_the_declared_number(
    encoder: Path, layers: int, multi_label: bool
) -> None:
    """Three patients where the plan says forty: the declared number divides, whoever is there."""
    plan = quiet(encoder, layers, multi_label=multi_label)
    classifier = ready(plan)
    patients = people(plan, classifier, [3, 1, 2])
    own = torch.stack([by_hand(classifier, patient) for patient in patients])
    assert (own.norm(dim=1) > 0.05).all()
    expected = (0.05 * torch.nn.functional.normalize(own, dim=1)).sum(0)
    torch.testing.assert_close(total(plan, classifier, patients), expected, rtol=2e-3, atol=2e-5)


@LAYERS
def test_a_patient_of_many_notes_and_windows_moves_the_step_by_at_most_one_clip(encoder: Path, layers: int) -> None:
    """Were notes or windows of a patient clipped each by itself, four like notes would move it by four clips."""
    plan = quiet(encoder, layers)
    classifier = ready(plan)
    patients = people(plan, classifier, [4, 1, 4, 2], label="gut")
    everyone = total(plan, classifier, patients)
    for left_out, patient in enumerate(patients):
        others = patients[:left_out] + patients[left_out + 1 :]
        assert (everyone - total(plan, classifier, others)).norm() == pytest.approx(0.05, rel=1e-3)
        assert by_hand(classifier, patient).norm() > 0.05


def test_no_more_notes_of_a_patient_are_taken_than_the_plan_says(encoder: Path) -> None:
    plan = quiet(encoder, 0, notes_per_step=2, clip="1000")
    classifier = ready(plan)
    (patient,) = people(plan, classifier, [4])
    singles = [
        PatientStates(*patient.of_note(note), np.zeros(1, np.int32), patient.targets[note : note + 1])
        for note in range(4)
    ]
    gradients = [by_hand(classifier, single) for single in singles]
    pairs = [gradients[one] + gradients[other] for one in range(4) for other in range(one)]
    found = [total(plan, classifier, [patient], seed) for seed in range(8)]
    closest = [min(range(6), key=lambda place: float((step - pairs[place]).norm())) for step in found]
    for step_, place in zip(found, closest, strict=True):
        torch.testing.assert_close(step_, pairs[place], rtol=2e-3, atol=1e-4)
    assert len(set(closest)) > 1  # drawn anew


def test_sample_notes_and_noise_all_come_from_the_given_chance(encoder: Path) -> None:
    plan = quiet(encoder, 0, sampling_rate="0.5", notes_per_step=1)
    classifier = ready(plan)
    patients = people(plan, classifier, [2, 3, 1, 4, 2])
    assert torch.equal(total(plan, classifier, patients, 3), total(plan, classifier, patients, 3))
    loud = plan.model_copy(update={"sigma": "1.0"})
    assert torch.equal(total(loud, classifier, patients, 3), total(loud, classifier, patients, 3))
    assert (total(loud, classifier, patients, 3) != total(loud, classifier, patients, 4)).all()


def test_everybody_is_in_or_out_by_a_coin_of_the_plans_rate(encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, taken = quiet(encoder, 0, sampling_rate="0.3"), []
    classifier = ready(plan)
    patients = people(plan, classifier, [1] * 10)
    monkeypatch.setattr(step, "private_gradient", lambda _model, _loss, _rows, sample, *_, **__: taken.append(sample))
    random = SecureRandom.unsafe("coins")
    for _ in range(2000):
        private_step(plan, "north", classifier, patients, random)
    sizes = np.array([len(sample) for sample in taken])
    assert abs(sizes.mean() - 3) < 6 * np.sqrt(2.1 / 2000)
    assert abs(sizes.var() - 2.1) < 6 * 2.1 * np.sqrt(2 / 2000)  # a batch of fixed size has no variance


@pytest.mark.parametrize("sigma", ["0.5", "2.0"])
def test_the_noise_is_the_plans(encoder: Path, sigma: str) -> None:
    """On 227 numbers, less what the same step gives without noise."""
    plan = quiet(encoder, 1, sigma=sigma)
    classifier = ready(plan)
    patients = people(plan, classifier, [2, 1])
    still = total(quiet(encoder, 1), classifier, patients)
    noise = torch.stack([total(plan, classifier, patients, seed) - still for seed in range(8)])
    assert float(noise.std()) == pytest.approx(float(sigma) * 0.05, rel=0.1)


def test_an_empty_sample_is_noise_alone(encoder: Path) -> None:
    plan = quiet(encoder, 0, sigma="2.0", sampling_rate="0.000001")
    classifier = ready(plan)
    result = private_step(plan, "north", classifier, people(plan, classifier, [1]), SecureRandom())
    assert np.isnan(result.loss)
    values = torch.cat([part.flatten() for part in result.gradient.values()]).double() * 1e-6 * DECLARED
    assert float(values.std()) == pytest.approx(2.0 * 0.05, rel=0.3)


@LAYERS
@pytest.mark.parametrize("multi_label", [False, True])
def test_labels_of_one_class_alone_are_learned_like_any(encoder: Path, layers: int, multi_label: bool) -> None:
    plan = quiet(encoder, layers, multi_label=multi_label)
    classifier = ready(plan)
    patients = people(plan, classifier, [1] * 12, label="heart")
    losses = []
    for seed in range(3):
        result = private_step(plan, "north", classifier, patients, SecureRandom.unsafe(seed))
        losses.append(result.loss)
        weights = trained_weights(classifier)
        set_trained_weights(classifier, {name: weights[name] - 5 * g.numpy() for name, g in result.gradient.items()})
    assert np.isfinite(losses).all()
    assert losses[0] > losses[1] > losses[2]
    assert result.gradient["head.bias"].argmin() == LABELS.index("heart")
