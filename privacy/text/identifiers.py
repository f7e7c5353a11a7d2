"""Recognizers for identifiers that a pattern can find, built from tables.

The tables, `tables/identifiers*.toml`, cover the identifiers of 45 CFR 164.514(b)(2) in clinical English; each of
their rules carries an example and a counter-example.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import regex  # type: ignore[import-untyped]

from policies.files import table_of
from privacy.text.grids import GridRecognizer
from privacy.text.presidio import EntityRecognizer, RecognizerResult

TIMEOUT_SECONDS = 20.0
_PIECE = regex.compile(r"[^\n]{160,400}?\.[ ]|[^\n]*\n|[^\n]+\Z")
_TABLES = (
    *("names", "staff", "relatives", "ages", "dates", "contacts"),
    *("numbers", "licences", "devices", "codes", "places"),
)
_CODES = frozenset({"MRN", "HEALTH_PLAN", "ACCOUNT", "LICENSE", "ID", "DEVICE", "VEHICLE"})
# A code whole: digits, letters and what joins them; a word behind a dot, a slash or a dash is no part of it
_CODE = regex.compile(
    r"[A-Za-z0-9]+(?:(?<=\d[A-Za-z]{0,8})[./](?=[A-Za-z]{0,8}\d)[A-Za-z0-9]+"
    r"|-(?:(?=[A-Za-z]{0,8}\d)[A-Za-z0-9]+|[A-Za-z]{1,3}(?![A-Za-z])))*"
)
_REACH = 40  # characters
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
    text = text.upper()
    values = (int(c) if c.isdigit() else _VIN_VALUES[c] for c in text)
    check = sum(v * w for v, w in zip(values, _VIN_WEIGHTS, strict=True)) % 11
    return text[8] == ("X" if check == 10 else str(check))


def nhs(text: str) -> bool:
    """Whether ten digits carry the check digit of an NHS number (NHS Data Dictionary: modulus 11)."""
    digits = [int(c) for c in text if c.isdigit()]
    return sum(d * w for d, w in zip(digits, range(10, 0, -1), strict=True)) % 11 == 0


def npi(text: str) -> bool:
    """Whether ten digits carry the check digit of a national provider identifier (45 CFR 162.406: prefix 80840)."""
    return luhn("80840" + text)


def iban(text: str) -> bool:
    """Whether a bank account number carries its check digits (ISO 13616, modulus 97)."""
    plain = text.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


_VALIDATORS: Mapping[str, Callable[[str], bool]] = {
    "luhn": luhn, "dea": dea, "vin": vin, "nhs": nhs, "npi": npi, "iban": iban,
}  # fmt: skip


def _alternatives(words: str) -> str:
    """A regular expression for any of the words, in any case; words of one first letter stand together, for speed."""
    rest: dict[str, set[str]] = {}
    for word in words.split():
        rest.setdefault(word[0], set()).add(word[1:])
    longest_first = {c: sorted(ends, key=lambda end: (-len(end), end)) for c, ends in sorted(rest.items())}
    return "(?i:" + "|".join(f"{c}(?:{'|'.join(map(regex.escape, ends))})" for c, ends in longest_first.items()) + ")"


def _filled(pattern: str, parts: Mapping[str, str]) -> str:
    while found := regex.search(r"%([A-Z]+\d?)%", pattern):
        pattern = pattern.replace(found.group(), parts[found.group(1)])
    return pattern


@cache
def stop_words() -> frozenset[str]:
    """Words that are no name even where a name is expected, in lower case."""
    return frozenset(_table()["words"]["stop"].split())


def _table(name: str = "identifiers") -> dict[str, Any]:
    return table_of("privacy", f"tables/{name}")


@cache
def rules() -> tuple[Rule, ...]:
    """All rows of the tables that need no record, in their order."""
    return tuple(rule for name in _TABLES for rule in read_rules(f"identifiers_{name}"))


def read_rules(name: str) -> tuple[Rule, ...]:
    """The rows of one table of this package, their parts filled in."""
    parts = _parts()
    return tuple(
        Rule(**{**row, "regex": _filled(row["regex"], parts), "needs": tuple(row.get("needs", ()))})
        for row in _table(name)["rule"]
    )


@cache
def _parts() -> Mapping[str, str]:
    words = _table()["words"]
    return _table()["parts"] | {
        "STOPWORDS": _alternatives(words["stop"] + " " + words["eponyms"]),
        "GENERIC": _alternatives(words["generic"]),
        "DEPARTMENT": _alternatives(words["departments"]),
        "MEASURES": _alternatives(words["measures"]),
    }


class TableRecognizer(EntityRecognizer):  # type: ignore[misc]
    """The rules of one category as a Presidio recognizer.

    Presidio's own recognizer of patterns compiles all of them at once, twice, and only logs one that runs out of time.
    Here a pattern is compiled with the first text that holds what it needs, and running out of time raises
    `TimeoutError`, for a rule that was not tried must not look like a clean note.
    """

    def __init__(self, category: str, table: Sequence[Rule]) -> None:
        self._category, self._rules = category, tuple(table)
        super().__init__(supported_entities=[category], name=f"table:{category}")

    def load(self) -> None:
        """Nothing to load; Presidio asks for the method."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: object = None) -> list[RecognizerResult]:
        """Findings of every rule of this category in `text`."""
        found = ((span, rule.score) for rule in self._rules for span in _spans(text, rule))
        if self._category in _CODES:
            found = ((_whole(text, *span), score) for span, score in found)
        return [RecognizerResult(self._category, *span, score) for span, score in found]


