"""The cache of hidden states is patient data: encrypted, and gone for whoever was erased."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clinical.classifier import PatientStates
from clinical.states import read_states, write_states
from policies.errors import IntegrityError
from privacy.vault.originals import Vault

KEK = bytes(range(32))


def states(seed: int) -> PatientStates:
    random = np.random.default_rng(seed)
    return PatientStates(
        random.normal(size=(2, 4, 8)).astype(np.float16),
        np.ones((2, 4), np.uint8),
        np.array([0, 1], np.int32),
        np.eye(2, dtype=np.float32),
    )


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    write_states(tmp_path, KEK, {"b": states(1), "a": states(2)})
    found = read_states(tmp_path, KEK)
    assert list(found) == ["a", "b"]
    for part, array in vars(found["b"]).items():
        np.testing.assert_array_equal(array, getattr(states(1), part))
        assert array.dtype == getattr(states(1), part).dtype


def test_no_file_holds_the_states_in_the_clear(tmp_path: Path) -> None:
    write_states(tmp_path, KEK, {"a": states(1)})
    needle = states(1).states.tobytes()[:16]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and not any(needle in path.read_bytes() for path in files)


def test_an_erased_patient_and_another_key_give_nothing(tmp_path: Path) -> None:
    write_states(tmp_path, KEK, {"a": states(1), "b": states(2)})
    Vault(tmp_path, KEK).erase("a")
    assert list(read_states(tmp_path, KEK)) == ["b"]
    with pytest.raises(IntegrityError):
        read_states(tmp_path, bytes(32))


def test_whoever_left_the_cohort_is_not_in_the_cache_of_the_next_preparation(tmp_path: Path) -> None:
    write_states(tmp_path, KEK, {"a": states(1), "b": states(2)})
    write_states(tmp_path, KEK, {"b": states(3), "c": states(4)})
    assert list(read_states(tmp_path, KEK)) == ["b", "c"]
