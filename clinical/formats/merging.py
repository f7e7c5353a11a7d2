"""One patient out of what several records say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def merged(facts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One FHIR-shaped patient with all that is said of it; of single values, the first."""
    whole: dict[str, Any] = {}
    for fact in facts:
        for key, value in fact.items():
            if isinstance(value, list):
                known = whole.setdefault(key, [])
                whole[key] = [*known, *(item for item in value if item not in known)]
            else:
                whole.setdefault(key, value)
    return whole


def by_birth(patient_id: str, facts: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The patient once for each date of birth that is said: two of them are two persons, for the job to see."""
    births = dict.fromkeys(fact["birthDate"] for fact in facts if fact.get("birthDate"))
    for birth in births or [None]:
        same = [fact for fact in facts if fact.get("birthDate") in (birth, None)]
        yield {**merged(same), "id": patient_id}
