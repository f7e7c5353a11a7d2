"""What the pages draw: a note with its marks, lists of names and values, and figures by plotly.

Whatever comes from a record, a plan or a card is escaped here, with `html.escape` in HTML and `plain` in Markdown.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from federated.plan import Plan
from policies.events import Entry
from policies.models import SignedModel
from policies.policy import Training

if TYPE_CHECKING:  # these bring spaCy and torch with them, which only a note needs
    from clinical.diagnosis import Evidence, Extraction, Suggestion
    from clinical.extraction import Mention, NoteFacts

_MARKS = re.compile(r"([\\`*_{}\[\]<>$~#|&^]|:(?=\w))")
_FIRST_OF_LINE = re.compile(r"^(\s*\d*)([-+=.)])", re.MULTILINE)


def plain(text: str) -> str:
    """Text as Markdown that shows as nothing but this text."""
    return _FIRST_OF_LINE.sub(r"\1\\\2", _MARKS.sub(r"\\\1", text.strip()))


# A note.

KINDS = ("problem", "finding", "medication", "test", "procedure", "anatomy")
_BADGES = {"family": "family", "historical": "past", "hypothetical": "if", "conditional": "when", "resolved": "gone"}
LEGEND = (
    '<p class="legend">'
    + "".join(f'<mark class="{kind}">{kind}</mark> ' for kind in KINDS)
    + '<mark class="negated">negated</mark> <mark class="uncertain">uncertain</mark> '
    + "".join(f"<mark>{status}<small>{badge}</small></mark> " for status, badge in _BADGES.items())
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


def note_view(text: str, extraction: Extraction) -> NoteView:
    """Mark a note; a condition for which no sentence speaks is left out, and that is said."""
    shown = [suggestion for suggestion in extraction.suggestions if suggestion.evidence]
    ranks: dict[tuple[int, int], list[int]] = {}
    items = [f"<p>{escape(line)}</p>" for line in _standing(extraction)]
    for rank, suggestion in enumerate(shown, 1):
        for evidence in suggestion.evidence:
            ranks.setdefault((evidence.start, evidence.end), []).append(rank)
        items.append(_condition(rank, suggestion, text))
    left_out = len(extraction.suggestions) - len(shown)
    if left_out:
        items.append(f"<p>{left_out} more, for which no sentence speaks, not shown.</p>")
    if not extraction.suggestions and not extraction.refusal:
        items.append("<p>No condition reaches the smallest probability that the policy lets this page show.</p>")
    rows = tuple(map(_fact, extraction.facts.mentions))
    return NoteView(_marked(text, extraction.facts, ranks), "".join(items), rows)


def _standing(extraction: Extraction) -> Iterator[str]:
    """Why there is no suggestion, or how far the numbers can be trusted."""
    if extraction.refusal:
        yield f"No suggestion: {extraction.refusal}."
    elif extraction.caution:
        yield f"{extraction.caution[:1].upper()}{extraction.caution[1:]}."
    if extraction.standing:
        yield from (f"{sentence}." for sentence in extraction.standing.in_words())


def _condition(rank: int, suggestion: Suggestion, text: str) -> str:
    percent = f"{100 * suggestion.probability:.0f}"
    code = "" if suggestion.label == suggestion.title else f" <code>{escape(suggestion.label)}</code>"
    what = "share among the labels" if suggestion.in_set is None else "probability"
    meter = f'role="meter" aria-label="{what}" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}"'
    return (
        f'<section class="condition"><h3>{rank}. {escape(suggestion.title)}{code}</h3>'
        f'<div class="probability"><div class="bar" {meter}><div style="width: {percent}%"></div></div>'
        f'<span title="{what}">{percent} %</span></div>'
        + "".join(f"<blockquote>{_quoted(one, text)}</blockquote>" for one in suggestion.evidence)
        + _against(suggestion, text)
        + _not_asked(suggestion)
        + "</section>"
    )


def _quoted(evidence: Evidence, text: str) -> str:
    """A stretch of the note with the words that weigh most in it."""
    pieces, place = [], evidence.start
    for start, end in evidence.words:
        pieces += [escape(text[place:start]), f"<b>{escape(text[start:end])}</b>"]
        place = end
    return "".join([*pieces, escape(text[place : evidence.end])])


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
        "Attributes": ", ".join(f"{own.kind} {own.value}" for own in mention.attributes),
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


def _marked(text: str, facts: NoteFacts, ranks: Mapping[tuple[int, int], Sequence[int]]) -> str:
    mentions = _Layer.of((mention.start, mention.end, mention) for mention in facts.mentions)
    headings = _Layer.of((section.start, section.start + len(section.heading), True) for section in facts.sections)
    evidence = _Layer.of((start, end, ranks[start, end]) for start, end in ranks)
    layers: tuple[tuple[_Layer, Callable[[str, Any, bool], str]], ...] = (
        (mentions, _with_mention),
        (headings, lambda inner, _, __: f"<strong>{inner}</strong>"),
        (evidence, _with_evidence),
    )
    cuts = sorted({0, len(text), *(edge for layer, _ in layers for span in layer.spans for edge in span[:2])})
    pieces = []
    for start, end in pairwise(cuts):
        piece = escape(text[start:end])
        for layer, wrap in layers:
            if span := layer.at(start):
                piece = wrap(piece, span[2], end >= span[1])
        pieces.append(piece)
    return f'<div class="note">{"".join(pieces)}</div>'


def _with_mention(inner: str, mention: Mention, last: bool) -> str:
    status, cue = mention.assertion.status, mention.assertion.cue
    said = f"{mention.concept}: {mention.kind}, {status}" + (f" (by “{cue}”)" if cue else "")
    title = ", ".join([said, *(f"{own.kind} {own.value}" for own in mention.attributes)])
    badge = f"<small>{_BADGES[status]}</small>" if last and status in _BADGES else ""
    return f'<mark class="{mention.kind} {status}" title="{escape(title)}">{inner}{badge}</mark>'


def _with_evidence(inner: str, ranks: Sequence[int], last: bool) -> str:
    numbers = ", ".join(map(str, ranks))
    return f'<u class="evidence">{inner}</u>' + (f"<sup>{numbers}</sup>" if last else "")


# Lists of names and values.

_UNIT_OF_PRIVACY = "the patient of one hospital, with all of their notes"


def protections_html(plan: Plan, caps: Training) -> str:
    """What protects patients in a plan, with what the site's policy asks for."""
    return _pairs(
        ("Unit of privacy", _UNIT_OF_PRIVACY),
        ("Noise", f"{plan.sigma} times the clipping norm; the policy asks for at least {caps.smallest_noise:g}"),
        ("Clipping norm", f"{plan.clip}; the policy allows at most {caps.largest_clip:g}"),
        ("Sampling", f"each patient on their own, with probability {plan.sampling_rate} a round (Poisson)"),
        ("Delta", f"{plan.delta}, for the life of the cohort"),
        ("Epsilon", f"at most {caps.epsilon:g} over all runs; a release beyond it is refused before it starts"),
        ("Cohort", f"at least {caps.smallest_cohort} patients; fewer are refused"),
    )


