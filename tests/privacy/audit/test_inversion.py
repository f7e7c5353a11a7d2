"""Inversion of a head's gradient, held against a head of torch and against noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from privacy.audit.inversion import BIAS, WEIGHT, inversion, invert_head

WIDTH, LABELS, NOTES = 16, 5, 300


@pytest.fixture(scope="module")
def features() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(NOTES, WIDTH)).astype(np.float32)


def gradient(features: NDArray[np.float32], label: int, noise: float = 0.0) -> dict[str, NDArray[np.float32]]:
    torch.manual_seed(0)
    head, random = nn.Linear(WIDTH, LABELS), np.random.default_rng(label)
    nn.functional.cross_entropy(head(torch.from_numpy(features)[None]), torch.tensor([label])).backward()
    both = {WEIGHT: head.weight.grad, BIAS: head.bias.grad}
    return {
        name: (array.numpy() + random.normal(0, noise, array.shape)).astype(np.float32)
        for name, array in both.items()
        if array is not None
    }


def test_the_gradient_of_one_example_gives_its_features_and_its_label(features: NDArray[np.float32]) -> None:
    for label in range(LABELS):
        found, named = invert_head(gradient(features[label], label))
        assert named == label
        cosine = found @ features[label] / np.linalg.norm(found) / np.linalg.norm(features[label])
        assert cosine == pytest.approx(1.0, abs=1e-5)


def test_every_note_is_found_without_noise_and_none_under_it(features: NDArray[np.float32]) -> None:
    labels = [note % LABELS for note in range(40)]
    bare = [gradient(features[note], labels[note]) for note in range(40)]
    noisy = [gradient(features[note], labels[note], noise=20.0) for note in range(40)]
    found = inversion(bare, features, range(40), labels)
    assert (found.retrieved, found.labels, found.updates, found.candidates) == (1.0, 1.0, 40, NOTES)
    assert inversion(noisy, features, range(40), labels).interval[1] < 0.2


def test_another_note_is_not_the_right_one(features: NDArray[np.float32]) -> None:
    assert inversion([gradient(features[3], 1)], features, [4], [2]).retrieved == 0.0
    assert inversion([gradient(features[3], 1)], features, [4], [2]).labels == 0.0
