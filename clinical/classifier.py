"""Training rows from cached states, and predictions for whole notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clinical.dataset import Dataset, target
from clinical.encoder import Classifier, Design
from clinical.windows import Windows, cut

if TYPE_CHECKING:  # Opacus, which who only reads needs not
    from privacy.training.dpsgd import Loss, Rows
    from privacy.training.randomness import SecureRandom

WINDOWS_AT_ONCE = 32
_CENTRE = "centre"
Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class PatientStates:
    """What the frozen trunk says of one patient's notes: patient data, since hidden states invert to text.

    Where no layer is trained a note is one window of one token, the mean of what the whole encoder says of it.

    Attributes:
        states: `[W, L, D]`, half precision.
        mask: `[W, L]`.
        note: which note each window belongs to, `[W]`, rising from 0.
        targets: label distribution of each note, `[N, K]`.
    """

    states: NDArray[np.float16]
    mask: NDArray[np.uint8]
    note: NDArray[np.int32]
    targets: NDArray[np.float32]

    def of_note(self, note: int) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
        """States and mask of one note's windows."""
        first, last = np.searchsorted(self.note, (note, note + 1))
        return self.states[first:last], self.mask[first:last]


def stacked(windows: Sequence[Windows]) -> tuple[Tensor, Tensor]:
    """Token ids and mask of many notes' windows, one below the other: each `[W, L]`."""
    ids, mask = (np.concatenate(parts) for parts in zip(*((own.ids, own.mask) for own in windows), strict=True))
    return torch.from_numpy(ids).long(), torch.from_numpy(mask).long()


def trunk_states(
    classifier: Classifier, windows: Sequence[Windows], advance: Callable[[int], None] | None = None
) -> list[tuple[NDArray[np.float16], NDArray[np.uint8]]]:
    """Run the frozen trunk once over every window of every note: states `[W, L, D]` and mask `[W, L]` of each note."""
    ids, mask = stacked(windows)
    lengths = mask.sum(1)
    order = lengths.argsort()  # so that a batch of short windows is short
    pooled = not len(classifier.tail.layers)
    width = 1 if pooled else ids.shape[1]
    states = torch.empty(len(ids), width, classifier.tail.head.in_features)
    for rows in order.split(WINDOWS_AT_ONCE):
        longest = int(lengths[rows].max()) if pooled else width
        seen = mask[rows, :longest]
        batch = classifier.trunk(ids[rows, :longest], seen).cpu()
        states[rows] = _token_sum(batch, seen) if pooled else batch
        if advance:
            advance(len(rows))
    parts = states.split([len(own.ids) for own in windows])
    if not pooled:
        return [(part.half().numpy(), own.mask) for part, own in zip(parts, windows, strict=True)]
    one = np.ones((1, 1), np.uint8)
    means = (part.sum(0) / own.mask.sum() for part, own in zip(parts, windows, strict=True))
    return [(mean.half().numpy()[None], one) for mean in means]


def _token_sum(states: Tensor, mask: Tensor) -> Tensor:
    """Sum over the tokens of a window, `[B, 1, D]`."""
    return (states * mask[:, :, None].to(states.dtype)).sum(1, keepdim=True)


def state_bytes(classifier: Classifier) -> int:
    """What the cache keeps of one window, in bytes (of a note, where no layer is trained)."""
    tokens = classifier.design.window if len(classifier.tail.layers) else 1
    return tokens * (classifier.tail.head.in_features * np.dtype(np.float16).itemsize + 1)


def patient_states(
    dataset: Dataset,
    classifier: Classifier,
    *,
    count: Callable[[int], None] | None = None,
    advance: Callable[[int], None] | None = None,
) -> dict[str, PatientStates]:
    """The cache of a cohort: by patient, what the trunk says of each note.

    Args:
        count: told how many windows there are.
        advance: told how many more were done.
    """
    notes = [(patient, note) for patient in dataset.patients for note in dataset.notes[patient]]
    windows = [cut_for(classifier, note.text) for _, note in notes]
    if count:
        count(sum(len(own.ids) for own in windows))
    by_patient: dict[str, list[tuple[NDArray[np.float16], NDArray[np.uint8], NDArray[np.float32]]]] = {}
    for (patient, note), (states, mask) in zip(notes, trunk_states(classifier, windows, advance), strict=True):
        by_patient.setdefault(patient, []).append((states, mask, target(note.labels, dataset.rule)))
    return {
        patient: PatientStates(
            np.concatenate([states for states, _, _ in own]),
            np.concatenate([mask for _, mask, _ in own]),
            np.repeat(np.arange(len(own), dtype=np.int32), [len(states) for states, _, _ in own]),
            np.stack([label for _, _, label in own]),
        )
        for patient, own in by_patient.items()
    }


