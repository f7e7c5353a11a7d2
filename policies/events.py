"""What can stand in the audit log, and how one entry is written: a line of canonical JSON, salted and chained.

Entries hold hashes, counts and pseudonyms, never text of a record and never a float: numbers that matter later, such as
epsilon, are decimal strings. What a person typed stands encrypted beside the log, and the entry names its digest.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from policies.errors import IntegrityError
from policies.files import canonical_json

ENTRY_VERSION = 2
LARGEST_ENTRY = 2**16 - 1  # an entry of a bundle has its length in two bytes (C2SP tlog-tiles)
_ROOM = 1024  # which other entries leave, so that each still fits into the one that carries it forward
NO_ENTRY = bytes(32)
_SALT_BYTES = 16


class Event(StrEnum):
    """What can stand in the log, at least one for every arrow of the road."""

    # the log itself
    PROCESS_STARTED = "process.started"
    PROCESS_ALIVE = "process.alive"
    PROCESS_STOPPED = "process.stopped"
    AUDIT_EXPORTED = "audit.exported"
    LOG_REVIEWED = "log.reviewed"
    LOG_PRUNED = "log.pruned"
    RELEASE_CARRIED = "release.carried"
    CHECKPOINT_COSIGNED = "checkpoint.cosigned"
    WITNESS_COSIGNED = "witness.cosigned"
    WITNESS_REFUSED = "witness.refused"
    # who may do what
    SIGNIN = "signin"
    SIGNIN_FAILED = "signin.failed"
    SIGNOUT = "signout"
    PURPOSE_CHOSEN = "purpose.chosen"
    ACCOUNT_CHANGED = "account.changed"
    CARE_TEAM_CHANGED = "care_team.changed"
    ACCESS_DECIDED = "access.decided"
    ACCESS_DENIED = "access.denied"
    POLICY_CHANGED = "policy.changed"
    BREAK_GLASS_STARTED = "break_glass.started"
    BREAK_GLASS_ENDED = "break_glass.ended"
    BREAK_GLASS_REVIEWED = "break_glass.reviewed"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_EXPORTED = "key.exported"
    BACKUP_MADE = "backup.made"
    BACKUP_RESTORED = "backup.restored"
    DATABASE_MOVED = "database.moved"
    WORKSPACE_UPGRADED = "workspace.upgraded"
    # patients
    CONSENT_RECORDED = "consent.recorded"
    CONSENT_WITHDRAWN = "consent.withdrawn"
    DISCLOSURE_MADE = "disclosure.made"
    REIDENTIFICATION_REQUESTED = "reidentification.requested"
    REIDENTIFICATION_APPROVED = "reidentification.approved"
    REIDENTIFICATION_REFUSED = "reidentification.refused"
    PATIENT_REIDENTIFIED = "patient.reidentified"
    PATIENT_ERASED = "patient.erased"
    # records
    EXPORT_READ = "export.read"
    RECORDS_DEIDENTIFIED = "records.deidentified"
    REVIEW_DRAWN = "review.drawn"
    NOTE_REVIEWED = "note.reviewed"
    CERTIFICATE_SIGNED = "certificate.signed"
    # training
    NODE_KEY_MADE = "node_key.made"
    MEMBER_ADMITTED = "member.admitted"
    MEMBER_DISMISSED = "member.dismissed"
    ROSTER_CONFIRMED = "roster.confirmed"
    COHORT_OFFERED = "cohort.offered"
    COHORT_PREPARED = "cohort.prepared"
    PLAN_APPROVED = "plan.approved"
    PLAN_REFUSED = "plan.refused"
    BUDGET_REFUSED = "budget.refused"
    BUDGET_SPENT = "budget.spent"
    BUDGET_REFUNDED = "budget.refunded"
    UPDATE_RELEASED = "update.released"
    ROUND_FAILED = "round.failed"
    ROUND_AGGREGATED = "round.aggregated"
    RUN_REFUSED = "run.refused"
    RECEIPT_CHECKED = "receipt.checked"
    # models and what they are used for
    MODEL_SIGNED = "model.signed"
    MODEL_LOADED = "model.loaded"
    MODEL_CHOSEN = "model.chosen"
    MODEL_ROLLED_BACK = "model.rolled_back"
    MODEL_CALIBRATED = "model.calibrated"
    NOTE_EXTRACTED = "note.extracted"
    NOTE_VIEWED = "note.viewed"
    NOTE_KEPT = "note.kept"
    NOTE_EXPORTED = "note.exported"
    CODES_IMPORTED = "codes.imported"
    FEEDBACK_RECEIVED = "feedback.received"
    EVALUATED = "evaluation.made"
    PAGE_VIEWED = "page.viewed"


_EVENTS = {event.value: event for event in Event}  # a table is faster than the enum's own look-up


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log.

    Attributes:
        sequence: its place, from 0.
        time: UTC, ISO 8601.
        actor: the account, or the process, that acted.
        session: one process's work under one account; 16 hexadecimal digits.
        count: the number of this attempt within its session, from 0; a number that is missing was never written.
        details: hashes, counts, pseudonyms and decimal strings.
        sealed: SHA-256 of the ciphertext beside the log, in hexadecimal, or nothing.
    """

    sequence: int
    time: str
    actor: str
    session: str
    count: int
    event: Event
    details: Mapping[str, Any]
    sealed: str = ""


def encode(entry: Entry, before: bytes) -> bytes:
    """The entry as the log keeps it, with a salt, and with the leaf hash of the entry before it.

    Raises:
        IntegrityError: it holds a float, or is over 64,511 bytes.
    """
    _refuse_floats(entry.details)
    fields = {
        "v": ENTRY_VERSION,
        "seq": entry.sequence,
        "time": entry.time,
        "actor": entry.actor,
        "session": entry.session,
        "n": entry.count,
        "event": entry.event,
        "details": entry.details,
        "prev": base64.b64encode(before).decode(),
        # So that nobody who holds a leaf hash can guess the entry behind it.
        "salt": base64.b64encode(os.urandom(_SALT_BYTES)).decode(),
    }
    line = canonical_json({**fields, "sealed": entry.sealed} if entry.sealed else fields)
    largest = LARGEST_ENTRY - (0 if entry.event is Event.RELEASE_CARRIED else _ROOM)
    if len(line) > largest:
        raise IntegrityError(f"an audit entry of {len(line)} bytes is over {largest}")
    return line


def decode(line: bytes, sequence: int, before: bytes | None) -> Entry:
    """Read the entry that stands at `sequence`, after the one with the leaf hash `before` (None: not known).

    Raises:
        IntegrityError: it is no entry, of an unknown version, not in its place, or does not follow that one.
    """
    try:
        raw = json.loads(line)
        version = raw["v"]
        if version != ENTRY_VERSION:
            raise IntegrityError(f"entry {sequence} has the unknown version {version}")
        entry = Entry(
            raw["seq"],
            raw["time"],
            raw["actor"],
            raw["session"],
            raw["n"],
            _EVENTS[raw["event"]],
            raw["details"],
            raw.get("sealed", ""),
        )
        previous = base64.b64decode(raw["prev"])
    except (ValueError, KeyError, TypeError):
        raise IntegrityError(f"entry {sequence} is no entry of this version") from None
    if entry.sequence != sequence:
        raise IntegrityError(f"entry {sequence} is not in its place, which holds number {entry.sequence}")
    if before is not None and previous != before:
        raise IntegrityError(f"entry {max(sequence - 1, 0)} was altered, or entry {sequence} was")
    return entry


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise IntegrityError("an audit entry may not hold a float", "Write the number as a decimal string.")
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
        _refuse_floats(part)
