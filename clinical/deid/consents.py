"""Consent on the way in: what a source's Consent resources say, and whose records a job must leave out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clinical.formats.detect import MixedSource, open_source
from policies.access import Action, Purpose
from policies.guard import Site
from privacy.consent import NO_WORD, Consent, consents_by_log, read_consents, record_consents, released_id, released_ids

_SOURCE = "FHIR Consent"


@dataclass(frozen=True)
class Imported:
    """What was read: resources, patients of them whom the source describes, and decisions that were new."""

    resources: int
    patients: int
    new: int


def import_consents(site: Site, path: Path) -> Imported:
    """Read the Consent resources of a file or folder into the site's book.

    Raises:
        AccessDenied: this account may not record consent.
        InputError: nothing in `path` can be read.
    """
    site.guard.permit(Action.RECORD_CONSENT, Purpose.OPERATIONS)
    return take_consents(site, open_source(path, largest_note=site.guard.policy.deidentification.largest_note_bytes))


def take_consents(site: Site, source: MixedSource) -> Imported:
    """Log what a source's Consent resources say about the patients whom it describes."""
    resources = list(source.consents())
    decided, known = read_consents(resources), dict[str, Mapping[str, Any]]()
    for patient_id in decided:
        try:
            known[patient_id] = source.patient(patient_id)
        except KeyError:
            continue
    ids = released_ids(site, known)
    new = record_consents(site, {ids[patient_id]: decided[patient_id] for patient_id in known}, _SOURCE)
    return Imported(len(resources), len(known), new)


@dataclass
class Refusals:
    """Who refused research, or where a hospital asks first, did not allow it."""

    site: Site
    book: Mapping[str, Consent]
    _asked: dict[str, bool] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, site: Site) -> Refusals:
        return cls(site, consents_by_log(site))

    def holds(self, patient_id: str, patient: Mapping[str, Any]) -> bool:
        """Whether this patient's records are left out.

        Args:
            patient_id: in the source.
        """
        opt_in = self.site.guard.policy.consent.research == "opt_in"
        if not self.book and not opt_in:
            return False
        if patient_id not in self._asked:
            word = self.book.get(released_id(self.site, patient_id, patient), NO_WORD)
            self._asked[patient_id] = not word.allows(Purpose.RESEARCH, opt_in=opt_in)
        return self._asked[patient_id]
