"""What a person, as a FHIR-shaped mapping, is called and identified by, in the spelling in which texts are compared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from privacy.guards.spelling import fold, letters, letters_and_digits, words


def people_names(person: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Family name and given names; of a name that is one text, its last word and the others."""
    for name in _mappings(person.get("name")):
        family, given = str(name.get("family") or ""), [str(g) for g in name.get("given") or ()]
        if not family and not given:
            *given, family = str(name.get("text") or "").split() or [""]
        yield family, given


def full_names(family: str, given: Sequence[str]) -> set[str]:
    """Letters of a given and the family name in both orders; an initial is no given name."""
    last = {letters(family), "".join(word for word, _, _ in words(fold(family)) if len(word) > 1)} - {""}
    first = {name for name in map(letters, given) if len(name) > 1}
    return {order for one in first for other in last for order in (one + other, other + one)}


def name_parts(name: str) -> set[str]:
    """A name as one word, and its words."""
    return {letters(name), *(word for word, _, _ in words(fold(name)))}


def codes_of(person: Mapping[str, Any]) -> Iterator[str]:
    yield from (letters_and_digits(str(i.get("value") or "")) for i in _mappings(person.get("identifier")))
    yield from contacts(person, "phone")


def contacts(person: Mapping[str, Any], kind: str) -> Iterator[str]:
    """E-mail addresses as they are, or telephone and fax numbers of seven digits and more, without the country's."""
    for contact in _mappings(person.get("telecom")):
        value = str(contact.get("value") or "")
        digits = re.sub(r"\D", "", value)[-10:]
        if kind == "email" and "@" in value:
            yield value
        elif kind == "phone" and "@" not in value and len(digits) >= 7:
            yield digits


def street_lines(person: Mapping[str, Any]) -> Iterator[str]:
    for address in _mappings(person.get("address")):
        yield from (str(line) for line in address.get("line") or ())


def street(line: str) -> str:
    """The number and the first word of a street, whatever way the rest is written; else the whole line."""
    numbered = re.match(r"\s*\d+\w?\s+\S+", line)
    return letters_and_digits(numbered.group() if numbered else line)


def _mappings(values: Any) -> list[Mapping[str, Any]]:
    return [value for value in values or () if isinstance(value, Mapping)]
