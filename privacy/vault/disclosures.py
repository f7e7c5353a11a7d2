"""What a hospital disclosed of a patient without Confide, recorded for the accounting (45 CFR 164.528)."""

from __future__ import annotations

from datetime import UTC, date, datetime

from policies.access import Action, Purpose
from policies.errors import InputError
from policies.events import Event
from policies.guard import Site
from policies.typed import checked_words
from privacy.vault.originals import Vault


def record(site: Site, patient: str, *, recipient: str, what: str, purpose: str, day: date | None = None) -> None:
    """Write a disclosure into the log.

    Args:
        patient: pseudonym.
        recipient, what: who received it and a short description; both stand in the log as they are typed.
        purpose: code of a purpose of use.
        day: on which it was made; today by default.

    Raises:
        AccessDenied: this account may not.
        InputError: there is no such purpose or patient, the day has not come, or words are missing.
    """
    if purpose not in list(Purpose):
        raise InputError(f"'{purpose}' is no purpose", f"Use one of: {', '.join(Purpose)}.")
    today = datetime.now(UTC).date()
    day = day or today
    if day > today:
        raise InputError(f"{day} has not come yet", "Record a disclosure once it was made.")
    site.guard.permit(Action.RECORD_DISCLOSURE, Purpose.OPERATIONS)
    if patient not in Vault(site.home.vault, site.keys.wrapping).patients():
        raise InputError("the vault holds no such patient", "Use a pseudonym from the records; one erased is gone.")
    facts = {"recipient": checked_words(recipient, "recipient"), "what": checked_words(what, "description")}
    site.guard.record(Event.DISCLOSURE_MADE, patient=patient, purpose=purpose, day=day.isoformat(), **facts)
