"""What extraction hands on: frozen facts of one note, with character offsets into its text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Status = Literal["present", "negated", "uncertain", "historical", "family", "hypothetical", "conditional", "resolved"]
Kind = Literal["problem", "finding", "medication", "test", "procedure", "anatomy"]


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
class Mention:
    """One named thing at `text[start:end]` of the note.

    `concept` is the canonical name in lower case, `section` the canonical label or "". `attributes` are pairs:
    dose, unit, route and frequency of a medication; value and unit of a test.
    """

    start: int
    end: int
    text: str = field(repr=False)
    kind: Kind
    concept: str
    section: str = ""
    assertion: Assertion = field(default=Assertion(), repr=False)
    attributes: tuple[tuple[str, str], ...] = ()


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
