"""Who a patient is, as the vault keeps it: for care, and for re-identification that two persons agreed to."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from privacy.vault.originals import Vault


@dataclass(frozen=True)
class Person:
    """A patient by name; its `repr` shows none of it.

    Args:
        identifiers, telecom, addresses: as the source has them, one text each.
    """

    name: str = field(repr=False)
    birth_date: str = field(repr=False)
    gender: str = field(repr=False)
    identifiers: tuple[str, ...] = field(repr=False)
    telecom: tuple[str, ...] = field(repr=False)
    addresses: tuple[str, ...] = field(repr=False)


def person_of(vault: Vault, patient: str) -> Person:
    """The person behind a pseudonym.

    Raises:
        IntegrityError: the patient was erased, or was never in this vault.
    """
    return _person(json.loads(vault.get(patient, patient)))


def people_of(vault: Vault, without: Container[str] = ()) -> dict[str, Person]:
    """The people behind all pseudonyms of a vault but these; raises IntegrityError where one was altered."""
    return {patient: _person(json.loads(known)) for patient, known in vault.selves(without).items()}


def _person(known: Mapping[str, Any]) -> Person:
    return Person(
        next(_joined(known, "name", "given", "family"), ""),
        str(known.get("birthDate", "")),
        str(known.get("gender", "")),
        tuple(_joined(known, "identifier", "system", "value")),
        tuple(_joined(known, "telecom", "system", "value")),
        tuple(_joined(known, "address", "line", "city", "state", "postalCode", "country")),
    )


def _joined(known: Mapping[str, Any], element: str, *parts: str) -> Iterator[str]:
    """Each repetition of an element of a FHIR Patient as one text."""
    for item in known.get(element) or ():
        values = [item.get(part) or [] for part in parts]
        yield " ".join(str(word) for value in values for word in (value if isinstance(value, list) else [value]))
