"""De-identification of text: Presidio finds and replaces, with our tables and the patient's own roster."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, RecognizerResult
from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
from presidio_analyzer.nlp_engine import NoOpNlpEngine
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import OperatorConfig

from privacy.identifiers import rules, table_recognizers
from privacy.roster import Roster, names_roster

MODES = ("redact", "tag")
OLDEST_AGE = 89
_JOINED = ("NAME", "ADDRESS")
# Only marks that we write: a bracketed word of the note itself is no mark.
_MARK = re.compile(rf"\[(?:\*\*\*|{'|'.join(sorted({rule.category for rule in rules()}))})(?: (?:19|20)\d{{2}})?\]")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d{2}(?!\d)")
# Two digits are a year after an apostrophe, as the third part of a date, or where they can be no day.
_SHORT_YEAR = re.compile(r"(?:['’]|\d[/.-]\w{1,9}[/.-]|[/-](?=3[2-9]|[4-9]))(\d{2})(?:$|[ T])")


@dataclass(frozen=True)
class Span:
    """One identifier in a text, `text[start:end]`, and what stands in its place afterwards."""

    start: int
    end: int
    category: str
    recognizer: str
    score: float
    replacement: str = ""


class _NoContext(ContextAwareEnhancer):  # type: ignore[misc]
    """Leaves scores as they are: our rules carry their context in the pattern."""

    def __init__(self) -> None:
        super().__init__(0.0, 0.0, 0, 0)

    def enhance_using_context(
        self, text: str, raw_results: list[RecognizerResult], *_: object, **__: object
    ) -> list[RecognizerResult]:
        return raw_results


class TextDeidentifier:
    """Finds identifiers in clinical text and replaces them; build it once, it serves all patients.

    Args:
        mode: "redact" writes one neutral mark for all, "tag" writes the category.
        as_of: the year in which ages are counted; a date so old that it would show an age over 89 loses its year as
            well (45 CFR 164.514(b)(2)(i)(C)).
        keep_year: whether a mark for a date keeps the year.

    Raises:
        ValueError: the mode is neither.
    """

    def __init__(self, mode: str, as_of: int, keep_year: bool = True) -> None:
        if mode not in MODES:
            raise ValueError(f"mode '{mode}' is none of {', '.join(MODES)}")
        self.mode, self.as_of, self.keep_year = mode, as_of, keep_year

    @cached_property
    def _analyzer(self) -> AnalyzerEngine:
        registry = RecognizerRegistry(recognizers=table_recognizers(), supported_languages=["en"])
        engine = NoOpNlpEngine([{"lang_code": "en", "model_name": "none"}])
        return AnalyzerEngine(registry, engine, supported_languages=["en"], context_aware_enhancer=_NoContext())

    @cached_property
    def _anonymizer(self) -> AnonymizerEngine:
        return AnonymizerEngine()

    def find(self, text: str, roster: Roster | None = None) -> tuple[Span, ...]:
        """Every identifier in `text`, in order and without overlaps.

        Marks that already stand in the text are left alone. The search is repeated on its own output until nothing
        more is found, so that de-identifying twice is the same as once.
        """
        spans: tuple[Span, ...] = ()
        recognizers = [roster] if roster else []
        while True:
            output = self.apply(text, spans)
            found = self._search(output, recognizers)
            if not found:
                return spans
            if not spans:
                recognizers.append(names_roster(output[s.start : s.end] for s in found if s.category == "NAME"))
            back = _offsets_before(spans)
            moved = (replace(s, start=back(s.start), end=back(s.end)) for s in found)
            spans = tuple(self._with_mark(text, s) for s in _merged(text, [*spans, *moved]))

    def apply(self, text: str, spans: Sequence[Span]) -> str:
        """`text` with each span replaced; spans come from `find` on the same text."""
        if not spans:
            return text
        results = [RecognizerResult(str(i), s.start, s.end, s.score) for i, s in enumerate(spans)]
        operators = {str(i): OperatorConfig("replace", {"new_value": s.replacement}) for i, s in enumerate(spans)}
        return str(self._anonymizer.anonymize(text, results, operators).text)

    def deidentify(self, text: str, roster: Roster | None = None) -> tuple[str, Mapping[str, int]]:
        """The text without its identifiers, and how many of each category were replaced."""
        spans = self.find(text, roster)
        return self.apply(text, spans), dict(sorted(Counter(s.category for s in spans).items()))

    def _search(self, text: str, recognizers: list[Roster]) -> list[Span]:
        results = self._analyzer.analyze(text, "en", ad_hoc_recognizers=recognizers)
        marks = [m.span() for m in _MARK.finditer(text)]
        return [span for r in results for span in _outside(text, _span(r), marks)]

    def _with_mark(self, text: str, span: Span) -> Span:
        label = "***" if self.mode == "redact" else span.category
        year = self._year(text[span.start : span.end]) if span.category == "DATE" and self.keep_year else None
        return replace(span, replacement=f"[{label} {year}]" if year else f"[{label}]")

    def _year(self, date: str) -> int | None:
        if found := _YEAR.search(date):
            year = int(found.group())
        elif short := _SHORT_YEAR.search(date):
            year = 2000 + int(short.group(1))
            year -= 100 if year > self.as_of else 0
        else:
            return None
        return year if self.as_of - OLDEST_AGE <= year <= self.as_of else None


def _span(result: RecognizerResult) -> Span:
    recognizer = (result.recognition_metadata or {}).get(RecognizerResult.RECOGNIZER_NAME_KEY, "")
    return Span(result.start, result.end, result.entity_type, recognizer, result.score)


def _outside(text: str, span: Span, marks: Iterable[tuple[int, int]]) -> list[Span]:
    """The parts of a span that lie outside the marks, without blanks at their ends."""
    edges = [span.start, *(e for m in marks if m[0] < span.end and m[1] > span.start for e in m), span.end]
    pieces = []
    for start, end in list(pairwise(edges))[::2]:
        piece = text[start:end] if start < end else ""
        if re.search(r"\w", piece):
            pieces.append(replace(span, start=end - len(piece.lstrip()), end=start + len(piece.rstrip())))
    return pieces


def _merged(text: str, spans: Sequence[Span]) -> list[Span]:
    """Spans that overlap or touch, and words of one name, become one over all they cover, named by the strongest."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, -s.end, -s.score, s.category, s.recognizer)):
        if merged and (span.start <= merged[-1].end or _one_name(text, merged[-1], span)):
            last = merged[-1]
            best = max(last, span, key=lambda s: (s.score, s.end - s.start))
            merged[-1] = replace(best, start=last.start, end=max(last.end, span.end))
        else:
            merged.append(span)
    return merged


def _one_name(text: str, left: Span, right: Span) -> bool:
    same = left.category == right.category and left.category in _JOINED
    return same and not text[left.end : right.start].strip(" \t")


def _offsets_before(spans: Sequence[Span]) -> Callable[[int], int]:
    """A function from an offset in the output of `apply` to the offset in its input."""
    shifts = []
    moved = 0
    for span in spans:
        shifts.append((span.start + moved + len(span.replacement), span.end))
        moved += len(span.replacement) - (span.end - span.start)

    def before(offset: int) -> int:
        output, source = max((s for s in shifts if s[0] <= offset), default=(0, 0))
        return source + offset - output

    return before
