"""The side-by-side table, on synthetic or benchmark data only: what federating under privacy gains and costs.

Nothing here may touch real patients: it pools the hospitals' data, and its scores are not private releases.

Notes are trained on as they were de-identified, and scored as a clinician's note is read (`clinical.diagnosis`), that
is without what they deny or say of the family: a row says what the model is worth in use.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from clinical.classifier import (
    PatientStates,
    loss_of,
    note_rows,
    patient_states,
    predict_states,
    set_trained_weights,
    trained_weights,
)
from clinical.dataset import Dataset
from clinical.diagnosis.located import for_the_model
from clinical.encoder import Classifier
from clinical.evaluation.diagnosis import score
from clinical.extraction import read_note
from federated.aggregation import Weights
from federated.plan import Plan
from federated.step import rounds
from privacy.training.randomness import SecureRandom

PLAIN_EPOCHS = 16
_PLAIN_BATCH, _PLAIN_NOTES = 32, 16
_PLAIN_RATE = 5e-2
States = Mapping[str, PatientStates]


@dataclass(frozen=True)
class Row:
    """One way to train, scored on the held-back patients of all hospitals; epsilon as text, '-' where it has none."""

    name: str
    macro_f1: float
    precision_at_1: float
    epsilon: str
    seconds: float

    def as_card(self) -> dict[str, str]:
        """Scores as they stand in a model card."""
        return {"macro_f1": f"{self.macro_f1:.3f}", "precision_at_1": f"{self.precision_at_1:.3f}"}


def states_in_use(dataset: Dataset, classifier: Classifier) -> States:
    """States of held-back notes as the model reads a note in use."""
    notes = {
        patient: tuple(replace(note, text=for_the_model(note.text, read_note(note.text)).text) for note in own)
        for patient, own in dataset.notes.items()
    }
    return patient_states(replace(dataset, notes=notes), classifier)


class Comparison:
    """Trains the same model in other ways on the same cached states.

    Args:
        held_back: states of held-back patients in use, by hospital; every row is scored on all of them.
    """

    def __init__(self, plan: Plan, classifier: Classifier, held_back: Mapping[str, States]) -> None:
        self._plan, self._classifier = plan, classifier
        self._held_back = [states for site in sorted(held_back) for states in held_back[site].values()]
        self._patients = [
            f"{site}/{patient}"
            for site in sorted(held_back)
            for patient, states in held_back[site].items()
            for _ in states.targets
        ]

    def row(self, name: str, weights: Weights, epsilon: str, seconds: float) -> Row:
        """Score some weights."""
        set_trained_weights(self._classifier, weights)
        probabilities = predict_states(self._classifier, self._held_back)
        return self._scored(name, probabilities, epsilon, seconds)

    def alone(self, site: str, states: States, start: Weights, epsilon: str) -> Row:
        """One hospital with the plan's own privacy, rounds and noise, without the others."""
        began = time.perf_counter()
        only = self._plan.share(site).model_copy(update={"weight": "1"})
        plan = self._plan.model_copy(update={"sites": (only,)})
        weights = private_rounds(plan, self._classifier, {site: list(states.values())}, start)
        return self.row(f"{site} alone, private", weights, epsilon, time.perf_counter() - began)

    def pooled(self, states: Sequence[PatientStates], start: Weights, advance: Callable[[], None]) -> Row:
        """All patients in one place without privacy: what federated private training is measured against."""
        began = time.perf_counter()
        weights = plain_epochs(self._classifier, states, start, advance)
        return self.row("pooled, no privacy", weights, "infinite", time.perf_counter() - began)

    def commonest(self, states: Sequence[PatientStates]) -> Row:
        """Always the label that is commonest among the training notes."""
        counts = np.sum([patient.targets.sum(0) for patient in states], axis=0)
        return self._scored("always the commonest", np.tile(counts, (len(self._patients), 1)), "-", 0.0)

    def _scored(self, name: str, ranking: np.ndarray, epsilon: str, seconds: float) -> Row:  # type: ignore[type-arg]
        truth = np.concatenate([patient.targets for patient in self._held_back]) > 0
        scores = score(ranking, truth, self._patients, self._plan.labels)
        return Row(name, scores.macro_f1, scores.precision_at_1, epsilon, seconds)


def private_rounds(
    plan: Plan, classifier: Classifier, cohorts: Mapping[str, Sequence[PatientStates]], start: Weights
) -> Weights:
    """The weights after all rounds of a plan in this process."""
    ((_, weights),) = deque(rounds(plan, classifier, cohorts, start, SecureRandom()), maxlen=1)
    return weights


def plain_epochs(
    classifier: Classifier,
    patients: Sequence[PatientStates],
    start: Weights,
    advance: Callable[[], None] = lambda: None,
) -> Weights:
    """Ordinary training without privacy, of the same parameters from the same start."""
    set_trained_weights(classifier, start)
    generator = np.random.default_rng(0)
    loss = loss_of(classifier.design)
    rows = note_rows(patients, _PLAIN_NOTES, SecureRandom())
    optimizer = torch.optim.AdamW(classifier.tail.trained().values(), lr=_PLAIN_RATE)
    for _ in range(PLAIN_EPOCHS):
        order = generator.permutation(len(patients))
        for first in range(0, len(order), _PLAIN_BATCH):
            own = rows(order[first : first + _PLAIN_BATCH].tolist())
            optimizer.zero_grad()
            loss(classifier.tail(*own.inputs), own.targets).mean().backward()
            optimizer.step()
        advance()
    return trained_weights(classifier)
