"""What people type is taken as they were told to type it, or refused with what to do."""

from __future__ import annotations

from datetime import date

import pytest

from policies.errors import InputError
from policies.typed import LONGEST_WORDS, checked_words, day_of


def test_a_day_is_written_one_way() -> None:
    assert day_of("2026-02-28") == date(2026, 2, 28)
    for text in ("", "2026-02-29", "20260228", "2026-W09-6", "yesterday"):
        with pytest.raises(InputError, match="is no day"):
            day_of(text)


def test_words_have_a_length() -> None:
    assert checked_words(" so it was\n", "reason") == "so it was"
    assert len(checked_words("x" * LONGEST_WORDS, "reason")) == LONGEST_WORDS
    for words in ("", " \n", "x" * (LONGEST_WORDS + 1)):
        with pytest.raises(InputError, match="the finding has"):
            checked_words(words, "finding")
