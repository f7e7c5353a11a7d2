"""What the tests of the clinical floor share: tiny encoders of the three families, saved once."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.models import SignedModel
from tests.clinical.encoders import save_encoder
from tests.clinical.models import fitted_weights, plan_of, sign
from tests.clinical.notes import WORDS


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("encoder") / "bert", "bert", WORDS)


@pytest.fixture(scope="session", params=["bert", "roberta", "distilbert"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("encoder") / request.param, request.param, WORDS)


@pytest.fixture(scope="session")
def signed(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> SignedModel:
    """A model that tells the sentences of `tests.clinical.notes` apart."""
    return sign(tmp_path_factory.mktemp("signed"), fitted_weights(bert), plan_of(bert))
