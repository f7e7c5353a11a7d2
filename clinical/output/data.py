"""An extraction as plain data for JSON: every offset, and the words at it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from clinical.diagnosis import Extraction, intended_use
from clinical.extraction.headings import composed_heading, known_heading
from clinical.output.codes import sure_codes

if TYPE_CHECKING:
    from clinical.coding.library import Library


def as_data(text: str, found: Extraction, library: Library | None = None) -> dict[str, Any]:
    """The extraction as JSON holds it: sections with what their label was told from, mentions with their codes,
    evidence with its words, and what it is for.

    Args:
        library: the code systems that the hospital imported; without it there is ICD-10-CM alone.
    """
    data = asdict(found)
    for section in data["facts"]["sections"]:
        section["label_from"] = _told_from(section["heading"]) if section["label"] else None
    named = {(own.text, own.kind) for own in found.facts.mentions}
    codes = {one: [asdict(code) for code in sure_codes(*one, library)] for one in named}
    for mention in data["facts"]["mentions"]:
        mention["codes"] = codes[mention["text"], mention["kind"]]
    for suggestion in data["suggestions"]:
        for evidence in (*suggestion["evidence"], *suggestion["against"]):
            evidence["text"] = text[evidence["start"] : evidence["end"]]
            evidence["words"] = [text[start:end] for start, end in evidence["words"]]
    return {"intended_use": intended_use(), **data}


def _told_from(heading: str) -> str:
    """A heading that is known gives a section its label; of another the text was read, which is right three times in
    four.
    """
    row = known_heading(heading) or composed_heading(heading)
    return "heading" if row and row.label else "text"
