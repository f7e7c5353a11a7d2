"""One patient on the way out: everything that turns this patient's values into what may leave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date as day
from functools import cached_property
from typing import Any

from policies.legal import kept_categories
from policies.policy import Dates, Deidentification, Places, TextMode
from privacy.formats.areas import area
from privacy.identity import master_id, normal
from privacy.text.dates import OLDEST_AGE, group_birth, offset_days, shift_fhir, to_year
from privacy.text.deidentify import TextDeidentifier
from privacy.text.normalise import clean
from privacy.text.replacement import (
    BareYears,
    MadeUp,
    Replacement,
    ShiftedDates,
    Tokens,
    by_category,
    marks_of,
)
from privacy.text.roster import Roster, roster_of
from privacy.text.spans import Span, TextChange
from privacy.text.surrogates import Surrogates
from privacy.vault.pseudonyms import Pseudonyms


@dataclass(frozen=True)
class Settings:
    """All that decides what a record becomes, besides the record and its patient.

    Args:
        rules: the policy's.
        as_of: the year in which ages are counted.
        secret: of keyed pseudonyms, offsets and made-up values.
        taken: case-folded names of all whom the source names; never drawn as made-up ones.
    """

    rules: Deidentification
    as_of: int
    secret: bytes = field(repr=False)
    taken: frozenset[str] = field(default=frozenset(), repr=False)


class Deidentifier:
    """Rules, tables, tagger and secrets of one hospital; build it once in a process.

    Args:
        threads: for the tagger.
    """

    def __init__(self, settings: Settings, threads: int = 1) -> None:
        self.settings = settings
        self.codes = Pseudonyms(settings.secret)
        self._threads = threads

    @cached_property
    def text(self) -> TextDeidentifier:
        rules = self.settings.rules
        return TextDeidentifier(
            marks_of(rules, self.settings.as_of), kept_categories(rules), self._tagger() if rules.tagger else None
        )

    @cached_property
    def surrogates(self) -> Surrogates:
        return Surrogates(self.settings.secret, self.settings.taken)

    def subject(self, patient: Mapping[str, Any] | None, patient_id: str = "", tokens: Tokens | None = None) -> Subject:
        """The patient whose records come next.

        Args:
            patient: FHIR-shaped, as the source knows the patient; None for a record of nobody.
            patient_id: the id in the source.
            tokens: under the patient's own key, for mode `encrypt`.
        """
        return Subject(self, patient or {}, patient_id, tokens)

    def _tagger(self) -> Any:
        from privacy.tagger.recognizer import Tagger

        return Tagger(threads=self._threads)


class Subject:
    """What the rules of every format ask for each value; `None` says that the value must be dropped.

    Attributes:
        pseudonym: of the patient.
        changes: every text that was read, with what became of it.
        codes: every code that was given out.
    """

    def __init__(self, owner: Deidentifier, patient: Mapping[str, Any], patient_id: str, tokens: Tokens | None) -> None:
        self._owner, self._patient, self._patient_id, self._tokens = owner, patient, patient_id, tokens
        self._rules, self._as_of = owner.settings.rules, owner.settings.as_of
        self.changes: list[TextChange] = []
        self.codes: set[str] = set()
        self.pseudonym = self._code(*master_id(patient, patient_id))

    def code(self, kind: str, value: str) -> str:
        """The pseudonym of an id within the source."""
        return self.pseudonym if (kind, value) == ("Patient", self._patient_id) else self._code(kind, value)

    def identifier(self, value: str) -> str:
        """The pseudonym of a business identifier, the same in all formats."""
        return self._code("identifier", normal(value))

    def text(self, value: str, tagged: bool = True) -> str:
        """Free text with its identifiers replaced.

        Args:
            tagged: whether the tagger reads it too; not where it is the term of a code.
        """
        original = clean(value).text
        spans = self.find(original, tagged)
        output = self._owner.text.apply(original, spans)
        self.changes.append(TextChange(original, output, spans))
        return output

    def find(self, value: str, tagged: bool = True) -> tuple[Span, ...]:
        """The identifiers in a text, with what the policy puts in the place of each."""
        found = self._owner.text.find(value, self._roster, tagged)
        return tuple(replace(s, replacement=self._replace(value[s.start : s.end], s)) for s in found)

    @property
    def findings(self) -> Counter[str]:
        """How many identifiers of each category were replaced in text."""
        return Counter(span.category for change in self.changes for span in change.spans)

    def date(self, value: str) -> str | None:
        """A FHIR date or dateTime, cut to its year, shifted or as it is."""
        if self._rules.dates is Dates.YEAR:
            return to_year(value, self._as_of)
        return value if self._rules.dates is Dates.KEEP else shift_fhir(value, self._days)

    def instant(self, value: str) -> str | None:
        """A FHIR instant, which cannot be cut to its year."""
        return None if self._rules.dates is Dates.YEAR else self.date(value)

    def birth_date(self, value: str) -> str | None:
        """A date of birth; years that show an age over 89 are one."""
        if self._rules.dates is Dates.KEEP:
            return value
        moved = shift_fhir(value, self._days) if self._rules.dates is Dates.SHIFT else value
        grouped = group_birth(moved or "", self._as_of)
        young = moved and grouped and moved.startswith(grouped)
        return moved if young and self._rules.dates is Dates.SHIFT else grouped

    def age(self, years: int) -> int:
        """Years of life; 90 for all over 89 (45 CFR 164.514(b)(2)(i)(C))."""
        return min(years, OLDEST_AGE + 1)

    def area(self, state: str, city: str, postal_code: str) -> dict[str, str]:
        """What may stay of an address: keys of FHIR's Address."""
        if self._rules.places is Places.CITY:
            return {k: v for k, v in (("state", state), ("city", city), ("postalCode", postal_code)) if v}
        return area(state, postal_code)

    def name(self, family: str, given: Sequence[str]) -> tuple[str, list[str]] | None:
        """A made-up name where made-up values are wanted."""
        if self._rules.mode is not TextMode.SURROGATE:
            return None
        last, first = self._owner.surrogates.person(self.pseudonym, family, list(given), self._gender)
        return last, list(first)

    def telecom(self, system: str, value: str) -> str | None:
        """A made-up number or address where made-up values are wanted."""
        if self._rules.mode is not TextMode.SURROGATE:
            return None
        category = {"email": "EMAIL", "url": "URL", "fax": "FAX"}.get(system, "PHONE")
        return self._owner.surrogates.text(self.pseudonym, category, value, self._gender)

    @property
    def replaces_organisations(self) -> bool:
        return "HOSPITAL" not in kept_categories(self._rules)

    def _code(self, kind: str, value: str) -> str:
        code = self._owner.codes.of(kind, value)
        self.codes.add(code)
        return code

    @property
    def _gender(self) -> str | None:
        gender = self._patient.get("gender")
        return gender if gender in ("female", "male") else None

    @cached_property
    def _roster(self) -> Roster | None:
        return roster_of(self._patient, self._as_of) if self._patient else None

    @cached_property
    def _days(self) -> int:
        return offset_days(self._owner.codes, self.pseudonym, self._rules.keep_weekdays)

    @cached_property
    def _replace(self) -> Replacement:
        marks = marks_of(self._rules, self._as_of)
        special: dict[str, Replacement] = {}
        otherwise: Replacement = marks
        if self._rules.mode is TextMode.ENCRYPT:
            otherwise = self._tokens or marks  # nobody's key seals what belongs to nobody
        elif self._rules.mode is TextMode.SURROGATE:
            otherwise = MadeUp(self._owner.surrogates, self.pseudonym, self._gender)
            special["DATE"] = BareYears(marks)
        if self._rules.dates is Dates.SHIFT:
            special["DATE"] = ShiftedDates(self._days, day(self._as_of, 7, 1), marks)
        return by_category(special, otherwise)
