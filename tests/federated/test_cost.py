"""What a plan would take, measured on made-up patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clinical.classifier import trained_weights
from federated.cost import outlook
from federated.plan import SiteShare
from federated.site_round import plan_classifier
from privacy.training.dp_certificate import epsilons
from tests.federated.hospitals import plan_for


def test_cost_grows_with_the_patients_and_noise_falls(encoder: Path) -> None:
    few, many = (
        outlook(plan_for(encoder, sites=(SiteShare(name="north", patients=patients, weight="1"),)))
        for patients in (10, 1000)
    )
    assert few.cache_bytes == pytest.approx(many.cache_bytes / 100, rel=0.01)
    assert many.prepare_seconds > few.prepare_seconds > 0
    assert many.step_seconds > few.step_seconds > 0
    assert (few.noise_share, many.noise_share) == (pytest.approx(2 / 9), pytest.approx(2 / 900))
    assert (few.epsilon_prv, few.epsilon_pld) == epsilons("0.9", "2.0", 2, "1e-05")
    floats = sum(np.size(array) for array in trained_weights(plan_classifier(few.plan)).values())
    assert 4 * floats <= few.round_bytes <= 4 * floats + 1000  # names and shapes
