import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.text.roster import names_roster, roster_of

PATIENT = {
    "resourceType": "Patient",
    "name": [{"family": "O'Sullivan", "given": ["Maeve", "Niamh"]}],
    "birthDate": "1961-04-02",
    "identifier": [
        {"system": "urn:north:mrn", "value": "6116957"},
        {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "457-46-3651"},
        {"type": {"coding": [{"code": "DL"}]}, "value": "S99912345"},
        {"system": "urn:x", "value": "12"},
    ],
    "telecom": [{"system": "phone", "value": "972-402-4207"}, {"system": "email", "value": "maeve@example.org"}],
    "address": [{"line": ["2232 Harrow Close"], "city": "Brackley", "state": "IL", "postalCode": "62704"}],
}
ROSTER = roster_of(PATIENT)


def found(roster, text):
    results = sorted(roster.analyze(text, []), key=lambda r: r.start)
    return [(text[r.start : r.end], r.entity_type) for r in results]


@pytest.mark.parametrize(
    ("spelling", "category"),
    [
        ("Maeve O'Sullivan", "NAME"),
        ("Maeve N. O’Sullivan", "NAME"),
        ("Maeve Niamh O'Sullivan", "NAME"),
        ("O'Sullivan, Maeve", "NAME"),
        ("O'SULLIVAN, MAEVE N", "NAME"),
        ("M. O'Sullivan", "NAME"),
        ("M.N. O'Sullivan", "NAME"),
        ("M.O.", "NAME"),
        ("O'Sullivan", "NAME"),
        ("MAEVE", "NAME"),
        ("611-6957", "MRN"),
        ("6116957", "MRN"),
        ("457463651", "SSN"),
        ("457 46 3651", "SSN"),
        ("S99912345", "LICENSE"),
        ("(972) 402-4207", "PHONE"),
        ("972.402.4207", "PHONE"),
        ("9724024207", "PHONE"),
        ("MAEVE@example.org", "EMAIL"),
        ("2232 Harrow Close", "ADDRESS"),
        ("Brackley", "ADDRESS"),
        ("62704-1234", "ADDRESS"),
        ("4/2/61", "DATE"),
        ("04/02/1961", "DATE"),
        ("02.04.1961", "DATE"),
        ("1961-04-02", "DATE"),
        ("19610402", "DATE"),
        ("April 2nd, 1961", "DATE"),
        ("2 Apr 1961", "DATE"),
        ("02APR1961", "DATE"),
        ("2nd of April '61", "DATE"),
        ("040261", "DATE"),
        ("1961/4/2", "DATE"),
        ("maeve o'sullivan", "NAME"),
        ("O'SULLIVAN^MAEVE^NIAMH", "NAME"),
        ("OSullivan,Maeve", "NAME"),
        ("Maeve O Sullivan", "NAME"),
        ("Máeve O’Sulli-\nvan", "NAME"),
        ("Maeve\nO'Sullivan", "NAME"),
        ("maeve", "NAME"),
        ("MRN6116957", "MRN"),
        ("006116957", "MRN"),
        ("457-46-\n3651", "SSN"),
        ("402-4207", "PHONE"),
        ("+1 (972) 402 4207", "PHONE"),
        ("maeve (at) example (dot) org", "EMAIL"),
        ("2232 HARROW CLOSE", "ADDRESS"),
        ("2232 Harrow", "ADDRESS"),
    ],
)
def test_each_spelling_is_found(spelling, category):
    assert (spelling, category) in found(ROSTER, f"seen: {spelling} today")


@pytest.mark.parametrize(
    "text",
    [
        "mauve is lower case",
        "an Asullivan",
        "code 12",
        "phone 972-402-4208",
        "on 04/03/1961",
        "id 61169570",
        "402 4208",
        "2233 Harrow",
        "April 3, 1961",
        "MO",
        "M.D.",
    ],
)
def test_what_is_not_the_patient_is_left_alone(text):
    assert found(ROSTER, text) == []


def test_a_name_that_is_an_eponym_before_its_noun_is_left_alone():
    roster = roster_of({"name": [{"family": "Foley", "given": ["Ana"]}]})
    text = "Foley catheter placed; ANA titer; Foley slept. Ana too."
    assert found(roster, text) == [("Foley", "NAME"), ("Ana", "NAME")]
    assert roster.analyze(text, [])[0].start == text.index("Foley slept")


def test_missing_and_strange_elements_are_no_error():
    assert found(roster_of({"birthDate": "1961-13", "name": [{"given": ["."]}]}), "anything 1961-13") == []


def test_words_of_a_name_from_the_same_note():
    assert found(names_roster(["Dr. Ingrid Halvorsen's"]), "Then Halvorsen spoke to Ingrid. Dr. is a title.") == [
        ("Halvorsen", "NAME"),
        ("Ingrid", "NAME"),
    ]


def test_a_name_found_in_lower_case_counts_in_lower_case():
    note = "then halvorsen spoke; the long note; halvorsen, ingrid"
    assert [word for word, _ in found(names_roster(["ingrid halvorsen", "Long"]), note)] == [
        "halvorsen",
        "halvorsen, ingrid",
    ]
    assert found(names_roster(["Halvorsen"]), "then halvorsen spoke") == []


