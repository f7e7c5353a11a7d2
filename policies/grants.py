"""Break-glass grants: one account may read one patient's notes for a short time, although a rule keeps them closed.

Each is a file that the site signs. `privacy.vault.break_glass` writes them, and seals what was typed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from policies.errors import InputError, IntegrityError
from policies.events import Entry, Event
from policies.files import OWNER_ONLY, write_whole
from policies.findings import owed_reviews
from policies.keys import KeyRing
from policies.retention import logged_releases
from policies.signed import read_signed, signed
from policies.workspace import Home, checked_name, grants_folder

_KIND = "break_glass"


@dataclass(frozen=True)
class Grant:
    """One breaking of the glass.

    Attributes:
        patient: pseudonym.
        actor, reviewer: accounts; the reviewer is empty until the review.
        started, expires, ended, reviewed: UTC, ISO 8601; ended is empty where it was not ended before its time.
        reason, finding: sealed.
    """

    id: str
    patient: str
    actor: str
    started: str
    expires: str
    reason: str = field(repr=False)
    ended: str = ""
    reviewer: str = ""
    reviewed: str = ""
    finding: str = field(default="", repr=False)

    @property
    def active(self) -> bool:
        """Whether it lets its account in now; a review ends it too."""
        return not self.ended and not self.reviewed and datetime.now(UTC) < datetime.fromisoformat(self.expires)


@dataclass(frozen=True)
class Grants:
    """The break-glass grants of one site."""

    home: Home
    keys: KeyRing

    def every(self) -> list[Grant]:
        """All of them, the oldest first, also those whose file is gone; raises IntegrityError where one was edited."""
        found = {path.stem: self._read(path) for path in self.home.all_grants.glob("*/*.json")}
        logged = {grant_id: _as_logged(entry) for grant_id, entry in self.owed().items()}
        return sorted((logged | found).values(), key=lambda grant: (grant.started, grant.id))

    def owed(self) -> dict[str, Entry]:
        """Of each grant that nobody reviewed, by its id, what the log says about its start.

        Raises:
            IntegrityError: the log does not verify.
        """
        return owed_reviews(logged_releases(self.home.audit, self.keys.public))

    def _over(self) -> set[str]:
        """The grants that were ended or reviewed."""
        ends = (Event.BREAK_GLASS_ENDED, Event.BREAK_GLASS_REVIEWED)
        logged = logged_releases(self.home.audit, self.keys.public)
        return {entry.details["grant"] for entry in logged if entry.event in ends}

    def open_reviews(self) -> int:
        """How many of them nobody has reviewed, by the log."""
        return len(self.owed())

    def active(self, actor: str, patient: str) -> Grant | None:
        """The grant that lets this account in now, by its file and by the log, where a file cannot be put back.

        Raises:
            IntegrityError: a grant of this account was edited, or the log does not verify.
        """
        grants = [self._read(path) for path in self.home.grants(actor, patient).glob("*.json")]
        fitting = [grant for grant in grants if (grant.actor, grant.patient) == (actor, patient) and grant.active]
        over = self._over() if fitting else set()
        return next((grant for grant in fitting if grant.id not in over), None)

    def broken(self, actor: str, patients: Iterable[str]) -> frozenset[str]:
        """Of these patients those for whom `active` finds a grant of this account; quick for a whole hospital."""
        there = {path.name for path in self.home.all_grants.glob("*")}
        asked = [patient for patient in patients if grants_folder(actor, patient) in there] if there else []
        return frozenset(patient for patient in asked if self.active(actor, patient))

    def read(self, grant_id: str) -> Grant:
        """From its file, or from the log; raises InputError where there is none, IntegrityError where it was edited."""
        path = next(self.home.all_grants.glob(f"*/{checked_name(grant_id, 'grant')}.json"), None)
        if path is not None:
            return self._read(path)
        if grant_id in (owed := self.owed()):
            return _as_logged(owed[grant_id])
        raise InputError(f"there is no break-glass grant {grant_id}", "See 'confide break-glass list'.")

    def signed(self, grant: Grant) -> bytes:
        """The file of a grant."""
        return signed(self.keys, _KIND, asdict(grant))

    def write(self, grant: Grant, data: bytes) -> None:
        write_whole(self.home.grants(grant.actor, grant.patient) / f"{grant.id}.json", data, OWNER_ONLY)

    def _read(self, path: Path) -> Grant:
        body = read_signed(path, _KIND, self.keys.public)
        if body["id"] != path.stem:
            raise IntegrityError(f"the file of break-glass grant {path.stem} holds another grant, {body['id']}")
        return Grant(**body)


def _as_logged(entry: Entry) -> Grant:
    """A grant whose file is gone, and its reason with it."""
    facts = entry.details
    return Grant(facts["grant"], facts["patient"], facts["by"], entry.time, facts["expires"], reason="")
