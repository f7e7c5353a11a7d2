"""Two people look for what is left in a sample of an output, blind to each other; then a statement is signed.

What is kept of a review lies at the site: the draw, signed, and the marks, sealed, as offsets and categories. The notes
stay in the folder that was drawn from; each is checked against its hash before it is shown.
"""

from __future__ import annotations

import json
import re
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clinical.drawing import Drawn, draw_notes
from clinical.manifest import MANIFEST, read_manifest
from clinical.released import note_at, released_notes
from policies.access import Action, Purpose
from policies.errors import InputError, IntegrityError
from policies.events import Event
from policies.files import OWNER_ONLY, canonical_json, file_sha256, sha256_hex, write_whole
from policies.guard import Site
from policies.keys import PublicKey
from policies.legal import CATEGORIES
from policies.signed import read_signed, signed
from privacy.guards.certificate import CONFIDENCE, Mark, Sample, Stratum, agreement, bounds, united
from privacy.text.marks import MARK

REVIEWERS = 2
_ID_BYTES = 6
_KIND, _CERTIFICATE = "review", "certificate"
_KEPT = {"DATE": ("dates", "keep"), "HOSPITAL": ("organisations", "keep")}  # what a policy may leave standing
_NAMED_BY_MARKS = ("tag", "encrypt")


@dataclass(frozen=True)
class Review:
    """A sample that was drawn.

    Args:
        folder: the output that it was drawn from; manifest: SHA-256 of its signed manifest.
        policy, legal_basis, mode, findings: from that manifest; findings are counts of replaced identifiers.
        categories: of identifiers that must not be left.
        seed: with the manifest it decides the draw.
    """

    id: str
    folder: str
    manifest: str
    policy: str
    legal_basis: str
    mode: str
    findings: Mapping[str, int]
    categories: tuple[str, ...]
    seed: str
    drawn_on: str
    sample: Sample
    drawn: tuple[Drawn, ...]


@dataclass(frozen=True)
class ReviewNote:
    """One note for one reviewer; `number` of `of` counts from 1."""

    record: str
    number: int
    of: int
    text: str = field(repr=False)


@dataclass(frozen=True)
class Progress:
    """How far one account is."""

    reviewer: str
    done: int
    of: int


def draw(site: Site, folder: Path, notes: int, seed: str | None = None) -> Review:
    """Draw a stratified sample of the notes of an output of this site.

    Args:
        notes: at most so many.
        seed: 32 hexadecimal digits; random by default.

    Raises:
        AccessDenied: this account may not draw a review.
        InputError: no manifest, no note, or too few notes for the strata.
        IntegrityError: the folder is not what this site signed.
    """
    site.guard.permit(Action.DRAW_REVIEW, Purpose.OPERATIONS)
    facts = read_manifest(folder, site.keys.public)
    manifest, seed = file_sha256(folder / MANIFEST), seed or secrets.token_hex(16)
    no_notes = facts.get("tables_without_text", ())
    written = (note for note in released_notes(folder) if note.file not in no_notes)
    sample, drawn = draw_notes(written, notes, f"{seed}\0{manifest}")
    kept = {category for category, (key, value) in _KEPT.items() if facts.get(key) == value}
    review = Review(
        secrets.token_hex(_ID_BYTES), str(folder.resolve()), manifest, facts["policy"], facts["legal_basis"],
        facts["mode"], facts["findings"], tuple(c for c in CATEGORIES if c not in kept), seed, _today(), sample, drawn,
    )  # fmt: skip
    write_whole(site.home.review(review.id), signed(site.keys, _KIND, asdict(review)), OWNER_ONLY)
    site.guard.record(
        Event.REVIEW_DRAWN, review=review.id, manifest=manifest, seed=seed, notes=sample.notes, drawn=sample.drawn
    )
    return review


def open_review(site: Site, review_id: str) -> Review:
    """A review that was drawn here.

    Raises:
        InputError: there is none of this id.
        IntegrityError: it was edited.
    """
    path = site.home.review(review_id)
    if not path.exists():
        known = ", ".join(review.id for review in reviews(site)) or "none yet"
        raise InputError(f"there is no review '{review_id}' at {site.name}", f"Reviews here: {known}.")
    body = read_signed(path, _KIND, site.keys.public)
    strata = tuple(Stratum(**stratum) for stratum in body["sample"]["strata"])
    drawn = tuple(Drawn(**note) for note in body["drawn"])
    return Review(**{**body, "categories": tuple(body["categories"]), "sample": Sample(strata), "drawn": drawn})


