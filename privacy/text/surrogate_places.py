"""Made-up addresses, organisations and professions: names are made up; the kind of street, state and ZIP3 stay."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import regex  # type: ignore[import-untyped]

from privacy.formats.areas import area
from privacy.text.name_lists import words

Place = Callable[[str, bool], str]  # the old name of a street or town, and whether it is a town; to a made-up one
Code = Callable[[str], str]  # an old number to a made-up one
_WORD = r"\p{L}[\p{L}\p{M}]+(?:['’]\p{L}[\p{L}\p{M}]*)*"
_PARTS = (
    r"(?P<ordinal>\d+(?i:st|nd|rd|th)\b)|(?P<number>[\p{L}\d]*\d[\p{L}\d]*)"
    r"|(?P<stays>%STAYS%)|(?P<letter>\p{L}(?!\p{L}))"
)
_RUN = rf"(?P<run>{_WORD}(?:[^\S\r\n'’.-]+(?!%STAYS%){_WORD})*)"
_ZIP = r"(?P<zip>(?<![\w-]|(?i:box|apt|unit|suite|ste|room|\#)\.?\s*)\d{5}(?:-\d{4})?(?=\W*(?:USA)?\W*$))"


def in_address(original: str, place: Place, code: Code) -> str:
    """The address with other streets, numbers and towns; a ZIP code keeps its area (`privacy.formats.areas`)."""
    streets = regex.compile(rf"\s+(?:{_any_of('streets')})")

    def replaced(found: Any) -> str:
        match found.lastgroup:
            case "zip":
                return area("", found[0])["postalCode"] + "00"
            case "run" | "ordinal":
                return place(found[0], not streets.match(original, found.end()))
            case "number" | "letter":
                return code(found[0])
            case _:
                return str(found[0])

    return str(_address().sub(replaced, original))


def in_facility(original: str, place: Place, code: Code) -> str:
    """The organisation of the same kind with another name."""

    def replaced(found: Any) -> str:
        if found.lastgroup == "run":
            return place(found[0], True)
        return code(found[0]) if found.lastgroup in ("ordinal", "number", "letter") else str(found[0])

    named = str(_facility().sub(replaced, original))
    return named if named != original else f"{place(original, True)} {original}"


@cache
def city_endings() -> tuple[str, ...]:
    """What names of towns end with."""
    from faker.providers.address.en_US import Provider

    return tuple(sorted(set(Provider.city_suffixes)))


@cache
def jobs() -> tuple[str, ...]:
    """Professions of one to three plain words."""
    from faker.providers.job import Provider

    plain = (job for job in Provider.jobs if regex.fullmatch(r"\p{Lu}\p{Ll}{5,}(?: \p{Ll}+){0,2}", job))
    return tuple(sorted(plain))


@cache
def _address() -> Any:
    from faker.providers.address.en_US import Provider

    longest_first = sorted(Provider.states, key=lambda state: (-len(state), state))
    state = rf"(?:(?i:{'|'.join(longest_first)})|{'|'.join(Provider.states_abbr)})\b"
    # A state stands last but for the ZIP code; a town or street may have the same name.
    last = rf"(?:(?<=[\s,]){state}(?=[\s,.]*(?:\d{{5}}(?:-\d{{4}})?)?\W*(?:USA)?\W*$)|^{state}(?=\W+\d{{5}}))"
    stays = rf"{last}|(?:{_any_of('streets')}|{_any_of('address')}|USA)(?!\p{{L}})"
    return regex.compile(f"{_ZIP}|{_PARTS}|{_RUN}".replace("%STAYS%", stays))


@cache
def _facility() -> Any:
    return regex.compile(f"{_PARTS}|{_RUN}".replace("%STAYS%", rf"(?:{_any_of('facility')})(?!\p{{L}})"))


def _any_of(listed: str) -> str:
    return f"(?i:{'|'.join(sorted(words(listed), key=lambda word: (-len(word), word)))})\\b"
