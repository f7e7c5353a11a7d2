"""The list of patients, and what is found in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nsmallest

from clinical.patients import Listed
from policies.wording import counted

MOST = 20  # patients that are shown at once


@dataclass(frozen=True)
class Found:
    """The first patients that fit, by name, and how many fit."""

    patients: tuple[Listed, ...]
    total: int

    @property
    def sentence(self) -> str:
        """How much of it is shown."""
        if len(self.patients) == self.total:
            return f"{counted(self.total, 'patient')}."
        return f"The first {len(self.patients)} of {self.total} patients; write more of the name to find one."


def search(patients: Iterable[Listed], words: str) -> Found:
    """Patients whose name holds every word, in any case and with or without accents, or whose pseudonym begins so."""
    wanted = _folded(words).split()
    named = ((_folded(own.person.name) if own.person else "", own) for own in patients)
    fitting = [(name, own) for name, own in named if all(_fits(word, name, own) for word in wanted)]
    first = nsmallest(MOST, fitting, key=lambda pair: (not pair[0], pair[0], pair[1].patient))
    return Found(tuple(own for _, own in first), len(fitting))


def _fits(word: str, name: str, own: Listed) -> bool:
    return word in name or own.patient.startswith(word) or (own.person is not None and own.person.birth_date == word)


def _folded(text: str) -> str:
    if text.isascii():
        return text.casefold()
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()


def name_of(listed: Listed) -> str:
    """The name where it may be shown, or else the pseudonym."""
    return (listed.person.name if listed.person else "") or f"Patient {listed.patient}"


def line_of(listed: Listed) -> str:
    """A patient in one line, with enough to tell two of one name apart."""
    born = f"born {listed.person.birth_date}" if listed.person and listed.person.birth_date else ""
    gender = listed.person.gender if listed.person else ""
    state = "refused" if listed.refused else counted(listed.notes, "note")
    return " · ".join(filter(None, (name_of(listed), born, gender, state)))