def reviews(site: Site) -> tuple[Review, ...]:
    """Every review of this site, the oldest first."""
    folder = site.home.reviews
    names = (
        [entry.name for entry in folder.iterdir() if site.home.review(entry.name).exists()] if folder.is_dir() else []
    )
    return tuple(sorted((open_review(site, name) for name in names), key=lambda review: (review.drawn_on, review.id)))


def next_note(site: Site, review: Review) -> ReviewNote | None:
    """The next note that this account has not yet judged; None when it has judged all.

    Raises:
        AccessDenied: this account may not review.
        IntegrityError: the note is not the one that was drawn.
    """
    site.guard.permit(Action.REVIEW, Purpose.OPERATIONS)
    done = _marked(site, review, site.guard.actor)
    left = [note for note in review.drawn if note.record not in done]
    return ReviewNote(left[0].record, len(done) + 1, len(review.drawn), _text(review, left[0])) if left else None


def marks_of(text: str, words: str, category: str) -> list[Mark]:
    """A mark at every place where these words stand in a note.

    Raises:
        InputError: they stand nowhere in it.
    """
    words = words.strip()
    places = [match.start() for match in re.finditer(re.escape(words), text)] if words else []
    if not places:
        raise InputError("these words do not stand in the note", "Copy them as they are written there.")
    return [(place, place + len(words), category) for place in places]


def submit(site: Site, review: Review, record: str, leaks: Sequence[Mark]) -> None:
    """Keep what this account found in a note; nothing found is a judgement too, and none can be changed.

    Args:
        leaks: start, end and category of each identifier that is still there.

    Raises:
        AccessDenied: this account may not review.
        InputError: the note is not of the sample or was judged before, or a mark is outside the note or of no category.
    """
    site.guard.permit(Action.REVIEW, Purpose.OPERATIONS)
    reviewer = site.guard.actor
    note = next((note for note in review.drawn if note.record == record), None)
    if note is None or record in _marked(site, review, reviewer):
        raise InputError("this note is not of the sample, or was judged already", "Go on with the next one.")
    length = len(_text(review, note))
    for start, end, category in leaks:
        if not 0 <= start < end <= length or category not in review.categories:
            raise InputError(
                f"no mark: {start} to {end} as {category}",
                f"Mark within the note's {length} characters, as one of {', '.join(review.categories)}.",
            )
    body = canonical_json(
        {"reviewer": reviewer, "record": record, "leaks": [list(leak) for leak in sorted(set(leaks))]}
    )
    path = site.home.marks(review.id, reviewer) / sha256_hex(record.encode())[:32]
    write_whole(path, site.keys.seal(body, f"{review.id}\0{path.parent.name}\0{path.name}"), OWNER_ONLY)
    site.guard.record(Event.NOTE_REVIEWED, review=review.id, record=record)


def progress(site: Site, review: Review) -> tuple[Progress, ...]:
    """How far each account is; what it marked is not told.

    Raises:
        AccessDenied: this account may not review.
    """
    site.guard.permit(Action.REVIEW, Purpose.OPERATIONS)
    found = _all_marks(site, review)
    return tuple(Progress(reviewer, len(notes), len(review.drawn)) for reviewer, notes in sorted(found.items()))


def is_signed(site: Site, review: Review) -> bool:
    """Whether its statement was signed."""
    return site.home.certificate(review.id).exists()


def sign(site: Site, review: Review) -> Path:
    """Sign what two accounts found: a statement with upper bounds; the marks of every account count.

    Raises:
        AccessDenied: this account may not certify.
        InputError: fewer than two different accounts have judged every note.
    """
    site.guard.permit(Action.CERTIFY, Purpose.OPERATIONS)
    marks = _all_marks(site, review)
    finished = sorted(reviewer for reviewer, notes in marks.items() if len(notes) == len(review.drawn))
    if len(finished) < REVIEWERS:
        raise InputError(
            f"{len(finished)} of {REVIEWERS} accounts have judged every note of review {review.id}",
            f"Run 'confide certify status {review.id}' to see how far each is.",
        )
    body = _statement(site, review, marks, finished)
    path = site.home.certificate(review.id)
    data = signed(site.keys, _CERTIFICATE, body)
    figures = body["all_categories"]
    site.guard.record(
        Event.CERTIFICATE_SIGNED, review=review.id, manifest=review.manifest, certificate=sha256_hex(data),
        reviewers=finished, drawn=review.sample.drawn, **figures,
    )  # fmt: skip
    write_whole(path, data)
    return path


