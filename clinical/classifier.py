"""Training rows from cached states, and predictions for whole notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clinical.dataset import Dataset, target
from clinical.encoder import Classifier
from clinical.windows import Windows, cut

WINDOWS_AT_ONCE = 32
Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class PatientStates:
    """What the frozen trunk says of one patient's notes: patient data, since hidden states invert to text.

    Attributes:
        states: `[W, L, D]`, half precision.
        mask: `[W, L]`.
        note: which note each window belongs to, `[W]`.
        targets: label distribution of each note, `[N, K]`.
    """

    states: NDArray[np.float16]
    mask: NDArray[np.uint8]
    note: NDArray[np.int32]
    targets: NDArray[np.float32]


def stacked(windows: Sequence[Windows]) -> tuple[Tensor, Tensor]:
    """Token ids and mask of many notes' windows, one below the other: each `[W, L]`."""
    ids, mask = (np.concatenate(parts) for parts in zip(*((own.ids, own.mask) for own in windows), strict=True))
    return torch.from_numpy(ids).long(), torch.from_numpy(mask).long()


def trunk_states(
    classifier: Classifier, windows: Sequence[Windows], advance: Callable[[int], None] | None = None
) -> list[NDArray[np.float16]]:
    """Run the frozen trunk once over every window of every note: one `[W, L, D]` for each note."""
    ids, mask = stacked(windows)
    states = []
    for start in range(0, len(ids), WINDOWS_AT_ONCE):
        rows = slice(start, start + WINDOWS_AT_ONCE)
        batch = classifier.trunk(ids[rows], mask[rows])
        states.append(batch.half().numpy())
        if advance:
            advance(len(batch))
    edges = np.cumsum([len(part.ids) for part in windows])[:-1]
    return np.split(np.concatenate(states), edges)


def patient_states(
    dataset: Dataset,
    classifier: Classifier,
    length: int,
    most: int,
    *,
    count: Callable[[int], None] | None = None,
    advance: Callable[[int], None] | None = None,
) -> dict[str, PatientStates]:
    """The cache of a cohort: by patient, what the trunk says of each window of each note.

    Args:
        length: tokens of a window, L.
        most: windows of a note.
        count: told how many windows there are.
        advance: told how many more were done.
    """
    notes = [(patient, note) for patient in dataset.patients for note in dataset.notes[patient]]
    windows = [cut(classifier.tokenizer, note.text, length, most) for _, note in notes]
    if count:
        count(sum(len(own.ids) for own in windows))
    by_patient: dict[str, list[tuple[NDArray[np.float16], Windows, NDArray[np.float32]]]] = {}
    for (patient, note), own, states in zip(notes, windows, trunk_states(classifier, windows, advance), strict=True):
        by_patient.setdefault(patient, []).append((states, own, target(note.labels, dataset.rule)))
    return {
        patient: PatientStates(
            np.concatenate([states for states, _, _ in own]),
            np.concatenate([window.mask for _, window, _ in own]),
            np.repeat(np.arange(len(own), dtype=np.int32), [len(states) for states, _, _ in own]),
            np.stack([label for _, _, label in own]),
        )
        for patient, own in by_patient.items()
    }


def one_row_each(
    patients: Sequence[PatientStates], generator: np.random.Generator
) -> Callable[[Sequence[int]], tuple[Tensor, Tensor, Tensor]]:
    """Draws for each patient of a sample one window of one note: states, mask, target.

    One row for a patient, so that clipping a row's gradient clips the patient's.
    """

    def rows(sample: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        chosen = [patients[index] for index in sample]
        notes = [generator.integers(len(patient.targets)) for patient in chosen]
        picks = [
            generator.choice(np.flatnonzero(patient.note == note)) for patient, note in zip(chosen, notes, strict=True)
        ]
        states = np.stack([patient.states[pick] for patient, pick in zip(chosen, picks, strict=True)])
        mask = np.stack([patient.mask[pick] for patient, pick in zip(chosen, picks, strict=True)])
        targets = np.stack([patient.targets[note] for patient, note in zip(chosen, notes, strict=True)])
        return torch.from_numpy(states).float(), torch.from_numpy(mask).long(), torch.from_numpy(targets)

    return rows


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy against a distribution over labels, `[B, K]` and `[B, K]` to `[B]`."""
    return nn.functional.cross_entropy(logits, targets, reduction="none")


def trained_weights(classifier: Classifier) -> Weights:
    return {name: parameter.detach().numpy().copy() for name, parameter in classifier.tail.trained().items()}


def set_trained_weights(classifier: Classifier, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Put weights into the tail.

    Raises:
        ValueError: names or shapes are not those of the tail, or a number is not finite.
    """
    own = classifier.tail.trained()
    if {name: tuple(parameter.shape) for name, parameter in own.items()} != {
        name: tuple(array.shape) for name, array in weights.items()
    }:
        raise ValueError("the weights are of another model")
    if not all(np.isfinite(array).all() for array in weights.values()):
        raise ValueError("a weight is not finite")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(torch.from_numpy(np.array(weights[name])))


@torch.inference_mode()
def predict_states(classifier: Classifier, patients: Iterable[PatientStates]) -> NDArray[np.float32]:
    """Label probabilities of every note, `[N, K]`: logits are averaged over a note's windows."""
    logits = []
    for patient in patients:
        rows = classifier.tail(torch.from_numpy(patient.states).float(), torch.from_numpy(patient.mask).long())
        for note in range(len(patient.targets)):
            logits.append(rows[torch.from_numpy(patient.note == note)].mean(0))
    return torch.stack(logits).softmax(-1).numpy()


@torch.inference_mode()
def predict_texts(classifier: Classifier, texts: Sequence[str], length: int, most: int) -> NDArray[np.float32]:
    """Logits of de-identified texts, `[N, K]`, averaged over each text's windows."""
    windows = [cut(classifier.tokenizer, text, length, most) for text in texts]
    ids, mask = stacked(windows)
    rows = [
        classifier.tail(classifier.trunk(ids[start:stop], mask[start:stop]), mask[start:stop])
        for start in range(0, len(ids), WINDOWS_AT_ONCE)
        if (stop := start + WINDOWS_AT_ONCE)
    ]
    parts = torch.cat(rows).split([len(part.ids) for part in windows])
    return torch.stack([part.mean(0) for part in parts]).numpy()
