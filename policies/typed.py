"""What people type: a day, or some words of their own."""

from __future__ import annotations

from datetime import date

from policies.errors import InputError

LONGEST_WORDS = 2000


def day_of(text: str) -> date:
    """A day as YYYY-MM-DD; raises InputError for anything else, other ways of ISO 8601 to write it as well."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise InputError(f"'{text}' is no day", "Write it as YYYY-MM-DD.")
    return day


def checked_words(words: str, what: str) -> str:
    """A reason or a finding without blanks around it; raises InputError where it is empty or too long."""
    words = words.strip()
    if not 0 < len(words) <= LONGEST_WORDS:
        raise InputError(f"the {what} has {len(words)} characters", f"Give one of 1 to {LONGEST_WORDS}.")
    return words