def card_html(model: SignedModel, site: str) -> str:
    """The card of a model whose signature was verified, as one hospital reads it."""
    card = model.card
    return _pairs(
        ("Model", model.name),
        ("Signature", f"verified, by '{model.signer}'"),
        ("Made", str(card["created"])),
        ("Encoder", str(card["plan"]["encoder"])),
        ("Labels", str(len(card["plan"]["labels"]))),
        ("Epsilon of this run", f"{card['epsilon'].get(site, 'none')} at this hospital, at delta {card['delta']}"),
        ("Trained in", f"{card['training_seconds']} s"),
        ("SHA-256 of weights", f"{card['weights_sha256'][:16]}…"),
        ("Intended use", str(card["intended_use"])),
    )


def model_line(model: SignedModel) -> str:
    """What suggestions are for, and which model made them, as Markdown."""
    from clinical.diagnosis import intended_use  # brings torch

    return plain(f"{intended_use()} Model {model.name} of study '{model.card['study']}'.")


def _pairs(*pairs: tuple[str, str]) -> str:
    rows = (f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)
    return f'<dl class="pairs">{"".join(rows)}</dl>'


# Figures. The page's theme gives background and text; these colours are legible on light and on dark.

_BLUE, _ORANGE, _GREEN, _RED = "#3987c9", "#d9822b", "#3d9a5b", "#d64545"
_OF_EVENTS = (_BLUE, _ORANGE, _GREEN, "#8f6bbf", "#b8860b", "#c75b8f", "#4f9a9a", "#8a8a8a")
_MINUTE, _HOUR, _DAY = "%Y-%m-%d %H:%M", "%Y-%m-%d %H:00", "%Y-%m-%d"


