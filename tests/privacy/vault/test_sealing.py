"""A token opens with its patient's key and nothing else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import IntegrityError
from privacy.vault.sealing import open_text, open_value, seal, seal_value, sealing_key, unseal

KEY, OTHER = sealing_key(bytes(32)), sealing_key(bytes(31) + b"1")


@given(st.text())
def test_a_value_comes_back_and_its_token_is_safe_in_text(value: str) -> None:
    token = seal_value(KEY, "p1", value)
    assert open_value(KEY, "p1", token) == value
    assert re.fullmatch(r"[\w-]{43,}", token, re.ASCII)


def test_one_value_has_one_token_for_one_patient() -> None:
    assert seal_value(KEY, "p1", "Quist") == seal_value(KEY, "p1", "Quist")
    tokens = {seal_value(KEY, "p1", "Quist"), seal_value(KEY, "p2", "Quist"), seal_value(OTHER, "p1", "Quist")}
    assert len(tokens) == 3


def test_a_token_does_not_tell_the_length_of_a_name() -> None:
    assert len({len(seal_value(KEY, "p1", name)) for name in ("Li", "Quist", "Featherstone")}) == 1


@pytest.mark.parametrize("token", ["", "x", "A" * 43, seal_value(KEY, "p2", "Quist"), seal_value(OTHER, "p1", "Quist")])
def test_what_is_no_token_of_this_patient_does_not_open(token: str) -> None:
    with pytest.raises(IntegrityError, match="patient p1"):
        open_value(KEY, "p1", token)


def test_all_tokens_of_a_text_are_opened_and_its_own_brackets_stay() -> None:
    text = f"[NAME:{seal_value(KEY, 'p1', 'Quist')}] came on [DATE:{seal_value(KEY, 'p1', '3/14')}] [sic: no] [NAME]."
    assert open_text(KEY, "p1", text) == "Quist came on 3/14 [sic: no] [NAME]."


def test_the_sealing_key_opens_no_original() -> None:
    sealed = seal(bytes(32), b"original", "p1")
    assert unseal(bytes(32), sealed, "p1") == b"original"
    for half in (KEY[:32], KEY[32:]):
        with pytest.raises(IntegrityError):
            unseal(half, sealed, "p1")


@pytest.mark.parametrize("sealed", [b"", b"short", seal(bytes(32), b"x", "p2")], ids=["empty", "short", "moved"])
def test_what_was_cut_or_moved_does_not_open(sealed: bytes) -> None:
    with pytest.raises(IntegrityError):
        unseal(bytes(32), sealed, "p1")
