"""Medications over time: what was started, changed and stopped, by words and by comparing notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from clinical.extraction.mentions import Mention
from clinical.record.changes import Change, changes_of
from clinical.record.quotation import Quotation
from clinical.record.told import Told, group, widened

_DOSE = ("dose", "unit", "frequency")
_TAKEN = ("present", "historical", "resolved")  # what is hypothetical or an allergy was not taken
_ENDED = ("stopped", "held", "not taken")


@dataclass(frozen=True)
class Drug:
    """What happened last to a medication.

    Attributes:
        concept: the medication.
        change: the last of its changes; "continued" where nothing but its being taken was written, "given" where only
            the account of an operation names it. "planned" is said of no drug that is taken already.
        dose, before: as last written, and what it was before it changed; "" where not written.
        by: "words" that say so, or "comparison" of a note with the one before.
        quotation: of the note that says so; where a later list leaves the medication out, of the note that had it.
        missing_from: the note whose list leaves it out; "" otherwise.
    """

    concept: str
    change: Change | Literal["given"]
    dose: str
    before: str
    by: Literal["words", "comparison"]
    quotation: Quotation
    missing_from: str = ""


def medications(told: Sequence[Told]) -> tuple[Drug, ...]:
    """The medications of notes in the order of time, each with its last change.

    Notes are compared where both are dated and one is the later.
    """
    found: dict[str, Drug] = {}
    listed: set[str] = set()
    listed_on = ""  # the day of the last list
    for own in told:
        mentions = [mention for mention in own.facts.mentions if mention.kind == "medication"]
        later = bool(listed_on) and own.note.date > listed_on
        changes = changes_of(own.note.text, own.facts)
        for mention in mentions:
            said, before = changes.get(mention.start), found.get(mention.concept)
            only_planned = said == "planned" and before and before.change not in _ENDED
            if (said or mention.assertion.status in _TAKEN) and not only_planned:
                found[mention.concept] = _next(before, own, mention, said, later)
        current = {mention.concept for mention in mentions if _in_list(mention)}
        if not current or not own.note.date:
            continue
        if later:
            names = {mention.concept for mention in mentions}
            for concept in listed - names:
                found[concept] = replace(
                    found[concept], change="stopped", before="", by="comparison", missing_from=own.note.record
                )
            listed &= names
        listed = {concept for concept in listed | current if found[concept].change not in _ENDED}
        listed_on = own.note.date
    return tuple(found.values())


def _in_list(mention: Mention) -> bool:
    """Whether a note's own list of medications holds it."""
    return mention.section == "medications" and mention.assertion.status == "present"


def _next(before: Drug | None, told: Told, mention: Mention, said: Change | None, later: bool) -> Drug:
    """A medication after one more mention of it; new in a list that is later than another, it was started."""
    new = later and _in_list(mention)
    dose = " ".join(own.value for kind in _DOSE for own in mention.attributes if own.kind == kind)
    last = before.dose if before else ""
    usual: Literal["given", "continued"] = "given" if mention.section in group("operation") else "continued"
    drug = Drug(mention.concept, usual, dose or last, "", "words", told.quote(*widened(mention)))
    ended = before is not None and before.change in _ENDED
    if said and (said != "continued" or ended):
        return replace(drug, change=said, before=last if dose not in ("", last) else "")
    if before is None:
        return replace(drug, change="started", by="comparison") if new else drug
    if usual == "continued" and dose and last and dose != last and told.note.date > before.quotation.date > "":
        return replace(drug, change="changed", before=last, by="comparison")
    earlier = before.quotation.record != told.note.record
    if new and earlier and ended:
        return replace(drug, change="started", by="comparison")
    if before.change == "given":
        return drug
    return drug if earlier and before.change == usual == "continued" else before
