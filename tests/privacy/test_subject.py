import os
from datetime import date

import pytest

from policies.policy import Deidentification
from privacy.subject import Deidentifier, Settings
from privacy.text.replacement import Tokens
from privacy.vault.sealing import open_text

SECRET = bytes(32)
PATIENT = {
    "name": [{"family": "Kaczmarek", "given": ["Zofia"]}],
    "gender": "female",
    "birthDate": "1961-05-02",
    "identifier": [{"type": {"coding": [{"code": "MR"}]}, "value": "447-1902"}],
}
NOTE = "Kaczmarek, Zofia (MRN 4471902) seen 3/14/2019 by Ewa Lis, MD, St. Brendan Hospital."


def rules(**keys):
    base = {
        "legal_basis": "expert_determination", "mode": "tag", "pseudonyms": "keyed", "dates": "year",
        "keep_weekdays": True, "organisations": "replace", "places": "state", "tagger": False,
        "largest_note_bytes": 1,
    }  # fmt: skip
    return Deidentification(**{**base, **keys})


def subject(patient=PATIENT, patient_id="p1", secret=SECRET, tokens=None, taken=frozenset(), **keys):
    return Deidentifier(Settings(rules(**keys), 2026, secret, taken)).subject(patient, patient_id, tokens)


def test_one_person_has_one_pseudonym_in_every_format():
    own = subject()
    assert own.pseudonym == own.identifier("4471902") == own.code("Patient", "p1")
    assert subject(patient_id="other").pseudonym == own.pseudonym
    assert own.code("Patient", "p2") != own.pseudonym
    assert subject(secret=bytes([1]) * 32).pseudonym != own.pseudonym
    assert own.codes >= {own.pseudonym, own.code("Patient", "p2")}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("tag", "[NAME] (MRN [MRN]) seen [DATE 2019] by [NAME], MD, [HOSPITAL]."),
        ("redact", "[***] (MRN [***]) seen [*** 2019] by [***], MD, [***]."),
    ],
)
def test_marks_stand_for_identifiers(mode, expected):
    own = subject(mode=mode)
    assert own.text(NOTE) == expected
    assert own.findings == {"NAME": 2, "MRN": 1, "DATE": 1, "HOSPITAL": 1}


def test_made_up_values_read_as_text_and_stay_the_same_for_the_patient():
    own = subject(mode="surrogate")
    output = own.text(NOTE)
    assert not {"Kaczmarek", "Zofia", "4471902", "Lis", "Brendan"} & set(output.replace(",", " ").split())
    assert "[" not in output
    assert "2019" in output
    family, given = own.name("Kaczmarek", ["Zofia"])
    assert output.startswith(f"{family}, {given[0]}")
    assert subject(mode="surrogate").text(NOTE) == output
    assert own.telecom("phone", "614-555-0182") not in (None, "614-555-0182")


def test_tokens_open_under_the_patients_key():
    key = os.urandom(64)
    output = subject(mode="encrypt", tokens=Tokens(key, "p")).text(NOTE)
    assert "Kaczmarek" not in output
    assert open_text(key, "p", output).startswith("Kaczmarek, Zofia (MRN 4471902) seen")


def test_one_offset_moves_a_patients_dates_in_fields_and_in_text():
    own = subject(dates="shift")
    moved = date.fromisoformat(own.date("2019-03-14"))
    days = (moved - date(2019, 3, 14)).days
    assert days % 7 == 0
    assert days != 0
    assert f"{moved.month}/{moved.day}/{moved.year}" in own.text(NOTE)
    assert own.instant("2019-03-14T09:30:00Z").startswith(str(moved))
    assert own.birth_date("1961-05-02") == str(date.fromordinal(date(1961, 5, 2).toordinal() + days))
    assert len(own.birth_date("1920-05-02")) == 4  # over 89: the grouped year alone


def test_only_the_year_of_a_date_stays():
    own = subject()
    assert (own.date("2019-03-14"), own.instant("2019-03-14T09:30:00Z")) == ("2019", None)
    assert (own.birth_date("1961-05-02"), own.birth_date("1920-05-02")) == ("1961", "1936")
    assert (own.age(91), own.age(89)) == (90, 89)


def test_what_a_limited_data_set_may_keep_stays():
    own = subject(legal_basis="limited_data_set", dates="keep", places="city")
    assert own.date("2019-03-14") == "2019-03-14"
    assert "3/14/2019" in own.text(NOTE)
    assert own.area("OH", "Dayton", "45402") == {"state": "OH", "city": "Dayton", "postalCode": "45402"}
    assert subject().area("OH", "Dayton", "45402") == {"state": "OH", "postalCode": "454"}


def test_organisations_stay_where_the_policy_says_so():
    own = subject(organisations="keep")
    assert not own.replaces_organisations
    assert "St. Brendan Hospital" in own.text(NOTE)


def test_names_and_numbers_of_structured_fields_go_unless_made_up_ones_are_wanted():
    own = subject()
    assert own.name("Kaczmarek", ["Zofia"]) is None
    assert own.telecom("phone", "614-555-0182") is None


def test_ages_over_89_that_the_record_knows_go_as_of_the_settings_year():
    patient = {**PATIENT, "birthDate": "1931-05-02"}
    assert subject(patient).text("Zofia Kaczmarek is 95. Sat is 95.") == "[NAME] is [AGE]. Sat is 95."
    assert subject().text("Zofia Kaczmarek is 95.") == "[NAME] is 95."
    dead = {**patient, "deceasedDateTime": "2022-01-01"}
    assert subject(dead).text("Was 91, not 95.") == "Was [AGE], not 95."


@pytest.mark.parametrize(
    "text",
    [
        "Lives at 48 Orchard Lane. Dr. Quimby saw him.",
        "Address: 48 Orchard Lane, Springfield. Dr. Quimby saw him.",
        "Home: 48 Orchard St. Dr. Quimby started metformin.",
        "We asked Dr. Quimby to come.",
        "we asked dr quimby to come",
        "SEEN BY DR. QUIMBY TODAY.",
        "Quimby, Arnold MD wrote.",
    ],
)
def test_a_doctor_has_one_made_up_name_in_every_text_of_a_patient(text):
    own = subject(mode="surrogate")
    doctor = own.text("Seen by Dr. Quimby.").removeprefix("Seen by Dr. ").removesuffix(".")
    output = own.text(text)
    assert doctor.lower() in output.lower()
    assert "quimby" not in output.lower()
    assert output.split()[-1] == text.split()[-1]
