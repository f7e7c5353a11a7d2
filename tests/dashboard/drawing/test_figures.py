"""Figures hold the numbers that they were given."""

from __future__ import annotations

from html import escape

from dashboard.drawing import figures
from dashboard.drawing.record import series_plot
from dashboard.view.record import Series


def test_figures_hold_the_numbers():
    loss = figures.loss_plot(((1, 2.0), (2, 1.5)))
    assert list(loss.figure.data[0].y) == [2.0, 1.5] and "2.000 to 1.500" in loss.caption
    assert figures.loss_plot(()).caption.startswith("Mean loss") and "0 rounds" in figures.seconds_plot(()).caption
    spent = figures.epsilon_plot([1.0, 1.5], 8.0).figure
    assert list(spent.data[0].y) == [0.0, 1.0, 1.5] and spent.layout.shapes[0].y0 == 8.0


def test_bytes_and_rates_hold_the_numbers():
    sent = figures.bytes_plot([(1, 2000), (2, 3500)])
    assert list(sent.figure.data[0].y) == [2.0, 3.5] and sent.caption.startswith("6 KB") and "2 rounds" in sent.caption
    rates = figures.rates_plot([("2026-11-22 10:00 UTC", 40.0), ("2026-11-23 10:00 UTC", 50.4)])
    assert list(rates.figure.data[0].y) == [40.0, 50.4] and "the newest did 50 records a second" in rates.caption


def test_what_plotly_would_read_as_tags_shows_as_itself():
    """A unit stands in a note, and a study in a plan."""
    hostile = '<a href="https://evil.example">mg</a>'
    plot = series_plot(Series("Glucose", hostile, "", (("", 1.0), ("", 2.0))))
    assert plot.figure.layout.yaxis.title.text == escape(hostile)
    bought = figures.budget_plot([("2026-01-31T08:15:00", 1.0, hostile)], 8.0)
    assert list(bought.figure.data[0].text) == [escape(hostile)]
