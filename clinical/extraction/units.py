"""Numbers and units as notes write them: "1,000" is a thousand, "2,5" two and a half, and "1 000" is not guessed at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from clinical.extraction.words import table

# A thousand has a comma at every third digit and does not begin with 0; any other comma is a decimal one.
NUMBER = r"[1-9]\d{0,2}(?:,\d{3})+(?!,?\d)(?:\.\d+)?|\d+,\d+(?![,.]?\d)|\d+(?:\.\d+)?|\.\d+"
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_ONE = re.compile(NUMBER)


def plain_number(written: str) -> str:
    """Numbers without commas and spaces: "5,000 - 7,500" is "5000-7500", "2,5" is "2.5"."""
    return _ONE.sub(lambda found: _plain(found[0]), "".join(written.lower().split()))


def _plain(number: str) -> str:
    if number.startswith("."):  # ".125" is read as 125 (Joint Commission: always a leading zero)
        return f"0{number}"
    return number.replace(",", "") if _THOUSANDS.fullmatch(number) else number.replace(",", ".")


def one_of(names: Mapping[str, Sequence[str]]) -> str:
    """A pattern for every way to write one of these, the longest first, over any white space."""
    return any_of(word for words in names.values() for word in words)


def any_of(words: Iterable[str]) -> str:
    """A pattern for any of these words, the longest first, over any white space."""
    return "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in sorted(words, key=len, reverse=True))


@cache
def _canonical(group: str) -> dict[str, str]:
    return {" ".join(word.casefold().split()): name for name, words in table("units")[group].items() for word in words}


def named(written: str, group: str) -> str:
    """The canonical name of a unit, route, frequency or flag: "twice a day" is "bid"."""
    return _canonical(group)[" ".join(written.casefold().split())]
