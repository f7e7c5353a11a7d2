"""A score of a round's weights on public notes, by which a plan may end early; no hospital's patient is in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clinical.classifier import patient_states, predict_states, set_trained_weights
from clinical.dataset import read_dataset
from clinical.encoder import Classifier
from federated.aggregation import Weights
from federated.aggregation.early_stop import PublicScore, no_score
from federated.cohort import label_rule
from federated.plan import Plan
from policies.errors import InputError, IntegrityError, TrainingError
from policies.files import canonical_json, file_sha256, sha256_hex

_SMALLEST = 1e-30  # of a probability, so that one note does not outweigh all others


def notes_sha256(folder: Path) -> str:
    """What a plan names public notes by: SHA-256 over the names and hashes of the folder's NDJSON files.

    Raises:
        InputError: there is none.
    """
    files = {path.name: file_sha256(path) for path in sorted(folder.glob("*.ndjson"))}
    if not files:
        raise InputError("no public notes here", "Name a folder with DocumentReference.ndjson.", file=folder)
    return sha256_hex(canonical_json(files))


def score_for(plan: Plan, classifier: Classifier, folder: Path | None) -> PublicScore:
    """The score by which a plan may end early, where it may at all.

    Raises:
        TrainingError: it may, and no public notes are named.
        IntegrityError: as `public_score`.
    """
    if not plan.patience:
        return no_score
    if folder is None:
        raise TrainingError("the plan may end early, and no public notes are named", "Name them with --validate.")
    return public_score(plan, classifier, folder)


def public_score(plan: Plan, classifier: Classifier, folder: Path) -> PublicScore:
    """The mean log-likelihood of the labels of public notes, which needs no threshold and changes with each round.

    Args:
        folder: notes in the form that 'confide deid' writes; they must be public or made up, which no program can see.

    Raises:
        IntegrityError: they are not the notes that the sites approved with the plan.
    """
    if notes_sha256(folder) != plan.validation_sha256:
        raise IntegrityError(f"{folder}: not the public notes that the plan names")
    patients = list(patient_states(read_dataset(folder, label_rule(plan)), classifier).values())
    targets = np.concatenate([patient.targets for patient in patients])

    def score(weights: Weights) -> float:
        set_trained_weights(classifier, weights)
        likely = np.maximum(predict_states(classifier, patients).astype(np.float64), _SMALLEST)
        return float((targets * np.log(likely)).sum(1).mean())

    return score
