"""What one process alone does with the vault: final codes, the keys of tokens, and the originals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from clinical.deid.worker import Work
from policies.files import canonical_json
from policies.guard import Site
from policies.policy import PseudonymKind, TextMode
from privacy.identity import master_id
from privacy.text.replacement import Tokens
from privacy.vault.codes import CodeBook
from privacy.vault.originals import Vault
from privacy.vault.pseudonyms import Pseudonyms


class Custody:
    """A site's vault, as a job uses it.

    Workers know keyed pseudonyms only; where the policy wants random ones (45 CFR 164.514(c)), they are put in here.
    """

    def __init__(self, site: Site) -> None:
        rules = site.guard.policy.deidentification
        self._vault = Vault(site.home.vault, site.keys.wrapping)
        self._keyed = Pseudonyms(site.keys.pseudonyms)
        random = rules.pseudonyms is PseudonymKind.RANDOM
        self._book = CodeBook(site.home.vault, site.keys.pseudonyms) if random else None
        self._seals = rules.mode is TextMode.ENCRYPT

    def codes(self, seen: Iterable[tuple[str, str]]) -> Mapping[str, str]:
        """What stands in the place of each keyed pseudonym; empty where they stay.

        Args:
            seen: pairs of a keyed pseudonym and that of the patient in whose record it stands; "" is of no patient.
        """
        return self._book.translate(seen) if self._book else {}

    def patient(self, work: Work) -> str:
        """The pseudonym under which a record's patient is released."""
        return self._final(self._patient(work), work)

    def tokens(self, work: Work) -> Tokens | None:
        """The seal for this patient's identifiers, where the policy wants tokens."""
        if not self._seals or work.patient is None:
            return None
        patient = self.patient(work)
        return Tokens(self._vault.keys_of([patient])[patient], patient)

    def keep(self, works: Iterable[Work], known: frozenset[str] | set[str]) -> list[str]:
        """Put what care and re-identification need into the vault; returns the patients that are new.

        Args:
            works: records of a batch that are released or kept back.
            known: patients who were kept before.
        """
        new: dict[str, Any] = {}
        notes = []
        for work in works:
            if work.patient is None:
                continue
            patient = self.patient(work)
            if patient not in known and patient not in new:
                new[patient] = work.patient
            if work.record.text:
                keyed = self._keyed.of(work.record.kind, work.record.record_id)
                notes.append((patient, self._final(keyed, work), work.record.text.encode()))
        facts = [(patient, patient, canonical_json(facts)) for patient, facts in new.items()]
        self._vault.put([*facts, *notes])
        return sorted(new)

    def _patient(self, work: Work) -> str:
        return self._keyed.of(*master_id(work.patient or {}, work.record.patient_id))

    def _final(self, keyed: str, work: Work) -> str:
        return self.codes([(keyed, self._patient(work))]).get(keyed, keyed)