def cut_for(classifier: Classifier, text: str) -> Windows:
    """A de-identified note in the windows that this model reads."""
    return cut(classifier.tokenizer, text, classifier.design.window, classifier.design.windows_per_note)


def note_rows(patients: Sequence[PatientStates], most: int, random: SecureRandom) -> Callable[[Sequence[int]], Rows]:
    """Gives the notes of a sample of patients as rows: of each patient all, or `most` of them drawn at random.

    A patient's rows carry the patient's number, so that their gradients are added up before they are clipped.
    """

    from privacy.training.dpsgd import Rows

    def rows(sample: Sequence[int]) -> Rows:
        drawn = [(place, patients[index], note) for place, index in enumerate(sample) for note in _some(index)]
        states, mask = padded([patient.of_note(note) for _, patient, note in drawn])
        targets = np.stack([patient.targets[note] for _, patient, note in drawn])
        return Rows((states, mask), torch.from_numpy(targets), torch.tensor([place for place, _, _ in drawn]))

    def _some(index: int) -> Sequence[int]:
        notes = len(patients[index].targets)
        return range(notes) if notes <= most else np.argsort(random.uniform(notes))[:most].tolist()

    return rows


def padded(notes: Sequence[tuple[NDArray[np.float16], NDArray[np.uint8]]]) -> tuple[Tensor, Tensor]:
    """Notes of any number of windows as one batch: states `[B, W, L, D]` in single precision, mask `[B, W, L]`."""
    most = max(len(states) for states, _ in notes)
    states = np.zeros((len(notes), most, *notes[0][0].shape[1:]), np.float32)
    mask = np.zeros((len(notes), most, *notes[0][1].shape[1:]), np.int64)
    for place, (own, seen) in enumerate(notes):
        states[place, : len(own)], mask[place, : len(own)] = own, seen
    return torch.from_numpy(states), torch.from_numpy(mask)


def loss_of(design: Design) -> Loss:
    """The loss of a plan's model."""
    return binary_cross_entropy if design.multi_label else soft_cross_entropy


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy against a distribution over labels, `[B, K]` and `[B, K]` to `[B]`."""
    return nn.functional.cross_entropy(logits, targets.to(logits.device), reduction="none")


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of each label by itself, added up: `[B, K]` and `[B, K]` (a label is there if over 0) to `[B]`."""
    there = (targets > 0).to(logits.device, logits.dtype)
    return nn.functional.binary_cross_entropy_with_logits(logits, there, reduction="none").sum(-1)


def probabilities(design: Design, logits: Tensor) -> NDArray[np.float32]:
    """Of each label, `[B, K]`."""
    return (logits.sigmoid() if design.multi_label else logits.softmax(-1)).numpy()


def trained_weights(classifier: Classifier) -> Weights:
    return {name: parameter.detach().cpu().numpy().copy() for name, parameter in classifier.tail.trained().items()}


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


def model_weights(classifier: Classifier, weights: Weights) -> Weights:
    """What a signed model holds: the trained weights, and the centre that they were trained around."""
    return {**weights, _CENTRE: classifier.tail.centre.cpu().numpy()}


def set_model_weights(classifier: Classifier, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """Put a signed model's weights and centre into the tail.

    Raises:
        ValueError: names or shapes are not those of the tail, or a number is not finite.
    """
    trained = dict(weights)
    centre = trained.pop(_CENTRE, np.zeros(0))
    if centre.shape != tuple(classifier.tail.centre.shape) or not np.isfinite(centre).all():
        raise ValueError("the centre is of another model")
    set_trained_weights(classifier, trained)
    classifier.tail.centre.copy_(torch.from_numpy(np.array(centre)))


@torch.inference_mode()
def predict_states(classifier: Classifier, patients: Iterable[PatientStates]) -> NDArray[np.float32]:
    """Label probabilities of every note, `[N, K]`."""
    notes = [patient.of_note(note) for patient in patients for note in range(len(patient.targets))]
    return probabilities(classifier.design, _logits(classifier, notes))


@torch.inference_mode()
def predict_texts(classifier: Classifier, texts: Sequence[str]) -> NDArray[np.float32]:
    """Logits of de-identified texts, `[N, K]`."""
    notes = trunk_states(classifier, [cut_for(classifier, text) for text in texts])
    return _logits(classifier, notes).numpy()


def _logits(classifier: Classifier, notes: Sequence[tuple[NDArray[np.float16], NDArray[np.uint8]]]) -> Tensor:
    logits = []
    for start in range(0, len(notes), WINDOWS_AT_ONCE):
        logits.append(classifier.tail(*padded(notes[start : start + WINDOWS_AT_ONCE])).cpu())
    return torch.cat(logits)
