from clinical.deid.people import People


def patient(patient_id, number="", born="", kind="Patient"):
    identifiers = [{"type": {"coding": [{"code": "MR"}]}, "value": number}] if number else []
    return {"resourceType": kind, "id": patient_id, "identifier": identifiers, "birthDate": born}


def test_people_who_differ_are_neither_repeated_nor_confused():
    people = People.of([patient("a", "1"), patient("b", "2"), patient("c"), patient("d")])
    assert people == People(frozenset(), frozenset())


def test_one_number_and_one_birth_date_is_one_person():
    people = People.of([patient("a", "1-1", "1950-01-01"), patient("b", "11"), patient("c", "11", "1950-01-01")])
    assert people == People(frozenset({"b", "c"}), frozenset())


def test_one_number_and_two_birth_dates_are_two_persons():
    assert People.of([patient("a", "1", "1950-01-01"), patient("b", "1", "1951-01-01")]).confused == {"a", "b"}


def test_staff_are_no_patients():
    assert People.of([patient("a", "1"), patient("b", "1", kind="Practitioner")]) == People(frozenset(), frozenset())
