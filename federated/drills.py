"""The audit of a plan's claim: three attacks on its synthetic twin, and the same on models without privacy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from clinical.classifier import PatientStates
from clinical.labels import LabelRule, LabelSource
from clinical.synthetic import condition_labels
from federated.aggregation import Weights
from federated.plan import Plan
from federated.settings import StudySettings
from federated.study import plan_with, shares
from federated.twin import Cohorts, Told, Twin, first_note, one_site, without_privacy
from privacy.audit.inversion import Inversion, inversion
from privacy.audit.membership import FEWEST_OUTSIDE, Membership, membership
from privacy.audit.one_run import OneRun, audit
from privacy.audit.report import AuditReport, Drill
from privacy.training.accounting import epsilon

_HOSPITALS = ("north", "river", "summit")
_LARGEST_DELTA = 1e-5
# Numbers of made-up people, so that nobody is a member and somebody else at once.
_OTHERS, _REFERENCE = 1_000_000, 2_000_000

Tell = Callable[[str, int, int], None]
"""Told a stage, how many of its steps are done, and of how many."""


@dataclass(frozen=True)
class Sizes:
    """How much is tried.

    Attributes:
        canaries: in and out of the one run together.
        others: people who were in no training, for the membership test; also the candidates of the inversion.
        few: patients of the overfitted model.
        epochs: of the overfitted model and of the reference model.
        reference: patients of the reference model.
        attacked: updates of one patient that are inverted.
    """

    canaries: int = 1000
    others: int = FEWEST_OUTSIDE
    few: int = 60
    epochs: int = 30
    reference: int = 150
    attacked: int = 200


QUICK = Sizes(canaries=300, few=30, reference=45, attacked=50)


def made_up_plan(
    patients: int,
    target: float,
    rounds: int = StudySettings.rounds,
    layers: int = StudySettings.trained_layers,
) -> Plan:
    """The plan that three hospitals of so many declared patients would get at this epsilon, by the default settings.

    Raises:
        BudgetError: no noise reaches the target.
    """
    delta = min(_LARGEST_DELTA, 1 / (10 * patients))
    rule = LabelRule(LabelSource.CONDITION, tuple(condition_labels()), {}, condition_labels())
    settings = StudySettings("twin", target, rounds=rounds, trained_layers=layers)
    return plan_with(settings, rule, delta, shares(dict.fromkeys(_HOSPITALS, patients)))


def audit_plan(plan: Plan, sizes: Sizes, tell: Tell) -> AuditReport:
    """Run all three attacks on the twin of a plan, and on models without privacy.

    Raises:
        IntegrityError: the encoder on this machine is not the plan's.
    """
    began = time.monotonic()
    drills = _Drills(plan, sizes, tell)
    claim = epsilon([plan.releases()], float(plan.delta))
    private, plain = drills.private(), drills.plain()
    return AuditReport(
        plan=plan.digest,
        encoder=plan.encoder,
        settings={key: str(getattr(plan, key)) for key in ("sigma", "clip", "sampling_rate", "rounds")},
        patients={share.name: share.patients for share in plan.sites},
        epsilon=claim,
        delta=float(plan.delta),
        private=private,
        plain=plain,
        seconds=time.monotonic() - began,
    )


class _Drills:
    """The attacks on one plan; the made-up people are the same for each model."""

    def __init__(self, plan: Plan, sizes: Sizes, tell: Tell) -> None:
        self._plan, self._sizes, self._tell = plan, sizes, tell
        self._twin = Twin(plan)
        self._smallest = one_site(plan, min(share.patients for share in plan.sites))
        numbers = [range(share.patients) for share in plan.sites]
        self._people = sum(map(len, [*numbers, *self._ranges(sizes.others, 0), *self._ranges(sizes.reference, 0)]))
        self._read = 0
        self._cohorts: Cohorts = {
            share.name: self._patients(place, numbers[place]) for place, share in enumerate(plan.sites)
        }
        self._others = self._some(sizes.others, _OTHERS)
        self._known = self._twin.canaries(self._smallest.sites[0].patients)

    def private(self) -> Drill:
        """On the twin of the plan."""
        weights = self._trained("training the twin", self._plan, self._cohorts)
        members = [patient for own in self._cohorts.values() for patient in own]
        loss, reference = self._membership(weights, members)
        one_run = self._one_run("canaries, private", self._smallest)
        return Drill(one_run, loss, reference, self._inversion("inversion, private", self._smallest))

    def plain(self) -> Drill:
        """On models without privacy: few patients in many epochs, canaries without noise, updates without noise."""
        few = [
            patient
            for own, numbers in zip(self._cohorts.values(), self._ranges(self._sizes.few, 0), strict=True)
            for patient in own[: len(numbers)]
        ]
        overfitted = without_privacy(self._plan, len(few), self._sizes.epochs)
        weights = self._trained("training without privacy", overfitted, {"twin": few})
        bare = without_privacy(self._plan, len(self._known), self._plan.rounds)
        noiseless = self._smallest.model_copy(update={"sigma": "0"})
        loss, reference = self._membership(weights, few)
        one_run = self._one_run("canaries, without privacy", bare)
        return Drill(one_run, loss, reference, self._inversion("inversion, without noise", noiseless))

    def _one_run(self, stage: str, plan: Plan) -> OneRun:
        canaries = self._twin.canaries(self._sizes.canaries)
        inside = self._twin.coins(len(canaries))
        chosen = [canary for canary, into in zip(canaries, inside, strict=True) if into]
        told = self._counter(stage, 2 * plan.rounds)
        run = self._twin.train(plan, {"twin": [*self._known, *chosen]}, told)
        scores = self._twin.canary_scores(plan, run, self._known, canaries, told)
        return audit(scores, inside, float(plan.delta))

    def _membership(self, weights: Weights, members: Sequence[PatientStates]) -> tuple[Membership, Membership]:
        """By the loss alone, and by how much smaller it is than that of a model that never saw these people
        (difficulty calibration: Watson et al. 2022; Carlini et al. 2022, section IV)."""
        own, others = self._twin.losses(weights, members), self._twin.losses(weights, self._others)
        reference = self._twin.losses(self._reference, members)
        return membership(-own, -others), membership(reference - own, self._expected - others)

    @cached_property
    def _expected(self) -> NDArray[np.float64]:
        return self._twin.losses(self._reference, self._others)

    @cached_property
    def _reference(self) -> Weights:
        people = self._some(self._sizes.reference, _REFERENCE)
        plan = without_privacy(self._plan, len(people), self._sizes.epochs)
        return self._trained("training a reference model", plan, {"twin": people})

    def _inversion(self, stage: str, plan: Plan) -> Inversion:
        certain = plan.model_copy(update={"sampling_rate": "1"})  # the one patient is in
        notes = [first_note(patient) for patient in self._others]
        told, updates = self._counter(stage, self._sizes.attacked), []
        for note in notes[: self._sizes.attacked]:
            updates.append(load(save(self._twin.update(certain, "twin", self._twin.start, [note]))))
            told()
        labels = [int(note.targets[0].argmax()) for note in notes]
        features = self._twin.features(self._twin.start, notes)
        return inversion(updates, features, range(len(updates)), labels[: len(updates)])

    def _trained(self, stage: str, plan: Plan, cohorts: Cohorts) -> Weights:
        return self._twin.train(plan, cohorts, self._counter(stage, plan.rounds)).weights

    def _some(self, count: int, first: int) -> list[PatientStates]:
        """People who are in no cohort, from each hospital in proportion to its patients."""
        ranges = self._ranges(count, first)
        return [patient for place, numbers in enumerate(ranges) for patient in self._patients(place, numbers)]

    def _ranges(self, count: int, first: int) -> list[range]:
        everyone = sum(share.patients for share in self._plan.sites)
        return [range(first, first + math.ceil(count * share.patients / everyone)) for share in self._plan.sites]

    def _patients(self, place: int, numbers: range) -> list[PatientStates]:
        def told() -> None:
            self._read += 1
            self._tell("making up patients", self._read, self._people)

        return self._twin.patients(place, numbers, told)

    def _counter(self, stage: str, total: int) -> Told:
        done = iter(range(1, total + 1))
        return lambda: self._tell(stage, next(done, total), total)
