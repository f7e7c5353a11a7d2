"""Figures by plotly, each with the sentence that says the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any

import plotly.graph_objects as go

# Figures. The page's theme gives background and text; these colours are legible on light and on dark.

_BLUE, _ORANGE, _GREEN, _RED = "#3987c9", "#d9822b", "#3d9a5b", "#d64545"
_OF_EVENTS = (_BLUE, _ORANGE, _GREEN, "#8f6bbf", "#b8860b", "#c75b8f", "#4f9a9a", "#8a8a8a")


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
    caption = f"{sum(values):.0f} s for {len(values)} rounds of all hospitals; the first one waits for them to start."
    return Plot(_figure([trace], "Round", "Seconds"), caption)


def bytes_plot(sizes: Sequence[tuple[int, int]]) -> Plot:
    """What this hospital sent in each round."""
    rounds, values = [number for number, _ in sizes], [size / 1000 for _, size in sizes]
    trace = go.Bar(x=rounds, y=values, marker={"color": _BLUE}, hovertemplate="%{y:.1f} KB")
    caption = f"{sum(values):.0f} KB from this hospital in {len(values)} rounds; no note and no patient is in them."
    return Plot(_figure([trace], "Round", "KB"), caption)


def rates_plot(rates: Sequence[tuple[str, float]]) -> Plot:
    """Records a second of each job, by when it began."""
    trace = go.Bar(
        x=[began for began, _ in rates],
        y=[rate for _, rate in rates],
        marker={"color": _GREEN},
        hovertemplate="%{y:.0f} records a second",
    )
    figure = _figure([trace], "Began", "Records a second")
    figure.update_xaxes(type="category")
    return Plot(figure, f"{len(rates)} jobs; the newest did {rates[-1][1]:.0f} records a second.")


def epsilon_plot(epsilons: Sequence[float], cap: float) -> Plot:
    """Epsilon after each booked release, below the cap of the policy."""
    releases = list(range(len(epsilons) + 1))
    figure = _below_cap(releases, [0.0, *epsilons], cap, "Booked releases", hovertemplate="%{y:.3f}")
    caption = f"Epsilon of all {len(epsilons)} releases together, over all runs; the dashed line is the policy's cap."
    return Plot(figure, caption)


def activity_plot(activity: Sequence[tuple[str, str, int]]) -> Plot:
    """Entries by time and event, the commonest events by name and the rest as 'other'.

    Args:
        activity: time (ISO 8601, down to the hour at least), event and number of entries.
    """
    first, last = min(time for time, _, _ in activity), max(time for time, _, _ in activity)
    hours = (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds() / 3600
    digits, unit = (16, "minute") if hours < 2 else (13, "hour") if hours < 72 else (10, "day")
    totals = Counter[str]()
    for _, event, entries in activity:
        totals[event] += entries
    common = [event for event, _ in totals.most_common(len(_OF_EVENTS) - 1)]
    counts: dict[str, Counter[str]] = {event: Counter() for event in common}
    for time, event, entries in activity:
        counts.setdefault(event if event in common else "other", Counter())[time[:digits]] += entries
    traces = [
        go.Bar(name=name, x=[_label(time) for time in by_time], y=list(by_time.values()), marker={"color": colour})
        for (name, by_time), colour in zip(counts.items(), _OF_EVENTS, strict=False)
    ]
    figure = _figure(traces, "Time (UTC)", "Entries")
    figure.update_layout(barmode="stack", showlegend=True, legend={"orientation": "h", "y": -0.35}, height=380)
    return Plot(figure, f"{totals.total():,} entries by {unit}, from {_label(first)} to {_label(last)} UTC.")


def budget_plot(points: Sequence[tuple[str, float, str]], cap: float) -> Plot:
    """Epsilon of all releases until then, as a step at each time, below the cap of the policy.

    Args:
        points: time (ISO 8601), epsilon, and what was bought with it.
    """
    times = [datetime.fromisoformat(time) for time, _, _ in points]
    values = [epsilon for _, epsilon, _ in points]
    hover = {"text": [escape(bought) for _, _, bought in points]}
    template = "%{text}<br>%{x}: %{y:.3f}<extra></extra>"
    figure = _below_cap(times, values, cap, "Time (UTC)", hovertemplate=template, **hover)
    spent = f"{values[-1]:.3f} on {times[-1]:%Y-%m-%d}" if values else "nothing yet"
    return Plot(figure, f"Epsilon per patient over time: {spent}; the dashed line is the cap of {cap:g}.")


def _below_cap(x: Sequence[Any], epsilons: Sequence[float], cap: float, title: str, **hover: Any) -> Any:
    """Epsilon as steps, with the cap as a dashed line."""
    trace = go.Scatter(
        x=x,
        y=epsilons,
        mode="lines+markers",
        line={"color": _ORANGE, "shape": "hv"},
        fill="tozeroy",
        fillcolor="rgba(217,130,43,0.2)",
        **hover,
    )
    figure = _figure([trace], title, "Epsilon")
    figure.add_hline(y=cap, line={"color": _RED, "dash": "dash"}, annotation_text=f"cap {cap:g}")
    figure.update_yaxes(range=[0, 1.15 * max([cap, *epsilons])])
    return figure


def _label(time: str) -> str:
    """A time of an entry down to the minute, as far as it goes."""
    day, _, clock = time[:16].partition("T")
    return f"{day} {clock}{':00' if len(clock) == 2 else ''}".strip()


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
