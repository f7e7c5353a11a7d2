"""The problem list: what the patient has, had, or has no longer, with the first and the last note that says so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from clinical.extraction.mentions import Mention
from clinical.record.quotation import Quotation
from clinical.record.told import Told, empty, group, is_wider
from policies.files import table_of

Status = Literal["present", "historical", "resolved"]
# Of one note the first of these that it says of a problem counts: what is there again is there, whatever was over.
_ORDER = ("present", "resolved", "historical", "negated")


@dataclass(frozen=True)
class Problem:
    """A problem by its concept.

    Attributes:
        concept: the problem.
        status: what the last note says. What a later note denies after an earlier one stated it counts as resolved.
        first, last: where the first and the last note say so.
        but: where the last note calls a problem resolved that it also calls present.
    """

    concept: str
    status: Status
    first: Quotation
    last: Quotation
    but: Quotation | None = None

    @property
    def said(self) -> tuple[tuple[str, Quotation], ...]:
        """What the last note says, each with its quotation."""
        return (self.status, self.last), *((("also resolved", self.but),) if self.but else ())


def problems(told: Sequence[Told]) -> tuple[Problem, ...]:
    """The problem list of notes in the order of time: present, historical, resolved; each by its first note."""
    found: dict[str, Problem] = {}
    for own in told:
        for concept, said in _said(own).items():
            before = found.get(concept)
            status, mention = next((status, said[status]) for status in _ORDER if status in said)
            if status == "negated" and before is None:
                continue
            quotation = own.quote(mention.start, mention.end)
            shown: Status = "present" if status == "present" else "historical" if status == "historical" else "resolved"
            over = said.get("resolved") if status == "present" else None
            but = own.quote(over.start, over.end) if over else None
            found[concept] = Problem(concept, shown, before.first if before else quotation, quotation, but)
    kept = (own for own in found.values() if not _told_closer(own, found.values()))
    return tuple(sorted(kept, key=lambda own: ("present", "historical", "resolved").index(own.status)))


def _told_closer(problem: Problem, others: Iterable[Problem]) -> bool:
    """Whether another problem of this status says the same and more: "inguinal hernia" beside "hernia"."""
    return any(is_wider(problem.concept, own.concept) and own.status == problem.status for own in others)


def _said(told: Told) -> dict[str, dict[str, Mention]]:
    """What one note says of each problem, and where it first says so."""
    said: dict[str, dict[str, Mention]] = {}
    for mention in told.facts.mentions:
        status = _status(mention)
        if mention.kind == "problem" and status in _ORDER and not _is_empty(told, mention):
            said.setdefault(mention.concept, {}).setdefault(status, mention)
    return said


def _status(mention: Mention) -> str:
    """The status of a mention; what lasts is there, though it stands under the past history: "PMH: COPD"."""
    rules, said = table_of("clinical", "tables/record")["lasting"], mention.assertion
    lasts = any(mention.concept == own or is_wider(own, mention.concept) for own in rules["problems"])
    of_history = not {*re.findall(r"\w+", said.cue.lower())}.isdisjoint(rules["history"])
    return "present" if said.status == "historical" and lasts and of_history else said.status


def _is_empty(told: Told, mention: Mention) -> bool:
    return mention.concept in empty("problems") or mention.section in group("operation") or told.is_heading(mention)
