"""Entries as CSV (RFC 4180) that a spreadsheet opens without running anything in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from policies.events import Entry
from policies.exports.query import meaning_of, patients_of, purpose_of
from policies.files import canonical_json

COLUMNS = ("log", "sequence", "time", "actor", "event", "outcome", "purpose", "patient", "session", "count", "details")
# A spreadsheet takes a cell that begins so for a formula (CWE-1236), some after blanks, some also in full width.
_FORMULA, _BLANK = tuple("=+-@＝＋－＠"), ("\t", "\r")


def to_csv(entries: Iterable[tuple[str, Entry]]) -> bytes:
    """One row for each entry, after a row of column names.

    Args:
        entries: each with the name of its log.
    """
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    for log, entry in entries:
        outcome, patients = meaning_of(entry.event).outcome, " ".join(patients_of(entry))
        facts = (entry.event, outcome, purpose_of(entry), patients, entry.session, entry.count)
        row = (log, entry.sequence, entry.time, entry.actor, *facts, canonical_json(entry.details).decode())
        writer.writerow([inert(str(cell)) for cell in row])
    return stream.getvalue().encode()


def inert(cell: str) -> str:
    """A cell that begins as a formula does gets an apostrophe before it, as OWASP advises."""
    return f"'{cell}" if cell.startswith(_BLANK) or cell.lstrip().startswith(_FORMULA) else cell
