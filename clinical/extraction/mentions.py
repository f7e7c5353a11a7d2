"""What extraction hands on: frozen facts of one note, with character offsets into its text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Status = Literal["present", "negated", "uncertain", "historical", "family", "hypothetical", "conditional", "resolved"]
Kind = Literal["problem", "finding", "medication", "test", "procedure", "device", "anatomy"]
AttributeKind = Literal["dose", "unit", "route", "frequency", "duration", "value", "range", "flag"]
RelationKind = AttributeKind | Literal["site", "time"]


@dataclass(frozen=True)
class Assertion:
    """Whether a mention is true of the patient now, and the words that say otherwise.

    `cue` is the text of the deciding words (or of the section's heading), at `cue_start` to `cue_end` of the note; they
    speak of everything from `scope_start` to `scope_end`. `also` are the weaker statuses that other cues gave it: what
    is denied may be past as well.
    """

    status: Status = "present"
    cue: str = ""
    cue_start: int | None = None
    cue_end: int | None = None
    scope_start: int | None = None
    scope_end: int | None = None
    also: tuple[Status, ...] = ()


@dataclass(frozen=True)
class Attribute:
    """What `text[start:end]` of the note says of a mention; `value` is its canonical form ("twice a day" is "bid")."""

    kind: AttributeKind
    value: str
    start: int
    end: int


@dataclass(frozen=True)
class Mention:
    """One named thing at `text[start:end]` of the note.

    `concept` is the canonical name in lower case, `section` the canonical label or "". `attributes` are dose, unit,
    route, frequency and duration of a medication; value, unit, reference range and flag of a test.
    """

    start: int
    end: int
    text: str = field(repr=False)
    kind: Kind
    concept: str
    section: str = ""
    assertion: Assertion = field(default=Assertion(), repr=False)
    attributes: tuple[Attribute, ...] = ()


@dataclass(frozen=True)
class Relation:
    """The mention at `text[head_start:head_end]`, and what `text[tail_start:tail_end]` says of it.

    `kind` is that of the attribute; or "site", where the tail is a mention of anatomy, or "time", where it is a date or
    a duration. `value` is the tail in canonical form: "bid", "left knee", "3 weeks", "since tuesday".
    """

    kind: RelationKind
    head_start: int
    head_end: int
    tail_start: int
    tail_end: int
    value: str = field(default="", repr=False)


@dataclass(frozen=True)
class Section:
    """A headed stretch of the note, from its heading to the next one; `label` is "" for a heading of no known kind."""

    start: int
    end: int
    heading: str
    label: str


@dataclass(frozen=True)
class NoteFacts:
    """Everything that was read in one note, in the order of the text; sentences are (start, end) offsets."""

    sections: tuple[Section, ...] = ()
    sentences: tuple[tuple[int, int], ...] = ()
    mentions: tuple[Mention, ...] = ()
    relations: tuple[Relation, ...] = ()