# Names that are words: marked where they are a name, with the same word nearby where it is none.
WORDS = [
    ("Long", "Ida", "A long history; Mr. {Long} reports pain. Long arm cast. We told {Long} to rest. Long-term care."),
    ("Young", "Ida", "A young man. Young women. {Ida Young} was seen; {Young, Ida}; {I. Young}. Young's modulus."),
    ("Brown", "Ida", "Brown discharge, brown sputum. Then {Brown} denies fever. BROWN DISCHARGE. MS. {BROWN} left."),
    ("Pain", "Ida", "PAIN: none. Pain is worse. Severe Pain today. Mrs. {Pain} said so."),
    ("May", "Ida", "May repeat in May 2019. It may be. In May she fell. {Ida May} left. {May} reports pain."),
    ("Bell", "Ida", "Bell palsy; Bell's palsy. Dr. {Bell} saw her."),
    ("Down", "Ida", "Down syndrome. Sat down. Down to 5 mg. Patient {Down} slept."),
    ("Parkinson", "Ida", "Has Parkinson disease and a history of Parkinson's. Ms. {Parkinson} walked."),
    ("Okafor", "Will", "She will return. Will recheck. {Will} reports pain. {Will Okafor} left; {will okafor} too."),
    ("Okafor", "Grace", "By the grace of. Grace period. With {Grace} at home; {Grace} denies pain."),
]


@pytest.mark.parametrize(("family", "given", "marked"), WORDS)
def test_a_name_that_is_a_word_is_found_where_it_is_a_name(family, given, marked):
    roster = roster_of({"name": [{"family": family, "given": [given]}]})
    text, spans = marked.replace("{", "").replace("}", ""), []
    for piece in marked.split("{")[1:]:
        spans.append(piece.split("}")[0])
    results = sorted((r.start, r.end) for r in roster.analyze(text, []))
    assert [text[a:b] for a, b in results] == spans
    places = [marked.index("{" + spans[0])] if spans else []
    assert not places or results[0][0] == places[0]


@pytest.mark.parametrize(
    ("given", "family", "text"),
    [
        ("William", "Okafor", "Bill Okafor"),
        ("Elizabeth", "Okafor", "Liz"),
        ("Beth", "Okafor", "Elizabeth"),
        ("Francisco", "Núñez", "Paco Nunez"),
        ("Anne-Marie", "García-López", "Anne Marie Garcia Lopez"),
        ("Anne-Marie", "García-López", "ANNE GARCIA"),
        ("José", "Müller", "Jose\u0301 Muller"),
        ("Xian", "van der Berg", "VAN DER BERG, XIAN"),
        ("Xian", "van der Berg", "Mr. X. van der Berg"),
        ("Adaeze", "Okafor", "adaezeokafor"),
        ("Adaeze", "Okafor", 'Adaeze "Ada" Okafor'),
    ],
)
def test_nicknames_accents_and_double_names(given, family, text):
    roster = roster_of({"name": [{"family": family, "given": [given]}]})
    name = text.removeprefix("Mr. ")
    spans = [text[r.start : r.end] for r in roster.analyze(text, [])]
    assert name.startswith(spans[0]) if "Ada" in text else spans == [name]


def test_initials_need_points_or_a_word_before_them():
    roster = roster_of({"name": [{"family": "Osman", "given": ["Peter"]}]})
    text = "P.O. daily. Pt P.O. slept. pt PO said so. Aspirin PO. Note by X.O."
    assert [r.start for r in roster.analyze(text, [])] == [text.index("P.O. slept"), text.index("PO said")]


def test_relatives_doctors_earlier_names_photographs_and_death_are_known():
    roster = roster_of(
        {
            "name": [{"family": "Osman", "given": ["Aisha"]}, {"use": "maiden", "family": "Tembo"}, {"text": "Zuri K"}],
            "contact": [
                {
                    "name": {"family": "Mwangi", "given": ["Juma"]},
                    "telecom": [{"system": "phone", "value": "02079460958"}],
                }
            ],
            "generalPractitioner": [{"display": "Dr. Ngozi Achebe, MD"}],
            "link": [{"other": {"display": "Osman, Halima"}}],
            "photo": [{"url": "https://x.example/face_8841.jpg"}],
            "deceasedDateTime": "2020-02-29T10:00:00Z",
            "extension": [{"url": "x/patient-mothersMaidenName", "valueString": "Wanjiru"}],
        }
    )
    text = "Tembo; Zuri; Juma at 020 7946 0958; Achebe; Halima; Wanjiru; face_8841.jpg; died 2/29/20. Dr. and MD stay."
    assert [t for t, _ in found(roster, text)] == [
        "Tembo", "Zuri", "Juma", "020 7946 0958", "Achebe", "Halima", "Wanjiru", "face_8841.jpg", "2/29/20",
    ]  # fmt: skip


def test_strange_types_in_a_resource_are_no_error():
    odd = {
        "name": {"family": "Osman"},
        "contact": [None, {"name": {}}],
        "identifier": [{"value": None}],
        "address": "x",
    }
    assert found(roster_of(odd), "Osman came") == [("Osman", "NAME")]


@given(
    st.sampled_from(["Okonkwo", "O'Sullivan", "García-López", "Nguyễn"]), st.sampled_from([str, str.upper, str.title])
)
def test_a_name_is_found_in_any_case_and_nothing_else_is(family, spell):
    roster = roster_of({"name": [{"family": family, "given": ["Zuri"]}]})
    assert found(roster, f"Today {spell(family)} slept well") == [(spell(family), "NAME")]
