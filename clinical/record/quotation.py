"""A quotation: words of a note and where they stand."""

from __future__ import annotations

from dataclasses import dataclass, field

from clinical.record.passages import Note


@dataclass(frozen=True)
class Quotation:
    """`text` is `note.text[start:end]` of the note `record`, written on `date` ("" where no date is known)."""

    record: str
    date: str
    start: int
    end: int
    text: str = field(repr=False)


def quote(note: Note, start: int, end: int) -> Quotation:
    """The words at `start` to `end` of a note."""
    return Quotation(note.record, note.date, start, end, note.text[start:end])
