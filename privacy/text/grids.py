"""Values that stand in a column under their heading: tables drawn with bars, tabs or blanks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from privacy.text.presidio import EntityRecognizer, RecognizerResult

SCORE = 0.8
FEWEST_HEADINGS = 2
_CELL = re.compile(r"[^|\t\n]+?(?=[ ]{2,}|[ ]*[|\t\n]|[ ]*\Z)")
_BORDER = re.compile(r"\S[ ]{2,}\S|[|\t]")
_RULER = re.compile(r"[\s|+:=_-]*")
_TRIM = " *_#:.\"'"
_NAME = re.compile(r"(?!\()(?!.*\d)(?=.*[^\W\d_]{2}).{2,48}")
_INITIALS = re.compile(r"[^\W\d_]{2,3}")
_HOURS = re.compile(r"(?i:time|hour|hr|when)")
_CODE = re.compile(r"(?=(?:\D*\d){4})(?:[A-Za-z]{1,4} )?[\w./#-]+(?: \d{1,4})*")
_DATE = re.compile(
    r"(?=.*\d)(?:\d{1,4}[/.-]\w|\d{1,2}(?:st|nd|rd|th)?[ -]?[A-Za-z]{3}|\d{6}"
    r"|(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6}[-., ]).{0,40}"
)
_NUMBER = re.compile(r"(?=.*\d).{1,60}")


@dataclass(frozen=True)
class _Cell:
    start: int
    end: int
    text: str


class GridRecognizer(EntityRecognizer):  # type: ignore[misc]
    """Finds the cells under headings such as "Name", "MRN" and "DOB" where at least two stand in one line.

    Args:
        headings: a regular expression for the headings of each category.
        stop: words that are no name.
    """

    def __init__(self, headings: Mapping[str, str], stop: frozenset[str]) -> None:
        self._headings = {c: re.compile(rf"(?i:{pattern})") for c, pattern in headings.items()}
        self._stop = stop
        super().__init__(supported_entities=sorted({*headings} - {"INITIALS"}), name="grid")

    def load(self) -> None:
        """Nothing to load; Presidio asks for the method."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: object = None) -> list[RecognizerResult]:
        """The values of every table in `text`."""
        return [RecognizerResult(category, start, end, SCORE) for category, start, end in self._find(text)]

    def _find(self, text: str) -> Iterator[tuple[str, int, int]]:
        header: list[tuple[str | None, _Cell]] = []
        for line in re.finditer(r"[^\n]*(?:\n|\Z)", text):
            cells = list(_cells(line.group(), line.start())) if _BORDER.search(line.group()) else []
            if len(cells) < FEWEST_HEADINGS:
                if not _RULER.fullmatch(line.group()) or not line.group().strip():
                    header = []
                continue
            named = [(self._category(cell.text.strip(_TRIM)), cell) for cell in cells]
            if sum(category is not None for category, _ in named) >= FEWEST_HEADINGS or _is_log(named):
                header = [(c, _Cell(cell.start - line.start(), cell.end - line.start(), "")) for c, cell in named]
            elif header:
                yield from self._values(header, cells, line.start())

    def _values(
        self, header: list[tuple[str | None, _Cell]], cells: list[_Cell], start: int
    ) -> Iterator[tuple[str, int, int]]:
        for number, cell in enumerate(cells):
            at = cell.start - start
            by_place = min(header, key=lambda h: abs(h[1].start - at))
            category, _ = header[number] if len(header) == len(cells) else by_place
            if category and self._fits(category, cell.text):
                yield "NAME" if category == "INITIALS" else category, cell.start, cell.end

    def _fits(self, category: str, value: str) -> bool:
        if category == "HEALTH_PLAN":  # a column "Plan" may hold treatments
            return bool(_CODE.fullmatch(value))
        if category == "INITIALS":
            return bool(_INITIALS.fullmatch(value)) or self._fits("NAME", value)
        if category == "DATE":
            return bool(_DATE.fullmatch(value))
        if category not in ("NAME", "ADDRESS", "HOSPITAL"):
            return bool(_NUMBER.fullmatch(value))
        return bool(category != "NAME" or _NAME.fullmatch(value)) and not self._stop.issuperset(value.lower().split())

    def _category(self, heading: str) -> str | None:
        return next((c for c, pattern in self._headings.items() if pattern.fullmatch(heading)), None)


def _is_log(named: Sequence[tuple[str | None, _Cell]]) -> bool:
    """Whether these are the headings of a log: dates or hours, then two of what was measured, at the end who did it."""
    first, *rest = [category for category, _ in named]
    timed = first == "DATE" or (_HOURS.fullmatch(named[0][1].text.strip(_TRIM)) and "INITIALS" in rest)
    return bool(timed) and len(named) > FEWEST_HEADINGS and not {*rest} - {None, "INITIALS"}


def _cells(line: str, start: int) -> Iterator[_Cell]:
    for match in _CELL.finditer(line):
        value = match.group().strip()
        if re.search(r"\w", value):
            at = start + match.start() + match.group().index(value)
            yield _Cell(at, at + len(value), value)
