"""What was sealed opens with its key in its place, and nowhere else; a nonce serves once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.sealing import key_id, seal, unseal

KEY, OTHER = bytes(range(32)), bytes(32)


@given(st.binary(max_size=100), st.binary(max_size=20))
def test_what_was_sealed_comes_back(data: bytes, associated: bytes) -> None:
    assert unseal(KEY, seal(KEY, data, associated), associated) == data
    assert seal(KEY, data, associated) != seal(KEY, data, associated)


@given(st.binary(max_size=40), st.data())
def test_a_flipped_bit_a_cut_another_key_and_another_place_are_refused(data: bytes, draw: st.DataObject) -> None:
    sealed = seal(KEY, data, b"here")
    at, bit = draw.draw(st.integers(0, len(sealed) - 1)), draw.draw(st.integers(0, 7))
    flipped = bytearray(sealed)
    flipped[at] ^= 1 << bit
    for key, tried, place in (
        (KEY, bytes(flipped), b"here"),
        (KEY, sealed[:at], b"here"),
        (OTHER, sealed, b"here"),
        (KEY, sealed, b"there"),
    ):
        with pytest.raises(ValueError):
            unseal(key, tried, place)


def test_a_keys_name_tells_keys_apart() -> None:
    assert len({key_id(KEY), key_id(OTHER)}) == 2
    assert len(key_id(KEY)) == 16
