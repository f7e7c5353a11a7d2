"""What one bad site of five does to a model, by how the updates are put together; made-up hospitals, in one process.

The bad site flips labels (each note has the next label of the list), flips signs (it sends minus its update), or scales
(minus ten times its update). Each row is trained with the plan's privacy, several times, on the same patients.
"""

from __future__ import annotations

from argparse import Namespace
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean, stdev
from typing import TYPE_CHECKING

from bench.report import json_line, start
from dashboard.console import progress, say, table

if TYPE_CHECKING:
    from clinical.classifier import PatientStates
    from federated.aggregation import Weights
    from federated.compare import Comparison
    from federated.plan import Plan
    from federated.twin import Twin

SITES = ("north", "river", "summit", "alder", "birch")
BAD = SITES[-1]
PATIENTS, HELD_BACK, ROUNDS, REPEATS = 150, 40, 30, 5
PATIENTS_QUICK, HELD_BACK_QUICK, ROUNDS_QUICK, REPEATS_QUICK = 40, 20, 10, 1
EPSILON, DELTA, SCALE = 8.0, 1e-5, 10.0
_SOMEBODY_ELSE = 1_000_000

RULES = {"secure": 0, "mean": 0, "trimmed_mean": 1, "median": 1, "multi_krum": 1}
NAMES = {"secure": "plain mean (secure)", "mean": "mean, norm bound", "trimmed_mean": "trimmed mean"}
ATTACKS = ("none", "labels flipped", "signs flipped", "scaled")

Cohorts = Mapping[str, Sequence["PatientStates"]]
Scores = dict[str, dict[str, list[float]]]
"""Precision at 1 of each repeat, by rule and attack."""


@dataclass(frozen=True)
class Ground:
    """What all rows share: the model, patients to train on and patients to score on."""

    twin: Twin
    cohorts: Cohorts
    comparison: Comparison

    def score(self, plan: Plan, attack: str) -> float:
        """Precision at 1 on the held-back patients of all sites after one training under attack."""
        from federated.step import rounds
        from privacy.training.randomness import SecureRandom

        cohorts = {**self.cohorts, BAD: [_next_label(own) for own in self.cohorts[BAD]]}
        chosen = cohorts if attack == "labels flipped" else self.cohorts
        done = rounds(plan, self.twin.classifier, chosen, self.twin.start, SecureRandom(), sends=_sends(attack))
        ((_, weights),) = deque(done, maxlen=1)
        return self.comparison.row("", weights, "", 0.0).precision_at_1


def _next_label(patient: PatientStates) -> PatientStates:
    import numpy as np

    return replace(patient, targets=np.roll(patient.targets, 1, axis=1))


def _sends(attack: str) -> Callable[[str, Weights], Weights]:
    """What a site sends in the place of its own update."""
    factor = {"signs flipped": -1.0, "scaled": -SCALE}.get(attack, 1.0)

    def sends(site: str, update: Weights) -> Weights:
        return {name: array * factor for name, array in update.items()} if site == BAD else update

    return sends


def prepared(quick: bool) -> tuple[Plan, Ground]:
    """Five made-up hospitals of one size, and the plan that they would get."""
    from clinical.labels import LabelRule, LabelSource
    from clinical.synthetic import condition_labels
    from federated.compare import Comparison
    from federated.settings import StudySettings
    from federated.study import plan_with, shares
    from federated.twin import Twin

    patients, back = (PATIENTS_QUICK, HELD_BACK_QUICK) if quick else (PATIENTS, HELD_BACK)
    rule = LabelRule(LabelSource.CONDITION, tuple(condition_labels()), {}, condition_labels())
    settings = StudySettings("robust", EPSILON, rounds=ROUNDS_QUICK if quick else ROUNDS)
    plan = plan_with(settings, rule, DELTA, shares(dict.fromkeys(SITES, patients)))
    twin = Twin(plan)
    with progress() as bar:
        task = bar.add_task("reading made-up notes", total=len(SITES) * (patients + back))

        def read(place: int, numbers: range) -> list[PatientStates]:
            return twin.patients(place, numbers, lambda: bar.advance(task))

        cohorts = {site: read(place, range(patients)) for place, site in enumerate(SITES)}
        others = range(_SOMEBODY_ELSE, _SOMEBODY_ELSE + back)
        held = {site: {str(n): own for n, own in enumerate(read(p, others))} for p, site in enumerate(SITES)}
    return plan, Ground(twin, cohorts, Comparison(plan, twin.classifier, held))


def measured(plan: Plan, ground: Ground, repeats: int) -> Scores:
    """Every rule under every attack."""
    from policies.policy import Aggregation

    with progress() as bar:
        task = bar.add_task("training", total=len(RULES) * len(ATTACKS) * repeats)
        found: Scores = {}
        for name, bad in RULES.items():
            own = plan.model_copy(update={"aggregation": Aggregation(name), "bad_sites": bad})
            found[name] = {attack: [] for attack in ATTACKS}
            for attack in ATTACKS:
                for _ in range(repeats):
                    found[name][attack].append(ground.score(own, attack))
                    bar.advance(task)
    return found


def losses(scores: Scores) -> dict[str, dict[str, float]]:
    """How much less precision at 1 than the plain mean has where nobody attacks."""
    best = mean(scores["secure"]["none"])
    return {rule: {attack: best - mean(found) for attack, found in own.items()} for rule, own in scores.items()}


def shown(found: Sequence[float]) -> str:
    """Mean over the repeats, and their standard deviation."""
    return f"{mean(found):.3f}" + (f" ({stdev(found):.3f})" if len(found) > 1 else "")


def run(chosen: Namespace) -> None:
    """Train, and print tables and, if asked, a line of JSON."""
    plan, ground = prepared(chosen.quick)
    scores = measured(plan, ground, REPEATS_QUICK if chosen.quick else REPEATS)
    lost = losses(scores)
    say(f"{len(SITES)} sites of {plan.sites[0].patients} patients, epsilon {EPSILON:g}, {plan.rounds} rounds")
    heads = ("one site in five", *ATTACKS)
    named = {rule: NAMES.get(rule, rule.replace("_", "-")) for rule in RULES}
    table("Precision at 1", heads, [(named[r], *map(shown, own.values())) for r, own in scores.items()])
    rows = [(named[r], *(f"{loss:+.3f}" for loss in own.values())) for r, own in lost.items()]
    table("Lost, beside the plain mean where nobody attacks", heads, rows)
    if chosen.json:
        say(json_line("robust", chosen.quick, precision_at_1=scores, lost=lost))


if __name__ == "__main__":
    start("One bad site of five, and how the updates are put together.", run)
