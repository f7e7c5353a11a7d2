import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.extraction.sections import find_sections, heading_end, section_status
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
        ("Medical Zebra Treatment: none", []),
        ("HPI - she has had a cough: dry, at night", [("HPI", "genhx")]),
        ("ALLERGIES   none known", [("ALLERGIES", "allergy")]),
        ("- Allergies: none\n- Meds: aspirin", [("Allergies", "allergy"), ("Meds", "medications")]),
        ("EXAM\nwell\n- Examination: of the knee", [("EXAM", "exam")]),
        ("past medical history\ngout", [("past medical history", "pastmedicalhx")]),
        ("He has a cough\nhistory\nof gout", []),
        ("Prior Surgical Procedures: none", [("Prior Surgical Procedures", "procedures")]),
        ("He is well.\n\nBrief Exam Findings\nnormal", [("Brief Exam Findings", "")]),
        ("He had surgery and\nHome Drug List\nwas lost", []),
        ("", []),
    ],
)
def test_headings_are_found_in_every_layout(text, expected):
    assert labels(text) == expected


def test_an_unknown_heading_ends_a_family_history_but_not_an_examination():
    assert labels("FAMILY HISTORY: gout\nODDITIES: asthma")[-1] == ("ODDITIES", "")
    assert labels("EXAM: well\nODDITIES: none") == [("EXAM", "exam")]


def test_only_some_headings_speak_of_their_content():
    said = {
        section.heading: section_status(section) for section in find_sections("PMH: a\nFH: b\nSHx: c\nAllergies: d")
    }
    assert said == {"PMH": "historical", "FH": "family", "SHx": "present", "Allergies": "conditional"}


def test_an_administrative_line_does_not_swallow_the_note():
    text = "Patient Name: A B\nHe has a cough."
    assert [text[section.start : section.end] for section in find_sections(text)] == ["Patient Name: A B"]


def test_a_heading_opens_one_kind_of_section():
    names = [name for row in table("sections")["section"] for name in row["names"]]
    assert len(names) == len(set(names))
    assert not set(names) & set(table("sections")["inherit"])


@given(st.lists(st.sampled_from(["PMH", "Plan", ":", "# ", "\n", "\r\n", " - ", "\t", "  ", "- ", "x", ".", "\x00"])))
@settings(max_examples=200, deadline=None)
def test_sections_lie_in_the_text_one_behind_the_other(pieces):
    text = "".join(pieces)
    end = 0
    for section in find_sections(text):
        assert end <= section.start < section.end <= len(text)
        assert text[section.start : heading_end(section)] == section.heading
        end = section.end


def test_a_composed_past_history_is_past():
    assert {section_status(section) for section in find_sections("Pertinent Past Illnesses: gout")} == {"historical"}
