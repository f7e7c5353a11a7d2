"""The tables behind the synthetic cohort: conditions and findings, people and places, and styles of notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from policies.files import table_of


@dataclass(frozen=True)
class Condition:
    """One label and how patients with it present; probabilities are per note, laboratory values are mean and sd."""

    code: str
    title: str
    names: tuple[str, ...]
    age: tuple[float, float, int, int]
    onset: str
    context: tuple[str, ...]
    symptom: Mapping[str, float]
    denied: tuple[str, ...]
    exam: Mapping[str, float]
    result: Mapping[str, float]
    lab: Mapping[str, tuple[float, float]]
    vital: Mapping[str, tuple[float, float]]
    given: Mapping[str, float]
    plan: tuple[str, ...]
    female: float = 0.5
    after: tuple[str, ...] = ()

    @property
    def once(self) -> bool:
        """It happens once and is then rechecked, rather than coming back."""
        return bool(self.after)


@dataclass(frozen=True)
class Comorbidity:
    """A condition of the past history; `label` is the condition of a note that it would give away."""

    code: str
    title: str
    names: tuple[str, ...]
    weight: float
    from_age: int
    home: tuple[str, ...]
    label: str = ""


@dataclass(frozen=True)
class Style:
    """A layout: which sections a kind of note has, in which voice, under which kind of heading."""

    name: str
    weight: float
    type: tuple[str, str]
    voice: str
    header: str
    headings: tuple[str, ...]
    sections: tuple[tuple[str, str], ...]
    split: tuple[str, ...] = field(default=())


def table(name: str) -> dict[str, Any]:
    """The parsed TOML table `name`, read once."""
    return table_of("clinical", f"tables/{name}")


@cache
def conditions() -> dict[str, Condition]:
    """The conditions by ICD-10-CM code, in the order of the table."""
    return {row["code"]: Condition(**row) for row in table("conditions")["condition"]}


@cache
def comorbidities() -> tuple[Comorbidity, ...]:
    """Everything that may stand in a past history."""
    return tuple(Comorbidity(**row) for row in table("conditions")["comorbidity"])


@cache
def styles() -> tuple[Style, ...]:
    """The layouts of notes."""
    return tuple(Style(**row) for row in table("note_styles")["style"])
