"""What ails the patient now: the complaints and findings that the newest notes state as present."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clinical.extraction.entities import concepts
from clinical.extraction.mentions import Mention
from clinical.record.quotation import Quotation
from clinical.record.told import Told, empty, group, is_wider

_MOST = 10


@dataclass(frozen=True)
class Complaint:
    """A symptom or finding by its concept, and the sentence that states it."""

    concept: str
    quotation: Quotation


def complaints(told: Sequence[Told]) -> tuple[Complaint, ...]:
    """At most ten complaints of the notes of the last day, as they name them; without any date of all notes.

    Only findings of the dictionary count, and none of an examination or an operation: these are many.
    """
    found: dict[str, Complaint] = {}
    for own in _newest(told):
        for mention in own.facts.mentions:
            if _ails(mention):
                complaint = Complaint(mention.concept, own.quote(mention.start, mention.end))
                found.setdefault(mention.concept, complaint)
    narrow = [own for own in found.values() if not any(is_wider(own.concept, other) for other in found)]
    return tuple(narrow)[:_MOST]


def _ails(mention: Mention) -> bool:
    finding = mention.kind == "finding" and mention.concept in concepts() and mention.concept not in empty("findings")
    return finding and mention.assertion.status == "present" and mention.section in group("complaint")


def _newest(told: Sequence[Told]) -> Sequence[Told]:
    """The notes of the last day; all where none has a date, for nobody knows which of them is the newest."""
    last = max((own.note.date for own in told), default="")
    return [own for own in told if own.note.date == last]
