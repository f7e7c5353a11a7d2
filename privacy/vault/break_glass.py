"""Break-glass: a clinician reads what a refusal or the care team keeps closed, with a reason, an end, and a review.

The log holds who, for whom, until when, and the digests of what was typed; each decision under a grant names it. A
review by a compliance officer other than the one who broke the glass is owed for each, and ends it. Reason and finding
may name the patient, so they are sealed under the patient's own key, and go with an erasure.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from policies.access import Action, Purpose
from policies.errors import AccessDenied, InputError
from policies.events import Event
from policies.files import sha256_hex
from policies.grants import Grant
from policies.guard import Site
from policies.typed import checked_words
from privacy.vault.originals import Vault
from privacy.vault.sealing import open_value, seal_value

MOST_MINUTES = 240
_ID_BYTES = 6


def start(site: Site, patient: str, reason: str, minutes: int) -> Grant:
    """Break the glass for one patient: this account may read the patient's notes until the time is over.

    Raises:
        AccessDenied: this account may not.
        InputError: the vault holds no such patient, the reason is empty or too long, or the time is.
    """
    site.guard.permit(Action.BREAK_GLASS, Purpose.TREATMENT)
    if patient not in _vault(site).patients():
        raise InputError("the vault holds no such patient", "Use a pseudonym from the records; one erased is gone.")
    if not 1 <= minutes <= MOST_MINUTES:
        raise InputError(f"{minutes} minutes", f"Break the glass for 1 to {MOST_MINUTES} minutes.")
    grants, now, grant_id = site.guard.grants, datetime.now(UTC), secrets.token_hex(_ID_BYTES)
    sealed = seal_value(_vault(site).key_of(patient), patient, checked_words(reason, "reason"))
    grant = Grant(grant_id, patient, site.guard.actor, _text(now), _text(now + timedelta(minutes=minutes)), sealed)
    data = grants.signed(grant)
    _log(site, grant, Event.BREAK_GLASS_STARTED, data)  # first: no access without a review that is owed
    grants.write(grant, data)
    return grant


def end(site: Site, grant_id: str) -> Grant:
    """End an own breaking of the glass before its time; its review is still owed.

    Raises:
        AccessDenied: it is not this account's own.
        InputError: there is no such grant, or it is over already.
        IntegrityError: the grant was edited.
    """
    grants = site.guard.grants
    grant = grants.read(grant_id)
    if grant.actor != site.guard.actor:
        raise AccessDenied(f"break-glass grant {grant.id} is not yours to end", "Its review by an officer ends it.")
    if not grant.active:
        raise InputError(f"break-glass grant {grant.id} is over already", "See 'confide break-glass list'.")
    done = replace(grant, ended=_text(datetime.now(UTC)))
    data = grants.signed(done)
    grants.write(done, data)
    _log(site, done, Event.BREAK_GLASS_ENDED, data)
    return done


def review(site: Site, grant_id: str, finding: str) -> Grant:
    """Say in writing what a breaking of the glass was; it ends with that, if it had not.

    Raises:
        AccessDenied: this account may not review, or broke the glass itself.
        InputError: there is no such grant, it was reviewed already, or the finding is empty or too long.
        IntegrityError: the grant was edited.
    """
    grants = site.guard.grants
    grant = grants.read(grant_id)
    site.guard.permit(Action.REVIEW_BREAK_GLASS, Purpose.OPERATIONS, requester=grant.actor)
    if grant.actor == site.guard.actor:  # whatever a hospital's own rules say
        raise AccessDenied(f"break-glass grant {grant.id} is your own, and two persons are needed")
    if grant.reviewed and grant.id not in grants.owed():
        raise InputError(f"break-glass grant {grant.id} was reviewed by '{grant.reviewer}' already", "Choose another.")
    words, key = checked_words(finding, "finding"), _key(site, grant)
    sealed = seal_value(key, grant.patient, words) if key else ""  # of one who was erased, no word is kept
    done = replace(grant, reviewer=site.guard.actor, reviewed=_text(datetime.now(UTC)), finding=sealed)
    data = grants.signed(done)
    grants.write(done, data)  # first: a review that is no longer owed has ended the access
    _log(site, done, Event.BREAK_GLASS_REVIEWED, data)
    return done


def visible(site: Site) -> list[Grant]:
    """This account's own grants, or all of them for whoever may review; the oldest first."""
    guard = site.guard
    reviews = guard.decide(Action.REVIEW_BREAK_GLASS, Purpose.OPERATIONS).permitted
    return [grant for grant in guard.grants.every() if reviews or grant.actor == guard.actor]


def reveal(site: Site, grant: Grant) -> tuple[str, str]:
    """Reason and finding of a grant; the finding is empty before the review, and both once the patient was erased."""
    key = _key(site, grant)

    def opened(sealed: str) -> str:
        return open_value(key, grant.patient, sealed) if key and sealed else ""

    return opened(grant.reason), opened(grant.finding)


def _key(site: Site, grant: Grant) -> bytes | None:
    vault = _vault(site)
    return vault.key_of(grant.patient) if grant.patient in vault.patients() else None


def _vault(site: Site) -> Vault:
    return Vault(site.home.vault, site.keys.wrapping)


def _log(site: Site, grant: Grant, event: Event, data: bytes) -> None:
    """The step, with the digest of the grant's file."""
    site.guard.record(
        event, grant=grant.id, patient=grant.patient, by=grant.actor, expires=grant.expires, sha256=sha256_hex(data)
    )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
