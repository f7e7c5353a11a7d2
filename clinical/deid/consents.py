"""Consent on the way in: what a source's Consent resources say, and whose records a job must leave out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clinical.formats.detect import MixedSource, open_source
from policies.access import Action, Purpose
from policies.guard import Site
from privacy.consent import Consent, allows, merged, read_consents
from privacy.consent_book import (
    asks_first,
    consents,
    pseudonyms,
    pseudonyms_of_number,
    record_consents,
)

_SOURCE = "FHIR Consent"


@dataclass(frozen=True)
class Imported:
    """What was read: resources, patients whom they are about, decisions that were new.

    Attributes:
        unknown: patients, and resources, that could not be told from anybody: what they say counts for nobody.
    """

    resources: int
    patients: int
    new: int
    unknown: int


def import_consents(site: Site, path: Path) -> Imported:
    """Read the Consent resources of a file or folder into the site's book.

    Raises:
        AccessDenied: this account may not record consent.
        InputError: nothing in `path` can be read.
    """
    site.guard.permit(Action.RECORD_CONSENT, Purpose.OPERATIONS)
    return take_consents(site, open_source(path, largest_note=site.guard.policy.deidentification.largest_note_bytes))


def take_consents(site: Site, source: MixedSource) -> Imported:
    """Log what a source's Consent resources say about the patients whom it describes, or whose number they name."""
    resources = list(source.consents())
    found, decided, unknown = read_consents(resources), dict[str, Consent](), 0
    for patient_id, words in found.by_id.items():
        try:
            own = pseudonyms(site, patient_id, source.patient(patient_id), make=True)
        except KeyError:
            unknown += 1
            continue
        decided |= dict.fromkeys(own, words)
    for number, words in found.by_number.items():
        decided |= dict.fromkeys(pseudonyms_of_number(site, number), words)
    new = record_consents(site, decided, _SOURCE)
    patients = len(found.by_id) + len(found.by_number) - unknown
    return Imported(len(resources), patients, new, unknown + found.unnamed)


@dataclass
class Refusals:
    """Who refused research, or where a hospital asks first, did not allow it."""

    site: Site
    book: Mapping[str, Consent]
    _asked: dict[str, bool] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, site: Site) -> Refusals:
        return cls(site, consents(site))

    def holds(self, patient_id: str, patient: Mapping[str, Any]) -> bool:
        """Whether this patient's records are left out.

        Args:
            patient_id: in the source.
        """
        opt_in = asks_first(self.site)
        if not self.book and not opt_in:
            return False
        if patient_id not in self._asked:
            own = pseudonyms(self.site, patient_id, patient)
            words: Consent = {}
            for one in own:
                words = merged(words, self.book.get(one, {}))
            if words:  # under the pseudonym of today as well, where the policy changed the kind of pseudonyms
                today = pseudonyms(self.site, patient_id, patient, make=True)
                record_consents(self.site, dict.fromkeys(today, words), _SOURCE)
            self._asked[patient_id] = not allows(words, Purpose.RESEARCH, opt_in=opt_in)
        return self._asked[patient_id]
