"""Scores of a ranking, against counts by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.dataset import Dataset, read_dataset, split
from clinical.diagnosis import ConditionModel
from clinical.evaluation.diagnosis import evaluate_diagnosis, evaluate_held_back, macro_f1, score
from clinical.labels import LabelRule, LabelSource
from policies.errors import AccessDenied, InputError
from policies.events import Event
from policies.guard import Site, open_site
from policies.models import SignedModel
from policies.policy import default_policy_text
from policies.workspace import Workspace
from tests.clinical.notes import cohort, write
from tests.policies.logs import happened

LABELS = ("a", "b", "c")
LOGITS = np.array([[3, 2, 1], [1, 2, 3], [1, 3, 2], [3, 1, 2]], np.float32)
TRUTH = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1]], bool)


def test_counts_by_hand() -> None:
    """Given: a | c | b, c | a. So a is named twice and right once, b once and right, c twice and right once."""
    scores = score(LOGITS, TRUTH, ["p", "p", "q", "q"], LABELS, seconds=2.0)
    assert (scores.patients, scores.notes, scores.documents_per_second) == (2, 4, 2.0)
    assert scores.precision_at_1 == 0.5
    assert {label: (s.notes, s.precision, s.recall) for label, s in scores.labels.items()} == {
        "a": (1, 0.5, 1.0),
        "b": (2, 1.0, 0.5),
        "c": (2, 0.5, 0.5),
    }
    assert scores.macro_f1 == pytest.approx((2 / 3 + 2 / 3 + 1 / 2) / 3)
    assert scores.commonest_precision_at_1 == 0.5
    assert json.loads(scores.to_json())["labels"]["a"]["f1"] == pytest.approx(2 / 3)


def test_a_label_that_never_occurs_counts_in_no_mean() -> None:
    truth = np.array([[1, 0, 0], [1, 0, 0]], bool)
    assert macro_f1(truth, truth) == 1.0


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(2, 5))
def test_scores_are_shares_and_intervals_hold_them(seed: int, notes: int, labels: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.random((notes, labels)) < 0.4
    truth[np.arange(notes), random.integers(labels, size=notes)] = True
    patients = [f"p{number // 2}" for number in range(notes)]
    scores = score(random.normal(size=truth.shape), truth, patients, [str(k) for k in range(labels)])
    for value, (low, high) in (
        (scores.precision_at_1, scores.interval),
        (scores.macro_f1, scores.macro_f1_interval),
    ):
        assert 0 <= low <= high <= 1
        assert 0 <= value <= 1
    perfect = score(truth.astype(float), truth, patients, [str(k) for k in range(labels)])
    assert perfect.precision_at_1 == perfect.macro_f1 == 1.0
    assert perfect.interval == perfect.macro_f1_interval == (1.0, 1.0)


def test_the_interval_resamples_patients_and_not_their_notes() -> None:
    """Of two patients with many notes each, one always right: the interval spans all, as it would not by note."""
    logits = np.tile(np.array([[1.0, 0.0]]), (200, 1))
    truth = np.zeros((200, 2), bool)
    truth[:100, 0] = truth[100:, 1] = True
    assert score(logits, truth, ["p"] * 100 + ["q"] * 100, ("a", "b")).interval == (0.0, 1.0)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    workspace = Workspace(tmp_path / "workspace")
    workspace.root.mkdir()
    workspace.policy.write_text(default_policy_text("alice"))
    return open_site(workspace, "north", "alice")


def test_the_plans_held_back_patients_are_scored_and_logged(site: Site, signed: SignedModel, tmp_path: Path) -> None:
    model = ConditionModel(signed)
    folder = write(tmp_path / "data", cohort(24))
    scores = evaluate_held_back(site, model, folder)
    held_back = split(read_dataset(folder, model.rule), model.split_key, model.held_back)[1]
    assert scores.patients == len(held_back.patients) < 24
    assert scores.precision_at_1 > 0.9  # the words tell the label, and the model was fitted to them
    (entry,) = happened(site.home.audit, site.keys.public)
    assert (entry.event, entry.details["patients"]) == (Event.EVALUATED, scores.patients)
    assert scores.calibration is None  # too few patients
    more = evaluate_held_back(site, model, write(tmp_path / "more", cohort(90))).calibration
    assert more and more.patients >= 30 and more.level == 0.9


def test_who_may_not_evaluate_is_refused(signed: SignedModel, tmp_path: Path, site: Site) -> None:
    workspace = Workspace(tmp_path / "workspace")
    with pytest.raises(AccessDenied):
        evaluate_held_back(open_site(workspace, "north", "mallory"), ConditionModel(signed), tmp_path)


def test_no_labelled_note_and_other_labels_are_said(signed: SignedModel) -> None:
    model = ConditionModel(signed)
    with pytest.raises(InputError, match="no note"):
        evaluate_diagnosis(model, Dataset({}, model.rule), 0.9)
    with pytest.raises(InputError, match="other labels"):
        evaluate_diagnosis(model, Dataset({}, LabelRule(LabelSource.CATEGORY, ("x", "y"))), 0.9)
