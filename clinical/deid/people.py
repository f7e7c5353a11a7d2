"""Who is who in a source: one person under two ids, and two persons under one record number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from privacy.identity import master_id


@dataclass(frozen=True)
class People:
    """What was found among the patients of a source.

    Args:
        repeated: ids of Patient resources whose person another one describes already.
        confused: ids of patients whose record number different persons bear, by their dates of birth.
    """

    repeated: frozenset[str]
    confused: frozenset[str]

    @classmethod
    def of(cls, people: Iterable[Mapping[str, Any]]) -> People:
        """Index the patients among people; memory grows with their number, by a few words each."""
        ids: dict[tuple[str, str], list[str]] = {}
        births: dict[tuple[str, str], set[str]] = {}
        for person in people:
            if person.get("resourceType") == "Patient":
                patient_id = str(person.get("id", ""))
                master = master_id(person, patient_id)
                ids.setdefault(master, []).append(patient_id)
                births.setdefault(master, set()).add(str(person.get("birthDate") or ""))
        confused = {i for master, own in ids.items() if len(births[master] - {""}) > 1 for i in own}
        return cls(frozenset(i for own in ids.values() for i in own[1:]), frozenset(confused))
