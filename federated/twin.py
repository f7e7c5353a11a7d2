"""A synthetic twin of a plan: made-up patients and canaries, trained by the very steps that the hospitals take.

An audit on real patients would spend their budget, and a canary has no place in a real model. The twin has the plan's
encoder, labels, sizes, clip, noise, sampling and rounds; whoever watches it sees what the server sees, every update.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from clinical.classifier import (
    PatientStates,
    loss_of,
    note_rows,
    padded,
    patient_states,
    predict_states,
    set_trained_weights,
    trained_weights,
)
from clinical.dataset import Dataset, LabelledNote, document_text
from clinical.encoder import Classifier
from clinical.labels import LabelRule, LabelSource
from clinical.synthetic import condition_labels, demo_hospitals
from clinical.synthetic.export import HospitalProfile, patient_resources
from federated.aggregation import Weights
from federated.plan import Plan, SiteShare
from federated.site_round import plan_classifier
from federated.step import private_step, rounds, step_settings, update_of
from privacy.text.deidentify import TextDeidentifier
from privacy.text.replacement import Marks
from privacy.training.dpsgd import PatientGradients, clipped
from privacy.training.randomness import SecureRandom

_AS_OF = 2026
_ROWS_AT_ONCE = 256
# Without privacy nothing is clipped; more would only coarsen the numbers.
_NO_CLIP = "1000"
# At 0.1 the features, of unit length, hardly move the head in so few rounds, and nothing is learned by heart.
_PLAIN_RATE, _PLAIN_MOMENTUM = 3.0, 0.9

Cohorts = Mapping[str, Sequence[PatientStates]]
Told = Callable[[], None]


@dataclass(frozen=True)
class Run:
    """What the server saw of a training.

    Attributes:
        orders: the weights before each round, and last the ones at the end.
        updates: of each round, by site, as they left it.
    """

    orders: tuple[Weights, ...]
    updates: tuple[Mapping[str, Weights], ...]

    @property
    def weights(self) -> Weights:
        return self.orders[-1]


class Twin:
    """The model of a plan, with made-up patients instead of a hospital's.

    Args:
        random: of canaries, samples and noise; a fresh one unless a test wants the same numbers again.
    """

    def __init__(self, plan: Plan, random: SecureRandom | None = None) -> None:
        self.plan = plan
        self.classifier: Classifier = plan_classifier(plan)
        self.start = trained_weights(self.classifier)
        self._random = random or SecureRandom()

    @cached_property
    def _engine(self) -> TextDeidentifier:
        return TextDeidentifier(Marks(neutral=False, years=True, as_of=_AS_OF))

    def patients(self, place: int, numbers: range, told: Told = lambda: None) -> list[PatientStates]:
        """Made-up patients of the hospital at this place of the plan; other numbers are other people."""
        known = demo_hospitals(seed=place)
        profile = known[place % len(known)]
        rule = LabelRule(LabelSource.CATEGORY, self.plan.labels)
        notes = {}
        for number in numbers:
            notes[f"{place}-{number:06d}"] = tuple(self._notes(profile, number))
            told()
        return list(patient_states(Dataset(notes, rule), self.classifier).values())

    def _notes(self, profile: HospitalProfile, number: int) -> Iterator[LabelledNote]:
        """One person's notes, de-identified by the tables; the conditions are dealt out over the plan's labels."""
        codes, labels, label = list(condition_labels()), self.plan.labels, ""
        for resource in patient_resources(profile, number):
            if resource["resourceType"] == "Condition" and "encounter" in resource:
                label = labels[codes.index(resource["code"]["coding"][0]["code"]) % len(labels)]
            if resource["resourceType"] == "DocumentReference":
                text = document_text(resource)
                yield LabelledNote(
                    resource["id"], self._engine.apply(text, self._engine.find(text)), frozenset({label})
                )

    def canaries(self, count: int) -> list[PatientStates]:
        """People without a note: random states of one token and a random label, so gradients over the clip that
        point nearly at right angles to each other."""
        width, labels = self.classifier.tail.head.in_features, len(self.plan.labels)
        states = self._random.gaussian(count * width).reshape(count, 1, 1, width).astype(np.float16)
        targets = np.eye(labels, dtype=np.float32)[(self._random.uniform(count) * labels).astype(int)]
        one = np.ones((1, 1), np.uint8)
        return [
            PatientStates(own, one, np.zeros(1, np.int32), target[None])
            for own, target in zip(states, targets, strict=True)
        ]

    def coins(self, count: int) -> NDArray[np.bool_]:
        """Whether each canary is in, by a fair coin of its own."""
        return self._random.uniform(count) < 0.5

    def train(self, plan: Plan, cohorts: Cohorts, told: Told = lambda: None) -> Run:
        """All rounds of a plan: at each site one private step, then the server's step with momentum."""
        orders, updates = [dict(self.start)], []
        for sent, weights in rounds(plan, self.classifier, cohorts, self.start, self._random):
            orders.append(weights)
            updates.append(sent)
            told()
        return Run(tuple(orders), tuple(updates))

    def update(self, plan: Plan, site: str, weights: Weights, patients: Sequence[PatientStates]) -> Weights:
        """What a site would send: the noisy gradient of a Poisson sample of these patients."""
        set_trained_weights(self.classifier, weights)
        return update_of(private_step(plan, site, self.classifier, patients, self._random))

    def losses(self, weights: Weights, patients: Sequence[PatientStates]) -> NDArray[np.float64]:
        """Mean cross-entropy of each patient's notes, `[N]`."""
        set_trained_weights(self.classifier, weights)
        likely = predict_states(self.classifier, patients).astype(np.float64)
        targets = np.concatenate([patient.targets for patient in patients])
        notes = -(targets * np.log(np.maximum(likely, 1e-30))).sum(1)
        edges = np.cumsum([len(patient.targets) for patient in patients])[:-1]
        return np.array([own.mean() for own in np.split(notes, edges)])

    @torch.inference_mode()
    def features(self, weights: Weights, patients: Sequence[PatientStates]) -> NDArray[np.float32]:
        """What the head sees of each patient's first note, `[N, D]`."""
        set_trained_weights(self.classifier, weights)
        found = []
        for start in range(0, len(patients), _ROWS_AT_ONCE):
            notes = [patient.of_note(0) for patient in patients[start : start + _ROWS_AT_ONCE]]
            found.append(self.classifier.tail.features(*padded(notes)).cpu().numpy())
        return np.concatenate(found)

    def canary_scores(
        self,
        plan: Plan,
        run: Run,
        known: Sequence[PatientStates],
        canaries: Sequence[PatientStates],
        told: Told = lambda: None,
    ) -> NDArray[np.float64]:
        """How much the updates of a plan with one site look as if each canary were in, `[M]`.

        The auditor knows everybody's data and each round's weights, and not the coins, the samples and the noise. From
        each update it takes away what it expects of everybody, and measures what is left along each canary's own
        clipped gradient: the likelihood ratio's order where everybody is sampled (Neyman and Pearson 1933).
        """
        (share,) = plan.sites
        settings = step_settings(plan, share.name)
        scores = np.zeros(len(canaries))
        for weights, sent in zip(run.orders, run.updates, strict=False):
            own = self._clipped(weights, canaries, settings.clip)
            rest = self._clipped(weights, known, settings.clip)
            expected = settings.rate * (rest.sum(0) + own.sum(0) / 2)
            left = _flat(sent[share.name]) * settings.rate * settings.patients - expected
            scores += own @ left
            told()
        return scores

    def _clipped(self, weights: Weights, patients: Sequence[PatientStates], clip: float) -> NDArray[np.float64]:
        """The clipped gradient of each patient, `[N, P]`."""
        set_trained_weights(self.classifier, weights)
        rows = note_rows(patients, self.plan.notes_per_step, self._random)
        found = [torch.zeros(0, sum(map(torch.numel, self.classifier.tail.trained().values())), dtype=torch.float64)]
        with PatientGradients(self.classifier.tail, loss_of(self.classifier.design)) as gradients:
            for start in range(0, len(patients), _ROWS_AT_ONCE):
                some = range(start, min(start + _ROWS_AT_ONCE, len(patients)))
                found.append(clipped(gradients.of(rows(some), len(some))[0], clip))
        return torch.cat(found).numpy()


def one_site(plan: Plan, patients: int) -> Plan:
    """The plan as one hospital of so many declared patients sees it; what others send is public to its auditor."""
    return plan.model_copy(update={"sites": (SiteShare(name="twin", patients=patients, weight="1"),)})


def without_privacy(plan: Plan, patients: int, rounds: int) -> Plan:
    """The plan without noise, without clipping and without sampling: what the drills must catch."""
    return one_site(plan, patients).model_copy(
        update={
            "sigma": "0",
            "clip": _NO_CLIP,
            "sampling_rate": "1",
            "rounds": rounds,
            "learning_rate": _PLAIN_RATE,
            "momentum": _PLAIN_MOMENTUM,
        }
    )


def first_note(patient: PatientStates) -> PatientStates:
    """A patient with nothing but the first note."""
    states, mask = patient.of_note(0)
    return PatientStates(states, mask, np.zeros(len(states), np.int32), patient.targets[:1])


def _flat(update: Weights) -> NDArray[np.float32]:
    return np.concatenate([array.ravel() for array in update.values()])
