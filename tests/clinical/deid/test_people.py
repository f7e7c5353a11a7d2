import pytest

from clinical.deid.people import People
from policies.policy import Deidentification, TextMode

RULES = Deidentification(
    legal_basis="expert_determination", mode="surrogate", dates="year", keep_weekdays=True, pseudonyms="keyed",
    organisations="replace", places="state", tagger=False, largest_note_bytes=1000,
)  # fmt: skip


def patient(patient_id, number="", born="", kind="Patient", **more):
    identifiers = [{"type": {"coding": [{"code": "MR"}]}, "value": number}] if number else []
    return {"resourceType": kind, "id": patient_id, "identifier": identifiers, "birthDate": born, **more}


def found(*people):
    known = People.of(iter(people), RULES)  # an iterator: they are read once
    return known.repeated, known.confused


def test_people_who_differ_are_neither_repeated_nor_confused():
    assert found(patient("a", "1"), patient("b", "2"), patient("c"), patient("d")) == (set(), set())


def test_one_number_and_one_birth_date_is_one_person():
    same = patient("a", "1-1", "1950-01-01"), patient("b", "11"), patient("c", "11", "1950-01-01")
    assert found(*same) == ({"b", "c"}, set())


def test_one_number_and_two_birth_dates_are_two_persons():
    assert found(patient("a", "1", "1950-01-01"), patient("b", "1", "1951-01-01")) == ({"b"}, {"a", "b"})


def test_staff_are_no_patients():
    assert found(patient("a", "1"), patient("b", "1", kind="Practitioner")) == (set(), set())


@pytest.mark.parametrize(("mode", "taken"), [("surrogate", {"ada", "quist", "tom", "byron"}), ("tag", set())])
def test_names_of_all_are_swept_for_and_taken_where_names_are_made_up(mode, taken):
    named = [
        patient("a", name=[{"family": "Quist", "given": ["Ada"]}]),
        patient("s", kind="Practitioner", name=[{"family": "Byron", "given": ["Tom"]}]),
    ]
    known = People.of(iter(named), RULES.model_copy(update={"mode": TextMode(mode)}))
    assert known.taken == taken
    assert known.sweep.leaks("Ada Quist and Tom Byron", None)
