"""From a raw export to a de-identified one: every record through policy, rules and vault, and a signed manifest."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from clinical.ingest import Export, Problem, open_export
from clinical.manifest import MANIFEST, write_manifest
from policies.access import Action, Purpose
from policies.audit import Event
from policies.errors import InputError, PolicyError
from policies.files import OWNER_ONLY, canonical_json, file_sha256, sha256_hex, storage_errors
from policies.guard import Site
from policies.policy import Deidentification, LegalBasis
from privacy.pseudonyms import Pseudonyms
from privacy.records import DeidentifiedRecord, RawRecord
from privacy.structured import StructuredDeidentifier
from privacy.vault import Vault

if TYPE_CHECKING:
    from privacy.deidentify import TextDeidentifier

BATCH = 32
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class DeidReport:
    """What a job did, in counts.

    Args:
        records, findings: resources written, per type; identifiers replaced in text, per category.
        problems: what was left out, per kind; `problem_file` at the site says where.
        dropped: elements of resources that no rule lets through, per type.
        manifest: SHA-256 of the signed manifest.
    """

    patients: int
    notes: int
    records: Mapping[str, int]
    findings: Mapping[str, int]
    problems: Mapping[str, int]
    dropped: Mapping[str, int]
    seconds: float
    problem_file: Path
    manifest: str


@dataclass(frozen=True)
class _Settings:
    """All that decides a record's output, besides the record."""

    mode: str
    keep_year: bool
    as_of: int
    secret: bytes = field(repr=False)


_Work = tuple[RawRecord, Mapping[str, Any]]
_Done = tuple[DeidentifiedRecord, int] | Problem


def deidentify_export(
    site: Site,
    source: Path,
    out: Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
    as_of: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> DeidReport:
    """De-identify a FHIR R4 bulk export into the folder `out`, whole or not at all.

    Args:
        site: the hospital, opened; its policy decides mode and limits, its vault keeps the originals.
        workers: processes; the output is the same for any number.
        overwrite: whether an `out` that Confide wrote before may be replaced.
        as_of: the year in which ages are counted; this year by default.
        advance: called with the number of records done since the last call.

    Raises:
        AccessDenied: the account may not de-identify.
        PolicyError: the policy's legal basis does not allow what is done here.
        InputError: `source` is no export, or `out` holds what Confide did not write.
        StorageError: the disk refused; `out` stands as it was.
    """
    site.guard.permit(Action.DEIDENTIFY, Purpose.OPERATIONS)
    policy = site.guard.policy.deidentification
    _refuse_basis(policy)
    _refuse_foreign(out, overwrite)
    started = datetime.now(UTC)
    settings = _Settings(policy.mode, policy.keep_year, as_of or started.year, site.keys.pseudonyms)
    export = open_export(source, policy.largest_note_bytes)
    hashes = sorted(file_sha256(path) for path in export.paths)
    site.guard.record(Event.EXPORT_READ, files=len(hashes), sha256=sha256_hex("\n".join(hashes).encode()))
    with storage_errors(out), _folder_beside(out) as beside:
        job = _Job(site, export, settings, beside)
        job.run(workers, advance or (lambda _: None))
        if not job.tally.records:
            raise InputError("no FHIR resource here could be used", "Name the folder of a FHIR export.", file=source)
        manifest = job.sign()
        site.guard.record(Event.RECORDS_DEIDENTIFIED, manifest=manifest, **job.tally.counts())
        _move(beside, out)
    seconds = (datetime.now(UTC) - started).total_seconds()
    return DeidReport(**job.tally.counts(), seconds=seconds, problem_file=job.problem_file, manifest=manifest)


@dataclass
class _Tally:
    """Counts of a running job."""

    patients: int = 0
    notes: int = 0
    records: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, record: DeidentifiedRecord, dropped: int) -> None:
        kind = record.resource["resourceType"]
        self.records[kind] += 1
        self.patients += kind == "Patient"
        self.notes += bool(record.text)
        self.findings.update(record.findings)
        self.dropped[kind] += dropped

    def counts(self) -> dict[str, Any]:
        return {k: dict(sorted(v.items())) if isinstance(v, Counter) else v for k, v in vars(self).items()}


@dataclass(frozen=True)
class _Job:
    """One export on its way into `folder`."""

    site: Site
    export: Export
    settings: _Settings
    folder: Path
    tally: _Tally = field(default_factory=_Tally)

    @property
    def problem_file(self) -> Path:
        return self.site.home.problems("deid-" + sha256_hex(str(self.export.paths).encode())[:16])

    def run(self, workers: int, advance: Callable[[int], None]) -> None:
        """Write every record and put its original into the vault, batch by batch, in the order of the export."""
        vault, pseudonyms = Vault(self.site.home.vault, self.site.keys.wrapping), Pseudonyms(self.settings.secret)
        self.problem_file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.problem_file.with_suffix(".unfinished")
        unfinished.touch(OWNER_ONLY)
        with ExitStack() as stack:
            problems = stack.enter_context(unfinished.open("wb"))
            files: dict[str, IO[bytes]] = {}
            for batch, results in _mapped(self._usable(problems), self.settings, workers):
                vault.put(_originals(batch, results, pseudonyms))
                for done in results:
                    if isinstance(done, Problem):
                        self._leave_out(done, problems)
                        continue
                    record, dropped = done
                    kind = record.resource["resourceType"]
                    if kind not in files:
                        files[kind] = stack.enter_context((self.folder / f"{kind}.ndjson").open("wb"))
                    files[kind].write(canonical_json(record.resource) + b"\n")
                    self.tally.add(record, dropped)
                advance(len(batch))
        unfinished.replace(self.problem_file)

    def _usable(self, problems: IO[bytes]) -> Iterator[_Work]:
        patient = lru_cache(maxsize=1024)(self.export.patient)
        for record in self.export.records():
            if isinstance(record, Problem):
                self._leave_out(record, problems)
            else:
                yield record, patient(record.patient_id)

    def _leave_out(self, problem: Problem, problems: IO[bytes]) -> None:
        problems.write(canonical_json(asdict(problem)) + b"\n")
        self.tally.problems[problem.kind] += 1

    def sign(self) -> str:
        """Write the manifest over all files; returns its SHA-256."""
        policy = self.site.guard.policy
        body = {
            "policy": policy.digest,
            "legal_basis": policy.deidentification.legal_basis,
            "mode": self.settings.mode,
            "keep_year": self.settings.keep_year,
            "as_of": self.settings.as_of,
            **self.tally.counts(),
        }
        return write_manifest(self.folder, self.site.keys, body)


