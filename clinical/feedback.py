"""What clinicians say of what was read and suggested: accepted, corrected or rejected, each with its reason.

Each lies under the patient's own key in the vault, so an erasure reaches it. How many there are by version, which names
nobody, stands in a table beside it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version

import sqlalchemy as sql

from policies.access import Action, Purpose
from policies.database import Database
from policies.errors import InputError
from policies.events import Event
from policies.files import canonical_json
from policies.guard import Site
from policies.typed import checked_words
from privacy.consent_book import denied
from privacy.vault.originals import FEEDBACK, Vault

_ID_BYTES = 16
_TABLES = sql.MetaData()
_COUNTS = sql.Table(
    "counts",
    _TABLES,
    sql.Column("model", sql.Text, primary_key=True),
    sql.Column("kind", sql.Text, primary_key=True),
    sql.Column("number", sql.Integer, nullable=False),
)


class Target(StrEnum):
    """What is judged: that a thing is named here, whether it is true of the patient, its code, or a condition."""

    ENTITY = "entity"
    ASSERTION = "assertion"
    CODE = "code"
    SUGGESTION = "suggestion"


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    CORRECTED = "corrected"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Feedback:
    """What somebody said of one thing in one note.

    Attributes:
        patient, record: pseudonyms.
        start, end: characters of the note that it is about; a suggestion's first evidence.
        said: what was read or suggested.
        model: the version that said it: of the model for a suggestion, else of Confide.
        right: what it should be, where it was corrected.
        reason: in the clinician's words; needed unless it was accepted.
        by, at: the account, and UTC in ISO 8601; both filled in when it is given.
    """

    patient: str
    record: str
    target: Target
    verdict: Verdict
    start: int
    end: int
    said: str = field(repr=False)
    model: str
    right: str = field(default="", repr=False)
    reason: str = field(default="", repr=False)
    by: str = ""
    at: str = ""


def reader_version() -> str:
    """The version of what reads entities, assertions and codes."""
    return f"confide {version('confide')}"


def give(site: Site, feedback: Feedback) -> None:
    """Keep what a clinician says under the patient's key, count it, and log that it came, without a word of it.

    Raises:
        AccessDenied: whoever says it may not correct, or the patient refused and no glass was broken.
        InputError: a reason or a correction is missing or too long, or the vault holds no such note.
    """
    patient = feedback.patient
    site.guard.permit(Action.CORRECT, Purpose.TREATMENT, patient=patient, consent_denied=denied(site, patient))
    _check(feedback)
    vault = _vault(site)
    if feedback.record not in vault.names(patient):
        raise InputError("no such note of this patient in the vault", "Open the note again; it may have been erased.")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    body = {**asdict(feedback), "by": site.guard.actor, "at": now}
    vault.put([(patient, f"{FEEDBACK}{secrets.token_hex(_ID_BYTES)}", canonical_json(body))], known=True)
    _count(site, feedback)
    site.guard.record(
        Event.FEEDBACK_RECEIVED, patient=patient, record=feedback.record, target=feedback.target,
        outcome=feedback.verdict, model=feedback.model, purpose=Purpose.TREATMENT,
    )  # fmt: skip


def feedback_of(site: Site, patient: str, record: str) -> list[Feedback]:
    """What was said of one note, the oldest first.

    Raises:
        AccessDenied: whoever asks may not view the note.
        IntegrityError: something of it was altered.
    """
    site.guard.permit(Action.VIEW_NOTE, Purpose.TREATMENT, patient=patient, consent_denied=denied(site, patient))
    vault = _vault(site)
    kept = (json.loads(vault.get(patient, name)) for name in vault.names(patient) if name.startswith(FEEDBACK))
    found = [
        Feedback(**{**body, "target": Target(body["target"]), "verdict": Verdict(body["verdict"])})
        for body in kept
        if body["record"] == record
    ]
    return sorted(found, key=lambda own: own.at)


def feedback_counts(site: Site) -> Mapping[str, Mapping[str, int]]:
    """How much was said of each version, by kind such as "suggestion rejected"; it needs no patient's key."""
    found: dict[str, dict[str, int]] = {}
    with _counts(site).transaction() as link:
        _TABLES.create_all(link)
        for row in link.execute(sql.select(_COUNTS).order_by(_COUNTS.c.model, _COUNTS.c.kind)):
            found.setdefault(row.model, {})[row.kind] = row.number
    return found


def _check(feedback: Feedback) -> None:
    if feedback.reason or feedback.verdict is not Verdict.ACCEPTED:
        checked_words(feedback.reason, "reason")
    if feedback.verdict is Verdict.CORRECTED:
        checked_words(feedback.right, "correction")


def _count(site: Site, feedback: Feedback) -> None:
    kind = f"{feedback.target} {feedback.verdict}"
    same = (_COUNTS.c.model == feedback.model) & (_COUNTS.c.kind == kind)
    with _counts(site).transaction() as link:
        _TABLES.create_all(link)
        if not link.execute(sql.update(_COUNTS).where(same).values(number=_COUNTS.c.number + 1)).rowcount:
            link.execute(sql.insert(_COUNTS).values(model=feedback.model, kind=kind, number=1))


def _counts(site: Site) -> Database:
    return Database(site.home.feedback_url, "count of feedback")


def _vault(site: Site) -> Vault:
    return Vault(site.home.vault, site.keys.wrapping)
