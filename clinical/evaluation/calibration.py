"""How well probabilities and sets hold at a hospital, and the calibration that clinicians there get."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from clinical.diagnosis.calibration import Calibration, calibration_error, conformal_threshold, fit_scaling
from clinical.diagnosis.familiar import fit_familiar, folds
from clinical.diagnosis.kept import keep
from clinical.diagnosis.model import ConditionModel, Floats
from clinical.evaluation.bootstrap import interval_of, pivotal_interval_of
from clinical.evaluation.held_back import Read, held_back, read_all
from policies.access import Action, Purpose
from policies.errors import InputError
from policies.events import Event
from policies.files import sha256_hex
from policies.guard import Site

FEWEST_PATIENTS = 30  # of fewer, sets at 90 % may cover as little as three quarters (`coverage_interval`)


@dataclass(frozen=True)
class CalibrationScores:
    """One note of each held-back patient, each judged by what was fit on the patients of four other fifths.

    Attributes:
        error, error_interval: expected calibration error of the first suggestion; 95 %, by bootstrap over patients.
        uncalibrated_error: the same of the shares among the labels.
        coverage, coverage_interval: share of notes whose labels all lie in their set.
        mean_set: labels in a set.
    """

    patients: int
    level: float
    error: float
    error_interval: tuple[float, float]
    uncalibrated_error: float
    coverage: float
    coverage_interval: tuple[float, float]
    mean_set: float


def cross_fitted(log_odds: Floats, truth: NDArray[np.bool_], level: float) -> CalibrationScores:
    """Scores of calibrations that were fit without the patients whom they are judged on.

    Args:
        log_odds, truth: of each label of one note of each patient, `[N, K]`; at least five rows.
    """
    probability, sets = judged(log_odds, truth, level)
    rows, first = np.arange(len(log_odds)), log_odds.argmax(1)
    right, sure = truth[rows, first], probability[rows, first]
    covered = np.asarray((sets | ~truth).all(1), bool)
    return CalibrationScores(
        patients=len(rows),
        level=level,
        error=calibration_error(sure, right),
        error_interval=pivotal_interval_of(lambda some: calibration_error(sure[some], right[some]), len(rows)),
        uncalibrated_error=calibration_error(expit(log_odds[rows, first]), right),
        coverage=float(covered.mean()),
        coverage_interval=interval_of(lambda some: float(covered[some].mean()), len(rows)),
        mean_set=float(sets.sum(1).mean()),
    )


def judged(log_odds: Floats, truth: NDArray[np.bool_], level: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Probabilities and sets of each note, each by what was fit on the other folds: both `[N, K]`."""
    probability, sets = np.empty(log_odds.shape), np.empty(log_odds.shape, bool)
    for fold in folds(len(log_odds)):
        probability[fold] = fit_scaling(log_odds[~fold], truth[~fold]).probability(log_odds[fold])
        sets[fold] = log_odds[fold] >= conformal_threshold(log_odds[~fold], truth[~fold], level)
    return probability, sets


def calibrate(site: Site, model: ConditionModel, folder: Path) -> Calibration:
    """Fit a model to a hospital's held-back patients, keep that at the hospital, and log it.

    Nothing of it is released: neither its numbers nor its scores stand in the log or in a model card.

    Raises:
        AccessDenied: whoever asks may not evaluate, or not decide on the model that clinicians get.
        InputError: fewer than 30 held-back patients have a labelled note.
    """
    site.guard.permit(Action.EVALUATE, Purpose.RESEARCH)
    site.guard.permit(Action.CHOOSE_MODEL, Purpose.OPERATIONS)
    read = read_all(model, held_back(site, model, folder))
    if len(read.alone) < FEWEST_PATIENTS:
        raise InputError(
            f"{len(read.alone)} held-back patients have a labelled note; a calibration needs {FEWEST_PATIENTS}",
            "Calibrate when more records of this hospital are de-identified.",
            file=folder,
        )
    settings = site.guard.policy.extraction
    fitted = fit(model.name, read, settings.conformal_level, settings.outside_quantile)
    digest = sha256_hex(keep(site, fitted))
    site.guard.record(Event.MODEL_CALIBRATED, model=model.name, patients=fitted.patients, sha256=digest)
    return fitted


def fit(model: str, read: Read, level: float, quantile: float) -> Calibration:
    """The calibration that notes of held-back patients give, one note of each."""
    odds, truth, features = read.log_odds[read.alone], read.truth[read.alone], read.features[read.alone]
    scores = cross_fitted(odds, truth, level)
    return Calibration(
        model,
        len(odds),
        fit_scaling(odds, truth),
        level,
        conformal_threshold(odds, truth, level),
        (scores.error, *scores.error_interval),
        fit_familiar(features, quantile),
    )
