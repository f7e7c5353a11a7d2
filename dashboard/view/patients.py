"""The list of patients, and what is found in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterable
from dataclasses import dataclass
from heapq import nsmallest

from clinical.patients import Closed, Listed
from policies.guard import Site
from policies.wording import counted
from privacy.care_teams import known_as

MOST = 20  # patients that are shown at once


_SHORTLY = {Closed.REFUSED: "refused", Closed.OTHERS: "not one of yours"}
_WHY = {
    Closed.REFUSED: "This patient refused that Confide is used for their care, so name and notes stay closed.",
    Closed.OTHERS: "This is not one of your patients: you are not on the care team, so name and notes stay closed. If "
    "you treat this patient, ask hospital IT or a data steward to put you on it.",
}
_GLASS = "In an emergency you may break the glass: it is logged, it ends by itself, and another person reviews it."


@dataclass(frozen=True)
class Found:
    """The first patients that fit, one's own by name before the others, and how many fit."""

    patients: tuple[Listed, ...]
    total: int

    @property
    def sentence(self) -> str:
        """How much of it is shown."""
        if len(self.patients) == self.total:
            return f"{counted(self.total, 'patient')}."
        return f"The first {len(self.patients)} of {self.total} patients; write more of the name to find one."


def search(patients: Iterable[Listed], words: str, numbered: Container[str] = ()) -> Found:
    """Patients whose name holds every word, in any case and with or without accents, or whose pseudonym begins so.

    Args:
        numbered: of `by_number`; they fit as well.
    """
    wanted = _folded(words).split()
    named = ((_folded(own.person.name) if own.person else "", own) for own in patients)
    fitting = [
        (name, own) for name, own in named if own.patient in numbered or all(_fits(word, name, own) for word in wanted)
    ]
    first = nsmallest(MOST, fitting, key=lambda pair: (pair[1].closed or "", not pair[0], pair[0], pair[1].patient))
    return Found(tuple(own for _, own in first), len(fitting))


def by_number(site: Site, patients: Iterable[Listed], words: str) -> list[str]:
    """Whose record number this is, as it stands on a wristband: so a patient of others is found in an emergency."""
    word = words.strip()
    return known_as(site, [word], {own.patient for own in patients})[word] if word else []


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
    state = _SHORTLY[listed.closed] if listed.closed else counted(listed.notes, "note")
    return " · ".join(filter(None, (name_of(listed), born, gender, state)))


def why_closed(why: Closed) -> str:
    """What whoever looks at a closed patient needs to know, and what to do."""
    return f"{_WHY[why]} {_GLASS}"
