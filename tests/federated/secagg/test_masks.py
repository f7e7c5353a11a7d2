"""Masks are ChaCha20's keystream under the whole seed, and they cancel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federated.secagg.masks import add_mask, add_pair_mask, take_mask, take_pair_mask

SEED = bytes(range(32))
words = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40).map(lambda values: np.array(values, np.uint32))


def mask_of(seed: bytes, count: int = 16) -> np.ndarray:
    vector = np.zeros(count, np.uint32)
    add_mask(vector, seed)
    return vector


def test_a_mask_is_the_keystream_of_rfc_8439() -> None:
    """Appendix A.1, first vector: key and nonce of zeros, counter 0."""
    stream = bytes.fromhex("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7")
    assert mask_of(bytes(32), 8).astype("<u4").tobytes() == stream


@pytest.mark.parametrize("bit", [0, 31, 32, 63, 128, 255])
def test_every_bit_of_the_seed_counts(bit: int) -> None:
    other = (int.from_bytes(SEED, "little") ^ 1 << bit).to_bytes(32, "little")
    assert (mask_of(SEED) != mask_of(other)).mean() > 0.9


@given(words)
def test_a_mask_that_is_taken_away_leaves_nothing(vector: np.ndarray) -> None:
    masked = vector.copy()
    add_mask(masked, SEED)
    assert (masked != vector).any()
    take_mask(masked, SEED)
    np.testing.assert_array_equal(masked, vector)


@given(words, words)
def test_the_masks_of_a_pair_cancel_in_the_sum(one: np.ndarray, other: np.ndarray) -> None:
    size = min(len(one), len(other))
    first, second = one[:size].copy(), other[:size].copy()
    add_pair_mask(first, SEED, 2, 5)
    add_pair_mask(second, SEED, 5, 2)
    np.testing.assert_array_equal(first + second, one[:size] + other[:size])


@pytest.mark.parametrize(("site", "other"), [(0, 1), (1, 0)])
def test_what_a_site_added_for_a_dropout_is_taken_away(site: int, other: int) -> None:
    vector = np.zeros(8, np.uint32)
    add_pair_mask(vector, SEED, site, other)
    assert vector.any()
    take_pair_mask(vector, SEED, site, other)
    assert not vector.any()
