"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from policies.wording import counted


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((0, "log"), "0 logs"),
        ((1, "log"), "1 log"),
        ((1, "entry"), "1 entry"),
        ((2, "whole entry"), "2 whole entries"),
        ((1, "denial is", "denials are"), "1 denial is"),
        ((2, "denial is", "denials are"), "2 denials are"),
    ],
)
def test_a_number_has_its_noun(words: tuple[int, str], said: str) -> None:
    assert counted(*words) == said
