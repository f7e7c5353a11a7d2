"""Recognizers for identifiers that a pattern can find, built from one table.

The table, `tables/identifiers.toml`, covers the identifiers of 45 CFR 164.514(b)(2) in clinical English; each of its
rules carries an example and a counter-example.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import regex  # type: ignore[import-untyped]
from presidio_analyzer import Pattern, PatternRecognizer, RecognizerResult

TIMEOUT_SECONDS = 20.0
_VIN_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", [*range(1, 9), *range(1, 6), 7, 9, *range(2, 10)], strict=True))
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


@dataclass(frozen=True)
class Rule:
    """One row of the table; `regex` has its parts filled in, `example` marks its span with braces."""

    category: str
    name: str
    regex: str
    score: float
    example: str
    counter_example: str
    needs: tuple[str, ...] = ()
    validator: str = ""


def luhn(text: str) -> bool:
    """Whether the digits carry a valid check digit (ISO/IEC 7812-1, annex B)."""
    digits = [int(c) for c in reversed(text) if c.isdigit()]
    doubled = [sum(divmod(2 * d, 10)) for d in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def dea(text: str) -> bool:
    """Whether a DEA registration number carries its check digit."""
    d = [int(c) for c in text[2:]]
    return (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10 == d[6]


def vin(text: str) -> bool:
    """Whether a vehicle identification number carries its check digit (49 CFR 565.15)."""
    values = (int(c) if c.isdigit() else _VIN_VALUES[c] for c in text)
    check = sum(v * w for v, w in zip(values, _VIN_WEIGHTS, strict=True)) % 11
    return text[8] == ("X" if check == 10 else str(check))


_VALIDATORS: Mapping[str, Callable[[str], bool]] = {"luhn": luhn, "dea": dea, "vin": vin}


def _alternatives(words: str) -> str:
    return "(?i:" + "|".join(sorted((regex.escape(w) for w in words.split()), key=lambda w: (-len(w), w))) + ")"


def _filled(pattern: str, parts: Mapping[str, str]) -> str:
    while found := regex.search(r"%([A-Z]+\d?)%", pattern):
        pattern = pattern.replace(found.group(), parts[found.group(1)])
    return pattern


@cache
def stop_words() -> frozenset[str]:
    """Words that are no name even where a name is expected, in lower case."""
    return frozenset(_table()["words"]["stop"].split())


@cache
def _table() -> dict:  # type: ignore[type-arg]
    return tomllib.loads(files("privacy").joinpath("tables/identifiers.toml").read_text("utf-8"))


@cache
def rules() -> tuple[Rule, ...]:
    """All rows of the table, in its order."""
    table = _table()
    words = table["words"]
    lists = {
        "STOPWORDS": _alternatives(words["stop"] + " " + words["eponyms"]),
        "GENERIC": _alternatives(words["generic"]),
    }
    parts = table["parts"] | lists
    return tuple(
        Rule(**{**row, "regex": _filled(row["regex"], parts), "needs": tuple(row.get("needs", ()))})
        for row in table["rule"]
    )


class TableRecognizer(PatternRecognizer):  # type: ignore[misc]
    """The rules of one category as a Presidio recognizer.

    Presidio's own loop skips a pattern that runs out of time and only logs it; here that raises `TimeoutError`, for a
    rule that was not tried must not look like a clean note.
    """

    def __init__(self, category: str, table: Sequence[Rule]) -> None:
        super().__init__(
            category, name=f"table:{category}", patterns=[Pattern(r.name, r.regex, r.score) for r in table]
        )
        self._compiled = [(r, regex.compile(r.regex, regex.MULTILINE), _VALIDATORS.get(r.validator)) for r in table]

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: object = None, regex_flags: int | None = None
    ) -> list[RecognizerResult]:
        """Findings of every rule of this category in `text`."""
        lowered = text.lower()
        return [
            RecognizerResult(self.supported_entities[0], *match.span(), rule.score)
            for rule, compiled, valid in self._compiled
            if not rule.needs or any(piece in lowered for piece in rule.needs)
            for match in compiled.finditer(text, timeout=TIMEOUT_SECONDS)
            if match.end() > match.start() and (valid is None or valid(match.group()))
        ]


def table_recognizers() -> list[TableRecognizer]:
    """One recognizer per category of the table."""
    categories = dict.fromkeys(rule.category for rule in rules())
    return [TableRecognizer(c, [r for r in rules() if r.category == c]) for c in categories]