@dataclass(frozen=True)
class Plot:
    """A figure, with the sentence below it, which says the same to whoever cannot see it."""

    figure: Any = field(repr=False)
    caption: str


def loss_plot(losses: Sequence[tuple[int, float]]) -> Plot:
    """The site's own loss by round."""
    rounds, values = [number for number, _ in losses], [loss for _, loss in losses]
    trace = go.Scatter(x=rounds, y=values, mode="lines+markers", line={"color": _BLUE}, hovertemplate="%{y:.3f}")
    span = f"from {values[0]:.3f} to {values[-1]:.3f}" if values else "none yet"
    caption = f"Mean loss of each round, {span}. It stays at this hospital: it is no private release."
    return Plot(_figure([trace], "Round", "Loss"), caption)


def seconds_plot(seconds: Sequence[tuple[int, float]]) -> Plot:
    """How long each round took."""
    rounds, values = [number for number, _ in seconds], [taken for _, taken in seconds]
    trace = go.Bar(x=rounds, y=values, marker={"color": _GREEN}, hovertemplate="%{y:.1f} s")
    caption = f"{sum(values):.0f} s for {len(values)} rounds of all hospitals; the first round waits for them to start."
    return Plot(_figure([trace], "Round", "Seconds"), caption)


def epsilon_plot(epsilons: Sequence[float], cap: float) -> Plot:
    """Epsilon after each booked release, below the cap of the policy."""
    releases = list(range(len(epsilons) + 1))
    trace = go.Scatter(
        x=releases,
        y=[0.0, *epsilons],
        mode="lines+markers",
        line={"color": _ORANGE, "shape": "hv"},
        fill="tozeroy",
        fillcolor="rgba(217,130,43,0.2)",
        hovertemplate="%{y:.3f}",
    )
    figure = _figure([trace], "Booked releases", "Epsilon")
    figure.add_hline(y=cap, line={"color": _RED, "dash": "dash"}, annotation_text=f"cap {cap:g}")
    figure.update_yaxes(range=[0, 1.15 * max([cap, *epsilons])])
    caption = f"Epsilon of all {len(epsilons)} releases together, over all runs; the dashed line is the policy's cap."
    return Plot(figure, caption)


def activity_plot(entries: Sequence[Entry]) -> Plot:
    """Entries by time and event, the commonest events by name and the rest as 'other'."""
    times = [datetime.fromisoformat(entry.time) for entry in entries]
    hours = (max(times) - min(times)).total_seconds() / 3600
    form = _MINUTE if hours < 2 else _HOUR if hours < 72 else _DAY
    common = [event for event, _ in Counter(entry.event for entry in entries).most_common(len(_OF_EVENTS) - 1)]
    counts: dict[str, Counter[str]] = {str(event): Counter() for event in common}
    for entry, time in zip(entries, times, strict=True):
        name = str(entry.event) if entry.event in common else "other"
        counts.setdefault(name, Counter())[time.strftime(form)] += 1
    traces = [
        go.Bar(name=name, x=list(by_time), y=list(by_time.values()), marker={"color": colour})
        for (name, by_time), colour in zip(counts.items(), _OF_EVENTS, strict=False)
    ]
    figure = _figure(traces, "Time (UTC)", "Entries")
    figure.update_layout(barmode="stack", showlegend=True, legend={"orientation": "h", "y": -0.35}, height=380)
    unit = {_MINUTE: "minute", _HOUR: "hour", _DAY: "day"}[form]
    return Plot(figure, f"{len(entries)} entries by {unit}, from {min(times):{_MINUTE}} to {max(times):{_MINUTE}} UTC.")


def _figure(traces: Sequence[Any], x: str, y: str) -> Any:
    figure = go.Figure(list(traces))
    figure.update_layout(
        height=300,
        margin={"l": 10, "r": 10, "t": 20, "b": 10},
        showlegend=False,
        xaxis={"title": x},
        yaxis={"title": y, "rangemode": "tozero"},
    )
    return figure
