"""De-identification of text: Presidio finds, with our tables, the patient's own roster and the trained tagger."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from itertools import pairwise

from privacy.text.identifiers import table_recognizers
from privacy.text.marks import MARK
from privacy.text.normalise import clean
from privacy.text.presidio import (
    AnalyzerEngine,
    AnonymizerEngine,
    ContextAwareEnhancer,
    EntityRecognizer,
    NoOpNlpEngine,
    OperatorConfig,
    RecognizerRegistry,
    RecognizerResult,
)
from privacy.text.replacement import Marks
from privacy.text.roster import Roster, names_roster
from privacy.text.spans import Span

SHORT = 120  # characters
_JOINED = ("NAME", "ADDRESS")


class _NoContext(ContextAwareEnhancer):  # type: ignore[misc]
    """Leaves scores as they are: our rules carry their context in the pattern."""

    def __init__(self) -> None:
        super().__init__(0.0, 0.0, 0, 0)

    def enhance_using_context(
        self, text: str, raw_results: list[RecognizerResult], *_: object, **__: object
    ) -> list[RecognizerResult]:
        return raw_results


class TextDeidentifier:
    """Finds identifiers in clinical text; build it once, it serves all patients.

    Args:
        marks: what stands for an identifier while the search is repeated, and in the spans that are handed out.
        kept: categories that the legal basis and the policy leave standing.
        tagger: finds names that no rule and no record knows; None does without.
    """

    def __init__(
        self, marks: Marks, kept: frozenset[str] = frozenset(), tagger: EntityRecognizer | None = None
    ) -> None:
        self.marks, self.kept, self.tagger = marks, kept, tagger

    @cached_property
    def _analyzer(self) -> AnalyzerEngine:
        registry = RecognizerRegistry(recognizers=table_recognizers(), supported_languages=["en"])
        engine = NoOpNlpEngine([{"lang_code": "en", "model_name": "none"}])
        return AnalyzerEngine(registry, engine, supported_languages=["en"], context_aware_enhancer=_NoContext())

    @cached_property
    def _anonymizer(self) -> AnonymizerEngine:
        return AnonymizerEngine()

    def find(self, text: str, roster: Roster | None = None, tagged: bool = True) -> tuple[Span, ...]:
        """Every identifier in `text`, in order and without overlaps.

        Marks that already stand in the text are left alone. Tables and rosters search their own output until they find
        nothing more, so that they find the same twice as once; the tagger reads the note once, as it was written, for
        it was not taught to read around marks. Characters that hide an identifier, such as
        a zero-width joiner within a name, are looked through.

        Args:
            tagged: whether the tagger reads it, which knows notes and not the terms of a code system.
        """
        cleaned = clean(text)
        taggers = [self.tagger] if self.tagger and tagged else []
        spans = self._found(cleaned.text, roster, taggers)
        if cleaned.text == text:
            return spans
        places = (cleaned.original_span(span.start, span.end) for span in spans)
        return tuple(replace(span, start=start, end=end) for span, (start, end) in zip(spans, places, strict=True))

    def apply(self, text: str, spans: Sequence[Span]) -> str:
        """`text` with each span replaced; spans come from `find` on the same text."""
        if not spans:
            return text
        results = [RecognizerResult(str(i), s.start, s.end, s.score) for i, s in enumerate(spans)]
        operators = {str(i): OperatorConfig("replace", {"new_value": s.replacement}) for i, s in enumerate(spans)}
        return str(self._anonymizer.anonymize(text, results, operators).text)

    def _found(self, text: str, roster: Roster | None, taggers: Sequence[EntityRecognizer]) -> tuple[Span, ...]:
        rosters = [roster] if roster else []
        spans = self._grown(text, (), self._search(text, rosters, taggers))
        if names := [text[span.start : span.end] for span in spans if span.category == "NAME"]:
            # Rosters are quick: they go first, so that the whole search need not be repeated for what they find.
            rosters.append(names_roster(names))
            spans = self._grown(text, spans, self._known(self.apply(text, spans), rosters))
        while found := self._search(self.apply(text, spans), rosters):
            spans = self._grown(text, spans, found)
        return spans

    def _grown(self, text: str, spans: Sequence[Span], found: Iterable[Span]) -> tuple[Span, ...]:
        """`spans` with what was found in the output that they give."""
        back = _offsets_before(spans)
        moved = (replace(s, start=back(s.start), end=back(s.end)) for s in found)
        return tuple(self._with_mark(text, s) for s in _merged(text, [*spans, *moved]))

    def _search(self, text: str, rosters: Sequence[Roster], taggers: Sequence[EntityRecognizer] = ()) -> list[Span]:
        # A coded field's words come again and again: they are looked at once, and then by the rosters alone.
        general = (self._seen_before if len(text) <= SHORT else self._general)(text, *taggers)
        return [*self._wanted(text, general), *self._known(text, rosters)]

    def _known(self, text: str, rosters: Sequence[Roster]) -> list[Span]:
        found = (
            replace(_span(result), recognizer=roster.name)
            for roster in rosters
            for result in roster.analyze(text, roster.supported_entities)
        )
        return self._wanted(text, found)

    def _wanted(self, text: str, found: Iterable[Span]) -> list[Span]:
        marks = [m.span() for m in MARK.finditer(text)]
        return [piece for span in found if span.category not in self.kept for piece in _outside(text, span, marks)]

    def _general(self, text: str, *taggers: EntityRecognizer) -> tuple[Span, ...]:
        return tuple(map(_span, self._analyzer.analyze(text, "en", ad_hoc_recognizers=list(taggers))))

    @cached_property
    def _seen_before(self) -> Callable[..., tuple[Span, ...]]:
        return lru_cache(maxsize=8192)(self._general)

    def _with_mark(self, text: str, span: Span) -> Span:
        return replace(span, replacement=self.marks(text[span.start : span.end], span))


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
