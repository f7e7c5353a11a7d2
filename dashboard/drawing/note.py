"""A note with its marks, and what it may support."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dashboard.view.notes import section_name

if TYPE_CHECKING:  # these bring spaCy and torch with them, which only a note needs
    from clinical.coding import Code
    from clinical.diagnosis import Evidence, Extraction, Suggestion
    from clinical.extraction import Mention, NoteFacts
    from clinical.extraction.mentions import Section

KINDS = ("problem", "finding", "medication", "test", "procedure", "device", "anatomy")
Codes = Mapping[tuple[str, str], "Code"]  # the likeliest code of a phrase, by its words and kind
_PLACE = "place-"  # begins the id of a place of the note, before its offset
_BADGES = {"family": "family", "historical": "past", "hypothetical": "if", "conditional": "when", "resolved": "gone"}
LEGEND = (
    '<p class="legend">'
    + "".join(f'<mark class="{kind}">{kind}</mark> ' for kind in KINDS)
    + '<mark class="negated">negated</mark> <mark class="uncertain">uncertain</mark> '
    + "".join(f"<mark>{status}<small>{badge}</small></mark> " for status, badge in _BADGES.items())
    + '<span class="tail">says more of a mention</span> '
    + '<u class="evidence">speaks for a condition<sup>1</sup></u></p>'
)


@dataclass(frozen=True)
class NoteView:
    """One note as it is shown.

    Attributes:
        html: the note, escaped, with its mentions, headings and evidence marked.
        conditions: ranked conditions with their evidence, as HTML, and what is to be said where some are not shown.
        facts: the rows of the table.
    """

    html: str = field(repr=False)
    conditions: str = field(repr=False)
    facts: tuple[Mapping[str, str], ...] = field(repr=False)


def note_view(
    text: str, extraction: Extraction, kinds: Container[str] = KINDS, codes: Codes = MappingProxyType({})
) -> NoteView:
    """Mark a note, and draw what it may support.

    Args:
        kinds: of mentions, that are marked.
        codes: to be said with the mentions.
    """
    shown = extraction.suggestions
    items = [*_standing(extraction), *(_condition(rank, own, text) for rank, own in enumerate(shown, 1))]
    if left_out := extraction.left_out():
        items.append(f"<p>{escape(left_out)}.</p>")
    elif not shown and not extraction.refusal:
        items.append("<p>No condition reaches the smallest probability that the policy lets this page show.</p>")
    marked = [own for own in extraction.facts.mentions if own.kind in kinds]
    return NoteView(_marked(text, extraction.facts, marked, shown, codes), "".join(items), tuple(map(_fact, marked)))


def plain_note(text: str) -> str:
    """A note with nothing marked in it, as HTML."""
    return f'<div class="note">{escape(text)}</div>'


def _standing(extraction: Extraction) -> Iterator[str]:
    """Before all suggestions: why there is none, or how far the numbers can be trusted."""
    if extraction.refusal:
        yield f'<p class="warning" role="note">No suggestion: {escape(extraction.refusal)}.</p>'
    elif extraction.caution:
        yield f'<p class="warning" role="note">{escape(extraction.caution[:1].upper() + extraction.caution[1:])}.</p>'
    if extraction.standing:
        yield from (f"<p>{escape(sentence)}.</p>" for sentence in extraction.standing.in_words())


def _condition(rank: int, suggestion: Suggestion, text: str) -> str:
    percent = f"{100 * suggestion.probability:.0f}"
    code = "" if suggestion.label == suggestion.title else f" <code>{escape(suggestion.label)}</code>"
    chosen = ' <small class="in-set">in the set</small>' if suggestion.in_set else ""
    what = "share among the labels" if suggestion.in_set is None else "probability"
    meter = f'role="meter" aria-label="{what}" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}"'
    return (
        f'<section class="condition"><h3>{rank}. {escape(suggestion.title)}{code}{chosen}</h3>'
        f'<div class="probability"><div class="bar" {meter}><div style="width: {percent}%"></div></div>'
        f'<span title="{what}">{percent} %</span></div>'
        + "<h4>For</h4>"
        + "".join(f"<blockquote>{_quoted(one, text)}</blockquote>" for one in suggestion.evidence)
        + _against(suggestion, text)
        + _not_asked(suggestion)
        + "</section>"
    )


def _quoted(evidence: Evidence, text: str) -> str:
    """A stretch of the note with the words that weigh most in it, as a link to its place there."""
    pieces, place = [], evidence.start
    for start, end in evidence.words:
        pieces += [escape(text[place:start]), f"<b>{escape(text[start:end])}</b>"]
        place = end
    quoted = "".join([*pieces, escape(text[place : evidence.end])])
    return f'<a href="#{_PLACE}{evidence.start}">{quoted}</a>'


def _against(suggestion: Suggestion, text: str) -> str:
    quotes = []
    for one in suggestion.against:
        denied = f" <small>({escape(one.because)})</small>" if one.because else ""
        quotes.append(f"<blockquote>{_quoted(one, text)}{denied}</blockquote>")
    return f"<h4>Against</h4>{''.join(quotes)}" if quotes else ""


def _not_asked(suggestion: Suggestion) -> str:
    rows = [
        f"<li>{escape(one.concept)}{': if present, this would rank first' if one.first else ''}</li>"
        for one in suggestion.not_asked
    ]
    return f"<h4>Not asked</h4><ul>{''.join(rows)}</ul>" if rows else ""


def _fact(mention: Mention) -> Mapping[str, str]:
    return {
        "Kind": mention.kind,
        "Concept": mention.concept,
        "Status": mention.assertion.status,
        "Because of": mention.assertion.cue,
        "Attributes": ", ".join(f"{own.kind} {own.value}" for own in mention.attributes),
        "Section": section_name(mention.section),
        "As written": mention.text,
    }


@dataclass(frozen=True)
class _Layer:
    """Stretches of a text that do not overlap, in order, each with what it stands for."""

    spans: Sequence[tuple[int, int, Any]]
    starts: Sequence[int]

    @classmethod
    def of(cls, spans: Iterable[tuple[int, int, Any]]) -> _Layer:
        ordered = sorted(spans, key=lambda span: span[:2])
        return cls(ordered, [span[0] for span in ordered])

    def at(self, place: int) -> tuple[int, int, Any] | None:
        index = bisect_right(self.starts, place) - 1
        return self.spans[index] if index >= 0 and place < self.spans[index][1] else None


def _marked(text: str, facts: NoteFacts, marked: Sequence[Mention], shown: Sequence[Suggestion], codes: Codes) -> str:
    ranks: dict[tuple[int, int], list[int]] = {}
    for rank, suggestion in enumerate(shown, 1):
        for one in suggestion.evidence:
            ranks.setdefault((one.start, one.end), []).append(rank)
    places = {one.start for own in shown for one in (*own.evidence, *own.against)}
    mentions = _Layer.of((own.start, own.end, (own, codes.get((own.text, own.kind)))) for own in marked)
    headings = _Layer.of((own.start, own.start + len(own.heading), _label(own)) for own in facts.sections)
    evidence = _Layer.of((start, end, ranks[start, end]) for start, end in ranks)
    tails = _Layer.of((start, end, said) for (start, end), said in _tails(text, facts, marked).items())
    layers: tuple[tuple[_Layer, Callable[[str, Any, bool], str]], ...] = (
        (mentions, _with_mention),
        (tails, lambda inner, said, _: f'<span class="tail" title="{escape(said)}">{inner}</span>'),
        (headings, _with_heading),
        (evidence, _with_evidence),
    )
    edges = {edge for layer, _ in layers for span in layer.spans for edge in span[:2]}
    pieces = []
    for start, end in pairwise(sorted({0, len(text), *edges, *places})):
        piece = escape(text[start:end])
        for layer, wrap in layers:
            if span := layer.at(start):
                piece = wrap(piece, span[2], end >= span[1])
        pieces.append(f'<span class="place" id="{_PLACE}{start}"></span>{piece}' if start in places else piece)
    return f'<div class="note">{"".join(pieces)}</div>'


def _tails(text: str, facts: NoteFacts, marked: Sequence[Mention]) -> Mapping[tuple[int, int], str]:
    """What a stretch says of mentions that are marked: "dose of furosemide"."""
    heads = {own.start for own in marked}
    said: dict[tuple[int, int], str] = {}
    for own in facts.relations:
        if own.head_start in heads:
            more = f"{own.kind} of {text[own.head_start : own.head_end]}"
            place = own.tail_start, own.tail_end
            said[place] = f"{said[place]}, {more}" if place in said else more
    return said


def _label(section: Section) -> str:
    """What kind of section it was taken for, where its heading says it in other words."""
    name = section_name(section.label)
    return "" if name == section.heading.strip(" :").lower() else name


def _with_heading(inner: str, label: str, last: bool) -> str:
    """A heading, and what kind of section it was taken for."""
    return f"<strong>{inner}</strong>" + (f'<small class="label">{escape(label)}</small>' if last and label else "")


def _with_mention(inner: str, found: tuple[Mention, Code | None], last: bool) -> str:
    mention, code = found
    status, cue = mention.assertion.status, mention.assertion.cue
    said = f"{mention.concept}: {mention.kind}, {status}" + (f" (by “{cue}”)" if cue else "")
    coded = f"{code.system} {code.code}, {code.score:.2f} alike" if code else ""
    title = ", ".join(filter(None, [said, coded, *(f"{own.kind} {own.value}" for own in mention.attributes)]))
    badge = f"<small>{_BADGES[status]}</small>" if last and status in _BADGES else ""
    return f'<mark class="{mention.kind} {status}" title="{escape(title)}">{inner}{badge}</mark>'


def _with_evidence(inner: str, ranks: Sequence[int], last: bool) -> str:
    numbers = ", ".join(map(str, ranks))
    return f'<u class="evidence">{inner}</u>' + (f"<sup>{numbers}</sup>" if last else "")
