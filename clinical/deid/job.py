"""One job: every record of a source through policy, rules, guards and vault, and a signed manifest over the output."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import IO, Any

from clinical.deid.consents import Refusals, take_consents
from clinical.deid.custody import Custody
from clinical.deid.journal import Journal, Progress
from clinical.deid.output import Output, tables_without_text
from clinical.deid.people import People
from clinical.deid.pool import Batch, Engine, mapped
from clinical.deid.refusals import check_request, refuse_filled
from clinical.deid.tally import Tally
from clinical.deid.worker import QUARANTINE, Done, Work
from clinical.formats.detect import MixedSource, open_source
from clinical.formats.source import Problem
from clinical.manifest import read_manifest, write_manifest
from policies.access import Action, Purpose
from policies.errors import InputError, IntegrityError
from policies.events import Event
from policies.files import OWNER_ONLY, canonical_json, file_sha256, sha256_hex, storage_errors, write_whole
from policies.guard import Site
from policies.keys import PublicKey
from policies.legal import clauses, statement
from privacy.consent_book import consent_digest
from privacy.formats.columns import column_rules
from privacy.subject import Settings

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Options:
    """How a job runs; nothing here changes what comes out, but for the last three.

    Args:
        workers: processes; engine: where they run.
        overwrite: whether an `out` that Confide wrote before may be replaced.
        as_of: the year in which ages are counted; this year by default.
        columns: a hospital's own rules for the columns of its tables.
        patient: record number of the patient whose all plain texts are, where no table names them.
    """

    workers: int = 1
    engine: Engine = Engine.PROCESSES
    overwrite: bool = False
    as_of: int | None = None
    columns: Path | None = None
    patient: str | None = None


@dataclass(frozen=True)
class DeidReport:
    """What a job did, in counts.

    Args:
        records, findings, dropped, problems, guards: as in `Tally`; `problem_file` says where each problem stands.
        resumed: records that an earlier run, which was stopped, had done.
        loss_file: clinical words that vanished, with counts.
        manifest: SHA-256 of the signed manifest.
    """

    patients: int
    notes: int
    records: Mapping[str, int]
    findings: Mapping[str, int]
    dropped: Mapping[str, int]
    problems: Mapping[str, int]
    guards: Mapping[str, int]
    resumed: int
    seconds: float
    problem_file: Path
    loss_file: Path
    manifest: str


def deidentify_source(
    site: Site, source: Path, out: Path, options: Options = Options(), advance: Advance | None = None
) -> DeidReport:
    """De-identify what a hospital has (FHIR, HL7 v2, CSV, text) into the folder `out`, whole or not at all.

    A run that was stopped leaves its work beside `out`; the same call goes on from there.

    Args:
        site: the hospital, opened; its policy decides everything about the output, its vault keeps the originals.
        advance: called with the number of records done since the last call.

    Raises:
        AccessDenied: the account may not de-identify.
        PolicyError: the policy's legal basis does not allow what the policy wants.
        InputError: nothing in `source` can be read, or `out` holds what this site did not write.
        StorageError: the disk refused; `out` stands as it was.
    """
    site.guard.permit(Action.DEIDENTIFY, Purpose.OPERATIONS)
    rules = site.guard.policy.deidentification
    key = site.keys.public
    check_request(rules, source, out, key, columns=options.columns, overwrite=options.overwrite)
    started = datetime.now(UTC)
    opened = open_source(
        source, largest_note=rules.largest_note_bytes, columns=options.columns, patient=options.patient
    )
    hashes = [file_sha256(path) for path in opened.paths]
    site.guard.record(Event.EXPORT_READ, files=len(hashes), sha256=sha256_hex("\n".join(sorted(hashes)).encode()))
    unknown = take_consents(site, opened).unknown
    with site.guard.log.running("deid"), storage_errors(out), _unfinished(out) as folder:
        job = _Job(site, opened, hashes, options, folder, options.as_of or started.year, unknown)
        job.run(advance or (lambda _: None))
        if not job.tally.records:
            shutil.rmtree(folder)
            raise InputError("no record here could be used", f"What was wrong: {job.problem_file}", file=source)
        manifest = job.sign()
        site.guard.record(Event.RECORDS_DEIDENTIFIED, manifest=manifest, **job.facts())
        refuse_filled(out, options.overwrite, key)  # another job may have been quicker
        _move(folder, out)
    seconds = (datetime.now(UTC) - started).total_seconds()
    return DeidReport(
        **job.facts(), resumed=job.resumed, seconds=seconds, problem_file=job.problem_file,
        loss_file=job.loss_file, manifest=manifest,
    )  # fmt: skip


@dataclass
class _Job:
    """One source on its way into `folder`."""

    site: Site
    source: MixedSource
    hashes: Sequence[str]
    options: Options
    folder: Path
    as_of: int
    unknown_consents: int
    tally: Tally = field(default_factory=Tally)
    patients: set[str] = field(default_factory=set)
    resumed: int = 0

    def run(self, advance: Advance) -> None:
        """Every record, batch by batch, in the order of the source; first what an earlier run has done is skipped."""
        journal = Journal(self.folder, self._fingerprint())
        before = self._resume(journal)
        advance(before.items)
        custody = Custody(self.site)
        people = People.of(self.source.people(), self.site.guard.policy.deidentification)
        items = islice(self._items(custody, people), before.items, None)
        with Output(self.folder, before.sizes) as output, self._problems(before.problems) as problems:
            for batch, results in mapped(items, self._start(people), self.options.workers, self.options.engine):
                new = custody.keep(_kept(batch, results), self.patients)
                codes = custody.codes((code, done.patient) for done in results for code in done.codes)
                counts = self._write(batch, results, output, problems, codes)
                journal.add(len(batch), output.sync(), _synced(problems), counts, new)
                self.patients.update(new)
                self.tally.merge(counts)
                self.site.guard.log.heartbeat()
                advance(len(batch))
        self.unfinished.replace(self.problem_file)
        write_whole(self.loss_file, canonical_json(dict(self.tally.loss.most_common())) + b"\n", OWNER_ONLY)
        journal.end()

    def facts(self) -> dict[str, Any]:
        """Counts that may stand in a manifest and in the log: no word of a record."""
        counts = {k: v for k, v in self.tally.counts().items() if k != "loss"}
        return {**counts, "patients": len(self.patients)}

    def sign(self) -> str:
        """Write the manifest over all files; returns its SHA-256."""
        policy = self.site.guard.policy
        body = {
            **policy.deidentification.model_dump(mode="json", exclude={"largest_note_bytes"}),
            **self.facts(),
            "tables_without_text": tables_without_text(self.folder, column_rules(self.options.columns)),
            "policy": policy.digest,
            "as_of": self.as_of,
            "clauses": clauses(policy.deidentification),
            "statement": statement(policy.deidentification.legal_basis),
        }
        return write_manifest(self.folder, self.site.keys, body)

    @property
    def problem_file(self) -> Path:
        return self.site.home.problems(f"deid-{self._name}")

    @property
    def loss_file(self) -> Path:
        return self.site.home.problems(f"loss-{self._name}")

    @property
    def unfinished(self) -> Path:
        return self.problem_file.with_suffix(".unfinished")

    @property
    def _name(self) -> str:
        return sha256_hex(str(self.source.paths).encode())[:16]

    def _fingerprint(self) -> str:
        """Of all that decides the output."""
        columns = file_sha256(self.options.columns) if self.options.columns else ""
        policy, erased = self.site.guard.policy.digest, len(self.site.home.erasures())
        # In their order, and with what is not read: records and problems are counted.
        files = [[path.name, digest] for path, digest in zip(self.source.paths, self.hashes, strict=True)]
        unread = [[problem.file, problem.kind] for problem in self.source.problems]
        given = consent_digest(self.site)
        parts = [files, unread, policy, self.as_of, columns, self.options.patient, version("confide"), erased, given]
        return sha256_hex(canonical_json(parts))

    def _resume(self, journal: Journal) -> Progress:
        done = journal.read()
        if done is None:
            for path in self.folder.iterdir():
                path.unlink()
            journal.begin()
            return Progress()
        for counts in done.counts:
            self.tally.merge(counts)
        self.patients, self.resumed = set(done.patients), done.items
        return done

    @contextmanager
    def _problems(self, size: int) -> Iterator[IO[bytes]]:
        self.problem_file.parent.mkdir(parents=True, exist_ok=True)
        self.unfinished.touch(OWNER_ONLY)
        with self.unfinished.open("r+b") as stream:
            stream.truncate(size)
            stream.seek(size)
            yield stream

    def _start(self, people: People) -> tuple[Any, ...]:
        """What every worker process begins with."""
        rules = self.site.guard.policy.deidentification
        if _was_tagged(self.source.paths, self.site.keys.public):
            # Tables and rosters find nothing in their own output; the tagger might, where a mark is its neighbour.
            rules = rules.model_copy(update={"tagger": False})
        settings = Settings(rules, self.as_of, self.site.keys.pseudonyms, people.taken)
        return settings, people.sweep, column_rules(self.options.columns)

    def _items(self, custody: Custody, people: People) -> Iterator[Work | Problem]:
        """Records with their patients, in the order of the source."""
        patient = lru_cache(maxsize=1024)(self.source.patient)
        refusals = Refusals.of(self.site)
        for _ in range(self.unknown_consents):
            yield Problem("Consent", 0, "consent of nobody known", "a Consent whose patient is not in this source")
        for record in self.source.records():
            if isinstance(record, Problem):
                yield record
            elif record.patient_id in people.confused:
                message = "people with different dates of birth share this patient's record number; left out"
                yield Problem(record.file, record.line, "two patients with one number", message)
            elif record.kind == "Patient" and record.patient_id in people.repeated:
                message = "an earlier Patient has the same record number; this one adds nothing and is left out"
                yield Problem(record.file, record.line, "patient again", message)
            elif record.patient_id and refusals.holds(record.patient_id, patient(record.patient_id)):
                message = "the patient refused research, or did not allow it where the policy says opt_in; left out"
                yield Problem(record.file, record.line, "no consent", message)
            else:
                work = Work(record, patient(record.patient_id) if record.patient_id else None)
                yield replace(work, tokens=custody.tokens(work))

    def _write(
        self, batch: Batch, results: Sequence[Done], output: Output, problems: IO[bytes], codes: Mapping[str, str]
    ) -> dict[str, Any]:
        """Write a batch; returns its counts."""
        tally = Tally()
        for work, done in zip(batch, results, strict=True):
            tally.add(done)
            if isinstance(done.result, Problem):
                problems.write(canonical_json(asdict(done.result)) + b"\n")
            elif isinstance(work, Work):
                output.write(done.result, self._files[work.record.file], codes)
        return tally.counts()

    @cached_property
    def _files(self) -> Mapping[str, int]:
        return {path.name: number for number, path in enumerate(self.source.paths, 1)}


def _kept(batch: Batch, results: Sequence[Done]) -> Iterator[Work]:
    """What goes into the vault: records that are released, and those that a guard keeps back."""
    for work, done in zip(batch, results, strict=True):
        back = isinstance(done.result, Problem) and done.result.kind != QUARANTINE
        if isinstance(work, Work) and not back:
            yield work


def _was_tagged(paths: Sequence[Path], key: PublicKey) -> bool:
    """Whether all that is read is signed output of this site that the tagger has read."""
    try:
        return all(read_manifest(folder, key)["tagger"] for folder in {path.parent for path in paths})
    except (InputError, IntegrityError, KeyError):
        return False


def _synced(stream: IO[bytes]) -> int:
    stream.flush()
    os.fsync(stream.fileno())
    return stream.tell()


@contextmanager
def _unfinished(out: Path) -> Iterator[Path]:
    """The folder beside `out` in which a job works; one process at a time."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.parent / f".{out.name}.unfinished"
    folder.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    except BlockingIOError:
        raise InputError("another process is writing this folder", "Wait for it to end.", file=out) from None
    finally:
        os.close(handle)


def _move(folder: Path, out: Path) -> None:
    """Put the finished folder in its place; an older one is removed only after that."""
    older = folder.with_suffix(".older")
    shutil.rmtree(older, ignore_errors=True)
    if out.exists():
        out.rename(older)
    try:
        folder.rename(out)
    except OSError:
        if older.exists():
            older.rename(out)
        raise
    shutil.rmtree(older, ignore_errors=True)
