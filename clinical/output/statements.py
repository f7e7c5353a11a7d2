"""What a note says, each thing once: mentions that say the same of the same are one statement with several places."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import NamedTuple

from clinical.extraction.mentions import Kind, Mention, NoteFacts, Status
from clinical.extraction.units import any_of
from clinical.extraction.words import table
from clinical.record.changes import Change, changes_of
from clinical.record.specimens import specimens_of

# In which order a clinician reads them.
KINDS: tuple[Kind, ...] = ("problem", "finding", "medication", "test", "procedure", "device")
STATUSES: tuple[Status, ...] = (
    "present", "uncertain", "conditional", "historical", "resolved", "family", "hypothetical", "negated",
)  # fmt: skip
_BESIDE = 60  # characters beside a name


@dataclass(frozen=True)
class Statement:
    """One thing that a note says, with every place where it says it.

    Attributes:
        mentions: the first one decides on kind, concept and status; all of them agree.
        standing: the status in a word for people; of a medication what happens to it ("held"), or "allergy".
        specimen: what a test was made on, where it is not the usual: "urine".
        values: of the attributes in canonical form, by kind.
        sites, times: of the body, and of the clock or calendar, as relations give them.
    """

    mentions: tuple[Mention, ...] = field(repr=False)
    standing: str
    specimen: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    sites: tuple[str, ...] = ()
    times: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        return self.mentions[0].kind

    @property
    def concept(self) -> str:
        return f"{self.specimen} {self.mentions[0].concept}".strip()

    @property
    def status(self) -> Status:
        return self.mentions[0].assertion.status

    @property
    def cue(self) -> str:
        """The words that decided on the status, of the first mention that has any."""
        return next((own.assertion.cue for own in self.mentions if own.assertion.cue), "")

    @cached_property
    def details(self) -> str:
        """Attributes, sites and times for people: "25 mg oral bid", "left knee, 3 weeks"."""
        flag = {"flag": f"({self.values['flag']})"} if "flag" in self.values else {}
        span = {"range": f"[{self.values['range']}]"} if "range" in self.values else {}
        return ", ".join(filter(None, (" ".join({**self.values, **flag, **span}.values()), *self.sites, *self.times)))


class _Said(NamedTuple):
    """What mentions must agree in to be one statement; of a relative, also in whose disease it is."""

    kind: Kind
    concept: str
    status: Status
    standing: str
    specimen: str
    relative: str
    values: tuple[tuple[str, str], ...]
    sites: tuple[str, ...]


def statements_of(text: str, facts: NoteFacts) -> tuple[Statement, ...]:
    """The statements of a note, by kind and status as a clinician reads them, then in the order of the text.

    Anatomy alone says nothing: it stands in the statements that it is the site of.
    """
    related: dict[tuple[int, str], list[str]] = defaultdict(list)
    for relation in facts.relations:
        related[relation.head_start, relation.kind].append(relation.value)
    changes, specimens = changes_of(text, facts), specimens_of(text, facts)
    same: dict[_Said, list[Mention]] = defaultdict(list)
    for own in facts.mentions:
        if own.kind in KINDS:
            relative = own.assertion.cue.lower() if own.assertion.status == "family" else ""
            values = tuple((one.kind, one.value) for one in own.attributes)
            sites = tuple(dict.fromkeys(related[own.start, "site"]))
            standing = _standing(text, own, changes)
            specimen = specimens.get(own.start, "")
            said = _Said(own.kind, own.concept, own.assertion.status, standing, specimen, relative, values, sites)
            same[said].append(own)
    found = []
    for said, mentions in same.items():
        times = dict.fromkeys(time for own in mentions for time in related[own.start, "time"])
        found.append(
            Statement(tuple(mentions), said.standing, said.specimen, dict(said.values), said.sites, tuple(times))
        )
    return tuple(sorted(found, key=lambda one: (KINDS.index(one.kind), STATUSES.index(one.status))))


def _standing(text: str, own: Mention, changes: Mapping[int, Change]) -> str:
    """Of a medication an allergy to it, whether it is taken by the changes of the note; else the status."""
    status = own.assertion.status
    if own.kind != "medication":
        return status
    if status == "negated" and "conditional" in own.assertion.also:
        return "no allergy"
    if status == "conditional":
        return "allergy" if _is_allergy(text, own) else status
    return changes.get(own.start, status)


def _is_allergy(text: str, own: Mention) -> bool:
    """Whether the deciding words speak of an allergy, and none right beside the name says that it was given."""
    before, behind = text[max(0, own.start - _BESIDE) : own.start], text[own.end : own.end + _BESIDE]
    named, given_before, given_behind = _allergy()
    return bool(named.search(own.assertion.cue)) and not (given_before.search(before) or given_behind.match(behind))


@cache
def _allergy() -> tuple[re.Pattern[str], ...]:
    """Words of an allergy, and those that say right before or behind a name that it was taken without one."""
    words = table("output")["allergy"]
    given = rf"(?<!\w)(?<!when )(?<!after )(?<!was )(?<!if )(?:{any_of(words['before'])})\s+(?:\w+\s+)?\Z"
    behind = rf"\s+(?:(?:was|were|is|has been|have been)\s+)?(?:{any_of(words['behind'])})(?!\w)"
    return tuple(re.compile(own, re.I) for own in (rf"\b(?:{any_of(words['named'])})\b", given, behind))
