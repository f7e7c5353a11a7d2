"""Ages over 89 that one patient may have had, where a text has them without a unit: "is 94.", "Byron, 94, works"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from privacy.text.dates import OLDEST_AGE
from privacy.text.identifiers import TableRecognizer, read_rules

_YEAR = re.compile(r"(\d{4})(?!\d)")


def known_ages(patient: Mapping[str, Any], as_of: int) -> range:
    """The ages over 89 that a FHIR Patient may have had until death or `as_of`, in years (45 CFR 164.514(b)(2)(i)(C)).

    Args:
        as_of: the year in which the records end.
    """
    born, died = (_YEAR.match(str(patient.get(key) or "")) for key in ("birthDate", "deceasedDateTime"))
    last = min(int(died[1]), as_of) if died else as_of
    return range(OLDEST_AGE + 1, last - int(born[1]) + 1) if born else range(0)


def ages_in(text: str, ages: range) -> Iterator[tuple[int, int]]:
    """Where one of `ages` stands as an age; a value with a unit, a score and a vital sign are none."""
    if ages:
        found = _recognizer().analyze(text, [])
        yield from ((r.start, r.end) for r in found if int(text[r.start : r.end]) in ages)


@cache
def _recognizer() -> TableRecognizer:
    return TableRecognizer("AGE", read_rules("known_ages"))
