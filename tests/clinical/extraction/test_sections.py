import pytest

from clinical.extraction.sections import find_sections, section_status
from clinical.extraction.words import table


def labels(text):
    return [(section.heading, section.label) for section in find_sections(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PMH: htn, dm. Meds: lisinopril", [("PMH", "pastmedicalhx"), ("Meds", "medications")]),
        ("# Allergies\nnone\n## Unheard of\nx", [("Allergies", "allergy"), ("Unheard of", "")]),
        ("FAMILY HISTORY\nMother with gout", [("FAMILY HISTORY", "fam/sochx")]),
        ("Hospital Course\nUneventful.", [("Hospital Course", "hospitalcourse")]),
        ("2. Assessment & Plan: gout", [("Assessment & Plan", "assessment")]),
        ("Impression - gout", [("Impression", "assessment")]),
        ("PHYSICAL EXAM:\nHEENT: normal\nLUNGS: clear", [("PHYSICAL EXAM", "exam")]),
        ("he follows a plan: walk daily", []),
        ("", []),
    ],
)
def test_headings_are_found_in_every_layout(text, expected):
    assert labels(text) == expected


def test_an_unknown_heading_ends_a_family_history_but_not_an_examination():
    assert labels("FAMILY HISTORY: gout\nODDITIES: asthma")[-1] == ("ODDITIES", "")
    assert labels("EXAM: well\nODDITIES: none") == [("EXAM", "exam")]


def test_only_some_headings_speak_of_their_content():
    said = {section.heading: section_status(section) for section in find_sections("PMH: a\nFH: b\nSocial History: c")}
    assert said == {"PMH": "historical", "FH": "family", "Social History": "present"}


def test_an_administrative_line_does_not_swallow_the_note():
    text = "Patient Name: A B\nHe has a cough."
    assert [text[section.start : section.end] for section in find_sections(text)] == ["Patient Name: A B"]


def test_a_heading_opens_one_kind_of_section():
    names = [name for row in table("sections")["section"] for name in row["names"]]
    assert len(names) == len(set(names))
    assert not set(names) & set(table("sections")["inherit"])
