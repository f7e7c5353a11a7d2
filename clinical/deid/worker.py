"""What a worker process does with one record: rules, text, and the guards that look for what was left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clinical.deid.output import text_file
from clinical.formats.source import Problem
from clinical.loss import clinical_loss
from policies.files import canonical_json
from policies.policy import Dates
from privacy.formats.columns import ColumnRules, deidentify_row, row_text
from privacy.formats.er7 import parse_message
from privacy.formats.fhir import deidentify_resource
from privacy.formats.fhir_notes import note_text
from privacy.formats.hl7 import deidentify_message, note_of
from privacy.guards.date_guard import date_findings
from privacy.guards.sweep import Sweep
from privacy.records import DeidentifiedRecord, Format, RawRecord
from privacy.subject import Deidentifier, Settings, Subject
from privacy.text.replacement import Tokens

QUARANTINE = "quarantined"
_ATTACHED = "data"  # base64 of a text that is looked at by itself


@dataclass(frozen=True)
class Work:
    """One record with what its source knows of the patient, and the patient's key where it is needed."""

    record: RawRecord
    patient: Mapping[str, Any] | None = field(repr=False)
    tokens: Tokens | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Done:
    """What became of one record.

    Args:
        result: the record, or why it is left out.
        patient: its patient's keyed pseudonym, "" for nobody; codes: all keyed pseudonyms in it.
        guards: what the guards saw, by kind; loss: clinical words of the public vocabulary that vanished.
    """

    result: DeidentifiedRecord | Problem
    patient: str = ""
    codes: frozenset[str] = frozenset()
    guards: Mapping[str, int] = field(default_factory=dict)
    loss: Mapping[str, int] = field(default_factory=dict)


class Worker:
    """De-identifies records of one source."""

    def __init__(self, settings: Settings, sweep: Sweep, columns: ColumnRules) -> None:
        self._deidentifier = Deidentifier(settings)
        self._deidentifier.subject(None).text("Ada Byron")  # what fails here is our fault, and no record's
        self._shifts = settings.rules.dates is Dates.SHIFT
        self._sweep, self._columns = sweep, columns

    def batch(self, batch: Sequence[Work | Problem]) -> list[Done]:
        """Each record by itself: one that cannot be read, or holds what it must not, stops no other."""
        return [Done(work) if isinstance(work, Problem) else self._one(work) for work in batch]

    def _one(self, work: Work) -> Done:
        record = work.record
        try:
            return self._deidentified(work)
        except (AttributeError, KeyError, TypeError, ValueError, TimeoutError) as error:
            # What is not shaped as its format says must not stop the rest, and must not pass either.
            message = f"the {record.kind} or its patient is not shaped as it should be ({type(error).__name__})"
            return Done(Problem(record.file, record.line, "malformed record", message))

    def _deidentified(self, work: Work) -> Done:
        record = work.record
        subject = self._deidentifier.subject(work.patient, record.patient_id, work.tokens)
        code = subject.pseudonym if record.kind == "Patient" else subject.code(record.kind, record.record_id)
        body, text, dropped = self._body(record, subject)
        canonical_json(body), canonical_json(record.body)  # what cannot be written is this record's problem alone
        leaks = Counter(str(leak.kind) for leak in self._sweep.leaks("\n".join(_strings(body, text)), work.patient))
        if leaks:
            kinds = ", ".join(sorted(leaks))
            message = f"the output still held: {kinds}; kept back, look at the record"
            return Done(Problem(record.file, record.line, QUARANTINE, message), guards=leaks)
        guards: Counter[str] = Counter()
        loss: Counter[str] = Counter()
        for change in subject.changes:
            loss.update(
                {f"{kind}: {word}": n for (kind, word), n in clinical_loss(change.original, change.spans).items()}
            )
            if self._shifts:
                guards.update(str(f.kind) for f in date_findings(change.original, change.output, change.spans))
        done = DeidentifiedRecord(
            record.format, record.kind, subject.pseudonym, code, body, text, dict(subject.findings), dropped
        )
        return Done(done, subject.pseudonym if record.patient_id else "", frozenset(subject.codes), guards, loss)

    def _body(self, record: RawRecord, subject: Subject) -> tuple[Any, str, int]:
        """Body, text and number of dropped elements after the rules of its format."""
        if record.format is Format.HL7:
            body, dropped = deidentify_message(record.body, subject)
            return body, note_of(parse_message(body)), dropped
        if record.format is Format.CSV:
            row, dropped = deidentify_row(record.body, self._columns, subject)
            row = {h: text_file(v) if v and self._columns.rule(h) == "file" else v for h, v in row.items()}
            return row, row_text(row, self._columns), dropped
        if record.format is Format.TEXT:
            text = subject.text(record.body)
            return text, text, 0
        resource, dropped = deidentify_resource(record.body, subject)
        return resource, note_text(resource), dropped


def _strings(body: Any, text: str) -> Iterator[str]:
    """Everything in a record that a reader could see."""
    yield text
    if isinstance(body, str) and body != text:
        yield body
    elif isinstance(body, Mapping):
        for key, value in body.items():
            if key != _ATTACHED or "contentType" not in body:
                yield from _strings(value, "")
    elif isinstance(body, list | tuple):
        for value in body:
            yield from _strings(value, "")
