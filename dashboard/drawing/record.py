"""A patient's record as it is drawn: lines with quotations, a timeline, answers, and series of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from dashboard.drawing.figures import Plot
from dashboard.view.record import Line, Series

if TYPE_CHECKING:
    from clinical.record.ask import Answer
    from clinical.record.quotation import Quotation
    from clinical.record.timeline import Event

_COLOUR = "#3987c9"


def quoted(quotation: Quotation, titles: Mapping[str, str]) -> str:
    """A quotation with the note that it comes from."""
    words = " ".join(quotation.text.split())
    where = titles.get(quotation.record, "a note")
    return f"<blockquote>{escape(words)}<footer>{escape(where)}</footer></blockquote>"


def part_html(title: str, lines: Sequence[Line], titles: Mapping[str, str]) -> str:
    """A part of a summary."""
    items = "".join(f"<li>{escape(line.said)}{quoted(line.quotation, titles)}</li>" for line in lines)
    return f'<section class="part"><h3>{escape(title)}</h3>{f"<ul>{items}</ul>" if items else "<p>None.</p>"}</section>'


def events_html(events: Sequence[Event]) -> str:
    """What one note announces."""
    items = (
        f"<li>{f'<b>{escape(own.heading.strip())}</b> ' if own.heading else ''}"
        f"{escape(' '.join(own.quotation.text.split()))}</li>"
        for own in events
    )
    return f'<ul class="events">{"".join(items)}</ul>'


def answer_html(answer: Answer, titles: Mapping[str, str]) -> str:
    """A question with the quotation that answers it, or that it is not stated."""
    asked = f"<h3>{escape(answer.question)}</h3>"
    if answer.quotation is None:
        return f'<section class="part">{asked}<p>Not stated: nothing in the notes was found to answer it.</p></section>'
    because = f" because of “{escape(answer.cue)}”" if answer.cue else ""
    status = f"<p>By the note this is <b>{escape(answer.status)}</b>{because}.</p>" if answer.status else ""
    how = "found by rules" if answer.by == "rules" else f"found by reading, score {answer.score:.2f}, no probability"
    others = "".join(quoted(own, titles) for own in answer.others)
    more = f"<details><summary>Other places</summary>{others}</details>" if others else ""
    shown = quoted(answer.quotation, titles)
    return f'<section class="part">{asked}{shown}{status}<p><small>{how}</small></p>{more}</section>'


def series_plot(series: Series) -> Plot:
    """The values of one test over time; by number where a date is not known."""
    dated = all(date for date, _ in series.points)
    places = [date if dated else number for number, (date, _) in enumerate(series.points, 1)]
    values = [value for _, value in series.points]
    trace = go.Scatter(x=places, y=values, mode="lines+markers", line={"color": _COLOUR}, hovertemplate="%{y}")
    figure = go.Figure([trace])
    figure.update_layout(
        height=300,
        margin={"l": 10, "r": 10, "t": 20, "b": 10},
        showlegend=False,
        xaxis={"title": "Date of the note" if dated else "Value, the oldest first", "dtick": None if dated else 1},
        yaxis={"title": escape(series.unit) or "Value"},  # plotly reads tags
    )
    listed = ", ".join(f"{value:g}{f' ({date})' if date else ''}" for date, value in series.points)
    trend = f" The last is {series.trend}." if series.trend else ""
    return Plot(figure, f"{series.name}: {listed}.{trend}")
