"""Erasing one patient: keys and ciphertexts are destroyed wherever they lie, and a signed proof tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from policies.access import Action, Purpose
from policies.errors import InputError, IntegrityError
from policies.events import Event
from policies.files import OWNER_ONLY, write_whole
from policies.guard import Site
from policies.retention import logged_releases
from policies.signed import claimed_signer, read_signed, signed
from privacy.consent import refusal
from privacy.consent_book import record_consents
from privacy.vault.codes import CodeBook
from privacy.vault.originals import Holding, Vault
from privacy.vault.reidentification import request_files

PROOF_VERSION = 1
NOT_COVERED = (
    "the hospital's own records: a later de-identification of a source that still holds the patient brings them back",
    "backups of this folder, and copies that a file system or a disk keeps of what was overwritten",
    "de-identified exports that were released before, and the unfinished output of a job that was stopped",
    "names of files in the site's lists of problems",
    "models that were trained before; what they can tell of a patient is bounded by the epsilon in the ledger",
    "pseudonyms that are keyed and not random: whoever holds both the secret and the identifier can compute them again",
)
_KIND = "erasure"


@dataclass(frozen=True)
class Erasure:
    """What was destroyed of one patient.

    Args:
        patient: pseudonym.
        time: UTC, ISO 8601.
        policy: SHA-256 of the policy in force.
        entry: number of the entry in the site's log.
        vaults: by folder below the site's: the digest of the wrapped key before it was destroyed, and how many
            encrypted records went with it.
        codes: random codes that are tied to no identifier any more.
        requests: requests for re-identification that ended.
        not_covered: what the erasure cannot reach.
        file: where the proof lies.
    """

    patient: str
    purpose: Purpose
    actor: str
    time: str
    policy: str
    entry: int
    vaults: Mapping[str, Holding]
    codes: int
    requests: int
    not_covered: tuple[str, ...]
    file: Path


def erase_patient(site: Site, patient: str, purpose: Purpose) -> Erasure:
    """Destroy all that this site can read of a patient, and leave a signed proof.

    Raises:
        AccessDenied: this account may not erase for this purpose.
        InputError: nothing is kept of such a patient.
        IntegrityError: a request for re-identification was edited; nothing is destroyed then.
    """
    site.guard.permit(Action.ERASE, purpose)
    held = holdings(site, patient)
    if not held:
        raise InputError("nothing is kept of such a patient", "Use a pseudonym from the records; one erased is gone.")
    ended = request_files(site, patient)
    digests = {name: holding.key_sha256 for name, holding in held.items()}
    entry = site.guard.log.append(
        Event.PATIENT_ERASED, policy=site.guard.policy.digest, patient=patient, purpose=purpose, keys=digests
    )
    said = refusal([Purpose.RESEARCH], datetime.now(UTC).isoformat(timespec="seconds"))
    record_consents(site, {patient: said}, "erasure")  # folders that were written before still hold the patient
    for path in (*ended, *site.home.calibrations.glob("*.sealed")):  # a calibration rests on all held-back patients
        path.unlink()
    codes = CodeBook(site.home.vault, site.keys.pseudonyms).forget(patient)
    site.guard.care_teams.forget(patient)
    # The vault of originals comes last: until its key is gone, the command can be run again.
    destroyed = {name: vault.erase(patient) for name, vault in reversed(_vaults(site).items())}
    done = Erasure(
        patient, purpose, site.guard.actor, datetime.now(UTC).isoformat(timespec="seconds"),
        site.guard.policy.digest, entry.sequence, {n: d for n, d in destroyed.items() if d}, codes, len(ended),
        NOT_COVERED, site.home.erasure(patient, entry.sequence),
    )  # fmt: skip
    write_whole(done.file, _proof(site, done), OWNER_ONLY)
    return done


def verify_erasure(site: Site, proof: Path) -> Erasure:
    """Check a proof against its signature, the log, and what the site holds now.

    Raises:
        InputError: there is no such file.
        IntegrityError: it was edited, the log says otherwise, or something of the patient can be read.
    """
    body = read_signed(proof, _KIND, site.keys.public)
    done = Erasure(
        **{k: v for k, v in body.items() if k in Erasure.__dataclass_fields__}
        | {"purpose": Purpose(body["purpose"]), "not_covered": tuple(body["not_covered"]), "file": proof}
        | {"vaults": {name: Holding(**holding) for name, holding in body["vaults"].items()}}
    )
    kept = logged_releases(site.home.audit, site.keys.public)
    logged = next((entry for entry in kept if entry.sequence == done.entry), None)
    keys = {name: holding.key_sha256 for name, holding in done.vaults.items()}
    if not logged or logged.event is not Event.PATIENT_ERASED:
        raise IntegrityError(f"{proof}: entry {done.entry} of the log is no erasure")
    if (logged.actor, logged.details["patient"], logged.details["keys"]) != (done.actor, done.patient, keys):
        raise IntegrityError(f"{proof}: entry {done.entry} of the log tells of another erasure")
    for name, holding in holdings(site, done.patient).items():
        again = "was not destroyed" if holding.key_sha256 in keys.values() else "is new: the patient came back since"
        raise IntegrityError(f"{proof}: {name} holds a key of this patient, which {again}", "Erase the patient again.")
    return done


def erased_site(proof: Path) -> str:
    """Which site a proof says that it is from; `verify_erasure` proves it, and raises the same."""
    return claimed_signer(proof, _KIND)


def holdings(site: Site, patient: str) -> Mapping[str, Holding]:
    """What each of a site's vaults holds of a patient, by folder; those with nothing are left out."""
    found = {name: vault.holding(patient) for name, vault in _vaults(site).items()}
    return {name: holding for name, holding in found.items() if holding}


def _vaults(site: Site) -> dict[str, Vault]:
    """The vault of originals first, then the caches of hidden states."""
    folders = site.home.vaults
    return {str(folder.relative_to(site.home.root)): Vault(folder, site.keys.wrapping) for folder in folders}


def _proof(site: Site, done: Erasure) -> bytes:
    body = {name: value for name, value in asdict(done).items() if name != "file"}
    return signed(site.keys, _KIND, {**body, "version": PROOF_VERSION, "tool": "confide", "site": site.name})
