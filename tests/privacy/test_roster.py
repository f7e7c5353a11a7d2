import pytest

from privacy.roster import names_roster, roster_of

PATIENT = {
    "resourceType": "Patient",
    "name": [{"family": "O'Sullivan", "given": ["Maeve", "Niamh"]}],
    "birthDate": "1961-04-02",
    "identifier": [
        {"system": "urn:north:mrn", "value": "6116957"},
        {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "457-46-3651"},
        {"type": {"coding": [{"code": "DL"}]}, "value": "S99912345"},
        {"system": "urn:x", "value": "12"},
    ],
    "telecom": [{"system": "phone", "value": "972-402-4207"}, {"system": "email", "value": "maeve@example.org"}],
    "address": [{"line": ["2232 Harrow Close"], "city": "Brackley", "state": "IL", "postalCode": "62704"}],
}
ROSTER = roster_of(PATIENT)


def found(roster, text):
    results = sorted(roster.analyze(text, []), key=lambda r: r.start)
    return [(text[r.start : r.end], r.entity_type) for r in results]


@pytest.mark.parametrize(
    ("spelling", "category"),
    [
        ("Maeve O'Sullivan", "NAME"),
        ("Maeve N. O’Sullivan", "NAME"),
        ("Maeve Niamh O'Sullivan", "NAME"),
        ("O'Sullivan, Maeve", "NAME"),
        ("O'SULLIVAN, MAEVE N", "NAME"),
        ("M. O'Sullivan", "NAME"),
        ("M.N. O'Sullivan", "NAME"),
        ("M.O.", "NAME"),
        ("O'Sullivan", "NAME"),
        ("MAEVE", "NAME"),
        ("611-6957", "MRN"),
        ("6116957", "MRN"),
        ("457463651", "SSN"),
        ("457 46 3651", "SSN"),
        ("S99912345", "LICENSE"),
        ("(972) 402-4207", "PHONE"),
        ("972.402.4207", "PHONE"),
        ("9724024207", "PHONE"),
        ("MAEVE@example.org", "EMAIL"),
        ("2232 Harrow Close", "ADDRESS"),
        ("Brackley", "ADDRESS"),
        ("62704-1234", "ADDRESS"),
        ("4/2/61", "DATE"),
        ("04/02/1961", "DATE"),
        ("02.04.1961", "DATE"),
        ("1961-04-02", "DATE"),
        ("19610402", "DATE"),
        ("April 2nd, 1961", "DATE"),
        ("2 Apr 1961", "DATE"),
    ],
)
def test_each_spelling_is_found(spelling, category):
    assert (spelling, category) in found(ROSTER, f"seen: {spelling} today")


@pytest.mark.parametrize(
    "text", ["maeve is lower case", "an Asullivan", "code 12", "phone 972-402-4208", "on 04/03/1961", "id 61169570"]
)
def test_what_is_not_the_patient_is_left_alone(text):
    assert found(ROSTER, text) == []


def test_a_name_that_is_an_eponym_before_its_noun_is_left_alone():
    roster = roster_of({"name": [{"family": "Foley", "given": ["Ana"]}]})
    text = "Foley catheter placed; ANA titer; Foley slept. Ana too."
    assert found(roster, text) == [("Foley", "NAME"), ("Ana", "NAME")]
    assert roster.analyze(text, [])[0].start == text.index("Foley slept")


def test_missing_and_strange_elements_are_no_error():
    assert found(roster_of({"birthDate": "1961-13", "name": [{"given": ["."]}]}), "anything 1961-13") == []


def test_words_of_a_name_from_the_same_note():
    assert found(names_roster(["Dr. Ingrid Halvorsen's"]), "Then Halvorsen spoke to Ingrid. Dr. is a title.") == [
        ("Halvorsen", "NAME"),
        ("Ingrid", "NAME"),
    ]
