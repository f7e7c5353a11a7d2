"""A calibration from held-back patients: judged without themselves, kept at home, released to nobody."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from clinical.dataset import read_dataset, split
from clinical.diagnosis import ConditionModel
from clinical.diagnosis.familiar import folds
from clinical.diagnosis.kept import kept
from clinical.evaluation.bootstrap import interval_of, pivotal_interval_of
from clinical.evaluation.calibration import FEWEST_PATIENTS, calibrate, cross_fitted, judged
from clinical.evaluation.held_back import held_back, read_all
from policies.access import Purpose
from policies.errors import AccessDenied, InputError
from policies.events import Event
from policies.guard import Site, open_site
from policies.models import SignedModel
from policies.policy import default_policy_text
from policies.workspace import Workspace
from privacy.consent import refusal
from privacy.consent_book import record_consents
from tests.clinical.notes import cohort, write
from tests.policies.logs import happened


@pytest.fixture
def site(tmp_path: Path) -> Site:
    workspace = Workspace(tmp_path / "workspace")
    workspace.root.mkdir()
    workspace.policy.write_text(default_policy_text("alice"))
    return open_site(workspace, "north", "alice")


@pytest.fixture(scope="module")
def model(signed: SignedModel) -> ConditionModel:
    return ConditionModel(signed)


def drawn(notes: int, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """Shares among five labels that are off by a slope; one label for each note, by its true chance."""
    random = np.random.default_rng(3)
    logits = random.normal(0, 1.5, (notes, 5))
    chance = np.exp(slope * logits) / np.exp(slope * logits).sum(1, keepdims=True)
    truth = np.eye(5, dtype=bool)[[random.choice(5, p=row) for row in chance]]
    share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return np.log(share / (1 - share)), truth


@pytest.mark.parametrize("slope", [0.4, 2.5])
def test_what_was_off_is_set_right_and_sets_cover(slope: float) -> None:
    scores = cross_fitted(*drawn(2000, slope), level=0.9)
    assert scores.error < 0.05 < 0.1 < scores.uncalibrated_error
    assert scores.error_interval[0] <= scores.error <= scores.error_interval[1]
    assert scores.coverage == pytest.approx(0.9, abs=0.02)
    assert scores.coverage_interval[0] < 0.9 < scores.coverage_interval[1]
    assert 1 <= scores.mean_set < 5


@pytest.mark.parametrize("number", range(5))
def test_nobody_is_judged_by_a_fit_to_themselves(number: int) -> None:
    """What the notes of a fold truly are changes the probabilities and sets of others alone."""
    odds, truth = drawn(60, 1.0)
    fold, changed = folds(60)[number], truth.copy()
    changed[fold] = np.roll(changed[fold], 1, axis=1)
    before, after = judged(odds, truth, 0.8), judged(odds, changed, 0.8)
    for own, other in zip(before, after, strict=True):
        assert (own[fold] == other[fold]).all()
    assert (before[0][~fold] != after[0][~fold]).any()


def test_an_error_that_chance_makes_larger_has_an_interval_that_knows_it() -> None:
    """Of values whose truth is 0, the mean absolute one is too large, and resampling would make it larger yet."""
    values = np.random.default_rng(1).normal(size=400)

    def measure(rows: np.ndarray) -> float:
        return float(np.abs(values[rows].reshape(40, 10).mean(1)).mean())

    plain, pivotal = interval_of(measure, 400), pivotal_interval_of(measure, 400)
    assert plain[0] > measure(np.arange(400)) * 0.8
    assert 0 <= pivotal[0] < plain[0]
    assert pivotal[1] < plain[1]


def test_one_note_of_each_patient_always_the_same(model: ConditionModel, tmp_path: Path) -> None:
    data = split(read_dataset(write(tmp_path / "data", cohort(30)), model.rule), "key", 0.5)[1]
    read = read_all(model, data)
    assert len(read.patients) > len(data.patients) == len(read.alone)
    assert {read.patients[row] for row in read.alone} == set(data.patients)
    assert (read_all(model, data).alone == read.alone).all()


def test_it_is_kept_at_the_hospital_and_the_log_holds_counts_alone(
    site: Site, model: ConditionModel, tmp_path: Path
) -> None:
    folder = write(tmp_path / "data", cohort(90))
    fitted = calibrate(site, model, folder)
    own = kept(site, model.name)
    assert own and own.scaling == fitted.scaling and own.patients == fitted.patients >= FEWEST_PATIENTS
    entry = happened(site.home.audit, site.keys.public)[-1]
    assert entry.event is Event.MODEL_CALIBRATED
    assert set(entry.details) == {"policy", "model", "patients", "sha256"}
    assert str(fitted.scaling.slope)[:6] not in json.dumps(entry.details)


def test_who_refused_research_is_left_out(site: Site, model: ConditionModel, tmp_path: Path) -> None:
    folder = write(tmp_path / "data", cohort(90))
    everybody = held_back(site, model, folder).patients
    record_consents(site, {everybody[0]: refusal([Purpose.RESEARCH], "2026-01-01")}, "test")
    assert held_back(site, model, folder).patients == everybody[1:]


def test_too_few_patients_and_others_accounts_are_refused(site: Site, model: ConditionModel, tmp_path: Path) -> None:
    few = write(tmp_path / "few", cohort(20))
    with pytest.raises(InputError, match="needs 30"):
        calibrate(site, model, few)
    assert kept(site, model.name) is None
    other = open_site(Workspace(tmp_path / "workspace"), "north", "mallory")
    with pytest.raises(AccessDenied):
        calibrate(other, model, few)
