"""A trend is a change that a clinician would call one, of the same thing, on different days."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clinical.extraction.words import table
from clinical.record.results import results
from tests.clinical.record.told import told

STEPS = table("tests")["step"]


def series(*texts: str) -> list[tuple[str, str, list[str], str]]:
    found = results(told(*texts))
    return [(own.test, own.unit, [value.written for value in own.values], own.trend) for own in found]


@pytest.mark.parametrize("row", STEPS, ids=lambda row: f"{row['test']} {row['units'][0]}")
def test_a_row_calls_its_example_a_change_and_its_counter_example_none(row: dict[str, Any]) -> None:
    def trend(values: list[float]) -> str:
        pressure = "/80" if row.get("pair") else ""
        ((_, _, _, said),) = series(*(f"{row['test']}: {value}{pressure} {row['units'][0]}" for value in values))
        return said

    before, last = row["example"]
    assert trend(row["example"]) == ("rising" if last > before else "falling")
    assert trend(row["counter"]) == "steady"
    assert all(row["between"][0] <= value <= row["between"][1] for value in (*row["example"], *row["counter"]))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("Sodium 132.", "Sodium 126 mEq/L."), [("sodium", "mEq/L", ["132", "126"], "falling")]),
        (("Potassium 4.0 mEq/L.", "Potassium 5.0 mmol/L."), [("potassium", "mEq/L", ["4.0", "5.0"], "rising")]),
        (
            ("Creatinine 1.0 mg/dL.", "Creatinine 177."),
            [("creatinine", "mg/dL", ["1.0"], ""), ("creatinine", "", ["177"], "")],
        ),
        (("Weight 80 kg.", "Weight 176."), [("weight", "kg", ["80"], ""), ("weight", "", ["176"], "")]),
        (("Troponin 0.1 ng/mL.", "Troponin 0.9 ng/mL."), [("troponin", "ng/mL", ["0.1", "0.9"], "")]),
        (
            ("Urine sodium 20. Serum sodium 140.", "Sodium 132."),
            [("urine sodium", "", ["20"], ""), ("sodium", "", ["140", "132"], "falling")],
        ),
        (("CSF glucose 40, serum glucose 100.",), [("csf glucose", "", ["40"], ""), ("glucose", "", ["100"], "")]),
        (
            ("Urine culture negative, sodium 140.",),
            [("urine culture", "", ["negative"], ""), ("sodium", "", ["140"], "")],
        ),
        (
            ("Ionized calcium 1.1. Total calcium 9.8.",),
            [("ionized calcium", "", ["1.1"], ""), ("calcium", "", ["9.8"], "")],
        ),
        (("Free T4 1.2. T4 7.0.",), [("free t4", "", ["1.2"], ""), ("t4", "", ["7.0"], "")]),
        (
            ("Direct bilirubin 0.2. Bilirubin 4.",),
            [("direct bilirubin", "", ["0.2"], ""), ("bilirubin", "", ["4"], "")],
        ),
        (("Venous pH 7.2. Arterial pH 7.4.",), [("venous ph", "", ["7.2"], ""), ("arterial ph", "", ["7.4"], "")]),
        (
            ("INR was 5.0. PT was 13.",),
            [("international normalized ratio", "", ["5.0"], ""), ("prothrombin time", "", ["13"], "")],
        ),
        (("If potassium rises to 6.0 call me. Potassium 4.1.",), [("potassium", "", ["4.1"], "")]),
        (("Mother's glucose was 400.",), []),
    ],
)
def test_what_is_one_series(texts: tuple[str, ...], expected: list[tuple[str, str, list[str], str]]) -> None:
    assert series(*texts) == expected


def test_a_trend_lies_between_two_known_days() -> None:
    notes = told("Sodium 140.", "Sodium 126.")
    undated = [replace(own, note=replace(own.note, date="")) for own in notes]
    assert [own.trend for own in results(notes)] == ["falling"]
    assert [own.trend for own in results(undated)] == [""]
    assert [own.trend for own in results([undated[0], notes[1]])] == [""]
    assert series("Sodium 140, later sodium 126.") == [("sodium", "", ["140", "126"], "")]


def test_a_value_of_another_day_is_no_part_of_a_trend() -> None:
    assert series("Sodium 140.", "Sodium 2 weeks ago was 126.")[0][3] == ""
    assert series("Sodium 140 on 3/4/2019.", "Sodium 126.")[0][3] == ""
    assert series("Sodium 140.", "Sodium today 126.")[0][3] == "falling"
