"""Early stop by public notes: only those of the plan, and a score that rises with what is learned."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinical.classifier import trained_weights
from federated.aggregation.early_stop import EarlyStop
from federated.plan import Plan
from federated.site_round import plan_classifier
from federated.step import rounds
from federated.twin import Twin
from federated.validation import notes_sha256, public_score
from policies.errors import InputError, IntegrityError
from privacy.training.randomness import SecureRandom
from tests.clinical.notes import LABELS, cohort, write
from tests.federated.hospitals import plan_for


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return write(tmp_path / "public", cohort(6, "public"))


def named(plan: Plan, notes: Path) -> Plan:
    return plan.model_copy(update={"validation_sha256": notes_sha256(notes), "patience": 1})


def test_other_notes_than_the_plans_are_refused(plan: Plan, notes: Path, tmp_path: Path) -> None:
    classifier = plan_classifier(plan)
    public_score(named(plan, notes), classifier, notes)
    with pytest.raises(IntegrityError, match="not the public notes"):
        public_score(plan, classifier, notes)
    write(notes, cohort(7, "public"))
    with pytest.raises(IntegrityError, match="not the public notes"):
        public_score(plan.model_copy(update={"validation_sha256": "0" * 64}), classifier, notes)
    with pytest.raises(InputError, match="no public notes"):
        notes_sha256(tmp_path / "nowhere")


def test_the_score_is_the_mean_log_likelihood(plan: Plan, notes: Path) -> None:
    classifier = plan_classifier(plan)
    score, weights = public_score(named(plan, notes), classifier, notes), trained_weights(classifier)
    sure = {name: array.copy() for name, array in weights.items()}
    sure["head.bias"][:] = 0
    sure["head.weight"][:] = 0
    assert score(sure) == pytest.approx(-1.0986, abs=1e-3)  # three labels, and no idea
    sure["head.bias"][LABELS.index("heart")] = 50
    assert score(sure) < -20


def test_rounds_end_when_the_score_no_longer_rises(encoder: Path) -> None:
    plan = plan_for(encoder, rounds=6)
    twin = Twin(plan)
    cohorts = {share.name: twin.canaries(12) for share in plan.sites}
    scores = iter([0.1, 0.2, 0.2, 0.2, 0.9])
    stop = EarlyStop(lambda weights: next(scores), patience=2)
    done = list(rounds(plan, twin.classifier, cohorts, twin.start, SecureRandom.unsafe(1), ends=stop.after))
    assert (len(done), stop.round) == (4, 2)
