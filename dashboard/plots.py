"""What the pages draw from the data of `view`: figures by plotly, and a note as HTML with its marks.

Everything that comes from a record or a card is escaped here.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from dashboard.view import Pairs
from policies.audit import Entry

if TYPE_CHECKING:  # these bring spaCy and torch with them, which only a note needs
    from clinical.diagnosis import Extraction
    from clinical.extraction import Mention, NoteFacts

# A note.

KINDS = ("problem", "finding", "medication", "test", "procedure", "anatomy")
_BADGES = {"family": "family", "historical": "past", "hypothetical": "if"}
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
        conditions: ranked conditions with their evidence, as HTML; empty where there is none.
        remark: what is to be said where no condition, or not every one, is shown.
        facts: the rows of the table.
    """

    html: str = field(repr=False)
    conditions: str = field(repr=False)
    remark: str
    facts: tuple[Mapping[str, str], ...] = field(repr=False)


def note_view(text: str, extraction: Extraction) -> NoteView:
    """Mark a note; a condition for which no sentence speaks is left out, and that is said."""
    shown = [suggestion for suggestion in extraction.suggestions if suggestion.evidence]
    ranks: dict[tuple[int, int], list[int]] = {}
    items = []
    for rank, suggestion in enumerate(shown, 1):
        for evidence in suggestion.evidence:
            ranks.setdefault((evidence.start, evidence.end), []).append(rank)
        quotes = [text[evidence.start : evidence.end] for evidence in suggestion.evidence]
        items.append(_condition(rank, suggestion.title, suggestion.label, suggestion.probability, quotes))
    left_out = len(extraction.suggestions) - len(shown)
    remark = f"{left_out} more without a sentence that speaks for it: not shown." if left_out else ""
    if extraction.model and not extraction.suggestions:
        remark = "No condition reaches the smallest probability that the policy lets this page show."
    rows = tuple(map(_fact, extraction.facts.mentions))
    return NoteView(_marked(text, extraction.facts, ranks), "".join(items), remark, rows)


def _condition(rank: int, title: str, label: str, probability: float, quotes: Sequence[str]) -> str:
    percent = f"{100 * probability:.0f}"
    code = "" if label == title else f" <code>{escape(label)}</code>"
    meter = f'role="meter" aria-label="probability" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}"'
    return (
        f'<section class="condition"><h3>{rank}. {escape(title)}{code}</h3>'
        f'<div class="probability"><div class="bar" {meter}><div style="width: {percent}%"></div></div>'
        f"<span>{percent} %</span></div>"
        + "".join(f"<blockquote>{escape(quote)}</blockquote>" for quote in quotes)
        + "</section>"
    )


def _fact(mention: Mention) -> Mapping[str, str]:
    return {
        "Kind": mention.kind,
        "Concept": mention.concept,
        "Status": mention.assertion.status,
        "Attributes": ", ".join(f"{name} {value}" for name, value in mention.attributes),
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
    title = ", ".join([said, *(f"{name} {value}" for name, value in mention.attributes)])
    badge = f"<small>{_BADGES[status]}</small>" if last and status in _BADGES else ""
    return f'<mark class="{mention.kind} {status}" title="{escape(title)}">{inner}{badge}</mark>'


def _with_evidence(inner: str, ranks: Sequence[int], last: bool) -> str:
    numbers = ", ".join(map(str, ranks))
    return f'<u class="evidence">{inner}</u>' + (f"<sup>{numbers}</sup>" if last else "")


def pairs_html(pairs: Pairs) -> str:
    """Names and values as a list that wraps on a narrow screen."""
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
    rounds, values = zip(*losses, strict=True)
    trace = go.Scatter(x=rounds, y=values, mode="lines+markers", line={"color": _BLUE}, hovertemplate="%{y:.3f}")
    caption = f"Mean loss of each round, from {values[0]:.3f} to {values[-1]:.3f}. It stays at this hospital."
    return Plot(_figure([trace], "Round", "Loss"), caption)


def seconds_plot(seconds: Sequence[tuple[int, float]], bytes_per_site: int) -> Plot:
    """How long each round took."""
    rounds, values = zip(*seconds, strict=True)
    trace = go.Bar(x=rounds, y=values, marker={"color": _GREEN}, hovertemplate="%{y:.1f} s")
    caption = f"{sum(values):.0f} s in {len(values)} rounds; {bytes_per_site / 1000:.0f} KB from each hospital a round."
    return Plot(_figure([trace], "Round", "Seconds"), caption)


def epsilon_plot(epsilons: Sequence[float], cap: float) -> Plot:
    """Epsilon after each booked release, below the cap of the policy."""
    releases = list(range(len(epsilons) + 1))
    trace = go.Scatter(
        x=releases,
        y=[0.0, *epsilons],
        mode="lines",
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
