import pytest

from privacy.text.ages import known_ages
from privacy.text.deidentify import TextDeidentifier
from privacy.text.identifiers import TableRecognizer, read_rules
from privacy.text.replacement import Marks
from privacy.text.roster import roster_of

AS_OF = 2026
PATIENT = {"name": [{"family": "Brandvold", "given": ["Helena"]}], "birthDate": "1931-03-03"}
ENGINE = TextDeidentifier(Marks(neutral=False, years=True, as_of=AS_OF))
RULES = [pytest.param(rule, id=rule.name) for rule in read_rules("known_ages")]


def found(rule, text):
    return [(r.start, r.end) for r in TableRecognizer("AGE", [rule]).analyze(text, [])]


def ages(text, patient=PATIENT):
    spans = ENGINE.find(text, roster_of(patient, AS_OF))
    return [text[span.start : span.end] for span in spans if span.category == "AGE"]


@pytest.mark.parametrize("rule", RULES)
def test_each_row_finds_its_example_and_not_its_counter_example(rule):
    start, end = rule.example.index("{"), rule.example.index("}") - 1
    assert found(rule, rule.example.replace("{", "").replace("}", "")) == [(start, end)]
    assert found(rule, rule.counter_example) == []


@pytest.mark.parametrize(
    "text",
    [
        "Lives alone and is 94.",
        "Brandvold, 94, works",
        "brandvold, 94, works",
        "BRANDVOLD HELENA 94",
        "He (94) fell",
        "Helena Brandvold (94) was seen",
        "94 y",
        "Pt 94 y with CHF",
        "a 94-yo woman",
        "She's 94",
        "a 94 y-o",
        "At 94, she is frail",
        "his wife is 94",
        "Mrs Brandvold is now 94",
        "DOB 3/3/1931 (94)",
        "She is a very healthy 94.",
        "who is almost 94",
        "SHE IS 94 AND LIVES ALONE",
        "He was 94 when he fell",
        "Ms. Brandvold,\n94, lives alone",
    ],
)
def test_an_age_without_a_unit_goes(text):
    assert ages(text) == ["94"]


@pytest.mark.parametrize(
    "text",
    [
        "BP 94/60, HR 94, SpO2 94 %, sat 94 on RA.",
        "O2 sat is 94. Her pulse is 94. Glucose was 94.",
        "Her pulse, 94, was full; LDL (94) was fine.",
        "He is 94% on 2 L; weighs 94 kg; she is 94 kg.",
        "Sodium 140, Chloride 94, BUN 20; MCV 94; PLT 94, WBC 5",
        "HR | 94 | RR | 18\nPulse\t94\tSat\t94",
        "MMSE 94, IQ 94, Karnofsky 94; scored 94; Ferritin was 94.",
        "Room 94, bed 94, #94, No. 94, 1.94, 94.5, 3/94, 94-1234, ICD 94",
        "94 mg, 94 mmHg, 94 beats, 94 days, 94 units, 94 of 100, 94 percent, >94, 94+",
        "His sats remained stable at 94. Lead impedance was 94 ohms. T 94 F today",
        "between 94 and 98; from 94 to 90; 94 x 60; QRS was 94.",
    ],
)
def test_values_scores_and_vital_signs_stay(text):
    assert ages(text) == []


@pytest.mark.parametrize("number", [89, 96, 99, 104])
def test_only_ages_that_the_patient_may_have_had_go(number):
    assert ages(f"Lives alone and is {number}.") == []
    assert ages("Lives alone and is 95.") == ["95"]


@pytest.mark.parametrize(
    ("patient", "expected"),
    [
        ({"birthDate": "1931-03-03"}, range(90, 96)),
        ({"birthDate": "1931"}, range(90, 96)),
        ({"birthDate": "1931-03-03", "deceasedDateTime": "2022-01-01T10:00:00Z"}, range(90, 92)),
        ({"birthDate": "1931-03-03", "deceasedDateTime": "2019-01-01"}, range(0)),
        ({"birthDate": "1940-03-03"}, range(0)),
        ({"birthDate": "19310"}, range(0)),
        ({"birthDate": None}, range(0)),
        ({}, range(0)),
    ],
)
def test_ages_over_89_between_birth_and_death(patient, expected):
    assert list(known_ages(patient, AS_OF)) == list(expected)


def test_nothing_is_added_for_a_patient_who_is_not_known_to_be_over_89():
    assert ages("Lives alone and is 94.", {"birthDate": "1961-03-03"}) == []
