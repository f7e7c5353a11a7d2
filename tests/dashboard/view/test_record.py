"""A summary as the page shows it."""

from __future__ import annotations

from clinical.extraction import read_note
from clinical.record.passages import Note
from clinical.record.summary import summarise
from clinical.record.told import Told
from dashboard.drawing.record import series_plot
from dashboard.view.notes import note_titles
from dashboard.view.record import events_by_note, parts, series_of


def summary(*notes):
    return summarise(
        Told(Note(f"r{number}", date, text), read_note(text)) for number, (date, text) in enumerate(notes, 1)
    )


FOUND = summary(
    ("2024-03-01", "Creatinine 1.2 mg/dL. Potassium 4.1."), ("2024-04-01", "Creatinine 1,900 mg/dL. Potassium high.")
)


def test_every_line_has_its_quotation():
    lines = parts(FOUND)
    assert set(lines) == {"Open", "Complaints in the newest note", "Problems", "Medications", "Results"}
    assert any("creatinine: 1.2" in line.said and "Creatinine" in line.quotation.text for line in lines["Results"])


def test_only_two_numbers_make_a_series_and_a_comma_is_read():
    (series,) = series_of(FOUND)
    assert series.name == "creatinine (mg/dL)" and series.points == (("2024-03-01", 1.2), ("2024-04-01", 1900.0))
    assert "1.2 (2024-03-01), 1900 (2024-04-01)" in series_plot(series).caption


def test_values_without_dates_are_drawn_by_their_order():
    (series,) = series_of(summary(("", "Creatinine 1.2 mg/dL."), ("", "Creatinine 1.4 mg/dL.")))
    assert tuple(series_plot(series).figure.data[0].x) == (1, 2)


def test_notes_come_newest_first_and_are_called_by_number_and_date():
    assert list(events_by_note(FOUND)) == ["r2", "r1"]
    assert note_titles(["r1", "r2", "r3"], FOUND)["r2"] == "Note 2 of 3, 2024-04-01"
    assert note_titles(["r1"], None) == {"r1": "Note 1 of 1"}
