import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.formats.source import Problem
from clinical.formats.table import looks_like_table, open_table
from policies.errors import InputError
from privacy.formats.columns import ColumnRules
from privacy.identity import master_id
from privacy.records import Format, RawRecord

NOTES = 'MRN,note,dob\r\nA1,"Seen, well.\nHome ""soon"".",1950-02-03\r\nB2,Better,1960-01-01\r\n'


def opened(tmp_path, data, name="rows", **options):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return open_table((path,), **options)


def split(source):
    items = list(source.records())
    return [i for i in items if isinstance(i, RawRecord)], [i for i in items if isinstance(i, Problem)]


def test_rows_with_their_patients_and_lines(tmp_path):
    records, problems = split(opened(tmp_path, NOTES))
    assert not problems
    assert [(r.format, r.kind, r.patient_id, r.line) for r in records] == [
        (Format.CSV, "Row", "mrn:A1", 2),
        (Format.CSV, "Row", "mrn:B2", 4),
    ]
    assert records[0].body == {"MRN": "A1", "note": 'Seen, well.\nHome "soon".', "dob": "1950-02-03"}
    assert records[0].text == 'Seen, well.\nHome "soon".'
    assert len({r.record_id for r in records}) == 2


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiters_and_byte_order_marks(tmp_path, delimiter, codec):
    data = f"patient_id{delimiter}note\nA1{delimiter}Núñez\n".encode(codec)
    (record,), _ = split(opened(tmp_path, data))
    assert record.body == {"patient_id": "A1", "note": "Núñez"}


def test_what_cannot_be_used_is_a_problem_and_the_rest_goes_on(tmp_path):
    records, problems = split(opened(tmp_path, "MRN,note\nA1,a,b\n,nobody\n\nB2,good\n"))
    assert [(p.kind, p.line) for p in problems] == [("ragged row", 2), ("no patient", 3)]
    assert [r.patient_id for r in records] == ["mrn:B2"]
    assert [p.kind for p in split(opened(tmp_path, 'MRN,note\nA1,fine\nA1,"no end\n'))[1]] == ["broken row"]
    assert [p.kind for p in split(opened(tmp_path, "MRN,note\nA1,aaaaa\n", largest_note=4))[1]] == ["note too large"]


def test_a_charset_is_declared_or_utf_8(tmp_path):
    data = "MRN,note\nA1,Núñez\n".encode("cp1252")
    assert [p.kind for p in split(opened(tmp_path, data))[1]] == ["unknown charset"]
    rules = tmp_path / "rules.toml"
    rules.write_text("charset = 'cp1252'\n")
    assert split(opened(tmp_path, data, rules=rules))[0][0].text == "Núñez"


def test_a_table_of_nobody_is_refused_with_file_and_column(tmp_path):
    with pytest.raises(InputError, match=r"rows: no column with the patient's number: mrn"):
        opened(tmp_path, "note,age\nx,3\n")
    rules = tmp_path / "rules.toml"
    rules.write_text("[columns]\nPersonCode = 'mrn'\n")
    with pytest.raises(InputError, match="PersonCode"):
        opened(tmp_path, "note,age\nx,3\n", rules=rules)
    with pytest.raises(InputError, match="column 3"):
        opened(tmp_path, "mrn,note,note\nA,x,y\n")


def test_what_is_known_of_a_patient(tmp_path):
    source = opened(
        tmp_path,
        "patient_id,mrn,last name,first name,dob,sex,address,city,state,zip,phone,email,ssn,spouse,attending\n"
        'p1,A1,Quill,Jane M,2/3/1950,F,"12 Elm St",Salem,MA,01970,555-2017788,j@q.org,'
        '123-45-6789,Tom Quill,"Grey, Meredith"\n'
        "p1,A1,Stone,Jane,2/3/1950,F,,,,,,,,,8812\n",
    )
    patient = source.patient("csv:p1")
    assert patient["name"] == [{"family": "Quill", "given": ["Jane", "M"]}, {"family": "Stone", "given": ["Jane"]}]
    assert [i["value"] for i in patient["identifier"]] == ["A1", "123-45-6789"]
    assert (patient["birthDate"], patient["gender"]) == ("1950-02-03", "female")
    assert patient["address"] == [{"line": ["12 Elm St"], "city": "Salem", "state": "MA", "postalCode": "01970"}]
    assert [t["system"] for t in patient["telecom"]] == ["phone", "email"]
    assert patient["contact"] == [{"name": {"family": "Quill", "given": ["Tom"]}}]
    assert patient["generalPractitioner"] == [{"display": "Grey, Meredith"}]
    assert master_id(patient, "csv:p1") == ("identifier", "A1")
    others = [person for person in source.people() if person["resourceType"] != "Patient"]
    assert others == [
        {"resourceType": "RelatedPerson", "name": [{"family": "Quill", "given": ["Tom"]}]},
        {"resourceType": "Practitioner", "name": [{"family": "Grey", "given": ["Meredith"]}]},
        {"resourceType": "Practitioner", "identifier": [{"value": "8812"}]},
    ]


def test_two_dates_of_birth_are_two_persons(tmp_path):
    source = opened(tmp_path, "mrn,dob\nA1,1950-02-03\nA1,1960-01-01\n")
    assert [p["birthDate"] for p in source.people()] == ["1950-02-03", "1960-01-01"]


@pytest.mark.parametrize(
    ("text", "is_table"),
    [
        (NOTES, True),
        ("mrn;note\n1;x\n", True),
        ("a|b|c\n1|2|3\n4|5|6\n", True),
        ("Dear John,\nthank you,\n", False),
        ("Patient seen, well, eating.\nPlan: home, rest.\n", False),
        ("note\nx\n", False),
        ("", False),
    ],
)
def test_what_looks_like_a_table(text, is_table):
    assert looks_like_table(text, ColumnRules()) is is_table


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.from_regex(r"[A-Z]\d{1,5}", fullmatch=True), CELLS, CELLS), min_size=1, max_size=5))
def test_what_a_csv_writer_writes_is_read(tmp_path_factory, rows):
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([("mrn", "note", "comment"), *rows])
    source = opened(tmp_path_factory.mktemp("any"), stream.getvalue())
    records, problems = split(source)
    assert not problems
    assert [tuple(record.body.values()) for record in records] == rows
