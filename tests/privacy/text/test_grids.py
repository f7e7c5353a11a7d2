import pytest

from privacy.text.identifiers import table_recognizers

GRID = table_recognizers()[-1]


def found(text):
    return [(text[r.start : r.end], r.entity_type) for r in GRID.analyze(text, [])]


@pytest.mark.parametrize(
    ("head", "ruler", "row"),
    [
        ("| Name | MRN | DOB |", "|------|-----|-----|", "| ada okonkwo | 44102 | 4/2/61 |"),
        ("Name\tMRN\tDOB", "", "ada okonkwo\t44102\t4/2/61"),
        ("NAME            MRN      DOB", "", "ada okonkwo     44102    4/2/61"),
        ("**Name** | **MRN** | **DOB**", "---|---|---", "ada okonkwo | 44102 | 4/2/61"),
    ],
)
def test_values_under_headings(head, ruler, row):
    text = "\n".join(line for line in ("Before", head, ruler, row, "", "after  here  it") if line or line == "")
    if not ruler:
        text = text.replace(head + "\n\n", head + "\n")
    assert found(text) == [("ada okonkwo", "NAME"), ("44102", "MRN"), ("4/2/61", "DATE")]


def test_a_row_with_an_empty_cell_goes_by_its_place():
    assert found("NAME            MRN      DOB\nada okonkwo              4/2/61") == [
        ("ada okonkwo", "NAME"),
        ("4/2/61", "DATE"),
    ]


@pytest.mark.parametrize("number", ["HMO-6099189-01", "W0646118549 01", "NA19-TE8-MK46"])
def test_a_member_number_under_plan(number):
    assert (number, "HEALTH_PLAN") in found(f"Phone\tPlan\tSSN\n929-4705\t{number}\t123-45-6789")


def test_who_prescribed():
    assert ("Gore", "NAME") in found("Medication    Prescriber   Last fill\nlisinopril    Gore         04/21/2016")


@pytest.mark.parametrize(
    "text",
    [
        "Test  Result  Unit\nSodium  140  mmol",
        "Date  Result\n3 doses  140",
        "Name  MRN\nunknown  pending\n\nsodium  140",
        "Problem\tPlan\tOrder no\nCAD\tASA 81 mg daily\tnone",
        "Name and MRN were asked.\nThe patient  had  12",
    ],
)
def test_other_tables_are_left_alone(text):
    assert found(text) == []


def test_days_in_the_first_column_of_a_log():
    assert found("date        pre   post  by\n12/9        81.2  78.9  GD\nWBC 12      9     4     60") == [
        ("12/9", "DATE"),
        ("GD", "NAME"),
    ]


def test_who_wrote_the_lines_of_a_flow_sheet_by_the_hour():
    assert found("time|hr|bp|init\n0700|92|108/61|id\n0800|95|98/55|tk") == [("id", "NAME"), ("tk", "NAME")]
    assert found("time|hr|bp|pain\n0700|92|108/61|no") == []


def test_what_stands_in_brackets_beside_a_name_is_none():
    assert found("Contact             Phone\nOkonkwo, Ada   (mother)   614-555-0182") == [
        ("Okonkwo, Ada", "NAME"),
        ("614-555-0182", "PHONE"),
    ]
