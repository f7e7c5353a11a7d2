import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.errors import InputError
from privacy.formats.columns import (
    ColumnRules,
    column_rules,
    columns_table,
    date_of,
    deidentify_row,
    file_name,
    person_name,
    row_text,
)
from tests.privacy.subjects import KnownSubject

KNOWN = ("Jane Quill", "Jane", "Quill", "MRN77881", "V5001")
ROW = {
    "MRN": "MRN77881",
    "LastName": "Quill",
    "FirstName": "Jane",
    "BIRTHDATE": "02/03/1929",
    "Sex": "F",
    "Age": "94",
    "Address1": "12 Elm Street",
    "City": "Salem",
    "State": "MA",
    "Zip": "01970",
    "Home_Phone": "555-201-7788",
    "SSN": "123-45-6789",
    "admit_dt": "4/5/2023 10:30",
    "HADM_ID": "V5001",
    "Attending": "Meredith Grey",
    "Facility": "North Hospital",
    "ICD10_Code": "I10; E11.9",
    "Heart Rate": "72",
    "Note": "Jane Quill feels well.",
    "Shoe colour": "red",
}


@pytest.mark.parametrize("row", columns_table()["columns"], ids=lambda row: row["rule"])
def test_each_rule_has_a_header_of_its_own_and_one_that_is_not(row):
    assert ColumnRules().rule(row["example"]) == row["rule"]
    assert ColumnRules().rule(row["counter_example"]) != row["rule"]


def test_no_header_stands_under_two_rules():
    names = ["".join(name.split()) for row in columns_table()["columns"] for name in row["names"]]
    assert len(names) == len(set(names))


def test_a_row_by_its_rules():
    subject = KnownSubject(KNOWN)
    row, dropped = deidentify_row(ROW, ColumnRules(), subject)
    assert row == {
        "MRN": subject.identifier("MRN77881"),
        "LastName": "",
        "FirstName": "",
        "BIRTHDATE": "1935",
        "Sex": "F",
        "Age": "90",
        "City": "",
        "State": "MA",
        "Zip": "019",
        "Home_Phone": "",
        "admit_dt": "2023",
        "HADM_ID": subject.identifier("V5001"),
        "Attending": subject.code("Practitioner", "Meredith Grey"),
        "Facility": subject.code("Organization", "North Hospital"),
        "ICD10_Code": "I10; E11.9",
        "Heart Rate": "72",
        "Note": "[X] feels well.",
    }
    # names, street, city, phone, SSN and the column that nobody knows
    assert dropped == 7
    assert row_text(ROW, ColumnRules()) == "Jane Quill feels well."


def test_made_up_names_and_numbers():
    row, _ = deidentify_row({**ROW, "Patient Name": "Quill, Jane M"}, ColumnRules(), KnownSubject(KNOWN, made_up=True))
    assert (row["LastName"], row["FirstName"], row["Patient Name"]) == ("Madeup", "Max", "Max Madeup")
    assert row["Home_Phone"] == "555-0100"


@pytest.mark.parametrize("header", ["Sex", "ICD10_Code", "Heart Rate"])
@pytest.mark.parametrize("value", ["Quill", "see Jane", "MRN77881", "a sentence far too long for a code"])
def test_coded_columns_hold_codes_and_nobodys_name(header, value):
    assert deidentify_row({header: value}, ColumnRules(), KnownSubject(KNOWN)) == ({header: ""}, 1)


@pytest.mark.parametrize(
    ("written", "day", "time"),
    [
        ("2023-04-05", "2023-04-05", ""),
        ("2023-04-05T10:30:00Z", "2023-04-05", "10:30:00Z"),
        ("2023-04-05 10:30:00.123", "2023-04-05", "10:30:00.123"),
        ("20230405", "2023-04-05", ""),
        ("4/5/2023 1:30 PM", "2023-04-05", "1:30 PM"),
        ("05-APR-2023", "2023-04-05", ""),
        ("April 5, 2023", "2023-04-05", ""),
        ("2023-04", "2023-04", ""),
        ("2023", "2023", ""),
        ("13/13/2023", "", ""),
        ("4/5/23", "", ""),
        ("Quill", "", ""),
    ],
)
def test_dates_of_tables(written, day, time):
    assert date_of(written) == (day, time)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Quill, Jane M", ("Quill", ["Jane", "M"])),
        ("Dr. Jane M Quill, MD", ("Quill", ["Jane", "M"])),
        ("Van Houten, Milhouse", ("Van Houten", ["Milhouse"])),
        ("Quill", ("Quill", [])),
        ("MD", ("", [])),
    ],
)
def test_names_of_tables(written, name):
    assert person_name(written) == name


def test_file_names_of_any_system():
    assert file_name("C:\\notes\\a.txt") == file_name("notes/a.txt") == "a.txt"


def test_a_hospitals_own_rules_go_first(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text("charset = 'cp1252'\n[columns]\n'Shoe colour' = 'keep'\nNote = 'drop'\n")
    rules = column_rules(path)
    row, dropped = deidentify_row({"Shoe colour": "red", "Note": "x", "MRN": "1"}, rules, KnownSubject(()))
    assert (row["Shoe colour"], "Note" in row, dropped, rules.charset) == ("red", False, 1, "cp1252")


@pytest.mark.parametrize(
    "text",
    ["[columns]\na = 'hide'", "[colums]\na = 'keep'", "charset = 'klingon'", "columns = 3", "a =", "charset = 3"],
)
def test_rules_that_do_not_exist_are_refused(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"own\.toml"):
        column_rules(path)


HEADERS = st.sampled_from([name for row in columns_table()["columns"] for name in row["names"]] + ["who knows"])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(HEADERS, st.sampled_from([*KNOWN, "seen Jane Quill", "2020-01-01", "12", "", "x, Quill"])))
def test_nothing_known_survives_any_row(row):
    output, dropped = deidentify_row(row, ColumnRules(), KnownSubject(KNOWN))
    written = " ".join(output.values()).lower()
    assert not any(value.lower() in written for value in KNOWN)
    assert dropped <= len(row)
