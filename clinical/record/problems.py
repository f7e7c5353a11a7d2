"""The problem list: what the patient has, had, or has no longer, with the first and the last note that says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from clinical.extraction.mentions import Mention, Status
from clinical.record.quotation import Quotation
from clinical.record.told import Told, empty, group, is_wider

# Of one note the first of these that it says of a problem counts: "pneumonia" may stand beside "pneumonia, resolved".
_ORDER: tuple[Status, ...] = ("resolved", "present", "historical", "negated")


@dataclass(frozen=True)
class Problem:
    """A problem by its concept; `status` is what the last note says. The quotation is of that note.

    What a later note denies after an earlier one stated it counts as resolved.
    """

    concept: str
    status: Literal["present", "historical", "resolved"]
    first: Quotation
    last: Quotation


def problems(told: Sequence[Told]) -> tuple[Problem, ...]:
    """The problem list of notes in the order of time: present, historical, resolved; each by its first note."""
    found: dict[str, Problem] = {}
    for own in told:
        for concept, mention in _said(own).items():
            before = found.get(concept)
            status = mention.assertion.status
            if status == "negated" and before is None:
                continue
            quotation = own.quote(mention.start, mention.end)
            shown: Literal["present", "historical", "resolved"] = (
                "present" if status == "present" else "historical" if status == "historical" else "resolved"
            )
            found[concept] = Problem(concept, shown, before.first if before else quotation, quotation)
    kept = (own for own in found.values() if not _told_closer(own, found.values()))
    return tuple(sorted(kept, key=lambda own: ("present", "historical", "resolved").index(own.status)))


def _told_closer(problem: Problem, others: Iterable[Problem]) -> bool:
    """Whether another problem of this status says the same and more: "inguinal hernia" beside "hernia"."""
    return any(is_wider(problem.concept, own.concept) and own.status == problem.status for own in others)


def _said(told: Told) -> dict[str, Mention]:
    """What counts of each problem in one note."""
    said: dict[str, Mention] = {}
    for mention in told.facts.mentions:
        if mention.kind == "problem" and mention.assertion.status in _ORDER and not _is_empty(told, mention):
            other = said.get(mention.concept)
            if other is None or _rank(mention) < _rank(other):
                said[mention.concept] = mention
    return said


def _is_empty(told: Told, mention: Mention) -> bool:
    return mention.concept in empty("problems") or mention.section in group("operation") or told.is_heading(mention)


def _rank(mention: Mention) -> int:
    return _ORDER.index(mention.assertion.status)
