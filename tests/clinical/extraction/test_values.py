"""Which number behind the name of a test is its result, and that a wrong one is none."""

from __future__ import annotations

import pytest

from clinical.extraction import read_note
from clinical.extraction.words import table


def values(text: str) -> list[dict[str, str]]:
    return [{one.kind: one.value for one in own.attributes} for own in read_note(text).mentions if own.kind == "test"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Hemoglobin 2 days ago 8.1.", "8.1"),
        ("INR 2 weeks ago was 3.5.", "3.5"),
        ("Potassium at 6 PM 5.9.", "5.9"),
        ("Potassium at 0600 5.9.", "5.9"),
        ("Glucose at 7:30 was 250.", "250"),
        ("Creatinine on 3 March was 1.2.", "1.2"),
        ("BP on 3/14 120/80.", "120/80"),
        ("Hgb on 3/14 at 6 PM 8.1.", "8.1"),
        ("CK of 1950.", "1950"),
        ("Hemoglobin down to 8.1.", "8.1"),
        ("INR (goal 2-3) 3.4.", "3.4"),
        ("Platelets 150,000.", "150000"),
        ("K 5,2.", "5.2"),
        ("T4 1.2", "1.2"),
        ("CA 125 35", "35"),
        ("Na 140/K 4.2", "4.2"),
    ],
)
def test_a_time_in_front_of_a_value_is_passed_over(text: str, value: str) -> None:
    assert values(text)[-1]["value"] == value


@pytest.mark.parametrize(
    "text",
    [
        "CT scan 2 days ago.",
        "Ultrasound: 33 weeks.",
        "Chest CT: 2 nodules.",
        "Glucose at 7:30.",
        "Hemoglobin 2 weeks ago.",
        "Weight down 10 pounds.",
        "Weight up 3 kg.",
        "Hgb/hematocrit 8.1/24.",
        "Sodium/potassium 140/6.1.",
        "Hemoglobin 8.1/24.",
        "BUN/creatinine 20.",
        "Potassium 20 mEq daily.",
        "Calcium 500 mg bid.",
        "Magnesium 2 g IV.",
        "Target INR 2.5.",
        "Goal INR is 2-3.",
        "INR 2-3 is the goal.",
        "Keep the potassium 4.",
        "Transfuse for hemoglobin <7.",
        "Platelets 150 000.",
        "Pap smear 2nd.",
    ],
)
def test_what_is_no_result(text: str) -> None:
    assert [own for own in values(text) if "value" in own] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("K 3.1 L", {"value": "3.1", "flag": "low"}),
        ("Potassium 4.1 in the ED", {"value": "4.1"}),
        ("Potassium 4.1 mEq/L", {"value": "4.1", "unit": "mEq/L"}),
        ("FEV1 2.1 L", {"value": "2.1", "unit": "L"}),
        ("T 38.5 C", {"value": "38.5", "unit": "C"}),
    ],
)
def test_no_unit_is_made_up(text: str, expected: dict[str, str]) -> None:
    assert values(text) == [expected]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("If potassium rises to 6.0 call me.", "hypothetical"),
        ("Mother's glucose was 400.", "family"),
        ("Troponin negative, no fever, creatinine 2.1.", "present"),
        ("No chest pain, glucose 400.", "present"),
    ],
)
def test_a_value_lifts_a_denial_alone(text: str, status: str) -> None:
    assert [own for own in read_note(text).mentions if own.kind == "test"][-1].assertion.status == status


def test_the_tables_name_tests_and_units_that_there_are() -> None:
    names = {row.split("|")[0].strip().rstrip("#").lower() for row in table("entities")["test"]}
    known, units = table("tests"), table("units")
    named = {*known["words"]["tests"], *(row["test"] for row in known["step"])}
    assert named | {one for tests in known["units"].values() for one in tests} <= names
    assert set(known["units"]) | {unit for row in known["step"] for unit in row["units"] if unit} <= set(units["value"])
    assert set(known["refused"]["given"]) <= set(units["dose"])
