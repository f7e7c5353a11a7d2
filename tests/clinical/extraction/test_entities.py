from collections import Counter

import pytest

from clinical.extraction import read_note
from clinical.extraction.entities import dictionary
from clinical.extraction.words import table


def found(text):
    return [(mention.text, mention.kind, mention.concept) for mention in read_note(text).mentions]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Known heart attack.", [("heart attack", "problem", "myocardial infarction")]),
        ("Crohn's disease", [("Crohn's disease", "problem", "crohn disease")]),
        ("She has been having chest\n  pain.", [("chest\n  pain", "finding", "chest pain")]),
        ("Cough\n- Pain", [("Cough", "finding", "cough"), ("Pain", "finding", "pain")]),
        ("Two ovarian cysts", [("ovarian cysts", "problem", "ovarian cyst")]),
        ("She has RA.", [("RA", "problem", "rheumatoid arthritis")]),
        ("98% on RA", [("on RA", "finding", "breathing room air")]),
        ("SpO2 97% RA", [("SpO2", "test", "oxygen saturation")]),
        ("Deposit ra or as is, all in all.", []),
        ("ALL PATIENTS AS ABOVE OR BELOW.", []),
        ("MR212833", []),
        ("K 5.2", [("K", "test", "potassium")]),
        ("Vitamin of the K kind", []),
        ("G2P1 at term, G3P2012, P1 priority, P: 1.", []),
        ("Stage T2 N0, T: 2 days, R 4th day, R 20/40, T 38 weeks.", []),
        ("In 24 hr, 25 mcg/hr, 2 hr 30 min.", []),
        ("P88", [("P", "test", "heart rate")]),
        ("hr 60", [("hr", "test", "heart rate")]),
        (
            "P 88/min, R: 18, T 37.2 C",
            [("P", "test", "heart rate"), ("R", "test", "respiratory rate"), ("T", "test", "temperature")],
        ),
        ("Na 140/K 4.2", [("Na", "test", "sodium"), ("K", "test", "potassium")]),
        (
            "FATHER HAD MI, NO CAD.",
            [("MI", "problem", "myocardial infarction"), ("CAD", "problem", "coronary artery disease")],
        ),
        ("ANN ARBOR, MI 48109", []),
        ("MS: as above.", []),
        ("She has MS.", [("MS", "problem", "multiple sclerosis")]),
        ("tylenol #3", [("tylenol #3", "medication", "codeine")]),
        (
            "Non-HDL 178, INR 2.1",
            [("Non-HDL", "test", "non-hdl cholesterol"), ("INR", "test", "international normalized ratio")],
        ),
        (
            "Foley removed after pacemaker placement.",
            [("Foley", "device", "foley catheter"), ("pacemaker placement", "procedure", "pacemaker placement")],
        ),
        ("type 2 diabetes mellitus", [("type 2 diabetes mellitus", "problem", "type 2 diabetes mellitus")]),
    ],
)
def test_names_in_the_text(text, expected):
    assert found(text) == expected


def test_a_heading_is_no_mention():
    assert found("ALLERGIES: penicillin") == [("penicillin", "medication", "penicillin")]


def test_the_dictionary_is_broad_and_says_one_thing_of_each_name():
    least = {"problem": 350, "finding": 250, "medication": 300, "test": 120, "procedure": 80, "device": 50}
    least["anatomy"] = 100
    assert {kind: len(table("entities")[kind]) >= number for kind, number in least.items()} == dict.fromkeys(
        least, True
    )
    written = [name.strip() for kind in least for row in table("entities")[kind] for name in row.split("|")]
    assert [name for name, count in Counter(written).items() if count > 1 or not name] == []
    assert len({name.concept for name in dictionary().values()}) == sum(len(table("entities")[kind]) for kind in least)
