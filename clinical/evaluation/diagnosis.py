"""Scores of ranked conditions on notes with labels: ranking and calibration, with intervals by patient."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinical.dataset import Dataset
from clinical.diagnosis import ConditionModel
from clinical.evaluation.bootstrap import interval, resampled
from clinical.evaluation.calibration import FEWEST_PATIENTS, CalibrationScores, cross_fitted
from clinical.evaluation.held_back import held_back, read_all
from policies.access import Action, Purpose
from policies.events import Event
from policies.guard import Site


@dataclass(frozen=True)
class LabelScore:
    """One label: notes that have it, and precision, recall and F1 of the predictions."""

    notes: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class DiagnosisScores:
    """Scores over the notes of some patients.

    Attributes:
        precision_at_1: share of notes whose first suggestion is one of their labels.
        macro_f1: mean F1 over the labels that occur; a note with n labels is given its n most probable ones.
        interval: of precision at 1, 95 %, by bootstrap over patients.
        macro_f1_interval: of macro-F1, the same.
        commonest_precision_at_1: what always naming the commonest label of these notes would reach.
        calibration: none where there are too few patients to calibrate.
    """

    patients: int
    notes: int
    precision_at_1: float
    interval: tuple[float, float]
    macro_f1: float
    macro_f1_interval: tuple[float, float]
    commonest_precision_at_1: float
    documents_per_second: float
    labels: Mapping[str, LabelScore]
    calibration: CalibrationScores | None = None

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)


def evaluate_held_back(site: Site, model: ConditionModel, folder: Path) -> DiagnosisScores:
    """Score a model on the patients of a site that its plan held back; the scores stay at the site, and are logged.

    Raises:
        AccessDenied: whoever asks may not evaluate.
        InputError: no note of a held-back patient has a label.
    """
    site.guard.permit(Action.EVALUATE, Purpose.RESEARCH)
    level = site.guard.policy.extraction.conformal_level
    scores = evaluate_diagnosis(model, held_back(site, model, folder), level)
    site.guard.record(Event.EVALUATED, model=model.name, patients=scores.patients, notes=scores.notes)
    return scores


def evaluate_diagnosis(model: ConditionModel, dataset: Dataset, level: float) -> DiagnosisScores:
    """Read every note of a dataset as the clinician's notes are read, and score what comes of it.

    Args:
        level: of the sets.

    Raises:
        InputError: the dataset has no labelled note, or other labels than the model.
    """
    read = read_all(model, dataset)
    scores = score(read.log_odds, read.truth, read.patients, model.labels, read.seconds)
    if len(read.alone) < FEWEST_PATIENTS:
        return scores
    return replace(scores, calibration=cross_fitted(read.log_odds[read.alone], read.truth[read.alone], level))


def score(
    logits: NDArray[np.floating[Any]],
    truth: NDArray[np.bool_],
    patients: Sequence[str],
    labels: Sequence[str],
    seconds: float = float("nan"),
) -> DiagnosisScores:
    """Score a ranking.

    Args:
        logits: `[N, K]`, or anything that ranks as they do.
        truth: which labels a note has, `[N, K]`; at least one in each row.
        patients: whose note each row is, `[N]`.
    """
    first = truth[np.arange(len(truth)), logits.argmax(1)]
    given = _as_many_as(logits, truth.sum(1))
    groups = _rows_by_patient(patients)
    samples = resampled(groups)
    return DiagnosisScores(
        patients=len(groups),
        notes=len(truth),
        precision_at_1=float(first.mean()),
        interval=interval([float(first[rows].mean()) for rows in samples]),
        macro_f1=macro_f1(given, truth),
        macro_f1_interval=interval([macro_f1(given[rows], truth[rows]) for rows in samples]),
        commonest_precision_at_1=float(truth.mean(0).max()),
        documents_per_second=len(truth) / seconds,
        labels={label: _label_score(given[:, k], truth[:, k]) for k, label in enumerate(labels)},
    )


def macro_f1(given: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Mean F1 over the labels that occur in `truth`; both `[N, K]`."""
    occurs = truth.any(0)
    right = (given & truth).sum(0)
    return float((2 * right / np.maximum(given.sum(0) + truth.sum(0), 1))[occurs].mean())


def _as_many_as(logits: NDArray[np.floating[Any]], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The n most probable labels of each note that has n."""
    ranks = (-logits).argsort(1).argsort(1)
    return ranks < counts[:, None]


def _label_score(given: NDArray[np.bool_], truth: NDArray[np.bool_]) -> LabelScore:
    right, named, there = int((given & truth).sum()), int(given.sum()), int(truth.sum())
    return LabelScore(
        there,
        right / named if named else 0.0,
        right / there if there else 0.0,
        2 * right / (named + there) if named + there else 0.0,
    )


def _rows_by_patient(patients: Sequence[str]) -> list[NDArray[np.int64]]:
    names = np.array(patients)
    return [np.flatnonzero(names == name) for name in sorted(set(patients))]
