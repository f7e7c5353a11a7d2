"""What was disclosed of a patient in six years, to whom, when and why (45 CFR 164.528)."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dashboard.view.audit import Log
from policies.access import Action, Purpose
from policies.auditindex import Search, read
from policies.decisions import purpose_text
from policies.events import Event
from policies.exports.accounting import Accounting, accounting, concluded
from policies.exports.csv import inert
from policies.exports.handing_out import log_export
from policies.exports.query import Filter
from policies.logview import LogView
from policies.retention import logged_releases
from privacy.training.accounting import epsilon

_COLUMNS = ("first", "last", "recipient", "what", "purpose", "times", "epsilon")


def state_of(log: Log, patient: str) -> int:
    """The number of the newest entry about a patient that is more than a look, which changes no accounting."""
    hits = log.index.search(Search(patient=patient))
    return next((hit.sequence for hit in hits if hit.event != Event.PAGE_VIEWED), -1)


def account_for(log: Log, view: LogView, patient: str) -> Accounting:
    """The accounting of one patient, as 'confide audit accounting' gives it; that it was made is logged.

    Raises:
        AccessDenied: this account may not export.
        IntegrityError: the log does not verify, or a model update was released that nothing was booked for.
    """
    log.holder.guard.permit(Action.EXPORT_AUDIT, Purpose.OPERATIONS)
    hits = log.index.search(Search(patient=patient))
    named = {entry.sequence: entry for entry in read(view, (hit.sequence for hit in hits))}
    released = {entry.sequence: entry for entry in logged_releases(log.holder.home.audit, log.holder.keys.public)}
    both = released | named
    entries = [both[sequence] for sequence in sorted(both)]
    told = accounting(entries, patient, datetime.now(UTC).date(), epsilon)
    log_export([log.holder], Filter(patient=patient), form="accounting", entries=len(told.rows))
    return told


def rows(told: Accounting) -> list[Mapping[str, Any]]:
    """One row for each disclosure, or series of them."""
    return [
        {**{name.capitalize(): getattr(row, name) for name in _COLUMNS}, "Purpose": purpose_text(Purpose(row.purpose))}
        for row in told.rows
    ]


def sentences(told: Accounting, log: Log) -> list[str]:
    """What stands below the rows."""
    return list(concluded(told, log.name))


def as_csv(told: Accounting) -> bytes:
    """The rows as a file for the patient; no cell is a formula."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(_COLUMNS)
    writer.writerows([inert(str(getattr(row, name))) for name in _COLUMNS] for row in told.rows)
    return stream.getvalue().encode()
