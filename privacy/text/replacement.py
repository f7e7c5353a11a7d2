"""What stands in the place of an identifier: a mark, a made-up value, or a token that the vault can open."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from policies.policy import Dates, Deidentification, TextMode
from privacy.text.dates import OLDEST_AGE, shift_text_date
from privacy.text.spans import Span
from privacy.text.surrogates import Surrogates
from privacy.vault.sealing import seal_value

_YEAR = re.compile(r"(?<!\d)(?:19|20)\d{2}(?!\d)")
# Two digits are a year after an apostrophe, as the third part of a date, or where they can be no day.
_SHORT_YEAR = re.compile(r"(?:['’]|\d[/.-]\w{1,9}[/.-]|[/-](?=3[2-9]|[4-9]))(\d{2})(?:$|[ T])")

Replacement = Callable[[str, Span], str]  # the text of the identifier and its span, to what stands there


@dataclass(frozen=True)
class Marks:
    """A mark for each identifier, with the year of a date where that may stay.

    Args:
        neutral: one mark for all categories.
        years: whether the mark of a date keeps its year.
        as_of: the year in which ages are counted; a date so old that it would show an age over 89 loses its year as
            well (45 CFR 164.514(b)(2)(i)(C)).
    """

    neutral: bool
    years: bool
    as_of: int

    def __call__(self, original: str, span: Span) -> str:
        label = "***" if self.neutral else span.category
        year = self.year(original) if span.category == "DATE" and self.years else None
        return f"[{label} {year}]" if year else f"[{label}]"

    def year(self, original: str) -> int | None:
        """The year that a written date names, where it may stay."""
        if found := _YEAR.search(original):
            year = int(found.group())
        elif short := _SHORT_YEAR.search(original):
            year = 2000 + int(short.group(1))
            year -= 100 if year > self.as_of else 0
        else:
            return None
        return year if self.as_of - OLDEST_AGE <= year <= self.as_of else None


def marks_of(rules: Deidentification, as_of: int) -> Marks:
    """The marks that a policy wants; where no mark is wanted, those that the search for identifiers works with."""
    return Marks(rules.mode is TextMode.REDACT, rules.dates is not Dates.KEEP, as_of)


@dataclass(frozen=True)
class ShiftedDates:
    """Dates moved by one patient's secret offset; a mark where a date cannot be understood.

    Args:
        days: the offset.
        anchor: the record's own date, whose year a date without one has.
    """

    days: int
    anchor: date | None
    otherwise: Replacement

    def __call__(self, original: str, span: Span) -> str:
        return shift_text_date(original, self.days, self.anchor) or self.otherwise(original, span)


@dataclass(frozen=True)
class MadeUp:
    """Made-up values of one patient."""

    surrogates: Surrogates
    patient: str
    gender: str | None

    def __call__(self, original: str, span: Span) -> str:
        return self.surrogates.text(self.patient, span.category, original, self.gender)


@dataclass(frozen=True)
class BareYears:
    """A date's year alone, so that text with made-up values reads as text."""

    marks: Marks

    def __call__(self, original: str, span: Span) -> str:
        year = self.marks.year(original) if self.marks.years else None
        return str(year) if year else self.marks(original, span)


@dataclass(frozen=True)
class Tokens:
    """Identifiers sealed under the patient's key, which goes when the patient is erased."""

    key: bytes
    patient: str

    def __call__(self, original: str, span: Span) -> str:
        return f"[{span.category}:{seal_value(self.key, self.patient, original)}]"


def by_category(special: Mapping[str, Replacement], otherwise: Replacement) -> Replacement:
    """One replacement for some categories, another for the rest."""
    return lambda original, span: special.get(span.category, otherwise)(original, span)