def _refuse_basis(policy: Deidentification) -> None:
    if policy.legal_basis is LegalBasis.SAFE_HARBOR:
        raise PolicyError(
            "key 'deidentification.legal_basis': 'safe_harbor' does not allow pseudonyms that are derived from "
            "identifiers (45 CFR 164.514(c)), which link the records of a patient here",
            "Choose another legal basis together with the compliance officer.",
        )


def _refuse_foreign(out: Path, overwrite: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        ours = json.loads((out / MANIFEST).read_bytes())["manifest"]["tool"] == "confide"
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise InputError("not empty, and not written by Confide", "Name a new folder.", file=out)
    if not overwrite:
        raise InputError("holds de-identified records already", "Name a new folder, or add --overwrite.", file=out)


def _originals(
    batch: Sequence[_Work], results: Sequence[_Done], pseudonyms: Pseudonyms
) -> Iterator[tuple[str, str, bytes]]:
    """What care and re-identification need: notes, and the patients behind the pseudonyms."""
    for (record, _), done in zip(batch, results, strict=True):
        if isinstance(done, Problem):
            continue
        kind = str(record.resource["resourceType"])
        original = canonical_json(record.resource) if kind == "Patient" else record.text.encode()
        if original:
            yield pseudonyms.of("Patient", record.patient_id), pseudonyms.of(kind, record.record_id), original


def _mapped(
    work: Iterator[_Work], settings: _Settings, workers: int
) -> Iterator[tuple[Sequence[_Work], Sequence[_Done]]]:
    """Batches with their results, in order; at most two batches per worker are under way."""
    batches = iter(lambda: list(islice(work, BATCH)), [])
    if workers <= 1:
        yield from ((batch, _deidentify_batch(settings, batch)) for batch in batches)
        return
    context = get_context("forkserver")
    context.set_forkserver_preload(["privacy.deidentify"])
    with ProcessPoolExecutor(workers, context) as pool:
        running: deque[tuple[Sequence[_Work], Future[list[_Done]]]] = deque()
        for batch in batches:
            running.append((batch, pool.submit(_deidentify_batch, settings, batch)))
            if len(running) > 2 * workers:
                first, future = running.popleft()
                yield first, future.result()
        yield from ((batch, future.result()) for batch, future in running)


def _deidentify_batch(settings: _Settings, batch: Sequence[_Work]) -> list[_Done]:
    return [_deidentify_one(settings, record, patient) for record, patient in batch]


def _deidentify_one(settings: _Settings, record: RawRecord, patient: Mapping[str, Any]) -> _Done:
    try:
        return _deidentified(settings, record, patient)
    except (AttributeError, KeyError, TypeError, ValueError, TimeoutError) as error:
        # One resource that is not shaped as FHIR shapes it must not stop the rest, and must not pass either.
        message = f"the resource or its Patient is not shaped as FHIR R4 says ({type(error).__name__}); left out"
        return Problem(record.file, record.line, "malformed resource", message)


@lru_cache(maxsize=1)
def _engines(settings: _Settings) -> tuple[TextDeidentifier, StructuredDeidentifier]:
    from privacy.deidentify import TextDeidentifier  # Presidio takes seconds to import

    text = TextDeidentifier(settings.mode, settings.as_of, settings.keep_year)
    return text, StructuredDeidentifier(Pseudonyms(settings.secret), settings.as_of)


def _deidentified(settings: _Settings, record: RawRecord, patient: Mapping[str, Any]) -> tuple[DeidentifiedRecord, int]:
    from privacy.roster import roster_of

    engine, structured = _engines(settings)
    resource, dropped = structured.deidentify(record.resource)
    text, findings = engine.deidentify(record.text, roster_of(patient)) if record.text else ("", {})
    if text:
        data = base64.b64encode(text.encode()).decode()
        resource["content"] = [{"attachment": {"contentType": _TEXT, "data": data}}]
    pseudonym = structured.pseudonyms.of("Patient", record.patient_id)
    canonical_json(resource), canonical_json(record.resource)  # what cannot be written is this record's problem alone
    return DeidentifiedRecord(pseudonym, resource["id"], text, resource, findings), dropped


@contextmanager
def _folder_beside(out: Path) -> Iterator[Path]:
    """A folder next to `out` that is gone afterwards, unless it was moved into its place."""
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _move(beside: Path, out: Path) -> None:
    """Put the finished folder in its place; an older one is removed only after that."""
    with _folder_beside(out) as older:
        if out.exists():
            out.rename(older / out.name)
        beside.chmod(0o755)
        try:
            beside.rename(out)
        except OSError:
            (older / out.name).rename(out)
            raise
