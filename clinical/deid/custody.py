"""What one process alone does with the vault: final codes, the keys of tokens, and the originals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
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
        self._sealed = lru_cache(maxsize=4096)(self._tokens_of)

    def codes(self, seen: Iterable[tuple[str, str]]) -> Mapping[str, str]:
        """What stands in the place of each keyed pseudonym; empty where they stay.

        Args:
            seen: pairs of a keyed pseudonym and that of the patient in whose record it stands; "" is of no patient.
        """
        return self._book.translate(seen) if self._book else {}

    def tokens(self, work: Work) -> Tokens | None:
        """The seal for this patient's identifiers, where the policy wants tokens."""
        return self._sealed(self._patient(work)) if self._seals and work.patient is not None else None

    def keep(self, works: Iterable[Work], known: frozenset[str] | set[str]) -> list[str]:
        """Put what care and re-identification need into the vault, all at once; returns the patients that are new.

        Args:
            works: records of a batch that are released or kept back.
            known: patients who were kept before.
        """
        owned = [(self._patient(work), work) for work in works if work.patient is not None]
        notes = [(owner, self._record(work), work.record.text) for owner, work in owned if work.record.text]
        codes = self.codes([*((owner, owner) for owner, _ in owned), *((note, owner) for owner, note, _ in notes)])
        new: dict[str, Any] = {}
        for owner, work in owned:
            if (patient := codes.get(owner, owner)) not in known:
                new.setdefault(patient, work.patient)
        facts = [(patient, patient, canonical_json(facts)) for patient, facts in new.items()]
        texts = [(codes.get(owner, owner), codes.get(note, note), text.encode()) for owner, note, text in notes]
        self._vault.put([*facts, *texts])
        return sorted(new)

    def _patient(self, work: Work) -> str:
        return self._keyed.of(*master_id(work.patient or {}, work.record.patient_id))

    def _record(self, work: Work) -> str:
        return self._keyed.of(work.record.kind, work.record.record_id)

    def _tokens_of(self, keyed: str) -> Tokens:
        patient = self.codes([(keyed, keyed)]).get(keyed, keyed)
        return Tokens(self._vault.keys_of([patient])[patient], patient)
