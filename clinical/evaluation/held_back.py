"""The notes that a plan held back at a site, read as the clinician's own notes are."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clinical.dataset import Dataset, keyed_share, read_dataset, split, target
from clinical.diagnosis.located import for_the_model
from clinical.diagnosis.model import ConditionModel, Floats, Pooled
from clinical.extraction import read_note
from policies.access import Purpose
from policies.errors import InputError
from policies.guard import Site
from privacy.consent_book import refused


@dataclass(frozen=True)
class Read:
    """What a model makes of notes.

    Attributes:
        patients, records: whose note each row is, and which, `[N]`.
        log_odds, features: `[N, K]` and `[N, D]`.
        truth: which labels each note has, `[N, K]`.
        alone: the rows of one note of each patient, drawn by a keyed hash: a patient's notes are not exchangeable.
        seconds: that reading took.
    """

    patients: tuple[str, ...]
    records: tuple[str, ...]
    log_odds: Floats
    features: Floats
    truth: NDArray[np.bool_]
    alone: NDArray[np.int64]
    seconds: float


def held_back(site: Site, model: ConditionModel, folder: Path) -> Dataset:
    """The patients of a site whom the model's plan held back, without those who refused research."""
    dataset = split(read_dataset(folder, model.rule), model.split_key, model.held_back)[1]
    refusing = refused(site, Purpose.RESEARCH, dataset.patients)
    return dataset.only([patient for patient in dataset.patients if patient not in refusing])


def read_whole(model: ConditionModel, text: str) -> Pooled:
    """A de-identified note as the model pools it for ranking."""
    return model.read(for_the_model(text, read_note(text))).whole


def read_all(model: ConditionModel, dataset: Dataset) -> Read:
    """Read every note of a dataset.

    Raises:
        InputError: the dataset has no labelled note, or other labels than the model.
    """
    if dataset.rule.labels != model.labels:
        raise InputError("the data has other labels than the model", "Use the label file that the model was made with.")
    notes = [(patient, note) for patient in dataset.patients for note in dataset.notes[patient]]
    if not notes:
        raise InputError("no note with one of the model's labels", "Check --label-source and the label file.")
    began = time.perf_counter()
    wholes = [read_whole(model, note.text) for _, note in notes]
    pooled = Pooled(np.concatenate([own.sums for own in wholes]), np.concatenate([own.counts for own in wholes]))
    odds, seconds = model.log_odds(pooled), time.perf_counter() - began
    patients = tuple(patient for patient, _ in notes)
    return Read(
        patients,
        tuple(note.record for _, note in notes),
        odds,
        model.features(pooled),
        np.stack([target(note.labels, dataset.rule) > 0 for _, note in notes]),
        _one_each(patients, [keyed_share(note.record, model.split_key) for _, note in notes]),
        seconds,
    )


def _one_each(patients: Sequence[str], shares: Sequence[float]) -> NDArray[np.int64]:
    """For each patient the row with the smallest share."""
    rows = sorted(range(len(patients)), key=lambda row: (patients[row], shares[row]))
    return np.array([row for place, row in enumerate(rows) if not place or patients[row] != patients[rows[place - 1]]])
