import pytest

from privacy.identity import master_id, normal


def identifier(value, code="", system=""):
    return {"value": value, "system": system, "type": {"coding": [{"code": code}]}}


@pytest.mark.parametrize(
    ("identifiers", "expected"),
    [
        ([identifier("785-2774", "MR")], ("identifier", "7852774")),
        ([identifier("111", "SS"), identifier("mr 7", "MR")], ("identifier", "MR7")),
        ([identifier("7852774", system="urn:north:mrn")], ("identifier", "7852774")),
        ([identifier("9", "SS")], ("Patient", "p1")),
        ([identifier("--", "MR")], ("Patient", "p1")),
        ([], ("Patient", "p1")),
    ],
)
def test_a_patient_is_known_by_the_record_number_or_else_by_the_id(identifiers, expected):
    assert master_id({"identifier": identifiers}, "p1") == expected


def test_punctuation_and_case_make_no_other_number():
    assert normal("ab-12 3") == normal("AB123")
