"""Scores of ranked conditions on notes with labels: macro-F1 and precision at 1, with intervals by patient."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clinical.dataset import Dataset, read_dataset, split, target
from clinical.diagnosis import ConditionModel
from policies.access import Action, Purpose
from policies.errors import InputError
from policies.events import Event
from policies.guard import Site
from privacy.consent_book import refused

RESAMPLES = 1000
_SEED = 0


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
    dataset = split(read_dataset(folder, model.rule), model.split_key, model.held_back)[1]
    refusing = refused(site, Purpose.RESEARCH, dataset.patients)
    dataset = dataset.only([patient for patient in dataset.patients if patient not in refusing])
    scores = evaluate_diagnosis(model, dataset)
    site.guard.record(Event.EVALUATED, model=model.name, patients=scores.patients, notes=scores.notes)
    return scores


def evaluate_diagnosis(model: ConditionModel, dataset: Dataset) -> DiagnosisScores:
    """Read every note of a dataset with a model and score the ranking.

    Raises:
        InputError: the dataset has no labelled note, or other labels than the model.
    """
    if dataset.rule.labels != model.labels:
        raise InputError("the data has other labels than the model", "Use the label file that the model was made with.")
    notes = [(patient, note) for patient in dataset.patients for note in dataset.notes[patient]]
    if not notes:
        raise InputError("no note with one of the model's labels", "Check --label-source and the label file.")
    began = time.perf_counter()
    logits = model.logits([note.text for _, note in notes])
    seconds = time.perf_counter() - began
    truth = np.stack([target(note.labels, dataset.rule) > 0 for _, note in notes])
    return score(logits, truth, [patient for patient, _ in notes], model.labels, seconds)


def score(
    logits: NDArray[np.float32],
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
    samples = [np.concatenate([groups[pick] for pick in picks]) for picks in _resamples(len(groups))]
    return DiagnosisScores(
        patients=len(groups),
        notes=len(truth),
        precision_at_1=float(first.mean()),
        interval=_interval([float(first[rows].mean()) for rows in samples]),
        macro_f1=macro_f1(given, truth),
        macro_f1_interval=_interval([macro_f1(given[rows], truth[rows]) for rows in samples]),
        commonest_precision_at_1=float(truth.mean(0).max()),
        documents_per_second=len(truth) / seconds,
        labels={label: _label_score(given[:, k], truth[:, k]) for k, label in enumerate(labels)},
    )


def macro_f1(given: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Mean F1 over the labels that occur in `truth`; both `[N, K]`."""
    occurs = truth.any(0)
    right = (given & truth).sum(0)
    return float((2 * right / np.maximum(given.sum(0) + truth.sum(0), 1))[occurs].mean())


def _as_many_as(logits: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
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


def _resamples(groups: int) -> NDArray[np.int64]:
    return np.random.default_rng(_SEED).integers(groups, size=(RESAMPLES, groups))


def _interval(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
