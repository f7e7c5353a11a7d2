"""What is known of everybody whom a source names, before its first record is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from policies.policy import Dates, Deidentification, TextMode
from privacy.guards.sweep import Sweep
from privacy.identity import master_id
from privacy.text.surrogates import names_taken


@dataclass(frozen=True)
class People:
    """What was found among the people of a source.

    Args:
        repeated: ids of Patient resources whom another one describes already.
        confused: ids of patients whose record number different persons bear, by their dates of birth.
        sweep: looks for all of them in the output.
        taken: words of their names, which no made-up name may be; empty where none is made up.
    """

    repeated: frozenset[str]
    confused: frozenset[str]
    sweep: Sweep = field(repr=False)
    taken: frozenset[str] = field(repr=False)

    @classmethod
    def of(cls, people: Iterable[Mapping[str, Any]], rules: Deidentification) -> People:
        """Index people in one reading; memory grows with their number, by a few words each."""
        ids: dict[tuple[str, str], list[str]] = {}
        births: dict[tuple[str, str], set[str]] = {}
        taken = set[str]()

        def noted() -> Iterator[Mapping[str, Any]]:
            for person in people:
                if person.get("resourceType") == "Patient":
                    patient_id = str(person.get("id", ""))
                    master = master_id(person, patient_id)
                    ids.setdefault(master, []).append(patient_id)
                    births.setdefault(master, set()).add(str(person.get("birthDate") or ""))
                if rules.mode is TextMode.SURROGATE:
                    taken.update(names_taken([person]))
                yield person

        sweep = Sweep.of(noted(), birth_dates=rules.dates is not Dates.KEEP)
        repeated = frozenset(i for own in ids.values() for i in own[1:])
        confused = frozenset(i for master, own in ids.items() if len(births[master] - {""}) > 1 for i in own)
        return cls(repeated, confused, sweep, frozenset(taken))
