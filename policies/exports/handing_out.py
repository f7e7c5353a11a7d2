"""Entries on their way out of the house: chosen from verified logs, made into a file, and logged before it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from policies.audit import entries as entries_of
from policies.audit import verify
from policies.events import Entry, Event
from policies.evidence import write_evidence
from policies.exports.query import Filter, in_words
from policies.files import canonical_json, sha256_hex
from policies.guard import Server, Site
from policies.logview import look
from policies.witness import kept_head, peers
from policies.workspace import SiteHome

if TYPE_CHECKING:
    from policies.exports.grouping import Named

Holders = Sequence[Server | Site]
FORMS = (".csv", ".ndjson", ".pdf", ".syslog")


def found(holders: Holders, asked: Filter) -> list[Named]:
    """The entries that were asked for, each with the name of its log, in order of time; verified one by one."""
    chosen = [
        (holder.home.name, entry)
        for holder in holders
        for entry in asked.chosen(entries_of(holder.home.audit, holder.keys.public))
    ]
    return sorted(chosen, key=lambda pair: pair[1].time)


def log_export(holders: Holders, asked: Filter, **facts: object) -> None:
    """Before anything leaves: every log says that its entries were handed out; what was typed is sealed."""
    words = asked.words()
    for holder in holders:
        sealed = holder.keys.seal(canonical_json(words), Event.AUDIT_EXPORTED)
        holder.guard.log.append(
            Event.AUDIT_EXPORTED, sealed=sealed, policy=holder.guard.policy.digest, filters=sorted(words), **facts
        )


def export(holders: Holders, asked: Filter, form: str) -> tuple[bytes, int]:
    """The entries that were asked for as a file, and how many they are.

    Args:
        form: one of `FORMS`: a table, FHIR AuditEvent, a report, or syslog messages (RFC 5424), one a line.

    Raises:
        IntegrityError: a log does not verify; nothing leaves.
    """
    entries = found(holders, asked)
    data = _rendered(form, holders, asked, entries)
    log_export(holders, asked, form=form, entries=len(entries), sha256=sha256_hex(data))
    return data, len(entries)


def export_evidence(holder: Server | Site, asked: Filter, out: Path) -> int:
    """Write the folder with which a stranger checks entries (`policies.evidence`); returns how many they are.

    Raises:
        InputError: there is no entry, or the folder is not empty.
        IntegrityError: the log does not verify.
    """
    key = holder.keys.public
    view = look(holder.home.audit, key)
    chosen = [entry.sequence for entry in asked.chosen(view.entries())]
    if chosen:
        log_export([holder], asked, form="evidence", entries=len(chosen))
    witnesses = list(peers(holder.guard.policy.witnesses, key.name).values())
    cosigned = kept_head(holder.home.cosigned) if isinstance(holder.home, SiteHome) else b""
    return write_evidence(view, chosen, key, witnesses, out, asked=in_words(asked.words()), cosigned=cosigned)


def _rendered(form: str, holders: Holders, asked: Filter, entries: Sequence[tuple[str, Entry]]) -> bytes:
    if form == ".ndjson":
        from policies.exports.audit_event import to_ndjson

        return to_ndjson(entries)
    if form == ".csv":
        from policies.exports.csv import to_csv

        return to_csv(entries)
    if form == ".syslog":
        from policies.exports.syslog import message

        return b"".join(message(log, entry) + b"\n" for log, entry in entries)
    from policies.exports.report import LogState, to_pdf  # reportlab takes its time

    logs = [LogState(holder.home.name, verify(holder.home.audit, holder.keys.public)) for holder in holders]
    return to_pdf(logs, asked.words(), entries, datetime.now(UTC))