def _spans(text: str, rule: Rule) -> Iterator[tuple[int, int]]:
    valid = _VALIDATORS.get(rule.validator)
    for region in _regions(text, rule.needs):
        for match in _compiled(rule.regex).finditer(text, *region, timeout=TIMEOUT_SECONDS):
            if match.end() > match.start() and (valid is None or valid(match.group())):
                yield match.span()


@cache
def _compiled(pattern: str) -> Any:
    return regex.compile(pattern, regex.MULTILINE)


def _whole(text: str, start: int, end: int) -> tuple[int, int]:
    """A finding together with the rest of the codes of which it holds a part."""
    codes = _CODE.finditer(text, max(start - _REACH, 0), end + _REACH)
    edges = [edge for code in codes if code.end() > start and code.start() < end for edge in code.span()]
    return min([start, *edges]), max([end, *edges])


class _Pieces:
    """A text in lower case, cut into lines and, where a line is long, into some of its sentences."""

    def __init__(self, text: str) -> None:
        lowered = text.lower()
        if len(lowered) != len(text):  # a few letters become two; places must stay the same
            lowered = "".join(low if len(low := c.lower()) == 1 else c for c in text)
        self._lowered, self._edges = lowered, [0, *(m.end() for m in _PIECE.finditer(text))]
        self._holding: dict[str, frozenset[int]] = {}

    def around(self, needs: Iterable[str]) -> Iterator[tuple[int, int]]:
        """The stretches around any of `needs`: the piece that holds it, one before it and two after it."""
        held = sorted(frozenset().union(*map(self._holders, needs)))
        start = end = max(held[0] - 1, 0) if held else 0
        for piece in held:
            if piece - 1 > end:
                yield self._edges[start], self._edges[end]
                start = piece - 1
            end = min(piece + 3, len(self._edges) - 1)
        if held:
            yield self._edges[start], self._edges[end]

    def _holders(self, need: str) -> frozenset[int]:
        if need not in self._holding:
            self._holding[need] = frozenset(self._search(need))
        return self._holding[need]

    def _search(self, need: str) -> Iterator[int]:
        at = self._lowered.find(need)
        while at >= 0:
            piece = bisect_right(self._edges, at) - 1
            yield piece
            at = self._lowered.find(need, self._edges[piece + 1])


_pieces = lru_cache(maxsize=1)(_Pieces)  # every category asks for the same text


def _regions(text: str, needs: Sequence[str]) -> Iterable[tuple[int, int]]:
    """Where in `text` a rule with these needs is tried."""
    return _pieces(text).around(needs) if needs else ((0, len(text)),)


def table_recognizers() -> list[EntityRecognizer]:
    """One recognizer per category of the tables, and one for the columns of tables in a note."""
    categories = dict.fromkeys(rule.category for rule in rules())
    by_category = [TableRecognizer(c, [r for r in rules() if r.category == c]) for c in categories]
    return [*by_category, GridRecognizer(_table()["headings"], stop_words())]
