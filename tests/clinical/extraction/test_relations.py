import pytest

from clinical.entities.component import Tagged
from clinical.extraction import build_pipeline, read_note
from clinical.extraction.pipeline import RULES


def relations(text):
    return [(own.kind, text[own.head_start : own.head_end], own.value) for own in read_note(text).relations]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "amoxicillin 500 mg PO TID for 10 days",
            [
                ("dose", "amoxicillin", "500"),
                ("unit", "amoxicillin", "mg"),
                ("route", "amoxicillin", "oral"),
                ("frequency", "amoxicillin", "tid"),
                ("duration", "amoxicillin", "10 days"),
            ],
        ),
        ("K 5.2 H (3.5-5.1)", [("value", "K", "5.2"), ("flag", "K", "high"), ("range", "K", "3.5-5.1")]),
        ("Cough and fever for 3 days.", [("time", "Cough", "3 days"), ("time", "fever", "3 days")]),
        ("Stroke in 2015, appendectomy 1998.", [("time", "Stroke", "2015"), ("time", "appendectomy", "1998")]),
        ("Swelling of the right lower leg.", [("site", "Swelling", "right lower leg")]),
        ("A left hip fracture.", [("site", "hip fracture", "left")]),
        ("He feels all right. Cough.", []),
        ("Prednisone was then given for 5 days.", [("duration", "Prednisone", "5 days")]),
        ("", []),
    ],
)
def test_what_belongs_together(text, expected):
    assert relations(text) == expected


def test_offsets_are_of_the_words_themselves():
    text = "Lasix 40 mg by mouth twice a day"
    said = {own.kind: text[own.tail_start : own.tail_end] for own in read_note(text).relations}
    assert said == {"dose": "40", "unit": "mg", "route": "by mouth", "frequency": "twice a day"}


def test_what_a_tagger_found_is_linked_too():
    nlp = build_pipeline()
    text = "The creatinine came back today at a worrying 2.1, he is well."
    doc = nlp.make_doc(text)
    for name in RULES[:-1]:
        doc = nlp.get_pipe(name)(doc)
    start = text.index("2.1")
    doc._.attributes_found = (Tagged(start, start + 3, "2.1", "value"), Tagged(start, start + 3, "2.1", "severity"))
    found = nlp.get_pipe("clinical_relations")(doc)._.relations
    assert [(own.kind, own.tail_start, own.value) for own in found if own.kind == "value"] == [("value", start, "2.1")]
