import pytest

from privacy.identifiers import table_recognizers

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


@pytest.mark.parametrize(
    "text",
    [
        "Test  Result  Unit\nSodium  140  mmol",
        "Date  Result\n3 doses  140",
        "Name  MRN\nunknown  pending\n\nsodium  140",
        "Name and MRN were asked.\nThe patient  had  12",
    ],
)
def test_other_tables_are_left_alone(text):
    assert found(text) == []
