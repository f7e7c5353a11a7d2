"""A signed model for tests: a tiny encoder whose tail was fitted to a few sentences, without privacy."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from safetensors.numpy import save

from clinical.classifier import (
    Weights,
    cut_for,
    model_weights,
    padded,
    soft_cross_entropy,
    trained_weights,
    trunk_states,
)
from clinical.encoder import Design
from clinical.start import start_classifier
from policies.keys import create_keys
from policies.models import SignedModel, sign_model, trust
from privacy.encoders import find_encoder
from tests.clinical.notes import LABELS, SENTENCES

WINDOW, WINDOWS = 24, 4


def plan_of(encoder: Path | str, **changes: Any) -> dict[str, Any]:
    """The part of a plan that a model card needs to be read with."""
    return {
        "encoder": str(encoder),
        "encoder_sha256": find_encoder(str(encoder)).sha256,
        "labels": list(LABELS),
        "label_source": "category",
        "label_mapping": {},
        "label_titles": {"lung": "Pneumonia"},
        "split_key": "key",
        "held_back": 0.5,
        "window": WINDOW,
        "windows_per_note": WINDOWS,
        "trained_layers": 1,
        "lora_rank": 2,
        "lora_scale": 1.0,
        "warm_start": 0.0,
        "multi_label": False,
        "seed": 7,
        **changes,
    }


def fitted_weights(encoder: Path) -> Weights:
    """The tail, taught which label each run of sentences of `SENTENCES` speaks for."""
    classifier = start_classifier(find_encoder(str(encoder)), Design.of(plan_of(encoder)))
    texts = [
        ("\n".join(SENTENCES[label][first:last]), place)
        for place, label in enumerate(LABELS)
        for first, last in combinations(range(len(SENTENCES[label]) + 1), 2)
    ]
    inputs = padded(trunk_states(classifier, [cut_for(classifier, text) for text, _ in texts]))
    targets = torch.eye(len(LABELS))[[place for _, place in texts]]
    optimizer = torch.optim.Adam(classifier.tail.trained().values(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        soft_cross_entropy(classifier.tail(*inputs), targets).mean().backward()
        optimizer.step()
    return model_weights(classifier, trained_weights(classifier))


def sign(folder: Path, weights: Weights, plan: Mapping[str, Any]) -> SignedModel:
    keys = create_keys(folder / "keys", "server")
    trust(folder / "trusted", keys.public)
    return sign_model(folder / "models", save(weights), {"plan": dict(plan)}, keys)
