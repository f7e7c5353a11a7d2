"""The side-by-side table trains from the same start, with the plan's own noise, and scores all on the same notes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clinical.classifier import PatientStates, patient_states, trained_weights
from clinical.dataset import Dataset, LabelledNote, read_dataset
from clinical.encoder import Classifier
from federated import step
from federated.aggregation import Weights
from federated.cohort import label_rule
from federated.compare import PLAIN_EPOCHS, Comparison, States, states_in_use
from federated.plan import Plan
from federated.site_round import plan_classifier
from privacy.training.dpsgd import StepSettings, private_gradient
from privacy.training.randomness import CHACHA20
from tests.clinical.notes import cohort, write

Parts = tuple[Comparison, dict[str, States], Weights]


@pytest.fixture(scope="module")
def classifier(plan: Plan) -> Classifier:
    return plan_classifier(plan)


@pytest.fixture
def parts(plan: Plan, classifier: Classifier, tmp_path: Path) -> Parts:
    states = {}
    for name in ("north", "river", "summit"):
        data = read_dataset(write(tmp_path / name, cohort(12, name[0])), label_rule(plan))
        states[name] = patient_states(data, classifier)
    start = trained_weights(plan_classifier(plan))
    return Comparison(plan, classifier, states), states, start


def everyone(states: dict[str, States]) -> list[PatientStates]:
    return [own for site in states.values() for own in site.values()]


def test_pooling_learns_what_the_words_tell(parts: Parts) -> None:
    comparison, states, start = parts
    epochs: list[None] = []
    before = comparison.row("start", start, "-", 0.0)
    after = comparison.pooled(everyone(states), start, lambda: epochs.append(None))
    assert len(epochs) == PLAIN_EPOCHS
    assert after.epsilon == "infinite"
    assert after.precision_at_1 > before.precision_at_1
    assert set(after.as_card()) == {"macro_f1", "precision_at_1"}


def test_always_the_commonest_is_right_as_often_as_it_is_common(parts: Parts) -> None:
    comparison, states, _ = parts
    targets = np.concatenate([patient.targets for patient in everyone(states)])
    row = comparison.commonest(everyone(states))
    assert row.precision_at_1 == pytest.approx(targets.mean(0).max())
    assert row.epsilon == "-"


def test_a_hospital_alone_is_as_private_as_in_the_plan(
    parts: Parts, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison, states, start = parts
    steps: list[StepSettings] = []

    def spy(model: Any, loss: Any, rows: Any, sample: Any, how: StepSettings, **more: Any) -> Any:
        steps.append(how)
        assert more["random"].source == CHACHA20
        return private_gradient(model, loss, rows, sample, how, **more)

    monkeypatch.setattr(step, "private_gradient", spy)
    given = {name: array.copy() for name, array in start.items()}
    row = comparison.alone("north", states["north"], start, "3.1")
    assert (row.name, row.epsilon) == ("north alone, private", "3.1")
    assert steps == [StepSettings(float(plan.sigma), float(plan.clip), 0.9, 10)] * plan.rounds
    assert all(np.array_equal(start[name], given[name]) for name in start)  # the next row starts there too


def test_every_row_is_scored_on_the_same_notes(parts: Parts, classifier: Classifier) -> None:
    comparison, states, start = parts
    first = comparison.row("a", start, "-", 0.0)
    comparison.pooled(everyone(states), start, lambda: None)
    again = comparison.row("a", start, "-", 0.0)
    assert first == again


def test_what_a_note_denies_is_not_scored(plan: Plan, classifier: Classifier) -> None:
    texts = ("He denies cough. He has a fever.", "He denies wheezing. He has a fever.", "He has a cough and a fever.")
    rule = label_rule(plan)
    label = frozenset(rule.labels[:1])
    data = Dataset({str(n): (LabelledNote("r", text, label),) for n, text in enumerate(texts)}, rule)
    one, other, present = states_in_use(data, classifier).values()
    assert np.array_equal(one.states, other.states) and not np.array_equal(one.states, present.states)
    read = patient_states(data, classifier)
    assert not np.array_equal(read["0"].states, read["1"].states)  # as they are trained on
    assert np.array_equal(one.targets, read["0"].targets)
