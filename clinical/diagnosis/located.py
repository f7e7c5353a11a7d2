"""What the model reads of a note, each character with its place in the note.

Identifiers are replaced as in the notes that it was trained on, and what the note says is not the patient's now is
taken out: a symptom that is denied, or of the family, cannot speak for a condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from clinical.extraction import NoteFacts
from clinical.extraction.entities import dictionary
from clinical.extraction.words import table
from clinical.windows import clinical_pieces
from privacy.text.spans import Span

FOR, AGAINST = "for", "against"


@dataclass(frozen=True)
class Located:
    """A text, and for each character where in the note it stands, or the identifier that it replaces begins."""

    text: str = field(repr=False)
    places: NDArray[np.int64] = field(repr=False)

    @property
    def words(self) -> int:
        return len(self.text.split())


def side(status: str) -> str:
    """What a mention of this status says of a condition that it would speak for: `for`, `against` or nothing."""
    return str(table("diagnosis")["status"].get(status, ""))


@cache
def findings() -> tuple[str, ...]:
    """Every finding of the dictionary that somebody might ask a patient for, or look for."""
    never = table("diagnosis")["never_asked"]["concepts"]
    names = {name.concept for name in dictionary().values() if name.kind == "finding"}
    return tuple(sorted(names.difference(never)))


def for_the_model(note: str, facts: NoteFacts, identifiers: Sequence[Span] = ()) -> Located:
    """The clinical lines of a note without its identifiers and without what does not speak for a condition.

    Args:
        identifiers: none in a note that was de-identified before.
    """
    edits = [(span.start, span.end, span.replacement) for span in identifiers]
    edits += [(m.start, m.end, "") for m in facts.mentions if side(m.assertion.status) != FOR]
    edited = _edited(note, sorted(edits))
    pieces = [(place, piece) for place, piece in clinical_pieces(edited.text) if piece]
    text = "".join(piece for _, piece in pieces)
    places = [edited.places[place : place + len(piece)] for place, piece in pieces]
    first = len(text) - len(text.lstrip())
    stripped = text.strip()
    return Located(stripped, np.concatenate([*places, np.zeros(0, np.int64)])[first : first + len(stripped)])


def _edited(note: str, edits: Sequence[tuple[int, int, str]]) -> Located:
    """The note with some stretches replaced; of two that overlap, the first."""
    texts, places, last = [], [], 0
    for start, end, replacement in [*edits, (len(note), len(note), "")]:
        if start >= last:
            texts += [note[last:start], replacement]
            places += [np.arange(last, start), np.full(len(replacement), start)]
        last = max(last, end)
    return Located("".join(texts), np.concatenate(places))
