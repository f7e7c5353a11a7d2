"""What a site remembers of its patients' consent.

The log is the truth. The book beside it is quick to ask; it says how many entries of the log it has read, and whoever
asks reads those that came since, so a book that is missing, old or behind changes no answer.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from policies.access import Purpose
from policies.audit import LARGEST_GROUP
from policies.errors import IntegrityError
from policies.events import Event
from policies.files import OWNER_ONLY, canonical_json, sha256_hex, write_whole
from policies.guard import Site
from policies.logview import held, look
from policies.policy import PseudonymKind
from policies.retention import releases_of
from policies.signed import read_signed, signed
from privacy.consent import Consent, Word, allows, merged
from privacy.identity import master_id
from privacy.vault.codes import CodeBook
from privacy.vault.pseudonyms import Pseudonyms

_KIND = "consents"
_EVENTS = (Event.CONSENT_RECORDED, Event.CONSENT_WITHDRAWN)
_LAG = 1000  # entries that a book may be behind the log before it is written anew


def pseudonyms(site: Site, patient_id: str, patient: Mapping[str, Any], *, make: bool = False) -> list[str]:
    """Under which pseudonyms a patient may be known here: the keyed one, and the random one where there is one.

    Args:
        make: give the patient a random one now, where the policy wants random ones.
    """
    return _known(site, Pseudonyms(site.keys.pseudonyms).of(*master_id(patient, patient_id)), make)


def pseudonyms_of_number(site: Site, number: str) -> list[str]:
    """The same for a record number, with a random one where the policy wants random ones."""
    return _known(site, Pseudonyms(site.keys.pseudonyms).of("identifier", number), make=True)


def _known(site: Site, keyed: str, make: bool) -> list[str]:
    random = site.guard.policy.deidentification.pseudonyms is PseudonymKind.RANDOM
    if not site.home.vault.is_dir() and not (make and random):
        return [keyed]
    codes = CodeBook(site.home.vault, site.keys.pseudonyms)
    code = codes.translate([(keyed, keyed)])[keyed] if make and random else codes.known(keyed)
    return [keyed, code] if code else [keyed]


def record_consents(site: Site, decided: Mapping[str, Consent], source: str) -> int:
    """Log decisions by pseudonym; returns for how many patients something changed.

    Args:
        source: where they come from, such as "FHIR Consent".
    """
    with _alone(site):
        before = consents(site)
        after = {patient: merged(before.get(patient, {}), words) for patient, words in decided.items()}
        new = {p: words for p, words in after.items() if words != before.get(p, {})}
        rows = [{"patient": p, "words": as_json(words), "source": source} for p, words in sorted(new.items())]
        for at in range(0, len(rows), LARGEST_GROUP):
            group = rows[at : at + LARGEST_GROUP]
            digest = site.guard.policy.digest
            site.guard.log.append_all([(Event.CONSENT_RECORDED, {"policy": digest, **row}) for row in group])
        if new:
            _write(site, {**before, **new}, look(site.home.audit, site.keys.public).size)
    return len(new)


def consents(site: Site) -> Mapping[str, Consent]:
    """The last words of every patient of a site, by pseudonym; who said nothing is not in it.

    Raises:
        IntegrityError: the book was edited, or the log does not verify.
    """
    book, read = _book(site)
    view = look(site.home.audit, site.keys.public)
    found, fresh = book, 0 if read > view.size else read
    for entry in releases_of(view.entries(fresh)):
        if entry.event in _EVENTS:
            patient = entry.details["patient"]
            found = found if found is not book else dict(book)
            found[patient] = merged(found.get(patient, {}), _from_json(entry.details["words"]))
    if found is not book or view.size - fresh > _LAG:
        _write(site, found, view.size)
    return found


def denied(site: Site, patient: str) -> frozenset[Purpose]:
    """The purposes that one patient refused."""
    return _refused(consents(site).get(patient, {}))


def denials(site: Site) -> Mapping[str, frozenset[Purpose]]:
    """The same of every patient who decided anything."""
    return {patient: _refused(words) for patient, words in consents(site).items()}


def _refused(words: Consent) -> frozenset[Purpose]:
    return frozenset(purpose for purpose, word in words.items() if not word.allowed)


def refused(site: Site, purpose: Purpose, patients: Sequence[str]) -> frozenset[str]:
    """Of these pseudonyms, those whose data may not be used for a purpose.

    Research wants a yes where the policy says opt-in; any other purpose only that nobody said no.
    """
    book, opt_in = consents(site), purpose is Purpose.RESEARCH and asks_first(site)
    return frozenset(p for p in patients if not allows(book.get(p, {}), purpose, opt_in=opt_in))


def asks_first(site: Site) -> bool:
    """Whether silence about research is a no."""
    return site.guard.policy.consent.research == "opt_in"


def consent_digest(site: Site) -> str:
    """Changes with every answer, so that a job that was stopped starts anew after one."""
    answers = {p: {purpose: word.allowed for purpose, word in words.items()} for p, words in consents(site).items()}
    return sha256_hex(canonical_json(answers))


_books: dict[str, tuple[tuple[int, int], dict[str, Consent], int]] = {}  # what was read and verified, by file


def _book(site: Site) -> tuple[dict[str, Consent], int]:
    """The book, and how many entries of the log it has read."""
    path = site.home.consents
    if not path.is_file():
        return {}, 0
    stat = path.stat()
    stamp = (stat.st_mtime_ns, stat.st_ino)
    known = _books.get(str(path))
    if known and known[0] == stamp:
        return known[1], known[2]
    body = read_signed(path, _KIND, site.keys.public)
    try:
        book = {patient: _from_json(words) for patient, words in body["patients"].items()}
        _books[str(path)] = stamp, book, int(body["entries"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise IntegrityError(f"{path}: no book of consents of this version") from None
    return book, int(body["entries"])


def _write(site: Site, book: Mapping[str, Consent], entries: int) -> None:
    patients = {patient: as_json(words) for patient, words in sorted(book.items())}
    write_whole(site.home.consents, signed(site.keys, _KIND, {"entries": entries, "patients": patients}), OWNER_ONLY)


@contextmanager
def _alone(site: Site) -> Iterator[None]:
    site.home.root.mkdir(parents=True, exist_ok=True)
    with held(site.home.root, fcntl.LOCK_EX):
        yield


def as_json(consent: Consent) -> dict[str, list[str]]:
    """As log and book hold it."""
    return {p: ["yes" if word.allowed else "no", word.at, word.until] for p, word in sorted(consent.items())}


def _from_json(words: Mapping[str, Sequence[str]]) -> Consent:
    return {Purpose(p): Word(answer == "yes", at, until) for p, (answer, at, until) in words.items()}
