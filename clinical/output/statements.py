"""What a note says, each thing once: mentions that say the same of the same are one statement with several places."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from clinical.extraction.mentions import Kind, Mention, NoteFacts, Status

KINDS: tuple[Kind, ...] = ("problem", "finding", "medication", "test", "procedure")  # in which a clinician reads them
STATUSES: tuple[Status, ...] = (
    "present", "uncertain", "conditional", "historical", "resolved", "family", "hypothetical", "negated",
)  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """One thing that a note says, with every place where it says it.

    Attributes:
        mentions: the first one decides on kind, concept and status; all of them agree.
        values: of the attributes in canonical form, by kind.
        sites, times: of the body, and of the clock or calendar, as relations give them.
    """

    mentions: tuple[Mention, ...] = field(repr=False)
    values: Mapping[str, str] = field(default_factory=dict)
    sites: tuple[str, ...] = ()
    times: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        return self.mentions[0].kind

    @property
    def concept(self) -> str:
        return self.mentions[0].concept

    @property
    def status(self) -> Status:
        return self.mentions[0].assertion.status

    @property
    def standing(self) -> str:
        """The status in a word for people."""
        return "allergy" if self.is_allergy else self.status

    @property
    def is_allergy(self) -> bool:
        """A medication that is named for what it does to the patient: "allergic to penicillin"."""
        return (self.kind, self.status) == ("medication", "conditional")

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
    relative: str
    values: tuple[tuple[str, str], ...]
    sites: tuple[str, ...]


def statements_of(facts: NoteFacts) -> tuple[Statement, ...]:
    """The statements of a note, by kind and status as a clinician reads them, then in the order of the text.

    Anatomy alone says nothing: it stands in the statements that it is the site of.
    """
    related: dict[tuple[int, str], list[str]] = defaultdict(list)
    for relation in facts.relations:
        related[relation.head_start, relation.kind].append(relation.value)
    same: dict[_Said, list[Mention]] = defaultdict(list)
    for own in facts.mentions:
        if own.kind in KINDS:
            relative = own.assertion.cue.lower() if own.assertion.status == "family" else ""
            values = tuple((one.kind, one.value) for one in own.attributes)
            sites = tuple(dict.fromkeys(related[own.start, "site"]))
            same[_Said(own.kind, own.concept, own.assertion.status, relative, values, sites)].append(own)
    found = []
    for said, mentions in same.items():
        times = dict.fromkeys(time for own in mentions for time in related[own.start, "time"])
        found.append(Statement(tuple(mentions), dict(said.values), said.sites, tuple(times)))
    return tuple(sorted(found, key=lambda one: (KINDS.index(one.kind), STATUSES.index(one.status))))