def read_certificate(path: Path, key: PublicKey) -> dict[str, Any]:
    """The statement of a certificate, after its signature was verified.

    Raises:
        InputError: there is no such file.
        IntegrityError: it was edited, or is signed by another.
    """
    return read_signed(path, _CERTIFICATE, key)


def certified_site(path: Path) -> str:
    """Which site a certificate says that it is from; `read_certificate` with that site's key proves it.

    Raises:
        InputError: it is no certificate.
    """
    try:
        return str(json.loads(path.read_bytes())[_CERTIFICATE]["site"])
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError("no certificate", "Name a file that 'confide certify sign' wrote.", file=path) from None


def _statement(
    site: Site, review: Review, marks: Mapping[str, Mapping[str, list[Mark]]], finished: Sequence[str]
) -> dict[str, Any]:
    records = [note.record for note in review.drawn]
    leaks = [united(notes.get(record, ()) for notes in marks.values()) for record in records]
    total, by_category = bounds(review.sample, leaks, review.categories)
    support = _support(review)
    same, kappa = agreement(*([bool(marks[reviewer][record]) for record in records] for reviewer in finished[:2]))
    return {
        "version": 1,
        "site": site.name,
        "review": review.id,
        "manifest": review.manifest,
        "policy": review.policy,
        "legal_basis": review.legal_basis,
        "mode": review.mode,
        "date": _today(),
        "signed_by": site.guard.actor,
        "reviewers": list(finished),
        "agreement": {"notes": f"{same:.3f}", "kappa": None if kappa is None else f"{kappa:.3f}"},
        "population": review.sample.notes,
        "sample": review.sample.drawn,
        "seed": review.seed,
        "strata": [asdict(stratum) for stratum in review.sample.strata],
        "thinnest": f"{review.sample.thinnest:.3f}",
        "confidence": f"{CONFIDENCE:.2f}",
        "methods": {
            "notes_per_1000": "Clopper-Pearson 1934, one-sided upper bound",
            "leaks_per_1000": "Garwood 1936, one-sided upper bound of a Poisson rate; holds if leaks are independent",
        },
        "all_categories": asdict(total),
        "categories": {name: asdict(bound) for name, bound in by_category.items()},
        "support_from": "marks in the sample" if review.mode in _NAMED_BY_MARKS else "findings in the whole output",
        "zero_support": [c for c in review.categories if not support[c] and not by_category[c].leaks],
    }


def _support(review: Review) -> Counter[str]:
    """How often each category occurred: by the marks of the sample, or where marks do not name it, in the output."""
    if review.mode not in _NAMED_BY_MARKS:
        return Counter(review.findings)
    return Counter(mark[1] for note in review.drawn for mark in MARK.finditer(_text(review, note)) if mark[1])


def _text(review: Review, note: Drawn) -> str:
    try:
        text = note_at(Path(review.folder), note.file, note.offset).text
    except (OSError, StopIteration, ValueError, KeyError, InputError):
        text = ""
    if sha256_hex(text.encode()) != note.sha256:
        raise IntegrityError(
            f"{review.folder}: a note is not the one that was drawn", "Put the folder back, or draw a new review."
        )
    return text


def _marked(site: Site, review: Review, reviewer: str) -> dict[str, list[Mark]]:
    return _read_marks(site, review, site.home.marks(review.id, reviewer))[1]


def _all_marks(site: Site, review: Review) -> dict[str, dict[str, list[Mark]]]:
    folder = site.home.marks(review.id, "").parent
    return dict(_read_marks(site, review, account) for account in folder.iterdir()) if folder.is_dir() else {}


def _read_marks(site: Site, review: Review, folder: Path) -> tuple[str, dict[str, list[Mark]]]:
    """An account, and its marks by record."""
    reviewer, found = "", dict[str, list[Mark]]()
    for path in folder.iterdir() if folder.is_dir() else ():
        body = json.loads(site.keys.unseal(path.read_bytes(), f"{review.id}\0{folder.name}\0{path.name}"))
        reviewer = body["reviewer"]
        found[body["record"]] = [(start, end, category) for start, end, category in body["leaks"]]
    return reviewer, found


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
